//! Made-up stories.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use ollin_consensus::{Role, Term};
use ollin_guard::{Duty, DutyKind};
use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};

use crate::simulation::story::{Event, Evidence, HostId, Sample, Story, Told};

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
    Event::Role { host: HostId(host), replica: ReplicaId::new(host), role: Role::Active { term: Term::new(1) } }
}

pub(super) fn killed(host: u64) -> Event {
    Event::Killed { host: HostId(host), lost_batches: 0 }
}

pub(super) fn started(host: u64) -> Event {
    Event::Started { host: HostId(host), replica: ReplicaId::new(host) }
}

pub(super) fn sampled(host: u64, index: u64, digest: u8, floor: u64) -> Event {
    let state = Sample { index, digest: [digest; 32], floor: Some(Slot::new(floor)), watermark: None };
    Event::Sampled { host: HostId(host), state }
}
