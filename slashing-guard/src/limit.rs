//! Bounds of the state and of one command. They decide verdicts: changing one is a change of version.

/// How many slots below the highest bound one the watermark stays (safety rule R19).
///
/// A lying L1 can report finality as high as it likes; the records of the present survive it. 64 slots are two mainnet epochs,
/// 77 minutes, and far more than the one slot of lead that a claim may have.
pub const KEEP_SLOTS: u64 = 64;

/// How many slots below the highest bound one payloads are kept whatever L1 reports: the present slot and the one before.
pub const KEEP_PAYLOAD_SLOTS: u64 = 2;

/// Attesters of one cluster, released ones included.
pub const MAX_ATTESTERS: usize = 4_096;

/// Claims in one command.
pub const MAX_CLAIMS: usize = 64;

/// Duties in one claim: a batch of attesters.
pub const MAX_CLAIM_DUTIES: usize = 1_024;

/// Bytes of one claim's payload.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// Bytes of an operator's reason.
pub const MAX_REASON_BYTES: usize = 256;

/// Bytes of all payloads of one command.
pub const MAX_COMMAND_PAYLOAD_BYTES: usize = 4 << 20;

/// Duties of one import: they must fit in one command of the log.
pub const MAX_IMPORTED_DUTIES: usize = 100_000;

/// Duties above the watermark, imported ones included.
pub const MAX_LIVE_DUTIES: usize = 1 << 20;
