//! Hostile bytes for what lies on disk or comes from other replicas, beyond frames (`transport/fuzz.rs`) and the store as a whole
//! (`store/fuzz.rs`).
//!
//! Under a checksum or a chain mutants would all be refused at the door. So beside the bytes as they are, each target takes its
//! input as the body and makes the checksum or chain right: what is behind the door must hold as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use ollin_fuzz::Fuzz;
use ollin_guard::{Binding, Claim, Duty, DutyKind, GuardCommand};
use ollin_protocol::units::{L1BlockNumber, ReplicaId, SigningRoot, Slot};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptContent, AttemptRequest, Fees, Outcome};
use crate::audit::AuditRecord;
use crate::audit::file::{AuditCheck, Header, record_line};
use crate::chain::{Base, Chain, Position};
use crate::cluster_file::{ClusterFile, ReplicaAddress};
use crate::command::{Command, Envelope, Origin};
use crate::entry::{Body, Entry, EntryError, MembershipRecord, StoredMembership};
use crate::membership::{EnlistToken, Member, MemberKind};
use crate::raft::VoteRecord;
use crate::recovery::{Promise, Seen};
use crate::rules::RulesVersion;
use crate::sealed;
use crate::state::{ApplyError, State};
use crate::store::Identity;

const ATTESTER: Address = Address::repeat_byte(1);
const PUBLISHER: Address = Address::repeat_byte(2);
const SLOT: Slot = Slot::new(9);

pub(crate) fn member(id: u64) -> Member {
    let fingerprint = [u8::try_from(id).unwrap_or(u8::MAX); 32];
    Member { name: ReplicaId::new(id), address: format!("127.0.0.1:{id}"), fingerprint, kind: MemberKind::Full }
}

pub(crate) fn membership(ids: &[u64]) -> MembershipRecord {
    MembershipRecord {
        configurations: vec![ids.iter().copied().collect()],
        members: ids.iter().map(|id| (*id, member(*id))).collect(),
    }
}

fn attempt(fee: u128, content: AttemptContent) -> AttemptRequest {
    let fees = Fees { max_priority_fee_per_gas: fee, max_fee_per_gas: fee, max_fee_per_blob_gas: fee };
    AttemptRequest { slot: SLOT, publisher: PUBLISHER, nonce: 0, content, gas_limit: 21_000, fees }
}

/// Every kind of command, in an order in which most of them do something.
pub(crate) fn commands() -> Vec<Command> {
    let duty = Duty { slot: SLOT, kind: DutyKind::AttestationsAndSigners, attester: ATTESTER };
    let claim = Claim { duties: vec![duty], root: SigningRoot::new(B256::repeat_byte(4)), payload: vec![1, 2, 3] };
    let mined = Outcome::Mined {
        publisher: PUBLISHER,
        nonce: 0,
        tx_hash: B256::repeat_byte(5),
        l1_block: L1BlockNumber::new(7),
        l1_block_hash: B256::repeat_byte(6),
    };
    vec![
        Command::Guard(GuardCommand::Bind(Binding { chain_id: 1, rollup: Address::ZERO, attesters: [ATTESTER].into() })),
        Command::Guard(GuardCommand::Open { floor: Slot::new(3) }),
        Command::Guard(GuardCommand::Claim(vec![claim])),
        Command::Attempt(attempt(1, AttemptContent::Bundle { duty })),
        Command::Attempt(attempt(2, AttemptContent::Cancellation)),
        Command::Outcome(mined),
        Command::ReserveId { replica: ReplicaId::new(4) },
        Command::Enlist { id: 4, token: EnlistToken::new([7; 16]) },
        Command::Close { slot: Slot::new(5), settles: vec![(1, 11), (2, 22)] },
        Command::Upgrade { version: RulesVersion::NEXT },
        Command::Recover { retired: [9; 16], replica: ReplicaId::new(1), token: EnlistToken::new([8; 16]) },
        Command::Guard(GuardCommand::RaiseWatermark { slot: Slot::new(4) }),
        Command::Guard(GuardCommand::AddAttester { attester: PUBLISHER, floor: Slot::new(20) }),
        Command::Guard(GuardCommand::ReleaseAttester { attester: ATTESTER, last_slot: Slot::new(30) }),
    ]
}

/// What a log may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Command(Command),
    Membership(MembershipRecord),
    Blank,
}

fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Membership(membership(&[1, 2, 3])), Step::Blank];
    steps.extend(commands().into_iter().map(Step::Command));
    steps.extend([Step::Membership(membership(&[1, 2, 3, 7])), Step::Membership(membership(&[1, 2, 7]))]);
    steps
}

pub(crate) fn entry(index: u64, body: Body) -> Entry {
    Entry { term: 1, index, body }
}

fn command_body(index: u64, command: Command) -> Body {
    let origin = Origin { replica: 1, boot: 2, sequence: index };
    Body::Command(Bytes::from(Envelope { origin, command }.encode()))
}

fn body_of(index: u64, step: &Step) -> Body {
    match step {
        Step::Command(command) => command_body(index, command.clone()),
        Step::Membership(membership) => Body::Membership(membership.clone()),
        Step::Blank => Body::Blank,
    }
}

/// The log of all steps.
pub(crate) fn log() -> Vec<Entry> {
    (0..).zip(&steps()).map(|(index, step)| entry(index, body_of(index, step))).collect()
}

pub(crate) fn state_after(entries: &[Entry]) -> State {
    let mut state = State::default();
    for entry in entries {
        state.apply(entry, None).unwrap();
    }
    state
}

/// `version ‖ checksum` in front of a body.
pub(crate) fn with_checksum(body: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let version = sealed::seal(&())[0];
    let checksum = Sha256::new().chain_update([version]).chain_update(body).finalize();
    [&[version][..], &checksum, body].concat()
}

/// Sealed values of one type: what is accepted is read again from what is written.
pub(crate) fn check_sealed<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    for stored in [bytes, &with_checksum(bytes)] {
        if let Ok(value) = sealed::open::<T>(stored) {
            assert_eq!(sealed::open::<T>(&sealed::seal(&value)).as_ref(), Ok(&value));
        }
    }
}

#[test]
fn stored_values_that_are_accepted_are_read_as_they_are_written() {
    let vote = VoteRecord { term: 3, voted_for: 2, committed: true };
    let position = Position { term: 3, index: 9, chain: Chain::from_bytes([8; 32]) };
    let promise = Promise { vote: Some(vote), last: Some(position) };
    let identity =
        Identity { cluster: [1; 16], name: ReplicaId::new(2), id: 2, token: Some(EnlistToken::new([3; 16])), enlisted: true };
    let base = Base { term: 1, index: 2, chain: Some(Chain::from_bytes([4; 32])) };
    let seeds = [
        sealed::to_bytes(&vote),
        sealed::to_bytes(&promise),
        sealed::to_bytes(&identity),
        sealed::to_bytes(&base),
        sealed::to_bytes(&Some((1u64, 2u64))),
        sealed::to_bytes(&("boot id", 7u64, promise)),
        sealed::seal(&promise),
    ];
    Fuzz::new("sealed").seeds(seeds).longest(1024).run(|bytes| {
        check_sealed::<VoteRecord>(bytes);
        check_sealed::<Promise>(bytes);
        check_sealed::<Identity>(bytes);
        check_sealed::<Base>(bytes);
        check_sealed::<Option<(u64, u64)>>(bytes);
        check_sealed::<Seen>(bytes);
    });
}

#[test]
fn a_stored_entry_that_is_accepted_is_spelled_as_it_was_hashed() {
    let before = Chain::from_bytes([5; 32]);
    let record = |entry: &Entry| entry.to_record(before, entry.chain_after(before));
    let seeds = log().iter().flat_map(|entry| [record(entry), sealed::to_bytes(entry)]).collect::<Vec<_>>();
    Fuzz::new("entry").seeds(seeds).run(|bytes| {
        let index = 1;
        if let Ok(stored) = Entry::from_record(index, bytes) {
            assert_eq!(stored.entry.to_record(stored.before, stored.chain), bytes);
        }
        // The same with a chain that is right for what the body says.
        let Ok(entry) = sealed::from_bytes::<Entry>(bytes) else { return };
        let chain = entry.chain_after(before);
        let forged = [&[1][..], before.as_bytes(), chain.as_bytes(), bytes].concat();
        match Entry::from_record(entry.index, &forged) {
            Ok(stored) => assert_eq!(stored.entry.to_record(before, chain), forged),
            Err(error) => assert!(matches!(error, EntryError::NotCanonical), "an entry is refused that decodes: {error}"),
        }
        let Ok(raft) = entry.clone().into_raft() else { return };
        assert_eq!(Entry::from(&raft).chain_after(before), chain, "what openraft hands on is what was hashed");
    });
}

#[test]
fn a_command_that_is_accepted_is_read_as_it_is_written() {
    let envelope = |command| Envelope { origin: Origin { replica: 1, boot: u64::MAX, sequence: 3 }, command }.encode();
    Fuzz::new("command").seeds(commands().into_iter().map(envelope)).run(|bytes| {
        let Ok(command) = Envelope::decode(bytes) else { return };
        assert_eq!(Envelope::decode(&command.encode()), Ok(command));
    });
}

/// Beside the replica's own snapshots these are the leader's: what one replica takes for a state must be the same bytes on all.
#[test]
fn a_snapshot_that_is_accepted_is_spelled_as_a_replica_spells_it() {
    let log = log();
    let body = |count: usize| state_after(&log[..count]).encode()[33..].to_vec();
    let seeds: Vec<Vec<u8>> = (0..=log.len()).map(body).collect();
    let next = u64::try_from(log.len()).unwrap();
    Fuzz::new("state").seeds(seeds).longest(8192).run(|bytes| {
        assert!(State::decode(bytes).is_err(), "noise with a checksum of its own");
        let stored = with_checksum(bytes);
        let Ok(mut state) = State::decode(&stored) else { return };
        assert_eq!(state.encode(), stored);
        for (index, command) in (state.applied().map_or(next, |applied| applied.index.saturating_add(1))..).zip(commands()) {
            let _ = state.apply(&entry(index, command_body(index, command)), None);
        }
        assert_eq!(State::decode(&state.encode()).unwrap(), state);
    });
}

/// Inputs are logs: whatever was agreed, applying it does not panic, and the state that it leads to can be stored.
#[test]
fn no_log_leads_to_a_state_that_is_refused() {
    let seeds = (1..=steps().len()).map(|count| sealed::to_bytes(&steps()[..count].to_vec()));
    Fuzz::new("history").seeds(seeds).longest(4096).run(|bytes| {
        let Ok(steps) = sealed::from_bytes::<Vec<Step>>(bytes) else { return };
        let (mut state, mut ids) = (State::default(), BTreeSet::new());
        for (index, step) in (0..).zip(&steps) {
            let body = body_of(index, step);
            if let Body::Membership(membership) = &body {
                // Raft takes no other; and no id is ever used again, nor made by counting so far (`membership/rule.rs`).
                let reused = membership
                    .members
                    .keys()
                    .any(|id| ids.contains(id) && !state.membership().membership.members.contains_key(id));
                let far = membership.members.keys().any(|id| *id >= 1 << 62);
                if far || reused || membership.clone().into_raft().is_err() {
                    continue;
                }
                ids.extend(membership.members.keys().copied());
            }
            match state.apply(&entry(index, body), None) {
                // A replica stops in front of it.
                Err(ApplyError::Rules { .. }) => break,
                applied => drop(applied.unwrap()),
            }
        }
        assert_eq!(State::decode(&state.encode()).unwrap(), state, "after {steps:?}");
    });
}

#[test]
fn a_cluster_file_that_is_accepted_has_distinct_members() {
    let replica = |id: u64| ReplicaAddress {
        id: ReplicaId::new(id),
        address: format!("127.0.0.1:{id}"),
        fingerprint: format!("{id:064x}"),
        kind: if id == 3 { MemberKind::Witness } else { MemberKind::Full },
    };
    let file =
        ClusterFile { cluster_id: "00112233445566778899aabbccddeeff".to_owned(), replicas: (1..=3).map(replica).collect() };
    let seeds = [serde_json::to_vec(&file).unwrap(), serde_json::to_vec_pretty(&file).unwrap()];
    Fuzz::new("cluster-file").seeds(seeds).words(&["\"kind\":\"witness\"", "\"id\":", "\"replicas\":["]).run(|bytes| {
        let Ok(file) = ClusterFile::parse(bytes, String::new()) else { return };
        assert_eq!(ClusterFile::parse(&serde_json::to_vec(&file).unwrap(), String::new()).unwrap(), file);
        assert_eq!(file.members().unwrap().len(), file.replicas.len());
    });
}

/// The chain is made right for records that are read, so that the checks behind it are reached.
#[test]
fn an_audit_file_is_read_as_far_as_its_chain_holds() {
    let state = state_after(&log());
    let page = state.audit().page(0);
    let header = Header::new("00112233445566778899aabbccddeeff".to_owned(), 1, page.base).to_line();
    let plain: String = page.records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    let mut head = page.base;
    let chained = page.records.iter().map(|record| {
        head = head.after(record);
        record_line(record, &head)
    });
    let seeds = [header.clone() + &chained.collect::<String>(), plain].map(String::into_bytes);
    Fuzz::new("audit-file").seeds(seeds).words(&["\"duties\":", "\"attesters\":[", "\"number\":0", "\n"]).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut check = AuditCheck::default();
        if check.segment(&text).is_ok() {
            let (head, whole) = crate::audit::file::end(&text).unwrap();
            assert_eq!((head, whole == text.len()), (check.summary().head, !check.summary().torn));
            check.agree(&check).unwrap();
        }
        let (mut segment, mut head) = (header.clone(), page.base);
        for record in text.lines().filter_map(|line| serde_json::from_str::<AuditRecord>(line).ok()) {
            let record = AuditRecord { number: head.count, ..record };
            head = head.after(&record);
            segment.push_str(&record_line(&record, &head));
        }
        let mut check = AuditCheck::default();
        if check.segment(&segment).is_ok() {
            assert_eq!((check.summary().head, check.summary().records), (head, head.count));
        }
    });
}

/// Ids of members, for the targets of other modules.
pub(crate) fn stored_membership() -> StoredMembership {
    StoredMembership { set_by: Some((1, 0)), membership: membership(&[1, 2, 3]) }
}

pub(crate) fn members() -> BTreeMap<u64, Member> {
    membership(&[1, 2, 3]).members
}
