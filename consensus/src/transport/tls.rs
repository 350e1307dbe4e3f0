//! Certificates in use: the CA's signature and the membership's fingerprint, both.

use std::path::Path;
use std::sync::Arc;

use ollin_guard::{Fault, planted};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, version};
use sha2::{Digest, Sha256};

/// The protocol negotiated under TLS.
const ALPN: &[u8] = b"h2";

/// Why certificates or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{file} holds no usable {what}")]
    Pem {
        /// The file's name.
        file: &'static str,
        /// What was looked for.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// rustls refused them.
    #[error("the replica's certificate and key cannot be used")]
    Rustls(#[from] rustls::Error),
    /// The CA cannot be used as a root.
    #[error("ca.pem cannot be used as a root")]
    Root(#[from] rustls::server::VerifierBuilderError),
}

/// SHA-256 of a certificate's DER.
pub type Fingerprint = [u8; 32];

pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Sha256::digest(certificate).into()
}

/// The name in a replica's certificate. It binds the id; the address may change.
pub(crate) fn server_name(replica: u64) -> String {
    format!("replica-{replica}.ollin.internal")
}

/// This replica's certificate and key, and the CA.
pub(crate) struct TlsIdentity {
    roots: Arc<RootCertStore>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl TlsIdentity {
    /// Reads `ca.pem`, `cert.pem` and `key.pem`.
    pub(crate) fn load(directory: &Path) -> Result<Self, TlsError> {
        let certificate = |file| {
            let read = CertificateDer::from_pem_file(directory.join(file));
            read.map_err(|source| TlsError::Pem { file, what: "certificate", source })
        };
        let key = PrivateKeyDer::from_pem_file(directory.join("key.pem"));
        let key = key.map_err(|source| TlsError::Pem { file: "key.pem", what: "private key", source })?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate("ca.pem")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(Self { roots: Arc::new(roots), certificate: certificate("cert.pem")?, key, provider })
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.certificate)
    }

    pub(super) fn server(&self) -> Result<ServerConfig, TlsError> {
        let roots = Arc::clone(&self.roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&self.provider)).build()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(&[&version::TLS13])?.with_client_cert_verifier(verifier);
        let mut config = builder.with_single_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }

    /// Accepts exactly one certificate: the CA's signature, the replica's name, and the fingerprint.
    pub(super) fn client(&self, pin: Fingerprint) -> Result<ClientConfig, TlsError> {
        let roots = Arc::clone(&self.roots);
        let webpki = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider)).build()?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(&[&version::TLS13])?.dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(PinnedVerifier { webpki, pin }));
        let mut config = builder.with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

/// The usual verification, and then the fingerprint.
#[derive(Debug)]
struct PinnedVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    pin: Fingerprint,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.webpki.verify_server_cert(certificate, intermediates, name, ocsp, now)?;
        if fingerprint(certificate) != self.pin && !planted(Fault::CertificateNotPinned) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
