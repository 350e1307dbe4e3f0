//! Made-up stories.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use ollin_consensus::fitness::Class;
use ollin_consensus::simulation::StateDigest;
use ollin_consensus::{AttemptContent, AttemptRequest, Fees, Memory, RecordedAttempt, Role, Term};
use ollin_guard::{Duty, DutyKind};
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};

use crate::simulation::story::{Event, Evidence, HostId, Lines, Sample, Story, Told};

pub(super) fn story(events: impl IntoIterator<Item = (u64, Event)>) -> Story {
    let events = events.into_iter().map(|(ms, event)| Told { at: Duration::from_millis(ms), event });
    Story { events: events.collect(), ..Story::default() }
}

pub(super) fn duty(slot: u64) -> Duty {
    Duty { attester: Address::repeat_byte(1), slot: Slot::new(slot), kind: DutyKind::AttestationsAndSigners }
}

pub(super) fn root(byte: u8) -> SigningRoot {
    SigningRoot::new(B256::repeat_byte(byte))
}

pub(super) fn signed_with(host: u64, slot: u64, root_byte: u8, evidence: Evidence) -> Event {
    let (host, replica) = (HostId(host), ReplicaId::new(host));
    Event::Signed { host, replica, duty: duty(slot), root: root(root_byte), evidence }
}

pub(super) fn signed(host: u64, slot: u64, root_byte: u8) -> Event {
    signed_with(host, slot, root_byte, Evidence { durable: 2, quorum: 2, applied: true })
}

pub(super) fn acts(host: u64) -> Event {
    acts_in(host, 1)
}

pub(super) fn acts_in(host: u64, term: u64) -> Event {
    Event::Role { host: HostId(host), replica: ReplicaId::new(host), role: Role::Active { term: Term::new(term) } }
}

pub(super) fn opened(host: u64, raft_id: u64, memory: Memory) -> Event {
    Event::Opened { host: HostId(host), raft_id, memory }
}

pub(super) fn memory(host: u64, memory: Memory) -> Event {
    Event::Memory { host: HostId(host), memory }
}

pub(super) fn taken(host: u64, replica: u64) -> Event {
    Event::Taken { host: HostId(host), replica: ReplicaId::new(replica) }
}

pub(super) fn killed(host: u64) -> Event {
    Event::Killed { host: HostId(host), lost_batches: 0 }
}

pub(super) fn started(host: u64) -> Event {
    Event::Started { host: HostId(host), replica: ReplicaId::new(host) }
}

/// A state after an entry; one history for each state.
pub(super) fn sampled(host: u64, index: u64, state: u8, floor: u64) -> Event {
    sample(host, StateDigest { index, chain: [state; 32], state: [state; 32] }, floor)
}

pub(super) fn sampled_of(host: u64, index: u64, chain: u8, state: u8) -> Event {
    sample(host, StateDigest { index, chain: [chain; 32], state: [state; 32] }, 3)
}

fn sample(host: u64, digest: StateDigest, floor: u64) -> Event {
    let lines = Lines { floor: Some(Slot::new(floor)), ..Lines::default() };
    Event::Sampled { host: HostId(host), state: Sample { digest, lines } }
}

/// An attempt with the slot's bundle, signed as `0xaa`; each fee is `fee`.
pub(super) fn attempt(nonce: u64, number: u32, slot: u64, fee: u128) -> RecordedAttempt {
    let fees = Fees { max_priority_fee_per_gas: fee, max_fee_per_gas: fee, max_fee_per_blob_gas: fee };
    let (content, publisher) = (AttemptContent::Bundle { duty: duty(slot) }, Address::repeat_byte(2));
    let request = AttemptRequest { slot: Slot::new(slot), publisher, nonce, content, gas_limit: 1, fees };
    RecordedAttempt { number, request, holds_blobs: true, root: Some(root(0xaa)) }
}

pub(super) fn sent(host: u64, attempt: RecordedAttempt) -> Event {
    Event::Sent { host: HostId(host), attempt }
}

pub(super) fn included(attempt: RecordedAttempt) -> Event {
    Event::Included { attempt }
}

pub(super) fn class(host: u64, class: Class) -> Event {
    Event::Class { host: HostId(host), replica: ReplicaId::new(host), class }
}

pub(super) fn hands_over(host: u64, own: Class, to: u64, class: Class) -> Event {
    Event::HandsOver { host: HostId(host), own, to: ReplicaId::new(to), class }
}
