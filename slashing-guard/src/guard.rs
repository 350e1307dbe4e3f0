//! The guard: the state, the one function that changes it, and what may be read of it.

mod claim;
mod entry;
mod line;
mod roster;
mod state;

use alloy_primitives::Address;
use ollin_protocol::units::{SigningRoot, Slot};

use crate::{
    AttesterState, Binding, Bound, CommandRejection, Duty, Evidence, GuardCommand, GuardReply, Phase, SnapshotError, snapshot,
};

pub(crate) use state::State;

/// Every duty that is bound, and the lines below which nothing more is.
///
/// A plain value: equal command sequences make equal guards, and equal guards encode to equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    state: State,
}

impl Guard {
    /// An empty, sealed guard.
    pub const fn new() -> Self {
        Self { state: State::new() }
    }

    /// Applies one command. A rejected command changes nothing.
    pub fn apply(&mut self, command: &GuardCommand) -> GuardReply {
        let outcome = match command {
            GuardCommand::Bind(binding) => self.state.bind(binding),
            GuardCommand::Import { records, stop_line } => self.state.import(records, *stop_line),
            GuardCommand::Open { floor } => self.state.open(*floor),
            GuardCommand::Claim(claims) => return self.state.claim(claims),
            GuardCommand::RaiseFloor { slot } => self.state.raise_floor(*slot),
            GuardCommand::RaiseWatermark { slot } => self.state.raise_watermark(*slot),
            GuardCommand::DropPayloads { slot } => self.state.drop_payloads(*slot),
            GuardCommand::AddAttester { attester, floor } => self.state.add_attester(*attester, *floor),
            GuardCommand::ReleaseAttester { attester, last_slot } => self.state.release_attester(*attester, *last_slot),
            GuardCommand::Foreign { duty, root, seen } => self.state.freeze(Evidence { duty: *duty, root: *root, seen: *seen }),
            GuardCommand::Close { slot } => self.state.close(*slot),
            GuardCommand::Unfreeze { attester, floor, reason } => self.state.unfreeze(*attester, *floor, reason),
        };
        match outcome {
            Ok(()) => GuardReply::Done,
            Err(rejection) => GuardReply::Rejected(rejection),
        }
    }

    /// What `duty` is bound to. A frozen attester's records are still shown; they are only not granted again.
    pub fn bound(&self, duty: &Duty) -> Option<Bound<'_>> {
        self.state.register.bound(duty)
    }

    /// Everything bound in `slot`, in the order of duties.
    pub fn bound_in_slot(&self, slot: Slot) -> impl Iterator<Item = (&Duty, Bound<'_>)> {
        self.state.register.bound_in_slot(slot)
    }

    /// Everything that is bound, in the order of duties.
    pub fn duties(&self) -> impl Iterator<Item = (&Duty, &SigningRoot)> {
        self.state.register.records()
    }

    /// Why a signature of `evidence.duty` under `evidence.root` proves nothing about this cluster's keys; `None` if it is foreign.
    pub fn no_evidence(&self, evidence: &Evidence) -> Option<CommandRejection> {
        self.state.no_evidence(evidence)
    }

    /// How far the cluster has been set up.
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    /// Chain, rollup and the attesters that were not released; `None` before `Bind`.
    pub fn binding(&self) -> Option<Binding> {
        self.state.binding()
    }

    /// Every attester ever bound, with its own floor, release and evidence.
    pub fn attesters(&self) -> impl Iterator<Item = (&Address, &AttesterState)> {
        self.state.attesters.iter()
    }

    /// The cluster's floor; `None` before `Import` or `Open`. An attester's own floor may be higher.
    pub fn floor(&self) -> Option<Slot> {
        self.state.floor
    }

    /// The last slot in which nothing more is granted, since the cluster's memory had a gap; `None` if it never had.
    pub fn closed(&self) -> Option<Slot> {
        self.state.closed
    }

    /// The watermark; `None` until it is first raised.
    pub fn watermark(&self) -> Option<Slot> {
        self.state.watermark
    }

    /// The highest slot that a duty is bound in.
    pub fn highest_slot(&self) -> Option<Slot> {
        self.state.register.highest_slot()
    }

    /// How many duties are above the watermark.
    pub fn live_duties(&self) -> usize {
        self.state.register.len()
    }

    /// The state as bytes: version, body, checksum. Equal guards give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        snapshot::encode(&self.state)
    }

    /// Reads what [`Guard::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`SnapshotError`] for another version, a wrong checksum, truncated or trailing bytes, another spelling of the same state,
    /// or a state that no sequence of commands leads to.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        snapshot::decode(bytes).map(|state| Self { state })
    }
}

/// Does not compile if the guard gets a cell, a lock or an atomic: nothing but `apply` may change it.
const _: &Guard = &Guard::new();

/// The same for what lies behind pointers, as far as auto traits see it, and the guard stays free to move between threads.
const _: () = {
    const fn plain<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    plain::<Guard>();
};
