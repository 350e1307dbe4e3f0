//! A grant has no public field to build it from.

use std::sync::Arc;

use ollin_consensus::{AttemptGrant, Duty, Grant, RecordedAttempt};
use ollin_protocol::payload::{BundlePayload, DutyPayload};
use ollin_protocol::units::SigningRoot;

fn grant(duty: Duty, root: SigningRoot, payload: Arc<DutyPayload>) -> Grant {
    Grant { duty, root, payload }
}

fn attempt_grant(attempt: RecordedAttempt, bundle: Option<Arc<BundlePayload>>) -> AttemptGrant {
    AttemptGrant { attempt, bundle }
}

fn main() {}
