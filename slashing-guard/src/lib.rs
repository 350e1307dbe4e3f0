//! The rule that keeps a key from signing twice: at most one signing root per duty, for ever.
//!
//! [`Guard`] is the replicated state, [`GuardCommand`] the only thing that changes it, [`Guard::apply`] the only function that
//! does. `apply` is a pure function of the commands so far: no clock, randomness, configuration, IO or map order takes part, so
//! replicas at the same log index hold the same bytes ([`Guard::encode`]).
//!
//! What holds after any sequence of commands, and the module that keeps it:
//!
//! - a duty is granted one root only, and that root again until the watermark passes it (`guard/claim.rs`);
//! - floor and watermark never fall, and the watermark is never above the floor (`guard/line.rs`);
//! - nothing is granted before `Bind`, at most one `Import`, and `Open`, in this order (`guard/entry.rs`);
//! - a record leaves only when the watermark has passed its slot (`register.rs`);
//! - a released attester never comes back, and a frozen one is granted nothing (`guard/roster.rs`, `guard/claim.rs`);
//! - what an earlier cluster may have signed is not signed again: an import's stop line is the least floor (`interchange.rs`);
//! - damaged, foreign or non-canonical snapshot bytes are refused, never loaded (`snapshot.rs`).
//!
//! Left to others: agreeing on the order of commands and making them durable, computing roots from payloads, deciding which
//! slots may be claimed at all (`ollin-consensus`); signing (`ollin-keystore`). A verdict is not a grant: grants are born in
//! `ollin-consensus`, for a request of this process, from what its own guard binds.

mod attester;
mod binding;
mod command;
mod duty;
#[cfg(test)]
mod fuzz;
mod guard;
pub mod interchange;
pub mod limit;
mod planted;
mod register;
mod rejection;
mod snapshot;
mod verdict;

pub use attester::{AttesterState, Evidence, Sighting};
pub use binding::{Binding, Phase};
pub use command::{Claim, GuardCommand, GuardReply};
pub use duty::{Duty, DutyKind};
pub use guard::Guard;
pub use planted::{Fault, planted};
pub use register::Bound;
pub use rejection::CommandRejection;
pub use snapshot::SnapshotError;
pub use verdict::{Refusal, Verdict};
