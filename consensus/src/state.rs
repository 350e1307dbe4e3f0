//! The replicated state: the guard, the attempts, the members and their ids, and where in the log it stands.

use std::collections::VecDeque;

use ollin_guard::{Fault, Guard, GuardCommand, GuardReply, Phase, SnapshotError, planted};
use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptContent, AttemptLedger};
use crate::audit::AuditTrail;
use crate::chain::{Chain, Position};
use crate::command::{Command, CommandBytesError, Envelope, Origin, Reply};
use crate::entry::{Body, Entry, StoredMembership};
use crate::lineage::Lineage;
use crate::membership::Roster;
use crate::rules::{RulesVersion, Supported};
use crate::sealed::{self, SealError};

/// Settled demands that are remembered. One that comes up again after that costs another closing, and no more.
const SETTLED_KEPT: usize = 256;

/// Everything that the log has led to. Applying is a pure function of the entries so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    rules: RulesVersion,
    applied: Option<Position>,
    membership: StoredMembership,
    guard: Guard,
    attempts: AttemptLedger,
    audit: AuditTrail,
    roster: Roster,
    settled: VecDeque<(u64, u64)>,
    lineage: Lineage,
}

/// The answer to an applied command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The proposal that was applied.
    pub origin: Origin,
    /// The answer.
    pub reply: Reply,
}

/// Why an entry was not applied. Fatal: the replica stops before it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It is not newer than what is applied.
    #[error("entry {index} was applied already, up to {applied}")]
    Repeated {
        /// The entry.
        index: u64,
        /// The last applied one.
        applied: u64,
    },
    /// The state has come here by another history than the log holds.
    #[error("entry {index} does not continue what was applied before it")]
    Diverged {
        /// The entry.
        index: u64,
    },
    /// From it on the rules of a version hold that this replica does not support.
    #[error("entry {index} raises the rules to version {version}, this program supports {supported}: start one that supports it")]
    Rules {
        /// The entry.
        index: u64,
        /// The version.
        version: RulesVersion,
        /// What is supported.
        supported: Supported,
    },
    /// Its command is unknown.
    #[error("entry {index} cannot be applied")]
    Command {
        /// The entry.
        index: u64,
        /// Why.
        #[source]
        source: CommandBytesError,
    },
}

/// Why bytes were not taken as a state.
#[derive(Debug, thiserror::Error)]
pub enum StateBytesError {
    /// Damaged, of another version, or not a state.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The guard refused its part.
    #[error("the guard's state was refused")]
    Guard(#[from] SnapshotError),
    /// The audit's records do not lead to its head.
    #[error("the audit is no chain")]
    Audit,
    /// No sequence of commands leads to these attempts.
    #[error("the attempts break a rule of the ledger")]
    Attempts,
    /// No sequence of reservations and memberships leads to these ids.
    #[error("the Raft ids contradict the members")]
    Roster,
    /// It is judged by rules that this program does not know.
    #[error("a state under version {version} of the rules, this program supports {supported}: start one that supports it")]
    Rules {
        /// The version.
        version: RulesVersion,
        /// What is supported.
        supported: Supported,
    },
    /// No sequence of recoveries leads to these retired clusters.
    #[error("the retired clusters are newer than the state")]
    Lineage,
    /// The members were set by an entry that was not applied.
    #[error("the members are newer than the state")]
    Membership,
    /// Another spelling of a state, or more than a state keeps.
    #[error("not in canonical form")]
    NotCanonical,
}

/// The stored form, without and within the seal.
#[derive(Serialize, Deserialize)]
struct Record {
    /// First: whoever does not support it reads no further.
    rules: RulesVersion,
    applied: Option<Position>,
    membership: StoredMembership,
    guard: Vec<u8>,
    attempts: AttemptLedger,
    audit: AuditTrail,
    roster: Roster,
    settled: VecDeque<(u64, u64)>,
    lineage: Lineage,
}

impl State {
    /// Applies the next entry. `None` for an entry without a command. `known` is what the log holds at its place: the state and
    /// the log must have come to the same chain.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing was changed, and nothing after it may be applied.
    pub(crate) fn apply(&mut self, entry: &Entry, known: Option<Position>) -> Result<Option<Applied>, ApplyError> {
        self.apply_as(Supported::BUILD, entry, known)
    }

    /// The same by a replica that supports these versions of the rules.
    pub(crate) fn apply_as(
        &mut self,
        supported: Supported,
        entry: &Entry,
        known: Option<Position>,
    ) -> Result<Option<Applied>, ApplyError> {
        if let Some(applied) = self.applied
            && entry.index <= applied.index
            && !planted(Fault::AppliedTwice)
        {
            return Err(ApplyError::Repeated { index: entry.index, applied: applied.index });
        }
        let before = self.applied.map_or(Chain::default(), |applied| applied.chain);
        let position = Position { term: entry.term, index: entry.index, chain: entry.chain_after(before) };
        if known.is_some_and(|known| known != position) && !planted(Fault::AppliedOnOtherHistory) {
            return Err(ApplyError::Diverged { index: entry.index });
        }
        let answer = match &entry.body {
            Body::Blank => None,
            Body::Command(bytes) if planted(Fault::UnknownCommandSkipped) && Envelope::decode(bytes).is_err() => None,
            Body::Membership(membership) => {
                self.roster.note(&self.membership.membership, membership, entry.index);
                let set_by = Some((entry.term, entry.index));
                self.membership = StoredMembership { set_by, membership: membership.clone() };
                None
            }
            Body::Command(bytes) => {
                let decoded = Envelope::decode(bytes);
                let Envelope { origin, command } =
                    decoded.map_err(|source| ApplyError::Command { index: entry.index, source })?;
                if let Command::Upgrade { version } = command
                    && version == self.rules.next()
                    && !supported.includes(version)
                    && !planted(Fault::UnknownVersionApplied)
                {
                    return Err(ApplyError::Rules { index: entry.index, version, supported });
                }
                Some(Applied { origin, reply: self.execute(&command, entry.index) })
            }
        };
        self.applied = Some(position);
        Ok(answer)
    }

    fn execute(&mut self, command: &Command, index: u64) -> Reply {
        match command {
            Command::Guard(command) => {
                let reply = self.audit.apply(&mut self.guard, command, index);
                #[cfg(any(test, feature = "next-rules"))]
                self.follow(command, index);
                Reply::Guard(reply)
            }
            Command::Attempt(request) => {
                let bundle_root = match &request.content {
                    AttemptContent::Bundle { duty } => self.guard.bound(duty).map(|bound| bound.root),
                    AttemptContent::Cancellation => None,
                };
                Reply::Attempt(self.attempts.record(request, bundle_root))
            }
            Command::Outcome(outcome) => Reply::Outcome(self.attempts.conclude(outcome)),
            Command::ReserveId { replica } => Reply::Reserved(self.roster.reserve(*replica, index)),
            Command::Enlist { id, token } => Reply::Enlisted(self.roster.enlist(*id, *token)),
            Command::Close { slot, settles } => {
                // Before the log is open nothing was ever granted: there is nothing to close.
                let open = self.guard.phase() == Phase::Open;
                let close = GuardCommand::Close { slot: *slot };
                let reply = if open { self.audit.apply(&mut self.guard, &close, index) } else { GuardReply::Done };
                self.settled.extend(settles.iter().copied());
                self.settled.drain(..self.settled.len().saturating_sub(SETTLED_KEPT));
                Reply::Guard(reply)
            }
            Command::Upgrade { version } => {
                if *version == self.rules.next() {
                    self.rules = *version;
                }
                Reply::Upgraded(self.rules)
            }
            Command::Recover { retired, replica, token } => {
                self.lineage.retire(*retired, index);
                let id = self.roster.reserve(*replica, index);
                // The id was made a moment ago: no other store has taken it.
                drop(self.roster.enlist(id, *token));
                Reply::Reserved(id)
            }
        }
    }

    /// The rule that version 2 adds, in test builds alone: behind a claim the floor follows what is bound, so that every replica
    /// shows by which rules it judges.
    #[cfg(any(test, feature = "next-rules"))]
    fn follow(&mut self, command: &GuardCommand, index: u64) {
        const BEHIND: u64 = 2;
        if self.rules < RulesVersion::NEXT || !matches!(command, GuardCommand::Claim(_)) {
            return;
        }
        let Some(slot) = self.guard.highest_slot().and_then(|highest| highest.get().checked_sub(BEHIND)) else { return };
        let slot = ollin_protocol::units::Slot::new(slot);
        if self.guard.floor() < Some(slot) {
            self.audit.apply(&mut self.guard, &GuardCommand::RaiseFloor { slot }, index);
        }
    }

    /// The version of the rules in force.
    pub fn rules(&self) -> RulesVersion {
        self.rules
    }

    /// The guard.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The attempts.
    pub fn attempts(&self) -> &AttemptLedger {
        &self.attempts
    }

    /// The audit of what the guard took in.
    pub fn audit(&self) -> &AuditTrail {
        &self.audit
    }

    /// The processes whose demands for a closing were settled last: Raft ids and boot nonces.
    pub(crate) fn settled(&self) -> &VecDeque<(u64, u64)> {
        &self.settled
    }

    /// The clusters that were retired for this one.
    pub(crate) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    pub(crate) fn applied(&self) -> Option<Position> {
        self.applied
    }

    pub(crate) fn membership(&self) -> &StoredMembership {
        &self.membership
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The state as bytes, with version and checksum. Equal states give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        sealed::seal(&Record {
            rules: self.rules,
            applied: self.applied,
            membership: self.membership.clone(),
            guard: self.guard.encode(),
            attempts: self.attempts.clone(),
            audit: self.audit.clone(),
            roster: self.roster.clone(),
            settled: self.settled.clone(),
            lineage: self.lineage.clone(),
        })
    }

    /// The version of the rules of an encoded state, whether this program supports it or not.
    ///
    /// # Errors
    /// [`SealError`] for damage, or what is no state.
    pub(crate) fn rules_of(bytes: &[u8]) -> Result<RulesVersion, SealError> {
        sealed::open_first(bytes)
    }

    /// Reads what [`State::encode`] wrote.
    ///
    /// # Errors
    /// [`StateBytesError`] for damage, another version, or a state that no sequence of commands leads to.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateBytesError> {
        let version = Self::rules_of(bytes)?;
        if !Supported::BUILD.includes(version) {
            return Err(StateBytesError::Rules { version, supported: Supported::BUILD });
        }
        let record: Record = sealed::open(bytes)?;
        if !record.attempts.is_consistent() {
            return Err(StateBytesError::Attempts);
        }
        if !record.audit.is_consistent() {
            return Err(StateBytesError::Audit);
        }
        if !record.roster.is_consistent(&record.membership.membership) {
            return Err(StateBytesError::Roster);
        }
        if !record.lineage.is_consistent(record.applied.map(|applied| applied.index)) {
            return Err(StateBytesError::Lineage);
        }
        let guard = Guard::decode(&record.guard)?;
        let Record { rules, applied, membership, attempts, audit, roster, settled, lineage, guard: _ } = record;
        if membership.set_by > applied.map(|applied| (applied.term, applied.index)) {
            return Err(StateBytesError::Membership);
        }
        let state = Self { rules, applied, membership, guard, attempts, audit, roster, settled, lineage };
        // Equal states must have equal bytes on every replica, and postcard alone takes repeated keys and longer spellings of numbers.
        if state.settled.len() > SETTLED_KEPT || state.encode() != bytes {
            return Err(StateBytesError::NotCanonical);
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests;
