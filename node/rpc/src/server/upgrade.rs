//! `POST /cluster/upgrade`: the version of the rules is raised by one, if every member supports the next.

use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::response;
use crate::admin::AdminCommand;
use crate::order::OrderRefused;

/// How long it may take before the caller is told that its outcome is unknown.
const DEADLINE: Duration = Duration::from_secs(60);

/// Hands the order on and answers with its outcome.
pub(super) async fn raise(commands: &mpsc::Sender<AdminCommand>) -> Response {
    let refuse = |status, code: &str, message: &str| {
        response::json(status, &OrderRefused { code: code.to_owned(), message: message.to_owned() })
    };
    let (reply, outcome) = oneshot::channel();
    match commands.try_send(AdminCommand::Upgrade { reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", "another admin command is at work: try again");
        }
        Err(mpsc::error::TrySendError::Closed(_)) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this replica is stopping: ask another one");
        }
    }
    match timeout(DEADLINE, outcome).await {
        Ok(Ok(Ok(upgraded))) => response::json(StatusCode::OK, &upgraded),
        Ok(Ok(Err(refused))) => response::json(StatusCode::CONFLICT, &refused),
        Ok(Err(_)) | Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "unknown", "the outcome is not known: ask again, it is safe"),
    }
}
