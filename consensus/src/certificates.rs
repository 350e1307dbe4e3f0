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
use crate::membership::MemberKind;
use crate::transport::{fingerprint, server_name};

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const CA: &str = "ca.pem";
const CLUSTER: &str = "cluster.json";

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
    /// A file of the cluster cannot be read.
    #[error("cannot read {path}: it is written when the cluster's certificates are first made")]
    Read {
        /// The file.
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

/// A replica that needs a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReplica {
    /// Its name.
    pub replica: ReplicaId,
    /// Where the others reach it, `host:port`.
    pub address: String,
    /// What it is for.
    pub kind: MemberKind,
}

impl NewReplica {
    /// One that holds keys.
    pub const fn full(replica: ReplicaId, address: String) -> Self {
        Self { replica, address, kind: MemberKind::Full }
    }

    fn check(&self) -> Result<(), CertificatesError> {
        let port = self.address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if matches!(port, Some(Ok(1..))) {
            return Ok(());
        }
        Err(CertificatesError::Address { replica: self.replica, found: self.address.clone() })
    }
}

/// Makes a CA and one certificate per replica below `out`: `ca-key.pem`, `ca.pem`, `cluster.json`, and `replica-ID/` with
/// `cluster.json`, `ca.pem`, `cert.pem` and `key.pem`, which is what that replica gets. Keys are readable by their owner alone.
///
/// # Errors
/// [`CertificatesError`]; what was written before it stays, and must be removed by hand.
pub fn create(out: &Path, replicas: &[NewReplica]) -> Result<ClusterFile, CertificatesError> {
    let ca_key = KeyPair::generate()?;
    let authority = authority()?;
    let ca = authority.self_signed(&ca_key)?.pem();
    let mut cluster = ClusterFile { cluster_id: hex::encode(rand::random::<[u8; 16]>()), replicas: Vec::new() };
    let leaves = issue(&mut cluster, replicas, &Issuer::from_params(&authority, &ca_key))?;
    make_directory(out)?;
    write(&out.join("ca-key.pem"), SECRET, &ca_key.serialize_pem())?;
    write(&out.join(CA), PUBLIC, &ca)?;
    write(&out.join(CLUSTER), PUBLIC, &json(&cluster))?;
    hand_out(out, &cluster, &ca, leaves)?;
    Ok(cluster)
}

/// Makes certificates for more replicas of a cluster whose `ca-key.pem`, `ca.pem` and `cluster.json` are in `out`. The folders of the
/// earlier replicas stay as they are: the members in the log take the place of their `cluster.json`.
///
/// # Errors
/// [`CertificatesError`]; what was written before it stays, and must be removed by hand.
pub fn extend(out: &Path, replicas: &[NewReplica]) -> Result<ClusterFile, CertificatesError> {
    let read = |file: &str| {
        let path = out.join(file);
        fs::read_to_string(&path).map_err(|source| CertificatesError::Read { path, source })
    };
    let mut cluster = ClusterFile::load(&out.join(CLUSTER))?;
    let (ca, ca_key) = (read(CA)?, KeyPair::from_pem(&read("ca-key.pem")?)?);
    let authority = authority()?;
    let leaves = issue(&mut cluster, replicas, &Issuer::from_params(&authority, &ca_key))?;
    hand_out(out, &cluster, &ca, leaves)?;
    let (path, fresh) = (out.join(CLUSTER), out.join("cluster.json.new"));
    write(&fresh, PUBLIC, &json(&cluster))?;
    fs::rename(&fresh, &path).map_err(|source| CertificatesError::Write { path, source })?;
    Ok(cluster)
}

/// A replica with its certificate and key, both PEM.
type Leaf = (ReplicaId, String, String);

/// Adds replicas to the cluster file and signs their certificates.
fn issue(
    cluster: &mut ClusterFile,
    replicas: &[NewReplica],
    issuer: &Issuer<'_, &KeyPair>,
) -> Result<Vec<Leaf>, CertificatesError> {
    let mut leaves = Vec::new();
    for new in replicas {
        new.check()?;
        let NewReplica { replica, address, kind } = new;
        let key = KeyPair::generate()?;
        let certificate = leaf(*replica)?.signed_by(&key, issuer)?;
        let fingerprint = hex::encode(fingerprint(certificate.der()));
        cluster.replicas.push(ReplicaAddress { id: *replica, address: address.clone(), fingerprint, kind: *kind });
        leaves.push((*replica, certificate.pem(), key.serialize_pem()));
    }
    cluster.members()?;
    Ok(leaves)
}

fn hand_out(out: &Path, cluster: &ClusterFile, ca: &str, leaves: Vec<Leaf>) -> Result<(), CertificatesError> {
    for (replica, certificate, key) in leaves {
        let directory = out.join(format!("replica-{replica}"));
        if directory.exists() {
            return Err(CertificatesError::Exists { path: directory });
        }
        make_directory(&directory)?;
        write(&directory.join(CLUSTER), PUBLIC, &json(cluster))?;
        write(&directory.join(CA), PUBLIC, ca)?;
        write(&directory.join("cert.pem"), PUBLIC, &certificate)?;
        write(&directory.join("key.pem"), SECRET, &key)?;
    }
    Ok(())
}

fn json(cluster: &ClusterFile) -> String {
    serde_json::to_string_pretty(cluster).map_or_else(|_| String::new(), |json| json + "\n")
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

    fn replicas() -> Vec<NewReplica> {
        (1..=3).map(|id| NewReplica::full(ReplicaId::new(id), format!("127.0.0.1:{}", 4000 + id))).collect()
    }

    fn new(id: u64, address: &str) -> NewReplica {
        NewReplica::full(ReplicaId::new(id), address.to_owned())
    }

    #[test]
    fn each_replica_gets_its_files_and_only_the_operator_the_ca_key() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("cluster");
        let cluster = create(&out, &replicas()).unwrap();
        for NewReplica { replica, address, .. } in replicas() {
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
            let bad = [new(1, address)];
            assert!(matches!(create(&directory.path().join("x"), &bad), Err(CertificatesError::Address { .. })), "{address}");
        }
        let twice = [new(1, "a:1"), new(1, "a:2")];
        assert!(matches!(create(&directory.path().join("x"), &twice), Err(CertificatesError::Cluster(_))));
    }

    #[test]
    fn a_later_replica_is_listed_with_the_first_ones_and_names_are_not_given_twice() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path();
        let first = create(out, &replicas()).unwrap();
        let witness = NewReplica { kind: MemberKind::Witness, ..new(4, "127.0.0.1:4004") };
        let extended = extend(out, &[witness]).unwrap();
        assert_eq!((&extended.cluster_id, &extended.replicas[..3]), (&first.cluster_id, &first.replicas[..]));
        assert_eq!(extended.replica(ReplicaId::new(4)).unwrap().kind, MemberKind::Witness);
        assert_eq!(ClusterFile::load(&out.join("replica-4/cluster.json")).unwrap(), extended);
        assert_eq!(ClusterFile::load(&out.join("replica-1/cluster.json")).unwrap(), first);
        assert!(matches!(extend(out, &[new(4, "127.0.0.1:4005")]), Err(CertificatesError::Cluster(_))));
        assert!(matches!(extend(out, &[new(5, "127.0.0.1:4004")]), Err(CertificatesError::Cluster(_))));
    }
}
