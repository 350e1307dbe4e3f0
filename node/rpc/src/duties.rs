//! What an operator asks about duties, over one path of the admin port: a JSON document each way.

use alloy_primitives::Address;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use ollin_protocol::units::Slot;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use crate::admin::AdminCommand;
use crate::limit::Limits;
use crate::server::request::{BodyRefusal, read_body};
use crate::server::response;
use crate::view::{AttesterMoved, DutiesImported, DutyList, MissedDuties};

/// Bytes of a request: an interchange file, quoted.
const MAX_REQUEST_BYTES: usize = 96 << 20;
/// How long an answer may take: an import elects a leader first.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where the answer goes.
pub type DutiesReply = oneshot::Sender<Result<DutiesAnswer, DutiesRefused>>;

/// A question about duties, or a change of whom the cluster signs for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum DutiesRequest {
    /// What is bound.
    List {
        /// Of one attester only.
        attester: Option<Address>,
        /// In one slot only.
        slot: Option<Slot>,
        /// At most so many duties.
        limit: usize,
    },
    /// The interchange file.
    Export {
        /// Of these attesters; of all if empty.
        attesters: Vec<Address>,
    },
    /// Take over an interchange file, before the cluster is created.
    Import {
        /// The file's text.
        file: String,
        /// Doubts that the operator has settled: `unreleased`, `frozen`.
        accept: Vec<String>,
    },
    /// What was missed.
    Missed {},
    /// Sign for another attester from now on.
    AddAttester {
        /// Its address.
        attester: Address,
        /// The stop line of its former cluster, if it had one.
        after: Option<Slot>,
    },
    /// Give an attester up.
    ReleaseAttester {
        /// Its address.
        attester: Address,
        /// The last slot in which it may sign; the present one if absent.
        last_slot: Option<Slot>,
    },
    /// Answer the evidence that froze an attester: the second holder of its key is gone.
    Unfreeze {
        /// Its address.
        attester: Address,
        /// Why, for the audit.
        reason: String,
    },
}

/// The answer to a [`DutiesRequest`], variant for variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one at a time")]
pub enum DutiesAnswer {
    /// What is bound.
    List(DutyList),
    /// The interchange file's text.
    Exported(String),
    /// What was taken over.
    Imported(DutiesImported),
    /// What was missed.
    Missed(MissedDuties),
    /// The attester that came.
    Added(AttesterMoved),
    /// The attester that went.
    Released(AttesterMoved),
    /// The attester that signs again, after the slot.
    Unfrozen(AttesterMoved),
}

/// Why nothing was answered or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct DutiesRefused {
    /// For programs: chosen by the binary; `request`, `busy`, `stopping` and `unknown` by this crate.
    pub code: String,
    /// For a person: what is wrong and what to do.
    pub message: String,
}

pub(crate) async fn answer(commands: &mpsc::Sender<AdminCommand>, limits: &Limits, request: Request<Body>) -> Response {
    let refuse = |status, code: &str, message: &str| {
        response::json(status, &DutiesRefused { code: code.to_owned(), message: message.to_owned() })
    };
    let limits = Limits { body_bytes: MAX_REQUEST_BYTES, ..*limits };
    let request = match read_body(request, &limits).await {
        Ok(Some(body)) => serde_json::from_value::<DutiesRequest>(body).map_err(|error| error.to_string()),
        Ok(None) => Err("a JSON document is expected".to_owned()),
        Err(BodyRefusal::Malformed(message) | BodyRefusal::Unread(message)) => Err(message),
    };
    let request = match request {
        Ok(request) => request,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, "request", &message),
    };
    let (reply, outcome) = oneshot::channel();
    match commands.try_send(AdminCommand::Duties { request, reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", "another admin command is at work: try again");
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this replica is stopping: ask another one");
        }
    }
    match timeout(DEADLINE, outcome).await {
        Ok(Ok(Ok(answer))) => response::json(StatusCode::OK, &answer),
        Ok(Ok(Err(refused))) => response::json(StatusCode::CONFLICT, &refused),
        Ok(Err(_)) | Err(_) => {
            refuse(StatusCode::GATEWAY_TIMEOUT, "unknown", "the outcome is not known: list the duties before asking again")
        }
    }
}
