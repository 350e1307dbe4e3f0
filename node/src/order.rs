//! Orders about leadership, sent to a replica's admin port.
//!
//! Exit codes: 0 it is done; 1 nothing is known of it, or nobody could be asked; 3 it was refused, or done without the effect that
//! was wanted (a replica that is drained and still leads).

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use ollin_rpc::{LeadershipOrder, OrderDone, OrderRefused};
use reqwest::{Client, StatusCode};

use crate::cli::{AdminAccess, DrainArgs, ProceedArgs, TransferArgs};
use crate::http::{send_any, with_key};

/// Refused, or without the effect that was wanted.
const REFUSED: u8 = 3;
/// How long an order may take: it waits for its moment in the slot.
const TIMEOUT: Duration = Duration::from_secs(160);

/// `ollin cluster transfer`.
///
/// # Errors
/// If the replica cannot be asked, or says that the outcome is unknown.
pub(crate) async fn transfer(arguments: &TransferArgs) -> anyhow::Result<ExitCode> {
    let outcome = send(&arguments.admin, LeadershipOrder::Transfer { to: arguments.to }).await?;
    let missed = |done: &OrderDone| arguments.to.is_some() && done.leader != arguments.to;
    show(&arguments.admin, &outcome, missed)
}

/// `ollin cluster drain`.
///
/// # Errors
/// As for [`transfer`].
pub(crate) async fn drain(arguments: &DrainArgs) -> anyhow::Result<ExitCode> {
    let order = LeadershipOrder::Drain { replica: arguments.replica, undo: arguments.undo };
    let outcome = send(&arguments.admin, order).await?;
    show(&arguments.admin, &outcome, |done| done.still_leads)
}

/// `ollin cluster proceed-without`.
///
/// # Errors
/// As for [`transfer`].
pub(crate) async fn proceed_without(arguments: &ProceedArgs) -> anyhow::Result<ExitCode> {
    let order = LeadershipOrder::ProceedWithout { replica: arguments.replica };
    let outcome = send(&arguments.admin, order).await?;
    show(&arguments.admin, &outcome, |_| false)
}

async fn send(admin: &AdminAccess, order: LeadershipOrder) -> anyhow::Result<Result<OrderDone, OrderRefused>> {
    let url = admin.admin_url.join("/cluster/leadership").context("the admin URL of the replica")?;
    let request = with_key(Client::new().post(url.clone()), admin.api_key_file.as_deref())?;
    let response = send_any(request.json(&order).timeout(TIMEOUT), &url).await?;
    let status = response.status();
    let text = response.text().await.with_context(|| format!("the answer of {url}"))?;
    match status {
        StatusCode::OK => Ok(Ok(serde_json::from_str(&text).with_context(|| format!("the answer of {url}: {text}"))?)),
        StatusCode::GATEWAY_TIMEOUT => {
            bail!("{}", serde_json::from_str::<OrderRefused>(&text).map_or(text, |refused| refused.to_string()))
        }
        _ => match serde_json::from_str(&text) {
            Ok(refused) => Ok(Err(refused)),
            Err(_) => bail!("{url} answered {status}: {text}"),
        },
    }
}

fn show(
    admin: &AdminAccess,
    outcome: &Result<OrderDone, OrderRefused>,
    missed: impl Fn(&OrderDone) -> bool,
) -> anyhow::Result<ExitCode> {
    match outcome {
        Ok(done) => {
            if admin.json {
                println!("{}", serde_json::to_string_pretty(done)?);
            } else {
                println!("{}", done.message);
            }
            Ok(if missed(done) { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
        }
        Err(refused) => {
            if admin.json {
                println!("{}", serde_json::to_string_pretty(refused)?);
            } else {
                eprintln!("ollin: refused: {refused}");
            }
            Ok(ExitCode::from(REFUSED))
        }
    }
}
