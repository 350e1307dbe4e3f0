//! Whether and how a change of the membership is made. Pure: all that the leader knows is an argument.
//!
//! What holds for every change that is planned:
//!
//! - it starts from one committed configuration, so that two changes never overlap;
//! - of the voters after it, and of those before it, a majority runs and holds the log: the cluster goes on through the change;
//! - a new voter holds all but the last [`LAG_MAX`] entries, so that it counts for what it promises from its first vote on;
//! - the leader stays a voter (one that is to leave hands over first), a full replica is left, and witnesses alone are no majority.
//!
//! An order that finds the members as it would make them changes nothing and is no fault: its answer may have been lost before.

use std::collections::{BTreeMap, BTreeSet};

use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;

use super::order::{MemberOrder, MemberRefusal};
use super::{Member, MemberKind};

/// How many entries a learner may be behind when it is promoted, and a voter when it counts as present.
pub(crate) const LAG_MAX: u64 = 64;
/// A member that was silent for longer is not present.
const SILENT_MS: u64 = 3_000;

/// What the leader knows when it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    pub(crate) open: bool,
    /// The voters; two sets while a joint change is under way.
    pub(crate) configurations: Vec<BTreeSet<u64>>,
    /// Everyone by Raft id.
    pub(crate) members: BTreeMap<u64, Member>,
    /// Whether the entry with this membership is committed.
    pub(crate) committed: bool,
    /// The Raft id of the leader, which is asked.
    pub(crate) leader: u64,
    /// What was heard of the others.
    pub(crate) health: BTreeMap<u64, Health>,
    /// What answers now at the address of the replica that is to be healed, or to enter, under each of its ids.
    pub(crate) answers: BTreeMap<u64, Answering>,
    /// Reserved ids that no store has taken yet.
    pub(crate) untaken: BTreeSet<u64>,
    /// Replicas that were members, with the last Raft id that each had.
    pub(crate) retired: BTreeMap<ReplicaId, u64>,
}

/// What the leader knows of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Entries behind; `None` while nothing is known to be replicated.
    pub(crate) behind: Option<u64>,
    /// Since an authenticated frame of it arrived.
    pub(crate) silent_ms: Option<u64>,
}

/// A process that answers at a member's address, under the member's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answering {
    /// It takes part.
    Serves,
    /// It does not know yet what it has forgotten.
    Recovers,
    /// It takes no part, for good. A store without a Raft id takes the next one by itself.
    Halted { reason: String, has_id: bool },
}

/// A change that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// A learner enters under a new Raft id, in place of the learners in `dropped`.
    Learner { member: Member, dropped: BTreeSet<u64> },
    /// Voters change, by a joint configuration; `dropped` and, unless `keep`, the removed voters leave.
    Voters { added: BTreeSet<u64>, removed: BTreeSet<u64>, dropped: BTreeSet<u64>, keep: bool },
    /// Learners leave.
    Dropped(BTreeSet<u64>),
    /// The members are as they are to be; the Raft id is that of the order's replica.
    Already(u64),
}

/// Decides about an order.
pub(crate) fn plan(order: &MemberOrder, now: &Situation) -> Result<Plan, MemberRefusal> {
    if !now.open {
        return Err(MemberRefusal::Sealed);
    }
    if (!now.committed || now.configurations.len() != 1) && !planted(Fault::TwoChangesAtOnce) {
        return Err(MemberRefusal::UnderWay);
    }
    if let Some(id) = now.is_done(order) {
        return Ok(Plan::Already(id));
    }
    let plan = match order {
        MemberOrder::Add { replica, address, fingerprint, kind } => {
            let member = Member { name: *replica, address: address.clone(), fingerprint: *fingerprint, kind: *kind };
            now.add(member)?
        }
        MemberOrder::Renew { replica } => now.renew(*replica)?,
        MemberOrder::Promote { replica } => now.promote(*replica)?,
        MemberOrder::Demote { replica } => {
            let removed = now.voters_of(*replica)?;
            Plan::Voters { added: BTreeSet::new(), removed, dropped: BTreeSet::new(), keep: true }
        }
        MemberOrder::Remove { replica } => now.remove(*replica)?,
        MemberOrder::Replace { old, new } => now.replace(*old, *new)?,
    };
    now.check_voters(&plan)?;
    Ok(plan)
}

impl Plan {
    /// What an operator should know about the voters that it leads to.
    pub(crate) fn warnings(&self, now: &Situation) -> Vec<String> {
        let Self::Voters { .. } = self else { return Vec::new() };
        let voters = now.voters_after(self);
        let present = voters.iter().filter(|id| now.is_present(**id)).count();
        let mut warnings = Vec::new();
        if voters.len().is_multiple_of(2) {
            let (count, fewer) = (voters.len(), voters.len() - 1);
            warnings.push(format!("{count} voters bear as many failures as {fewer} do: an odd number is better"));
        }
        if present == majority(voters.len()) {
            warnings.push(format!("{present} of {} voters are present: if one more fails, nothing is signed", voters.len()));
        }
        warnings
    }
}

impl Situation {
    fn voters(&self) -> BTreeSet<u64> {
        self.configurations.iter().flatten().copied().collect()
    }

    fn voters_after(&self, plan: &Plan) -> BTreeSet<u64> {
        let mut voters = self.voters();
        if let Plan::Voters { added, removed, .. } = plan {
            voters.extend(added);
            voters.retain(|id| !removed.contains(id));
        }
        voters
    }

    /// Whether the members are as `order` would make them: it was carried out before, and its answer was lost. The Raft id is that
    /// of its replica.
    fn is_done(&self, order: &MemberOrder) -> Option<u64> {
        let newest = |replica: ReplicaId| self.members.iter().rfind(|(_, member)| member.name == replica).map(|(id, _)| *id);
        let is_one = |replica: ReplicaId| self.members.values().filter(|member| member.name == replica).count() == 1;
        let voter = |replica: ReplicaId| newest(replica).filter(|id| is_one(replica) && self.voters().contains(id));
        let gone = |replica: ReplicaId| self.retired.get(&replica).copied().filter(|_| newest(replica).is_none());
        match order {
            MemberOrder::Add { replica, address, fingerprint, kind } => newest(*replica).filter(|id| {
                let same = |held: &Member| (&held.address, &held.fingerprint, &held.kind) == (address, fingerprint, kind);
                self.members.get(id).is_some_and(same)
            }),
            MemberOrder::Promote { replica } => voter(*replica),
            MemberOrder::Demote { replica } => {
                let has_vote = self.voters_of(*replica).is_ok();
                newest(*replica).filter(|_| !has_vote)
            }
            MemberOrder::Remove { replica } => gone(*replica),
            MemberOrder::Replace { old, new } => gone(*old).and_then(|_| voter(*new)),
            MemberOrder::Renew { .. } => None,
        }
    }

    /// All Raft ids of a replica, the newest last.
    fn ids_of(&self, replica: ReplicaId) -> Result<BTreeSet<u64>, MemberRefusal> {
        let ids: BTreeSet<u64> = self.members.iter().filter(|(_, member)| member.name == replica).map(|(id, _)| *id).collect();
        if ids.is_empty() {
            let members: BTreeSet<ReplicaId> = self.members.values().map(|member| member.name).collect();
            return Err(MemberRefusal::Unknown { replica, members: members.into_iter().collect() });
        }
        Ok(ids)
    }

    fn voters_of(&self, replica: ReplicaId) -> Result<BTreeSet<u64>, MemberRefusal> {
        let voters: BTreeSet<u64> = self.ids_of(replica)?.intersection(&self.voters()).copied().collect();
        if voters.is_empty() { Err(MemberRefusal::Learner { replica }) } else { Ok(voters) }
    }

    /// The newest id of a replica, if it is a learner's.
    fn learner_of(&self, replica: ReplicaId) -> Result<u64, MemberRefusal> {
        let newest = self.ids_of(replica)?.into_iter().next_back();
        newest.filter(|id| !self.voters().contains(id)).ok_or(MemberRefusal::Voter { replica })
    }

    fn names(&self, ids: &BTreeSet<u64>) -> Vec<ReplicaId> {
        let names: BTreeSet<ReplicaId> = ids.iter().filter_map(|id| self.members.get(id)).map(|member| member.name).collect();
        names.into_iter().collect()
    }

    fn is_heard(&self, id: u64) -> bool {
        self.health.get(&id).and_then(|health| health.silent_ms).is_some_and(|silent| silent <= SILENT_MS)
    }

    fn behind(&self, id: u64) -> Option<u64> {
        self.health.get(&id).filter(|_| self.is_heard(id)).and_then(|health| health.behind)
    }

    fn is_present(&self, id: u64) -> bool {
        id == self.leader || self.behind(id).is_some_and(|behind| behind <= LAG_MAX)
    }

    fn add(&self, member: Member) -> Result<Plan, MemberRefusal> {
        if !is_address(&member.address) {
            return Err(MemberRefusal::Address { found: member.address });
        }
        for held in self.members.values() {
            if held.name == member.name {
                return Err(MemberRefusal::Exists { replica: member.name, address: held.address.clone() });
            }
            let shared = |what: &str, value: String| MemberRefusal::Shared { other: held.name, what: what.to_owned(), value };
            if held.address == member.address {
                return Err(shared("address", member.address));
            }
            if held.fingerprint == member.fingerprint {
                return Err(shared("certificate", hex::encode(member.fingerprint)));
            }
        }
        Ok(Plan::Learner { member, dropped: BTreeSet::new() })
    }

    fn renew(&self, replica: ReplicaId) -> Result<Plan, MemberRefusal> {
        let ids = self.ids_of(replica)?;
        let voters: BTreeSet<u64> = ids.intersection(&self.voters()).copied().collect();
        if voters.contains(&self.leader) {
            return Err(MemberRefusal::Leads { replica });
        }
        // An earlier order was interrupted: the new id waits for its store, or the store has taken it.
        let newest_serves = |id: u64| ids.last() == Some(&id) && self.answers.get(&id) == Some(&Answering::Serves);
        let renewed = ids.iter().copied().find(|id| self.untaken.contains(id) || newest_serves(*id));
        if let Some(raft_id) = renewed.filter(|_| ids.len() > 1) {
            return Err(MemberRefusal::Renewed { replica, raft_id });
        }
        self.refuse_doubtful(replica, &ids)?;
        for raft_id in ids.iter().copied() {
            match self.answers.get(&raft_id) {
                Some(Answering::Serves) => return Err(MemberRefusal::Alive { replica, raft_id }),
                Some(Answering::Recovers) => return Err(MemberRefusal::Recovering { replica, raft_id }),
                Some(Answering::Halted { .. }) | None if self.is_heard(raft_id) => {
                    return Err(MemberRefusal::Recent { replica, raft_id });
                }
                Some(Answering::Halted { .. }) | None => {}
            }
        }
        let newest = ids.iter().next_back().and_then(|id| self.members.get(id)).cloned();
        let member = newest.ok_or(MemberRefusal::UnderWay)?;
        Ok(Plan::Learner { member, dropped: ids.difference(&voters).copied().collect() })
    }

    fn promote(&self, replica: ReplicaId) -> Result<Plan, MemberRefusal> {
        let mut earlier = self.ids_of(replica)?;
        let learner = match self.learner_of(replica) {
            // A leader died between the two steps: the new id votes, and what the old one was is left as a learner.
            Err(MemberRefusal::Voter { .. }) if earlier.len() > 1 => {
                earlier.pop_last();
                return Ok(Plan::Dropped(earlier));
            }
            learner => learner?,
        };
        let caught_up = self.require_caught_up(replica, learner);
        caught_up.or_else(|lags| self.refuse_doubtful(replica, &earlier).and(Err(lags)))?;
        earlier.remove(&learner);
        let removed: BTreeSet<u64> = earlier.intersection(&self.voters()).copied().collect();
        let dropped = earlier.difference(&removed).copied().collect();
        Ok(Plan::Voters { added: BTreeSet::from([learner]), removed, dropped, keep: false })
    }

    /// A process that runs over a store of no use would be waited for in vain: its store takes no new id.
    fn refuse_doubtful(&self, replica: ReplicaId, ids: &BTreeSet<u64>) -> Result<(), MemberRefusal> {
        let doubtful = ids.iter().find_map(|id| match self.answers.get(id) {
            Some(Answering::Halted { reason, has_id: true }) => Some(reason.clone()),
            Some(Answering::Halted { has_id: false, .. } | Answering::Serves | Answering::Recovers) | None => None,
        });
        doubtful.map_or(Ok(()), |reason| Err(MemberRefusal::InDoubt { replica, reason }))
    }

    fn remove(&self, replica: ReplicaId) -> Result<Plan, MemberRefusal> {
        let ids = self.ids_of(replica)?;
        let removed: BTreeSet<u64> = ids.intersection(&self.voters()).copied().collect();
        let dropped: BTreeSet<u64> = ids.difference(&removed).copied().collect();
        if removed.is_empty() {
            return Ok(Plan::Dropped(dropped));
        }
        Ok(Plan::Voters { added: BTreeSet::new(), removed, dropped, keep: false })
    }

    fn replace(&self, old: ReplicaId, new: ReplicaId) -> Result<Plan, MemberRefusal> {
        if old == new {
            return Err(MemberRefusal::Itself { replica: old });
        }
        let (leaving, entering) = (self.ids_of(old)?, self.ids_of(new)?);
        // The same: the one that came in votes, and the one before it is left as a learner. A newer learner is no such one.
        if leaving.is_disjoint(&self.voters()) && self.learner_of(new).is_err() && leaving.last() < entering.first() {
            return Ok(Plan::Dropped(leaving));
        }
        let removed = self.voters_of(old)?;
        let dropped = leaving.difference(&removed).copied().collect();
        let learner = self.learner_of(new)?;
        self.require_caught_up(new, learner)?;
        Ok(Plan::Voters { added: BTreeSet::from([learner]), removed, dropped, keep: false })
    }

    fn require_caught_up(&self, replica: ReplicaId, id: u64) -> Result<(), MemberRefusal> {
        match self.behind(id) {
            Some(behind) if behind <= LAG_MAX || planted(Fault::LaggingPromoted) => Ok(()),
            behind => Err(MemberRefusal::Lags { replica, behind, limit: LAG_MAX }),
        }
    }

    fn check_voters(&self, plan: &Plan) -> Result<(), MemberRefusal> {
        let Plan::Voters { removed, .. } = plan else { return Ok(()) };
        let after = self.voters_after(plan);
        let witnesses = after.iter().filter(|id| self.kind(**id) == MemberKind::Witness).count();
        if let Some(replica) = self.names(removed).first()
            && witnesses == after.len()
        {
            return Err(MemberRefusal::LastVoter { replica: *replica });
        }
        if witnesses >= majority(after.len()) && !planted(Fault::WitnessMajority) {
            return Err(MemberRefusal::Witnesses { witnesses, voters: after.len() });
        }
        // Of both: a joint change is committed by a majority of each.
        for voters in [&after, &self.voters()] {
            let present: BTreeSet<u64> = voters.iter().copied().filter(|id| self.is_present(*id)).collect();
            let needed = majority(voters.len());
            if present.len() < needed {
                return Err(MemberRefusal::QuorumLost { voters: self.names(voters), present: self.names(&present), needed });
            }
        }
        if removed.contains(&self.leader) {
            let replica = self.members.get(&self.leader).map_or(ReplicaId::new(self.leader), |member| member.name);
            return Err(MemberRefusal::Leads { replica });
        }
        Ok(())
    }

    fn kind(&self, id: u64) -> MemberKind {
        self.members.get(&id).map_or(MemberKind::Full, |member| member.kind)
    }
}

const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// `host:port`, with a port that can be dialled.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests;
