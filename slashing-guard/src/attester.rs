//! What the guard knows of one attester.

use ollin_protocol::units::{SigningRoot, Slot};
use serde::{Deserialize, Serialize};

use crate::Duty;

/// One attester's standing in the cluster. It stays for ever, so that a released attester is never taken for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttesterState {
    /// Nothing is bound for it at or below this slot; `None` if it came with the binding, where the cluster's floor holds.
    pub floor: Option<Slot>,
    /// The last slot in which it may be granted duties, once it was given up.
    pub released: Option<Slot>,
    /// The first proof that its key signs elsewhere, once there is one.
    pub frozen: Option<Evidence>,
}

/// A signature of one of our attesters that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The duty that was signed elsewhere.
    pub duty: Duty,
    /// The root under the signature.
    pub root: SigningRoot,
}
