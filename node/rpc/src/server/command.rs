//! Orders of an operator: read from a request, handed on to the binary, answered with their outcome.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::request::{BodyRefusal, read_body};
use super::response;
use crate::admin::{AdminCommand, CommandRefused, CommandReply};
use crate::limit::Limits;

/// Longer than any order takes that waits for its moment in a slot.
const DEADLINE: Duration = Duration::from_secs(180);

/// Reads the order in a request's body; one without a body is the order `empty`, if there is one. `what` names it for whoever sent
/// another thing.
pub(super) async fn read<T: DeserializeOwned>(
    request: Request<Body>,
    limits: &Limits,
    empty: Option<Value>,
    what: &str,
) -> Result<T, Box<Response>> {
    let order = match read_body(request, limits).await {
        Ok(body) => match body.or(empty) {
            Some(body) => serde_json::from_value(body).map_err(|error| error.to_string()),
            None => Err("a JSON object is expected, with the content type application/json".to_owned()),
        },
        Err(BodyRefusal::Malformed(message) | BodyRefusal::Unread(message)) => Err(message),
    };
    order.map_err(|message| Box::new(refuse(StatusCode::BAD_REQUEST, "malformed", &format!("not {what}: {message}"))))
}

/// Hands a command on and waits for its outcome. `look` says what to do before it is given again if that stays unknown.
pub(super) async fn carry_out<T: Serialize>(
    commands: &mpsc::Sender<AdminCommand>,
    command: impl FnOnce(CommandReply<T>) -> AdminCommand,
    look: &str,
) -> Response {
    let (reply, outcome) = oneshot::channel();
    if let Err(error) = commands.try_send(command(reply)) {
        let (code, message) = match error {
            mpsc::error::TrySendError::Full(_) => ("busy", "another admin command is at work: try again"),
            mpsc::error::TrySendError::Closed(_) => ("stopping", "this replica is stopping: ask another one"),
        };
        return refuse(StatusCode::SERVICE_UNAVAILABLE, code, message);
    }
    match timeout(DEADLINE, outcome).await {
        Ok(Ok(Ok(done))) => response::json(StatusCode::OK, &done),
        Ok(Ok(Err(refused))) => response::json(StatusCode::CONFLICT, &refused),
        Ok(Err(_)) | Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "unknown", &format!("the outcome is not known: {look}")),
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    response::json(status, &CommandRefused { code: code.to_owned(), message: message.to_owned() })
}
