//! What the log can be asked to do, and what it answers.

use ollin_guard::{GuardCommand, GuardReply};
use ollin_protocol::units::{ReplicaId, Slot};
use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptRefusal, AttemptRequest, Outcome};
use crate::membership::{EnlistRefusal, EnlistToken};
use crate::rules::RulesVersion;
use crate::sealed::{self, SealError};

/// The only version that this build proposes and applies.
const VERSION: u8 = 1;

/// A command and who proposed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The proposal that this entry is.
    pub origin: Origin,
    /// What it asks for.
    pub command: Command,
}

/// Names one proposal of one process. The answer carries it back, so that no process takes another's answer for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The replica that proposed.
    pub replica: u64,
    /// The boot nonce of its process.
    pub boot: u64,
    /// The proposal's number in that process.
    pub sequence: u64,
}

/// One command. The position of a variant is part of the log's format: append, never reorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A command of the guard: set-up, claims, floor, watermark.
    Guard(GuardCommand),
    /// An L1 transaction is about to be sent.
    Attempt(AttemptRequest),
    /// L1 showed what became of one.
    Outcome(Outcome),
    /// A Raft id is needed for a replica that is about to be added.
    ReserveId {
        /// Its name.
        replica: ReplicaId,
    },
    /// A store takes a reserved id.
    Enlist {
        /// The id.
        id: u64,
        /// The store.
        token: EnlistToken,
    },
    /// Closes the slots that had begun when a replica's memory may have had a gap (safety rule R7).
    Close {
        /// The last closed slot.
        slot: Slot,
        /// The processes that had demanded it: Raft id and boot nonce.
        settles: Vec<(u64, u64)>,
    },
    /// The quorum of a cluster is lost for good, and one replica goes on as a new cluster (safety rule R12). Written by
    /// `ollin cluster recover` into the log of that replica; the entry after it makes it the only member.
    Recover {
        /// The cluster that is retired.
        retired: [u8; 16],
        /// The replica's name. It gets a new Raft id.
        replica: ReplicaId,
        /// Its store.
        token: EnlistToken,
    },
    /// From the next entry on, the rules of this version hold (safety rule R13). It is one more than the version in force; another
    /// one changes nothing.
    Upgrade {
        /// The version.
        version: RulesVersion,
    },
}

/// What applying a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The guard's answer.
    Guard(GuardReply),
    /// The attempt's number at its nonce.
    Attempt(Result<u32, AttemptRefusal>),
    /// Whether the outcome was recorded.
    Outcome(Result<(), AttemptRefusal>),
    /// The id that was reserved, or that a survivor goes on under.
    Reserved(u64),
    /// Whether the store has the id.
    Enlisted(Result<(), EnlistRefusal>),
    /// The version of the rules that is in force.
    Upgraded(RulesVersion),
}

/// Why bytes in the log are not a command that this build knows. It stops before applying them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandBytesError {
    /// Written by another version of the state machine.
    #[error("command version {found}, this build applies version {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// An unknown command, or damage.
    #[error("not a command that this build knows")]
    Unknown(#[from] SealError),
}

impl Envelope {
    /// `version ‖ postcard`.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&sealed::to_bytes(self));
        bytes
    }

    /// Reads what [`Envelope::encode`] wrote.
    ///
    /// # Errors
    /// [`CommandBytesError`] for another version, an unknown command, truncated or trailing bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandBytesError> {
        let Some((&version, body)) = bytes.split_first() else {
            return Err(SealError::Truncated { bytes: 0 }.into());
        };
        if version != VERSION {
            return Err(CommandBytesError::Version { found: version });
        }
        Ok(sealed::from_bytes(body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        let origin = Origin { replica: 1, boot: u64::MAX, sequence: 3 };
        Envelope { origin, command: Command::Guard(GuardCommand::RaiseFloor { slot: Slot::new(7) }) }
    }

    #[test]
    fn a_command_is_read_as_it_was_written() {
        assert_eq!(Envelope::decode(&envelope().encode()), Ok(envelope()));
    }

    #[test]
    fn another_version_an_unknown_command_and_other_lengths_are_refused() {
        let bytes = envelope().encode();
        let mut newer = bytes.clone();
        newer[0] = VERSION + 1;
        assert_eq!(Envelope::decode(&newer), Err(CommandBytesError::Version { found: VERSION + 1 }));
        for length in 0..bytes.len() {
            assert!(Envelope::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Envelope::decode(&longer).is_err());
        let origin = sealed::to_bytes(&envelope().origin);
        let mut unknown = vec![VERSION];
        unknown.extend_from_slice(&origin);
        unknown.push(99);
        assert!(matches!(Envelope::decode(&unknown), Err(CommandBytesError::Unknown(_))));
    }
}
