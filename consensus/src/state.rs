//! The replicated state: the guard, the attempts, the members and their ids, and where in the log it stands.

use std::collections::VecDeque;

use ollin_guard::{Fault, Guard, GuardCommand, GuardReply, Phase, SnapshotError, planted};
use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptContent, AttemptLedger};
use crate::audit::AuditTrail;
use crate::chain::{Chain, Position};
use crate::command::{Command, CommandBytesError, Envelope, Origin, Reply};
use crate::entry::{Body, Entry, StoredMembership};
use crate::membership::Roster;
use crate::sealed::{self, SealError};

/// Settled demands that are remembered. One that comes up again after that costs another closing, and no more.
const SETTLED_KEPT: usize = 256;

/// Everything that the log has led to. Applying is a pure function of the entries so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    applied: Option<Position>,
    membership: StoredMembership,
    guard: Guard,
    attempts: AttemptLedger,
    audit: AuditTrail,
    roster: Roster,
    settled: VecDeque<(u64, u64)>,
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
    applied: Option<Position>,
    membership: StoredMembership,
    guard: Vec<u8>,
    attempts: AttemptLedger,
    audit: AuditTrail,
    roster: Roster,
    settled: VecDeque<(u64, u64)>,
}

impl State {
    /// Applies the next entry. `None` for an entry without a command. `known` is what the log holds at its place: the state and
    /// the log must have come to the same chain.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing was changed, and nothing after it may be applied.
    pub(crate) fn apply(&mut self, entry: &Entry, known: Option<Position>) -> Result<Option<Applied>, ApplyError> {
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
                Some(Applied { origin, reply: self.execute(&command, entry.index) })
            }
        };
        self.applied = Some(position);
        Ok(answer)
    }

    fn execute(&mut self, command: &Command, index: u64) -> Reply {
        match command {
            Command::Guard(command) => Reply::Guard(self.audit.apply(&mut self.guard, command, index)),
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
        }
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
            applied: self.applied,
            membership: self.membership.clone(),
            guard: self.guard.encode(),
            attempts: self.attempts.clone(),
            audit: self.audit.clone(),
            roster: self.roster.clone(),
            settled: self.settled.clone(),
        })
    }

    /// Reads what [`State::encode`] wrote.
    ///
    /// # Errors
    /// [`StateBytesError`] for damage, another version, or a state that no sequence of commands leads to.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateBytesError> {
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
        let guard = Guard::decode(&record.guard)?;
        let Record { applied, membership, attempts, audit, roster, settled, guard: _ } = record;
        if membership.set_by > applied.map(|applied| (applied.term, applied.index)) {
            return Err(StateBytesError::Membership);
        }
        let state = Self { applied, membership, guard, attempts, audit, roster, settled };
        // Equal states must have equal bytes on every replica, and postcard alone takes repeated keys and longer spellings of numbers.
        if state.settled.len() > SETTLED_KEPT || state.encode() != bytes {
            return Err(StateBytesError::NotCanonical);
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alloy_primitives::{Address, B256};
    use bytes::Bytes;
    use ollin_guard::{Binding, Claim, Duty, DutyKind, Verdict};
    use ollin_protocol::units::{SigningRoot, Slot};

    use super::*;
    use crate::attempt::{AttemptRefusal, AttemptRequest, Fees};

    const ATTESTER: Address = Address::repeat_byte(1);

    fn entry(index: u64, command: Command) -> Entry {
        let origin = Origin { replica: 1, boot: 2, sequence: index };
        Entry { term: 1, index, body: Body::Command(Bytes::from(Envelope { origin, command }.encode())) }
    }

    fn duty() -> Duty {
        Duty { slot: Slot::new(9), kind: DutyKind::AttestationsAndSigners, attester: ATTESTER }
    }

    fn history() -> Vec<Entry> {
        let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: BTreeSet::from([ATTESTER]) };
        let claim = Claim { duties: vec![duty()], root: SigningRoot::new(B256::repeat_byte(4)), payload: vec![1] };
        let attempt = AttemptRequest {
            slot: Slot::new(9),
            publisher: ATTESTER,
            nonce: 0,
            content: AttemptContent::Bundle { duty: duty() },
            gas_limit: 1,
            fees: Fees { max_priority_fee_per_gas: 1, max_fee_per_gas: 1, max_fee_per_blob_gas: 1 },
        };
        let commands = [
            Command::Guard(GuardCommand::Bind(binding)),
            Command::Guard(GuardCommand::Open { floor: Slot::new(3) }),
            Command::Attempt(attempt),
            Command::Guard(GuardCommand::Claim(vec![claim])),
            Command::Attempt(attempt),
        ];
        (0..).zip(commands).map(|(index, command)| entry(index, command)).collect()
    }

    #[test]
    fn a_bundle_is_recorded_only_once_its_duty_is_bound() {
        let mut state = State::default();
        let replies: Vec<Reply> = history().iter().map(|entry| state.apply(entry, None).unwrap().unwrap().reply).collect();
        let no_bundle = AttemptRefusal::NoBundle { duty: duty(), slot: Slot::new(9) };
        assert_eq!(
            replies,
            [
                Reply::Guard(GuardReply::Done),
                Reply::Guard(GuardReply::Done),
                Reply::Attempt(Err(no_bundle)),
                Reply::Guard(GuardReply::Verdicts(vec![Verdict::Granted { newly_bound: true }])),
                Reply::Attempt(Ok(0)),
            ]
        );
    }

    /// 20 slots of a cluster with 500 attesters, as the guard's own test has them, here with the audit beside them.
    #[test]
    fn a_snapshot_of_ten_thousand_live_duties_stays_under_five_mebibytes() {
        let attesters: Vec<Address> = (1_u64..=500).map(|number| Address::left_padding_from(&number.to_be_bytes())).collect();
        let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: attesters.iter().copied().collect() };
        let mut commands = vec![GuardCommand::Bind(binding), GuardCommand::Open { floor: Slot::new(1_000_000) }];
        for slot in (1_000_001..=1_000_020).map(Slot::new) {
            let claim = |kind, attesters: &[Address], byte, bytes| Claim {
                duties: attesters.iter().map(|attester| Duty { slot, kind, attester: *attester }).collect(),
                root: SigningRoot::new(B256::repeat_byte(byte)),
                payload: vec![byte; bytes],
            };
            let block = |index| DutyKind::BlockProposal { index: ollin_protocol::units::BlockIndex::new(index) };
            let blocks = (0..3).map(|index| claim(block(index), &attesters[..1], 2, 8_700));
            let rest = [
                claim(DutyKind::Attestation, &attesters, 1, 450),
                claim(DutyKind::CheckpointProposal, &attesters[..1], 3, 9_100),
                claim(DutyKind::AttestationsAndSigners, &attesters[..1], 4, 5_000),
            ];
            commands.push(GuardCommand::Claim(blocks.chain(rest).collect()));
        }
        let mut state = State::default();
        for (index, command) in (0..).zip(commands) {
            state.apply(&entry(index, Command::Guard(command)), None).unwrap();
        }
        let bytes = state.encode();
        assert_eq!((state.guard().live_duties(), state.audit().head().count), (10_100, 122));
        assert!(bytes.len() < 5 << 20, "{} bytes", bytes.len());
        assert_eq!(State::decode(&bytes).unwrap(), state);
    }

    #[test]
    fn equal_histories_give_equal_bytes_and_a_snapshot_goes_on_where_it_was_taken() {
        let mut whole = State::default();
        for entry in history() {
            whole.apply(&entry, None).unwrap();
        }
        for cut in 0..history().len() {
            let mut state = State::default();
            for entry in &history()[..cut] {
                state.apply(entry, None).unwrap();
            }
            let mut resumed = State::decode(&state.encode()).unwrap();
            assert_eq!(resumed, state);
            for entry in &history()[cut..] {
                resumed.apply(entry, None).unwrap();
            }
            assert_eq!(resumed.encode(), whole.encode());
        }
    }

    #[test]
    fn an_unknown_command_and_a_repeated_entry_stop_before_anything_changes() {
        let mut state = State::default();
        state.apply(&history()[0], None).unwrap();
        let before = state.clone();
        let unknown = Entry { term: 1, index: 1, body: Body::Command(Bytes::from_static(&[2, 0])) };
        assert!(matches!(state.apply(&unknown, None), Err(ApplyError::Command { index: 1, .. })));
        assert!(matches!(state.apply(&history()[0], None), Err(ApplyError::Repeated { index: 0, applied: 0 })));
        assert_eq!(state, before);
    }

    #[test]
    fn damaged_bytes_are_no_state() {
        let mut state = State::default();
        for entry in history() {
            state.apply(&entry, None).unwrap();
        }
        let bytes = state.encode();
        for position in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert!(State::decode(&changed).is_err(), "changed at {position}");
        }
    }
}
