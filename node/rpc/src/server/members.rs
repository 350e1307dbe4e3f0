//! `POST /cluster/members`: one change of the membership.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::request::read_body;
use super::response;
use crate::admin::{AdminCommand, MemberChange, MemberChangeRefused};
use crate::limit::Limits;

/// How long a change may take before the caller is told that its outcome is unknown: leadership may be handed over first, at its
/// moment in the slot.
const DEADLINE: Duration = Duration::from_secs(150);

/// Reads the order, hands it on and answers with its outcome.
pub(super) async fn change(commands: &mpsc::Sender<AdminCommand>, limits: &Limits, request: Request<Body>) -> Response {
    let change = match order(limits, request).await {
        Ok(change) => change,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, "order", message),
    };
    let (reply, outcome) = oneshot::channel();
    match commands.try_send(AdminCommand::ChangeMembers { change, reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", "another admin command is at work: try again".to_owned());
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this replica is stopping: ask another one".to_owned());
        }
    }
    match timeout(DEADLINE, outcome).await {
        Ok(Ok(Ok(changed))) => response::json(StatusCode::OK, &changed),
        Ok(Ok(Err(refused))) => response::json(StatusCode::CONFLICT, &refused),
        Ok(Err(_)) | Err(_) => {
            let message = "the outcome is not known: look at the members before asking again".to_owned();
            refuse(StatusCode::GATEWAY_TIMEOUT, "unknown", message)
        }
    }
}

async fn order(limits: &Limits, request: Request<Body>) -> Result<MemberChange, String> {
    let body = read_body(request, limits).await.map_err(|refusal| format!("{refusal:?}"))?;
    let body = body.ok_or("expected a JSON object with the content type application/json")?;
    serde_json::from_value(body).map_err(|error| error.to_string())
}

fn refuse(status: StatusCode, code: &str, message: String) -> Response {
    response::json(status, &MemberChangeRefused { code: code.to_owned(), message })
}
