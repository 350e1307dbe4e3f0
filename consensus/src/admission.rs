//! Under which Raft id a new store may act: what the members say about this replica's certificate.
//!
//! A store that was just made holds nothing, and does not know whether it is the first of a new cluster, a new member's, or what is
//! left of a replica that has voted and promised before. It asks everyone in `cluster.json`, by certificate. As long as it has no
//! id it takes no part: see [`Enlistment`].

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::membership::{EnlistToken, Member, Retirement};
use crate::rules::{RulesVersion, Supported};
use crate::runtime;
use crate::state::State;
use crate::store::{Database, Identity, StoreError};

/// What one replica says about a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Testimony {
    /// The cluster that it belongs to, by its own `cluster.json`.
    pub(crate) cluster: [u8; 16],
    /// Whether it has a log: then there is a cluster.
    pub(crate) has_log: bool,
    pub(crate) standing: Standing,
    /// The members that it has applied, by Raft id; only for a member.
    pub(crate) members: BTreeMap<u64, Member>,
    /// Term and index of the entry that made them the members.
    pub(crate) set_by: Option<(u64, u64)>,
}

/// What a certificate is to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    Stranger,
    Member {
        id: u64,
        /// Whether no store has taken the id yet.
        open: bool,
    },
    Retired {
        id: u64,
        index: u64,
    },
}

/// The conclusion from all testimonies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Nobody who answers knows of a cluster: it may be created.
    Fresh,
    /// The replica was added, or renewed: this id waits for its store.
    Join {
        id: u64,
    },
    Refused(AdmissionRefusal),
}

/// Why an empty store may not take part. Each message names the way back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionRefusal {
    /// The replica has taken part before, with a store that is not this one.
    #[error(
        "the store of replica {replica} is empty, but it has taken part as Raft id {id}: what it promised then is forgotten. Bring it \
         back under a new Raft id: `ollin cluster heal {replica}` on any other replica; this one then joins by itself"
    )]
    Wiped {
        /// Its name.
        replica: ReplicaId,
        /// What it was.
        id: u64,
    },
    /// It was removed.
    #[error(
        "replica {replica} was removed from the cluster (Raft id {id}, at log index {index}). To take it in again: \
         `ollin cluster add {replica}` on a member; this one then joins by itself"
    )]
    Retired {
        /// Its name.
        replica: ReplicaId,
        /// What it was.
        id: u64,
        /// When it was removed.
        index: u64,
    },
    /// It was never added.
    #[error(
        "replica {replica} is no member of the cluster. To take it in: `ollin cluster add {replica}` on a member; this one then \
         joins by itself"
    )]
    Stranger {
        /// Its name.
        replica: ReplicaId,
    },
    /// Whoever answers has a log of another cluster: the replica's `cluster.json` is of a retired one.
    #[error(
        "cluster.json of replica {replica} says cluster {listed}, and the replicas in it are of cluster {found}. If that one goes on \
         in its place (`ollin cluster recover`), copy cluster.json from one of them, and start this replica again"
    )]
    OtherCluster {
        /// Its name.
        replica: ReplicaId,
        /// The cluster of its `cluster.json`.
        listed: String,
        /// Theirs.
        found: String,
    },
    /// Its program does not support the rules in force.
    #[error(
        "version {version} of the rules is in force, and the program of replica {replica} supports {supported}: start one that \
         supports it"
    )]
    Rules {
        /// Its name.
        replica: ReplicaId,
        /// The version.
        version: RulesVersion,
        /// What is supported.
        supported: Supported,
    },
    /// Another store has taken the id.
    #[error(
        "another store of replica {replica} has taken Raft id {id}, and this one is not it. If that store is lost, \
         `ollin cluster heal {replica}` on any other replica gives it a new one"
    )]
    Taken {
        /// Its name.
        replica: ReplicaId,
        /// The id.
        id: u64,
    },
}

impl Testimony {
    /// What a replica with this state says. Only what is applied counts: an id is reserved before its member enters.
    pub(crate) fn of(cluster: [u8; 16], state: &State, has_log: bool, fingerprint: &[u8; 32]) -> Self {
        let members = &state.membership().membership.members;
        let newest = members.iter().rfind(|(_, member)| member.fingerprint == *fingerprint).map(|(id, _)| *id);
        let standing = match (newest, state.roster().retired_certificate(fingerprint)) {
            (Some(id), _) => Standing::Member { id, open: state.roster().is_open(id) },
            (None, Some((id, Retirement { index, .. }))) => Standing::Retired { id, index: *index },
            (None, None) => Standing::Stranger,
        };
        let (members, set_by) =
            if newest.is_some() { (members.clone(), state.membership().set_by) } else { (BTreeMap::new(), None) };
        Self { cluster, has_log, standing, members, set_by }
    }
}

/// Concludes for the replica `name` of `cluster`. Some who answer may lag behind: the greatest id is the latest, and where two differ about one
/// id, being removed comes after being a member, and being taken after being open is decided by the log itself.
pub(crate) fn decide((cluster, name): ([u8; 16], ReplicaId), testimonies: &[Testimony]) -> Admission {
    let rank = |standing: &Standing| match standing {
        Standing::Stranger => (0, 0),
        Standing::Member { id, open: false } => (*id, 1),
        Standing::Member { id, open: true } => (*id, 2),
        Standing::Retired { id, .. } => (*id, 3),
    };
    let with_log = || testimonies.iter().filter(|one| one.has_log);
    let Some(latest) = with_log().filter(|one| one.cluster == cluster).max_by_key(|one| rank(&one.standing)) else {
        return with_log().next().map_or(Admission::Fresh, |other| {
            let (listed, found) = (hex::encode(cluster), hex::encode(other.cluster));
            Admission::Refused(AdmissionRefusal::OtherCluster { replica: name, listed, found })
        });
    };
    match latest.standing {
        Standing::Member { id, open: true } => Admission::Join { id },
        Standing::Member { open: false, .. } if planted(Fault::WipedIsFresh) => Admission::Fresh,
        Standing::Member { id, open: false } => Admission::Refused(AdmissionRefusal::Wiped { replica: name, id }),
        Standing::Retired { id, index } => Admission::Refused(AdmissionRefusal::Retired { replica: name, id, index }),
        Standing::Stranger => Admission::Refused(AdmissionRefusal::Stranger { replica: name }),
    }
}

/// Whether this process may act under its Raft id. Until then it serves no frame of Raft: an emptied store that voted under an old id
/// would vote twice (safety rule R6).
#[derive(Clone)]
pub(crate) struct Enlistment {
    /// Not kept open by this: the store closes when Raft ends.
    database: Weak<Database>,
    identity: Identity,
    done: Arc<watch::Sender<bool>>,
}

impl Enlistment {
    /// Of a store that knows its id, or, with `done` false, of one that does not.
    pub(crate) fn new(database: &Arc<Database>, identity: Identity, done: bool) -> Self {
        Self { database: Arc::downgrade(database), identity, done: Arc::new(watch::Sender::new(done)) }
    }

    pub(crate) fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Makes the id the store's own, durably. For the creation of a cluster; later members' ids come from the log.
    pub(crate) fn found(&self) -> Result<(), StoreError> {
        if !self.is_done() {
            self.database.upgrade().ok_or(StoreError::Closed)?.adopt(&self.identity)?;
            self.done.send_replace(true);
        }
        Ok(())
    }
}

/// A token for a new store.
pub(crate) fn new_token() -> EnlistToken {
    EnlistToken::new((u128::from(runtime::random()) << 64 | u128::from(runtime::random())).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: ReplicaId = ReplicaId::new(4);
    const CLUSTER: [u8; 16] = [7; 16];
    const OWN: ([u8; 16], ReplicaId) = (CLUSTER, NAME);

    fn says(standing: Standing) -> Testimony {
        Testimony { cluster: CLUSTER, has_log: true, standing, members: BTreeMap::new(), set_by: None }
    }

    #[test]
    fn only_where_nobody_has_a_log_may_a_cluster_be_created() {
        assert_eq!(decide(OWN, &[]), Admission::Fresh);
        let fresh = Testimony { has_log: false, ..says(Standing::Stranger) };
        assert_eq!(decide(OWN, std::slice::from_ref(&fresh)), Admission::Fresh);
        let refused = decide(OWN, &[fresh, says(Standing::Stranger)]);
        assert_eq!(refused, Admission::Refused(AdmissionRefusal::Stranger { replica: NAME }));
    }

    #[test]
    fn a_reserved_id_is_taken_and_one_that_was_taken_means_that_the_store_is_lost() {
        let open = says(Standing::Member { id: 57, open: true });
        assert_eq!(decide(OWN, std::slice::from_ref(&open)), Admission::Join { id: 57 });
        let taken = says(Standing::Member { id: 57, open: false });
        let wiped = Admission::Refused(AdmissionRefusal::Wiped { replica: NAME, id: 57 });
        assert_eq!(decide(OWN, &[says(Standing::Stranger), taken.clone()]), wiped);
        let renewed = says(Standing::Member { id: 90, open: true });
        assert_eq!(decide(OWN, &[taken, renewed]), Admission::Join { id: 90 });
    }

    #[test]
    fn a_cluster_file_of_a_retired_cluster_is_named_and_whoever_is_of_the_own_cluster_counts_first() {
        let elsewhere = Testimony { cluster: [9; 16], ..says(Standing::Member { id: 57, open: true }) };
        let (listed, found) = ("07".repeat(16), "09".repeat(16));
        let refused = AdmissionRefusal::OtherCluster { replica: NAME, listed, found };
        assert_eq!(decide(OWN, std::slice::from_ref(&elsewhere)), Admission::Refused(refused));
        let own = says(Standing::Member { id: 60, open: true });
        assert_eq!(decide(OWN, &[elsewhere.clone(), own]), Admission::Join { id: 60 });
        let without_log = Testimony { has_log: false, ..elsewhere };
        assert_eq!(decide(OWN, &[without_log]), Admission::Fresh);
    }

    #[test]
    fn whoever_lags_does_not_outvote_whoever_has_seen_the_removal() {
        let open = says(Standing::Member { id: 57, open: true });
        let retired = says(Standing::Retired { id: 57, index: 60 });
        for order in [[open.clone(), retired.clone()], [retired, open]] {
            let expected = Admission::Refused(AdmissionRefusal::Retired { replica: NAME, id: 57, index: 60 });
            assert_eq!(decide(OWN, &order), expected);
        }
    }
}
