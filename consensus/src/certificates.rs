//! Making the certificates of a new cluster. The CA's key stays with the operator, off the replicas.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ollin_protocol::units::ReplicaId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::cluster_file::{ClusterFile, ClusterFileError, ReplicaAddress};
use crate::transport::{fingerprint, server_name};

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Why certificates were not made.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// Something is there already; nothing is ever overwritten.
    #[error("{path} exists already")]
    Exists {
        /// The file or directory.
        path: PathBuf,
    },
    /// A file or directory cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An address is not `host:port`.
    #[error("address of replica {replica} is {found:?}, expected host:port")]
    Address {
        /// Whose.
        replica: ReplicaId,
        /// What it is.
        found: String,
    },
    /// The replicas cannot form a cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterFileError),
    /// A certificate cannot be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
}

/// Makes a CA and one certificate per replica below `out`: `ca-key.pem`, `ca.pem`, and `replica-ID/` with `cluster.json`, `ca.pem`,
/// `cert.pem` and `key.pem`, which is what that replica gets. Keys are readable by their owner alone.
///
/// # Errors
/// [`CertificatesError`]; what was written before it stays, and must be removed by hand.
pub fn create(out: &Path, replicas: &[(ReplicaId, String)]) -> Result<ClusterFile, CertificatesError> {
    for (replica, address) in replicas {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(CertificatesError::Address { replica: *replica, found: address.clone() });
        }
    }
    let ca_key = KeyPair::generate()?;
    let authority = authority()?;
    let ca = authority.self_signed(&ca_key)?.pem();
    let issuer = Issuer::from_params(&authority, &ca_key);
    let mut leaves = Vec::new();
    let mut cluster = ClusterFile { cluster_id: hex::encode(rand::random::<[u8; 16]>()), replicas: Vec::new() };
    for (replica, address) in replicas {
        let key = KeyPair::generate()?;
        let certificate = leaf(*replica)?.signed_by(&key, &issuer)?;
        let fingerprint = hex::encode(fingerprint(certificate.der()));
        cluster.replicas.push(ReplicaAddress { id: *replica, address: address.clone(), fingerprint });
        leaves.push((*replica, certificate.pem(), key.serialize_pem()));
    }
    cluster.members()?;
    let json = serde_json::to_string_pretty(&cluster).map_or_else(|_| String::new(), |json| json + "\n");

    make_directory(out)?;
    write(&out.join("ca-key.pem"), SECRET, &ca_key.serialize_pem())?;
    write(&out.join("ca.pem"), PUBLIC, &ca)?;
    for (replica, certificate, key) in leaves {
        let directory = out.join(format!("replica-{replica}"));
        if directory.exists() {
            return Err(CertificatesError::Exists { path: directory });
        }
        make_directory(&directory)?;
        write(&directory.join("cluster.json"), PUBLIC, &json)?;
        write(&directory.join("ca.pem"), PUBLIC, &ca)?;
        write(&directory.join("cert.pem"), PUBLIC, &certificate)?;
        write(&directory.join("key.pem"), SECRET, &key)?;
    }
    Ok(cluster)
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = name("ollin cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn leaf(replica: ReplicaId) -> Result<CertificateParams, rcgen::Error> {
    let name_in_certificate = server_name(replica.get());
    let mut params = CertificateParams::new(vec![name_in_certificate.clone()])?;
    params.distinguished_name = name(&name_in_certificate);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn make_directory(path: &Path) -> Result<(), CertificatesError> {
    fs::create_dir_all(path).map_err(|source| CertificatesError::Write { path: path.to_owned(), source })
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), CertificatesError> {
    let failed = |source: std::io::Error| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            CertificatesError::Exists { path }
        } else {
            CertificatesError::Write { path, source }
        }
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn replicas() -> Vec<(ReplicaId, String)> {
        (1..=3).map(|id| (ReplicaId::new(id), format!("127.0.0.1:{}", 4000 + id))).collect()
    }

    #[test]
    fn each_replica_gets_its_files_and_only_the_operator_the_ca_key() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("cluster");
        let cluster = create(&out, &replicas()).unwrap();
        for (replica, address) in replicas() {
            let files = out.join(format!("replica-{replica}"));
            assert_eq!(ClusterFile::load(&files.join("cluster.json")).unwrap(), cluster);
            assert_eq!(cluster.replica(replica).unwrap().address, address);
            assert_eq!(fs::metadata(files.join("key.pem")).unwrap().permissions().mode() & 0o777, SECRET);
            assert!(!files.join("ca-key.pem").exists());
            let identity = crate::transport::TlsIdentity::load(&files).unwrap();
            assert_eq!(hex::encode(identity.fingerprint()), cluster.replica(replica).unwrap().fingerprint);
        }
        assert_eq!(fs::metadata(out.join("ca-key.pem")).unwrap().permissions().mode() & 0o777, SECRET);
    }

    #[test]
    fn nothing_is_overwritten_and_bad_addresses_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        create(directory.path(), &replicas()).unwrap();
        assert!(matches!(create(directory.path(), &replicas()), Err(CertificatesError::Exists { .. })));
        for address in ["host", "host:", ":1", "host:0", "host:70000"] {
            let bad = [(ReplicaId::new(1), address.to_owned())];
            assert!(matches!(create(&directory.path().join("x"), &bad), Err(CertificatesError::Address { .. })), "{address}");
        }
        let twice = [(ReplicaId::new(1), "a:1".to_owned()), (ReplicaId::new(1), "a:2".to_owned())];
        assert!(matches!(create(&directory.path().join("x"), &twice), Err(CertificatesError::Cluster(_))));
    }
}
