//! Why a file was not written, read or taken over.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::Address;
use ollin_protocol::units::Slot;

use super::{FORMAT, MAX_BYTES, VERSION};
use crate::{Duty, Phase};

/// What makes an import unsafe unless an operator knows better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// An attester was not released: the exporting cluster may sign on.
    Unreleased,
    /// An attester's key has signed outside of the exporting cluster.
    Frozen,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreleased => "unreleased",
            Self::Frozen => "frozen",
        })
    }
}

impl FromStr for Doubt {
    type Err = UnknownDoubt;

    fn from_str(text: &str) -> Result<Self, UnknownDoubt> {
        match text {
            "unreleased" => Ok(Self::Unreleased),
            "frozen" => Ok(Self::Frozen),
            other => Err(UnknownDoubt { found: other.to_owned() }),
        }
    }
}

/// A word that names no doubt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} cannot be accepted, expected unreleased or frozen")]
pub struct UnknownDoubt {
    found: String,
}

/// Why nothing was exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportRefusal {
    /// Nothing was ever granted.
    #[error("the signing log is {phase}, nothing was signed yet: export after the cluster was created")]
    NotOpen {
        /// The present phase.
        phase: Phase,
    },
    /// The cluster never signed for this attester.
    #[error("attester {attester} is not bound to this cluster")]
    Unbound {
        /// Its address.
        attester: Address,
    },
}

/// Why a file was not taken over. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// Signatures of one rollup protect nothing on another.
    #[error(
        "the file is of rollup {rollup} on chain {chain_id}, this cluster is for rollup {bound_rollup} on chain {bound_chain_id}"
    )]
    OtherRollup {
        /// The file's L1 chain id.
        chain_id: u64,
        /// The file's rollup.
        rollup: Address,
        /// The cluster's L1 chain id.
        bound_chain_id: u64,
        /// The cluster's rollup.
        bound_rollup: Address,
    },
    /// The file holds an attester that this cluster does not sign for.
    #[error("the file holds attester {attester}, which is not in this cluster's keystore: export only the attesters that move")]
    Unbound {
        /// Its address.
        attester: Address,
    },
    /// The exporting cluster may sign on.
    #[error(
        "attester {attester} was not released by the cluster that wrote the file, which may still sign: release it there and \
         export again, or accept `unreleased` if that cluster is gone for good"
    )]
    Unreleased {
        /// Its address.
        attester: Address,
    },
    /// The key has signed outside of the exporting cluster.
    #[error("the key of attester {attester} has signed elsewhere: find that signer first, then accept `frozen`")]
    Frozen {
        /// Its address.
        attester: Address,
    },
}

/// Why bytes are no interchange file.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// Larger than any export.
    #[error("an interchange file of {bytes} bytes, expected at most {MAX_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or not of this shape: a field is missing, unknown or of another type.
    #[error("not an interchange file")]
    Shape(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("format is {found:?}, expected {FORMAT:?}")]
    Format {
        /// What the file says it is.
        found: String,
    },
    /// Written by another version.
    #[error("interchange version {found}, this binary reads {VERSION}")]
    Version {
        /// The file's version.
        found: u64,
    },
    /// The file was changed or damaged after it was written.
    #[error("checksum is {found}, the contents have {computed}: the file was changed after it was written")]
    Checksum {
        /// The checksum in the file.
        found: String,
        /// The checksum of its contents.
        computed: String,
    },
    /// A duty that is listed twice.
    #[error("{duty} is listed twice")]
    Repeated {
        /// The duty.
        duty: Duty,
    },
    /// An attester that is listed twice.
    #[error("attester {attester} is listed twice")]
    RepeatedAttester {
        /// Its address.
        attester: Address,
    },
    /// A kind with an index it has not, or without one it has.
    #[error("{kind} has {} index", if *indexed { "no" } else { "an" })]
    Index {
        /// The kind, as the file spells it.
        kind: &'static str,
        /// Whether the file gives one.
        indexed: bool,
    },
    /// No attester.
    #[error("the file lists no attester")]
    NoAttesters,
    /// A duty of an attester that is not listed.
    #[error("{duty} is of an attester that the file does not list")]
    UnlistedAttester {
        /// The duty.
        duty: Duty,
    },
    /// A duty above its attester's stop line: the line is wrong.
    #[error("{duty} is above its attester's stop line {stop_line}")]
    BeyondStopLine {
        /// The duty.
        duty: Duty,
        /// The line.
        stop_line: Slot,
    },
    /// Evidence of another attester, or above the stop line.
    #[error("the evidence about {duty} is of another attester or above the stop line")]
    MisplacedEvidence {
        /// The duty that was signed elsewhere.
        duty: Duty,
    },
    /// The file's stop line is not the highest of its attesters'.
    #[error("stop line {found}, the attesters have {computed}")]
    StopLine {
        /// The file's.
        found: Slot,
        /// The highest of the attesters'.
        computed: Slot,
    },
}
