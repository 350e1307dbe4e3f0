//! Permissions to let something leave the process. Born only here, from this process's own applied state (safety rule R3).

use std::sync::Arc;

use ollin_guard::Duty;
use ollin_protocol::payload::{BundlePayload, DutyPayload};
use ollin_protocol::units::SigningRoot;

use crate::attempt::RecordedAttempt;

/// Permission to sign one root for one duty. Only a committed claim of this process yields one: see [`crate::SigningLog::claim`].
///
/// It grants, it does not oblige: the holder still checks that the payload is worth sending.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    duty: Duty,
    root: SigningRoot,
    payload: Arc<DutyPayload>,
}

impl Grant {
    pub(crate) fn new(duty: Duty, root: SigningRoot, payload: Arc<DutyPayload>) -> Self {
        Self { duty, root, payload }
    }

    /// The duty that may be signed.
    pub fn duty(&self) -> &Duty {
        &self.duty
    }

    /// The only root that may be signed for it.
    pub fn root(&self) -> &SigningRoot {
        &self.root
    }

    /// The payload whose root it is, as the log holds it.
    pub fn payload(&self) -> &Arc<DutyPayload> {
        &self.payload
    }
}

/// Permission to sign and send one recorded L1 transaction: see [`crate::SigningLog::record_attempt`].
#[derive(Debug, PartialEq, Eq)]
pub struct AttemptGrant {
    attempt: RecordedAttempt,
    bundle: Option<Arc<BundlePayload>>,
}

impl AttemptGrant {
    pub(crate) fn new(attempt: RecordedAttempt, bundle: Option<Arc<BundlePayload>>) -> Self {
        Self { attempt, bundle }
    }

    /// The attempt as the log holds it.
    pub fn attempt(&self) -> &RecordedAttempt {
        &self.attempt
    }

    /// The claimed bundle that the transaction carries; `None` for a cancellation.
    pub fn bundle(&self) -> Option<&Arc<BundlePayload>> {
        self.bundle.as_ref()
    }
}
