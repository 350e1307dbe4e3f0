//! Why a claimed bundle did not land, for whoever records missed duties.

use ollin_protocol::units::Slot;

/// A slot whose bundle was claimed and is not on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishReport {
    /// The slot.
    pub slot: Slot,
    /// What kind of obstacle.
    pub hindrance: PublishHindrance,
    /// The same in words, with its values.
    pub detail: String,
}

/// What kept a bundle from landing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishHindrance {
    /// It was sent, and no block of the slot took it.
    NotMined,
    /// L1 did not answer.
    L1Down,
    /// L1's fees were above the configured caps.
    FeesAboveCap,
    /// It failed in simulation, was mined without effect, or could not be sent.
    Failed,
    /// No quorum answered, or this replica does not lead any more.
    NoQuorum,
    /// The log refused.
    Refused,
    /// A key failed.
    SignerFailed,
    /// The slot was over.
    Late,
}
