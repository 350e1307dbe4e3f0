//! Going on from one replica when the quorum of a cluster is lost for good (safety rule R12): `ollin cluster recover --from-survivor`.
//!
//! Offline, on the survivor's directories. It becomes the only voter of a new cluster: with a new cluster id, so that nothing of the
//! old one's reaches it; under a new Raft id, so that nothing that it promised there counts; with all that its log holds, committed
//! or not, for either may have been signed. What the lost ones committed and it does not hold is harmless once nothing is granted in
//! the slots that had begun: the only voter of a cluster has nobody who could vouch for its memory, so that its first start demands
//! the closing ([`crate::recovery`]), by the clock and the L1 of that moment and not of this one.
//!
//! No replica can know whether the lost ones are gone for good, or a quorum that cannot be reached from here and still signs. So
//! all members are asked: none of the lost voters may answer, nobody may know of later members than the survivor does, and none may
//! have gone on already. For those that are silent an operator answers, by name.

mod error;
mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy_primitives::Address;
use futures::future::join_all;
use ollin_guard::{AttesterState, Fault, Phase, planted};
use ollin_protocol::units::{ReplicaId, Slot};

use crate::admission::Standing;
use crate::audit::AuditHead;
use crate::audit::file::{AuditCheck, AuditFault};
use crate::cluster_file::{ClusterFile, ReplicaAddress};
use crate::config::ConsensusConfig;
use crate::entry::MembershipRecord;
use crate::log::Parts;
use crate::membership::{Member, MemberKind};
use crate::recovery::{Continuity, Promise, StartRefusal, continuity};
use crate::role::LogIndex;
use crate::runtime;
use crate::store::{Database, Identity};
use crate::transport::{NoTestimony, Wire, testimony};

pub use error::RecoverError;
use log::Held;

/// How long another voter has to answer.
const WAIT: Duration = Duration::from_secs(2);
const CLUSTER: &str = "cluster.json";

/// What an operator takes upon itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// These never run again with their old data directories.
    pub lost: BTreeSet<ReplicaId>,
    /// The store was not restored from a backup, although it lacks the last records of its audit files.
    pub audit_ahead: bool,
}

/// A cluster that was made from a survivor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The replica that went on.
    pub replica: ReplicaId,
    /// The Raft id that it has now.
    pub raft_id: u64,
    /// The new cluster's id, 32 hexadecimal digits.
    pub cluster_id: String,
    /// That of the retired one.
    pub retired: String,
    /// The voters of the retired cluster that are no members any more.
    pub lost: Vec<ReplicaId>,
    /// The last entry of its log.
    pub last_log: LogIndex,
    /// How many entries it did not know to be committed. They count as committed from here on.
    pub uncommitted: u64,
    /// The attesters as it knows them: a release or evidence that only the lost ones held is missing.
    pub attesters: BTreeMap<Address, AttesterState>,
    /// The highest slot that anything is bound in.
    pub highest_slot: Option<Slot>,
    /// The audit's head; it goes on from there.
    pub audit: AuditHead,
    /// An earlier call had done it, and was cut off before the cluster file was written.
    pub already: bool,
}

/// Makes the stopped replica in `config`'s directories the only member of a new cluster. `confirmed` must name every other voter: they
/// are no members of it, and an operator answers for it that they stay down. `audit`: the audit files that lie beside the store, which
/// must lead to the audit in it. `cluster.json` gets the new id.
///
/// # Errors
/// [`RecoverError`]. After [`RecoverError::ClusterFile`], or [`RecoverError::Store`] of a write that failed, the store may be the new
/// cluster's already: the same call finishes it. Nothing was changed by any other.
pub async fn recover_from_survivor(
    config: &ConsensusConfig,
    confirmed: &Confirmed,
    audit: Option<&AuditCheck>,
) -> Result<Recovered, RecoverError> {
    if !config.data_directory.is_dir() {
        return Err(RecoverError::Empty { path: config.data_directory.clone() });
    }
    recover_with(config, Parts::of(config)?, confirmed, audit).await
}

/// The same over other disks and wires.
pub(crate) async fn recover_with(
    config: &ConsensusConfig,
    parts: Parts,
    confirmed: &Confirmed,
    audit: Option<&AuditCheck>,
) -> Result<Recovered, RecoverError> {
    let Parts { cluster, disk, wire, anchor, .. } = parts;
    let (database, index) = Database::open(disk)?;
    let path = config.cluster_directory.join(CLUSTER);
    let survivor = Survivor { replica: config.replica, listed: cluster.cluster_id_bytes()?, file: &cluster, path: &path };
    if let Some(recovered) = survivor.finish(&database)? {
        return Ok(recovered);
    }
    let identity = survivor.identity(&database, config)?;
    let store = database.promise(&index).await?;
    if let Some(anchor) = &anchor
        && let Continuity::Broken(promised) = continuity(anchor.read(identity.id).as_ref(), &store, &index)
    {
        let witness = "the anchor of this machine".to_owned();
        return Err(StartRefusal::of(config.replica, witness, &promised, &store).into());
    }
    let held = Held::read(&database, &index)?;
    let led = audit.map_or(Ok(()), |audit| audit.leads_to(&held.state.audit().page(0)));
    match led {
        // What is missing lies in slots that the closing covers.
        Err(AuditFault::Ahead { .. }) if confirmed.audit_ahead => {}
        Err(AuditFault::Ahead { found, log }) => return Err(RecoverError::AuditAhead { found, log }),
        led => led.map_err(|source| RecoverError::Audit { source })?,
    }
    let recovered = survivor.go_on(&database, (&identity, &store, held), wire.as_ref(), &confirmed.lost).await?;
    if let Some(anchor) = anchor
        && let Err(error) = anchor.remove()
    {
        tracing::warn!(%error, "the anchor of the retired cluster is left behind");
    }
    Ok(recovered)
}

/// The replica that goes on, as its `cluster.json` says.
struct Survivor<'a> {
    replica: ReplicaId,
    listed: [u8; 16],
    file: &'a ClusterFile,
    path: &'a Path,
}

impl Survivor<'_> {
    /// An earlier call was cut off when all but the cluster file was written.
    fn finish(&self, database: &Database) -> Result<Option<Recovered>, RecoverError> {
        let Some(identity) = database.said_identity()?.filter(|found| found.name == self.replica) else { return Ok(None) };
        if identity.cluster == self.listed {
            return Ok(None);
        }
        let held = Held::of(database)?;
        // Nothing can have been started with the old file since: whoever joined the new cluster has other members.
        let is_alone = held.membership.members.keys().eq([&identity.id]);
        if !is_alone || !held.state.lineage().has_retired(&self.listed) {
            return Ok(None);
        }
        // It was written first, and knows the members of before.
        let fresh = self.fresh();
        let cluster = hex::encode(identity.cluster);
        if !ClusterFile::load(&fresh).is_ok_and(|written| written.cluster_id == cluster) {
            self.write_file(&identity.cluster, &held.membership)?;
        }
        self.put_in_place(&fresh)?;
        Ok(Some(self.recovered(&identity, &held, Vec::new(), true)))
    }

    fn identity(&self, database: &Database, config: &ConsensusConfig) -> Result<Identity, RecoverError> {
        let empty = || RecoverError::Empty { path: config.data_directory.clone() };
        let identity = database.identity(self.listed, self.replica)?.ok_or_else(empty)?;
        // Of this cluster: a store without an identity may have been given another cluster's file.
        if let Some(retired) = database.retired()?.filter(|retired| retired.cluster == self.listed) {
            return Err(RecoverError::Retired { reason: retired.to_string() });
        }
        Ok(identity)
    }

    async fn go_on(
        &self,
        database: &Database,
        (identity, store, held): (&Identity, &Promise, Held),
        wire: &dyn Wire,
        lost: &BTreeSet<ReplicaId>,
    ) -> Result<Recovered, RecoverError> {
        let membership = held.membership.clone();
        let own = self.require_voter(&held, identity.id)?;
        let answering = self.ask_others(&held, identity.id, wire).await?;
        if is_quorum(&membership, &answering, identity.id) && !planted(Fault::RecoveredBesideQuorum) {
            return Err(RecoverError::QuorumReachable { answering: named(&membership, &answering) });
        }
        let others = names(&membership, identity.id);
        if *lost != others {
            return Err(RecoverError::Unconfirmed {
                lost: others.into_iter().collect(),
                confirmed: lost.iter().copied().collect(),
            });
        }
        if !answering.is_empty() && !planted(Fault::RecoveredBesideQuorum) {
            return Err(RecoverError::LostAnswer { answering: named(&membership, &answering) });
        }
        let cluster = new_cluster_id();
        // Before anything is changed: a directory that cannot be written to is the likeliest thing to fail.
        let fresh = self.write_file(&cluster, &membership)?;
        let begun = held.begin_anew(identity, cluster, own, store.term())?;
        database.begin_anew(&begun.identity, &begun.vote, &begun.entries)?;
        self.put_in_place(&fresh)?;
        Ok(self.recovered(&begun.identity, &begun.held, others.into_iter().collect(), false))
    }

    /// Only a replica that voted and holds keys can go on.
    fn require_voter(&self, held: &Held, id: u64) -> Result<Member, RecoverError> {
        let replica = self.replica;
        if held.state.guard().phase() != Phase::Open {
            return Err(RecoverError::Sealed);
        }
        let member = held.membership.members.get(&id).ok_or(RecoverError::NoMember { replica, id })?;
        if !held.membership.configurations.iter().any(|voters| voters.contains(&id)) {
            return Err(RecoverError::Learner { replica });
        }
        if member.kind == MemberKind::Witness {
            return Err(RecoverError::Witness { replica });
        }
        if names(&held.membership, id).is_empty() {
            return Err(RecoverError::Alone { replica });
        }
        Ok(member.clone())
    }

    /// Asks all other members. Returns the voters that answer with a log of this cluster.
    ///
    /// An answer that is not understood is one: whoever gives it may sign.
    async fn ask_others(&self, held: &Held, own: u64, wire: &dyn Wire) -> Result<BTreeSet<u64>, RecoverError> {
        let others = held.membership.members.iter().filter(|(id, _)| **id != own);
        let asked = others.map(|(id, member)| async move { (*id, member.name, testimony(wire, member, WAIT).await) });
        let mut answering = BTreeSet::new();
        for (id, replica, answer) in join_all(asked).await {
            let answer = match answer {
                Ok(answer) if answer.has_log => answer,
                Ok(_) | Err(NoTestimony::Silent { .. }) => continue,
                Err(NoTestimony::Unreadable { reason }) => return Err(RecoverError::Unreadable { replica, reason }),
            };
            if answer.cluster != self.listed {
                return Err(RecoverError::WentOn { replica, cluster: hex::encode(answer.cluster) });
            }
            if matches!(answer.standing, Standing::Retired { .. }) || answer.set_by > held.state.membership().set_by {
                return Err(RecoverError::Outdated { replica });
            }
            answering.insert(id);
        }
        answering.retain(|id| held.membership.configurations.iter().any(|voters| voters.contains(id)));
        Ok(answering)
    }

    fn recovered(&self, identity: &Identity, held: &Held, lost: Vec<ReplicaId>, already: bool) -> Recovered {
        Recovered {
            replica: self.replica,
            raft_id: identity.id,
            cluster_id: hex::encode(identity.cluster),
            retired: hex::encode(self.listed),
            lost,
            last_log: LogIndex::new(held.last.index),
            uncommitted: held.uncommitted,
            attesters: held.state.guard().attesters().map(|(attester, standing)| (*attester, *standing)).collect(),
            highest_slot: held.state.guard().highest_slot(),
            audit: held.state.audit().head(),
            already,
        }
    }

    fn fresh(&self) -> PathBuf {
        self.path.with_extension("json.new")
    }

    /// The cluster file with another id, beside the one in force. It lists those too that were members and that the survivor's own
    /// file, made when it was added, does not know: their hosts are to be taken in again with it.
    fn write_file(&self, cluster: &[u8; 16], membership: &MembershipRecord) -> Result<PathBuf, RecoverError> {
        let fresh = self.fresh();
        let file = ClusterFile { cluster_id: hex::encode(cluster), replicas: self.replicas(membership) };
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(&file)?;
            text.push(b'\n');
            let mut opened = fs::File::create(&fresh)?;
            opened.write_all(&text)?;
            opened.sync_all()
        };
        write().map_err(|source| RecoverError::ClusterFile { path: fresh.clone(), source })?;
        Ok(fresh)
    }

    /// The members as the membership has them, and the others of the file that are not in their way.
    fn replicas(&self, membership: &MembershipRecord) -> Vec<ReplicaAddress> {
        let listed = membership.members.values().map(|Member { name, address, fingerprint, kind }| {
            let fingerprint = hex::encode(fingerprint);
            (*name, ReplicaAddress { id: *name, address: address.clone(), fingerprint, kind: *kind })
        });
        let mut listed: BTreeMap<ReplicaId, ReplicaAddress> = listed.collect();
        for replica in &self.file.replicas {
            let is_taken = listed.values().any(|one| one.address == replica.address || one.fingerprint == replica.fingerprint);
            if !is_taken {
                listed.entry(replica.id).or_insert_with(|| replica.clone());
            }
        }
        listed.into_values().collect()
    }

    fn put_in_place(&self, fresh: &Path) -> Result<(), RecoverError> {
        let rename = || -> io::Result<()> {
            fs::rename(fresh, self.path)?;
            crate::directory::sync_names(self.path.parent().unwrap_or(Path::new(".")))
        };
        rename().map_err(|source| RecoverError::ClusterFile { path: self.path.to_owned(), source })
    }
}

/// The other voters' names.
fn names(membership: &MembershipRecord, own: u64) -> BTreeSet<ReplicaId> {
    let own_name = membership.members.get(&own).map(|member| member.name);
    let voters = membership.configurations.iter().flatten().filter_map(|id| membership.members.get(id));
    voters.map(|member| member.name).filter(|name| Some(*name) != own_name).collect()
}

/// Whether `answering` and the replica itself are a majority of each configuration.
fn is_quorum(membership: &MembershipRecord, answering: &BTreeSet<u64>, own: u64) -> bool {
    let present = |voters: &BTreeSet<u64>| voters.iter().filter(|id| **id == own || answering.contains(id)).count();
    membership.configurations.iter().all(|voters| present(voters) > voters.len() / 2)
}

fn named(membership: &MembershipRecord, ids: &BTreeSet<u64>) -> Vec<ReplicaId> {
    ids.iter().filter_map(|id| membership.members.get(id)).map(|member| member.name).collect()
}

fn new_cluster_id() -> [u8; 16] {
    (u128::from(runtime::random()) << 64 | u128::from(runtime::random())).to_be_bytes()
}
