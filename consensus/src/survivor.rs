//! Going on from one replica when the quorum of a cluster is lost for good (safety rule R12): `ollin cluster recover --from-survivor`.
//!
//! Offline, on the survivor's directories. It becomes the only voter of a new cluster: with a new cluster id, so that nothing of the
//! old one's reaches it; under a new Raft id, so that nothing that it promised there counts; with all that its log holds, committed
//! or not, for either may have been signed. What the lost ones committed and it does not hold is harmless once nothing is granted in
//! the slots that had begun: the only voter of a cluster has nobody who could vouch for its memory, so that its first start demands
//! the closing ([`crate::recovery`]), by the clock and the L1 of that moment and not of this one.
//!
//! No replica can know whether the lost ones are gone for good, or a quorum that cannot be reached from here and still signs. So
//! whoever answers is asked, and an operator answers by name for all the others.

mod error;
mod log;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use ollin_guard::{Fault, Phase, planted};
use ollin_protocol::units::{ReplicaId, Slot};

use crate::audit::AuditHead;
use crate::audit::file::AuditCheck;
use crate::cluster_file::ClusterFile;
use crate::config::ConsensusConfig;
use crate::entry::MembershipRecord;
use crate::log::Parts;
use crate::membership::{Member, MemberKind};
use crate::recovery::{Continuity, Promise, StartRefusal, continuity};
use crate::role::LogIndex;
use crate::runtime;
use crate::store::{Database, Identity};
use crate::transport::{Wire, testimony};

pub use error::RecoverError;
use log::Held;

/// How long another voter has to answer.
const WAIT: Duration = Duration::from_secs(2);
const CLUSTER: &str = "cluster.json";

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
    /// The highest slot that anything is bound in.
    pub highest_slot: Option<Slot>,
    /// The audit's head; it goes on from there.
    pub audit: AuditHead,
    /// An earlier call had done it, and was cut off before the cluster file was written.
    pub already: bool,
}

/// Makes the stopped replica in `config`'s directories the only member of a new cluster. `lost` must name every other voter: they are
/// no members of it, and an operator answers for it that they stay down. `audit`: the audit files that lie beside the store, which
/// must lead to the audit in it. `cluster.json` gets the new id.
///
/// # Errors
/// [`RecoverError`]; nothing was changed, or [`RecoverError::ClusterFile`], and the same call finishes it.
pub async fn recover_from_survivor(
    config: &ConsensusConfig,
    lost: &BTreeSet<ReplicaId>,
    audit: Option<&AuditCheck>,
) -> Result<Recovered, RecoverError> {
    if !config.data_directory.is_dir() {
        return Err(RecoverError::Empty { path: config.data_directory.clone() });
    }
    let Parts { cluster, disk, wire, anchor, .. } = Parts::of(config)?;
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
    if let Some(audit) = audit {
        audit.leads_to(&held.state.audit().page(0)).map_err(|source| RecoverError::Audit { source })?;
    }
    let recovered = survivor.go_on(&database, (&identity, &store, held), wire.as_ref(), lost).await?;
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
        let Ok(held) = Held::of(database) else { return Ok(None) };
        if !held.state.lineage().has_retired(&self.listed) {
            return Ok(None);
        }
        let fresh = self.write_file(&identity.cluster)?;
        self.put_in_place(&fresh)?;
        Ok(Some(self.recovered(&identity, &held, Vec::new(), true)))
    }

    fn identity(&self, database: &Database, config: &ConsensusConfig) -> Result<Identity, RecoverError> {
        let empty = || RecoverError::Empty { path: config.data_directory.clone() };
        let identity = database.identity(self.listed, self.replica)?.ok_or_else(empty)?;
        if let Some(retired) = database.retired()? {
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
        let (answering, quorum) = self.ask_others(&membership, identity.id, wire).await;
        if quorum && !planted(Fault::RecoveredBesideQuorum) {
            return Err(RecoverError::QuorumReachable { answering });
        }
        let others = names(&membership, identity.id);
        if *lost != others {
            return Err(RecoverError::Unconfirmed {
                lost: others.into_iter().collect(),
                confirmed: lost.iter().copied().collect(),
            });
        }
        let cluster = new_cluster_id();
        // Before anything is changed: a directory that cannot be written to is the likeliest thing to fail.
        let fresh = self.write_file(&cluster)?;
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

    /// The other voters that answer with a log of this cluster, and whether they are a quorum together with this one.
    async fn ask_others(&self, membership: &MembershipRecord, own: u64, wire: &dyn Wire) -> (Vec<ReplicaId>, bool) {
        let voters: BTreeSet<u64> = membership.configurations.iter().flatten().copied().filter(|id| *id != own).collect();
        let asked = voters.iter().filter_map(|id| Some((*id, membership.members.get(id)?))).map(|(id, member)| async move {
            let answer = testimony(wire, member, WAIT).await.ok()?;
            (answer.has_log && answer.cluster == self.listed).then_some(id)
        });
        let mut present: BTreeSet<u64> = join_all(asked).await.into_iter().flatten().collect();
        let name = |id: &u64| membership.members.get(id).map(|member| member.name);
        let answering = present.iter().filter_map(name).collect();
        present.insert(own);
        let is_quorum = |voters: &BTreeSet<u64>| voters.intersection(&present).count() > voters.len() / 2;
        (answering, membership.configurations.iter().all(is_quorum))
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
            highest_slot: held.state.guard().highest_slot(),
            audit: held.state.audit().head(),
            already,
        }
    }

    /// The cluster file with another id, beside the one in force.
    fn write_file(&self, cluster: &[u8; 16]) -> Result<PathBuf, RecoverError> {
        let fresh = self.path.with_extension("json.new");
        let file = ClusterFile { cluster_id: hex::encode(cluster), ..self.file.clone() };
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

fn new_cluster_id() -> [u8; 16] {
    (u128::from(runtime::random()) << 64 | u128::from(runtime::random())).to_be_bytes()
}
