//! Orders about leadership and the version of the rules, sent to a replica's admin port.
//!
//! Exit codes: 0 it is done; 1 nothing is known of it, or nobody could be asked; 3 it was refused, or done without the effect that
//! was wanted (a replica that is drained and still leads).

use std::process::ExitCode;

use anyhow::Context;
use ollin_rpc::{LeadershipOrder, OrderDone, RulesUpgraded};

use crate::cli::{AdminAccess, DrainArgs, ProceedArgs, TransferArgs, UpgradeArgs};
use crate::http::give;
use crate::refusal::{REFUSED, Refusal, exit};

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
    let shown = give(admin, "/cluster/leadership", &order, "refused").await.and_then(|done| {
        show(admin, &done)?;
        Ok(if missed(&done) { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
    });
    exit(admin.json, shown)
}

/// `ollin cluster upgrade`.
pub(crate) async fn upgrade(arguments: &UpgradeArgs) -> ExitCode {
    let admin = &arguments.admin;
    let shown =
        give::<RulesUpgraded>(admin, "/cluster/upgrade", &serde_json::Value::Null, "refused").await.and_then(|upgraded| {
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

fn show(admin: &AdminAccess, done: &OrderDone) -> Result<(), Refusal> {
    if admin.json {
        println!("{}", serde_json::to_string_pretty(done).context("the answer as JSON")?);
    } else {
        println!("{}", done.message);
    }
    Ok(())
}
