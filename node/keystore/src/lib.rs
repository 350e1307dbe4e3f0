//! Keys: the official keystore files, and the only way from a permission to a signature.
//!
//! [`Keystore::load`] reads keystore files, [`UnboundKeystore::bind`] ties the keys to one replica, chain and rollup, and
//! [`Keystore`] signs.
//!
//! Invariants:
//! - a guarded key is reached only through a [`ollin_consensus::Grant`] or a [`ollin_consensus::AttemptGrant`]; no function signs
//!   bytes that a caller chose (safety R27);
//! - before it signs, the keystore computes the root from the payload again; after, it recovers the signer (R18);
//! - signatures are deterministic (RFC 6979, low s, v 27 or 28): one grant, however often it is given, leads to the same bytes;
//! - the outlet record has its line before a signature or transaction is returned;
//! - no key, password or phrase appears in an error, a log line or a `Debug` text.
//!
//! Left to others: deciding what to sign, sending it, remote signers.
//!
//! Sources: npm @aztec/node-keystore 4.1.2, `src/{schemas,loader,keystore_manager,signer}.ts`.

mod fault;
mod file;
mod json;
mod key;
mod keystore;
mod outlet;
mod transaction;

pub use fault::{Fault, KeystoreError};
pub use file::{UnboundKeystore, Warning};
pub use keystore::{AttesterEntry, Keystore, SignError, Signed};
pub use outlet::{OutletError, OutletRecord};
pub use transaction::{SignedTransaction, TransactionError, TransactionParts};
