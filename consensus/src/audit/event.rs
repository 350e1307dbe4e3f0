//! What one record of the audit says, and how it comes out of an applied command.

use alloy_primitives::Address;
use ollin_guard::{Claim, Duty, DutyKind, Guard, GuardCommand, GuardReply, Sighting, Verdict};
use ollin_protocol::units::{SigningRoot, Slot};
use serde::{Deserialize, Serialize};

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Its number, from 0.
    pub number: u64,
    /// The entry of the log that it comes from.
    pub log_index: u64,
    /// What changed.
    pub event: AuditEvent,
}

/// A change of the guard. Commands that changed nothing make none.
///
/// The position of a variant is part of the hash: append, never reorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuditEvent {
    /// Chain, rollup and first attesters were bound.
    Bound {
        /// L1 chain id.
        chain_id: u64,
        /// The rollup contract.
        rollup: Address,
        /// The attesters.
        attesters: Vec<Address>,
    },
    /// An earlier signer's duties were taken over.
    Imported {
        /// How many.
        duties: u64,
        /// The last slot that it may have signed in.
        stop_line: Slot,
    },
    /// The set-up ended.
    Opened {
        /// The first floor.
        floor: Slot,
    },
    /// Duties of one slot and kind were bound to one root.
    Duties {
        /// The slot.
        slot: Slot,
        /// The kind.
        kind: DutyKind,
        /// Whose duties.
        attesters: Vec<Address>,
        /// The only root that may be signed for them.
        root: SigningRoot,
    },
    /// The floor rose.
    Floor {
        /// The new floor.
        slot: Slot,
    },
    /// The watermark rose: records at or below it are gone from the state.
    Watermark {
        /// The new watermark.
        slot: Slot,
    },
    /// Slots were closed after a gap in memory.
    Closed {
        /// The last closed slot.
        slot: Slot,
    },
    /// An attester came.
    Added {
        /// Its address.
        attester: Address,
        /// Its own floor.
        floor: Slot,
    },
    /// An attester was given up.
    Released {
        /// Its address.
        attester: Address,
        /// The last slot in which it may be granted duties.
        last_slot: Slot,
    },
    /// An attester was frozen: its key has signed elsewhere.
    Frozen {
        /// What was signed elsewhere.
        duty: Duty,
        /// The root under that signature.
        root: SigningRoot,
        /// Where it was seen.
        seen: Sighting,
    },
    /// An operator has answered the evidence that froze an attester.
    Unfrozen {
        /// Its address.
        attester: Address,
        /// Nothing more is granted to it at or below this slot.
        floor: Slot,
        /// What the operator said.
        reason: String,
    },
}

/// What an applied command changed; `before` is the guard as it was, `after` as it is.
pub(super) fn events(command: &GuardCommand, reply: &GuardReply, before: &Lines, after: &Guard) -> Vec<AuditEvent> {
    let mut events = match (command, reply) {
        (_, GuardReply::Rejected(_)) => return Vec::new(),
        (GuardCommand::Claim(claims), GuardReply::Verdicts(verdicts)) => duties(claims, verdicts),
        (command, GuardReply::Verdicts(_) | GuardReply::Done) => set_up(command, before, after).into_iter().collect(),
    };
    let raised = |before: Option<Slot>, after: Option<Slot>| after.filter(|_| after > before);
    // The first floor belongs to the import or the opening that set it.
    if before.open {
        events.extend(raised(before.floor, after.floor()).map(|slot| AuditEvent::Floor { slot }));
        events.extend(raised(before.watermark, after.watermark()).map(|slot| AuditEvent::Watermark { slot }));
        events.extend(raised(before.closed, after.closed()).map(|slot| AuditEvent::Closed { slot }));
    }
    events
}

/// What of the guard must be known from before a command to tell what it changed.
pub(super) struct Lines {
    open: bool,
    floor: Option<Slot>,
    watermark: Option<Slot>,
    closed: Option<Slot>,
    /// Attesters that were released or frozen already.
    released: usize,
    frozen: usize,
}

impl Lines {
    pub(super) fn of(guard: &Guard) -> Self {
        Self {
            open: guard.phase() == ollin_guard::Phase::Open,
            floor: guard.floor(),
            watermark: guard.watermark(),
            closed: guard.closed(),
            released: guard.attesters().filter(|(_, state)| state.released.is_some()).count(),
            frozen: guard.attesters().filter(|(_, state)| state.frozen.is_some()).count(),
        }
    }
}

fn set_up(command: &GuardCommand, before: &Lines, after: &Guard) -> Option<AuditEvent> {
    let now = Lines::of(after);
    match command {
        GuardCommand::Bind(binding) => Some(AuditEvent::Bound {
            chain_id: binding.chain_id,
            rollup: binding.rollup,
            attesters: binding.attesters.iter().copied().collect(),
        }),
        GuardCommand::Import { records, stop_line } => {
            Some(AuditEvent::Imported { duties: u64::try_from(records.len()).unwrap_or(u64::MAX), stop_line: *stop_line })
        }
        GuardCommand::Open { floor } => Some(AuditEvent::Opened { floor: after.floor().unwrap_or(*floor) }),
        GuardCommand::AddAttester { attester, floor } => Some(AuditEvent::Added { attester: *attester, floor: *floor }),
        GuardCommand::ReleaseAttester { attester, last_slot } => {
            (now.released > before.released).then_some(AuditEvent::Released { attester: *attester, last_slot: *last_slot })
        }
        GuardCommand::Foreign { duty, root, seen } => {
            (now.frozen > before.frozen).then_some(AuditEvent::Frozen { duty: *duty, root: *root, seen: *seen })
        }
        GuardCommand::Unfreeze { attester, floor, reason } => {
            let line = after.attesters().find(|(address, _)| *address == attester).and_then(|(_, state)| state.thawed);
            Some(AuditEvent::Unfrozen { attester: *attester, floor: line.unwrap_or(*floor), reason: reason.clone() })
        }
        GuardCommand::Claim(_)
        | GuardCommand::RaiseFloor { .. }
        | GuardCommand::RaiseWatermark { .. }
        | GuardCommand::DropPayloads { .. }
        | GuardCommand::Close { .. } => None,
    }
}

/// One event for each claim that bound something new.
fn duties(claims: &[Claim], verdicts: &[Verdict]) -> Vec<AuditEvent> {
    let mut verdicts = verdicts.iter();
    let mut events = Vec::new();
    for claim in claims {
        let mut attesters = Vec::new();
        for (duty, verdict) in claim.duties.iter().zip(verdicts.by_ref()) {
            if *verdict == (Verdict::Granted { newly_bound: true }) {
                attesters.push(duty.attester);
            }
        }
        if let (Some(first), false) = (claim.duties.first(), attesters.is_empty()) {
            events.push(AuditEvent::Duties { slot: first.slot, kind: first.kind, attesters, root: claim.root });
        }
    }
    events
}
