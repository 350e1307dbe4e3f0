//! `cluster.json`: who the replicas are before the log can say so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

use crate::membership::{Member, MemberKind};

/// The cluster as its certificates were made for it. Once the cluster exists, the membership in the log takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    /// 16 random bytes as 32 hexadecimal digits; frames of any other cluster are refused.
    pub cluster_id: String,
    /// Every replica, this one included.
    pub replicas: Vec<ReplicaAddress>,
}

/// Where one replica listens and how it is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaAddress {
    /// Its name: a number that stays with it. The Raft id of a first member equals it; see [`crate::membership`].
    pub id: ReplicaId,
    /// `host:port`.
    pub address: String,
    /// SHA-256 of its certificate's DER, 64 hexadecimal digits.
    pub fingerprint: String,
    /// What it is for; a full replica where the file does not say.
    #[serde(default, skip_serializing_if = "is_full")]
    pub kind: MemberKind,
}

/// Why `cluster.json` was refused.
#[derive(Debug, thiserror::Error)]
pub enum ClusterFileError {
    /// It could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not the JSON that was expected.
    #[error("{path} is not a cluster file")]
    Json {
        /// The file.
        path: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The id is not 32 hexadecimal digits.
    #[error("cluster_id is {found:?}, expected 32 hexadecimal digits")]
    ClusterId {
        /// What it is.
        found: String,
    },
    /// A fingerprint is not 64 hexadecimal digits.
    #[error("fingerprint of replica {replica} is {found:?}, expected 64 hexadecimal digits")]
    Fingerprint {
        /// Whose.
        replica: ReplicaId,
        /// What it is.
        found: String,
    },
    /// Two replicas share an id, an address or a fingerprint, or there is none.
    #[error("replicas must be at least one, with distinct ids, addresses and fingerprints")]
    NotDistinct,
}

impl ClusterFile {
    /// Reads and checks a cluster file.
    ///
    /// # Errors
    /// [`ClusterFileError`] names the file, the field and what was expected.
    pub fn load(path: &Path) -> Result<Self, ClusterFileError> {
        let name = path.display().to_string();
        let text = std::fs::read(path).map_err(|source| ClusterFileError::Read { path: name.clone(), source })?;
        Self::parse(&text, name)
    }

    /// Reads and checks the contents of the file at `path`.
    pub(crate) fn parse(text: &[u8], path: String) -> Result<Self, ClusterFileError> {
        let file: Self = serde_json::from_slice(text).map_err(|source| ClusterFileError::Json { path, source })?;
        file.cluster_id_bytes()?;
        file.members()?;
        Ok(file)
    }

    /// The entry of one replica.
    pub fn replica(&self, id: ReplicaId) -> Option<&ReplicaAddress> {
        self.replicas.iter().find(|replica| replica.id == id)
    }

    pub(crate) fn cluster_id_bytes(&self) -> Result<[u8; 16], ClusterFileError> {
        let mut id = [0; 16];
        let refused = |_| ClusterFileError::ClusterId { found: self.cluster_id.clone() };
        hex::decode_to_slice(&self.cluster_id, &mut id).map_err(refused)?;
        Ok(id)
    }

    /// The first members by Raft id, which is their name.
    pub(crate) fn members(&self) -> Result<BTreeMap<u64, Member>, ClusterFileError> {
        let mut members = BTreeMap::new();
        for replica in &self.replicas {
            let mut fingerprint = [0; 32];
            hex::decode_to_slice(&replica.fingerprint, &mut fingerprint)
                .map_err(|_| ClusterFileError::Fingerprint { replica: replica.id, found: replica.fingerprint.clone() })?;
            let member = Member { name: replica.id, address: replica.address.clone(), fingerprint, kind: replica.kind };
            members.insert(replica.id.get(), member);
        }
        let addresses: BTreeSet<_> = members.values().map(|member| &member.address).collect();
        let fingerprints: BTreeSet<_> = members.values().map(|member| &member.fingerprint).collect();
        let count = self.replicas.len();
        if count == 0 || [members.len(), addresses.len(), fingerprints.len()] != [count; 3] {
            return Err(ClusterFileError::NotDistinct);
        }
        Ok(members)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_full(kind: &MemberKind) -> bool {
    *kind == MemberKind::Full
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> ClusterFile {
        let replica = |id: u64| ReplicaAddress {
            id: ReplicaId::new(id),
            address: format!("127.0.0.1:{id}"),
            fingerprint: format!("{id:064x}"),
            kind: MemberKind::Full,
        };
        ClusterFile { cluster_id: "00112233445566778899aabbccddeeff".to_owned(), replicas: (1..=3).map(replica).collect() }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cluster.json");
        std::fs::write(&path, serde_json::to_vec(&file()).unwrap()).unwrap();
        assert_eq!(ClusterFile::load(&path).unwrap(), file());
    }

    #[test]
    fn bad_ids_and_shared_entries_are_refused() {
        let mut bad = file();
        bad.cluster_id.pop();
        assert!(matches!(bad.cluster_id_bytes(), Err(ClusterFileError::ClusterId { .. })));
        let mut bad = file();
        bad.replicas[0].fingerprint.push('0');
        assert!(matches!(bad.members(), Err(ClusterFileError::Fingerprint { replica, .. }) if replica == ReplicaId::new(1)));
        let mut bad = file();
        bad.replicas[1].fingerprint = bad.replicas[0].fingerprint.clone();
        assert!(matches!(bad.members(), Err(ClusterFileError::NotDistinct)));
        let mut bad = file();
        bad.replicas.clear();
        assert!(matches!(bad.members(), Err(ClusterFileError::NotDistinct)));
    }
}
