//! Orders about leadership and the version of the rules, sent to a replica's admin port.
//!
//! Exit codes: 0 it is done; 1 nothing is known of it, or nobody could be asked; 3 it was refused, or done without the effect that
//! was wanted (a replica that is drained and still leads).

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use ollin_rpc::{LeadershipOrder, OrderDone, OrderRefused, RulesUpgraded};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::{AdminAccess, DrainArgs, ProceedArgs, TransferArgs, UpgradeArgs};
use crate::http::{send_any, with_key};
use crate::refusal::{REFUSED, Refusal, exit};

/// How long an order may take: it waits for its moment in the slot.
const TIMEOUT: Duration = Duration::from_secs(160);

/// `ollin cluster transfer`.
pub(crate) async fn transfer(arguments: &TransferArgs) -> ExitCode {
    let missed = |done: &OrderDone| arguments.to.is_some() && done.leader != arguments.to;
    carry_out(&arguments.admin, LeadershipOrder::Transfer { to: arguments.to }, missed).await
}

/// `ollin cluster drain`.
pub(crate) async fn drain(arguments: &DrainArgs) -> ExitCode {
    let order = LeadershipOrder::Drain { replica: arguments.replica, undo: arguments.undo };
    carry_out(&arguments.admin, order, |done| done.still_leads).await
}

/// `ollin cluster proceed-without`.
pub(crate) async fn proceed_without(arguments: &ProceedArgs) -> ExitCode {
    let order = LeadershipOrder::ProceedWithout { replica: arguments.replica };
    carry_out(&arguments.admin, order, |_| false).await
}

/// Sends an order and shows what came of it; done without the effect that was wanted counts as refused.
async fn carry_out(admin: &AdminAccess, order: LeadershipOrder, missed: impl Fn(&OrderDone) -> bool) -> ExitCode {
    let shown = send(admin, order).await.and_then(|done| {
        show(admin, &done)?;
        Ok(if missed(&done) { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
    });
    exit(admin.json, shown)
}

/// `ollin cluster upgrade`.
pub(crate) async fn upgrade(arguments: &UpgradeArgs) -> ExitCode {
    let admin = &arguments.admin;
    let shown = post::<RulesUpgraded>(admin, "/cluster/upgrade", &serde_json::Value::Null).await.and_then(|upgraded| {
        let RulesUpgraded { version, already } = upgraded;
        if admin.json {
            println!("{}", serde_json::to_string_pretty(&upgraded).context("the answer as JSON")?);
        } else if already {
            println!("version {version} of the rules is in force; no member knows a newer one");
        } else {
            println!("version {version} of the rules is in force");
        }
        Ok(ExitCode::SUCCESS)
    });
    exit(admin.json, shown)
}

async fn send(admin: &AdminAccess, order: LeadershipOrder) -> Result<OrderDone, Refusal> {
    post(admin, "/cluster/leadership", &order).await
}

async fn post<T: DeserializeOwned>(admin: &AdminAccess, path: &str, order: &impl Serialize) -> Result<T, Refusal> {
    let url = admin.admin_url.join(path).context("the admin URL of the replica")?;
    let request = with_key(Client::new().post(url.clone()), admin.api_key_file.as_deref())?;
    let response = send_any(request.json(order).timeout(TIMEOUT), &url).await?;
    let status = response.status();
    let text = response.text().await.with_context(|| format!("the answer of {url}"))?;
    if status == StatusCode::OK {
        return Ok(serde_json::from_str(&text).with_context(|| format!("the answer of {url}: {text}"))?);
    }
    match serde_json::from_str::<OrderRefused>(&text) {
        Ok(refused) => Err(Refusal::of(refused.code, format!("refused: {}", refused.message))),
        Err(_) => Err(anyhow!("{url} answered {status}: {text}").into()),
    }
}

fn show(admin: &AdminAccess, done: &OrderDone) -> Result<(), Refusal> {
    if admin.json {
        println!("{}", serde_json::to_string_pretty(done).context("the answer as JSON")?);
    } else {
        println!("{}", done.message);
    }
    Ok(())
}
