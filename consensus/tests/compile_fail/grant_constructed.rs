//! A grant has no public constructor.

use std::sync::Arc;

use ollin_consensus::{AttemptGrant, Duty, Grant, RecordedAttempt};
use ollin_protocol::payload::{BundlePayload, DutyPayload};
use ollin_protocol::units::SigningRoot;

fn grant(duty: Duty, root: SigningRoot, payload: Arc<DutyPayload>) -> Grant {
    Grant::new(duty, root, payload)
}

fn attempt_grant(attempt: RecordedAttempt, bundle: Option<Arc<BundlePayload>>) -> AttemptGrant {
    AttemptGrant::new(attempt, bundle)
}

fn main() {}
