//! `ollin cluster add | promote | demote | remove | replace | heal`: one or a few orders to the admin port of any replica.
//!
//! The replica keeps nothing between two orders, and each of them is safe by itself: a command that was interrupted is given again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use ollin_consensus::{ClusterFile, MemberKind};
use ollin_protocol::units::ReplicaId;
use ollin_rpc::view::ClusterStatus;
use ollin_rpc::{MemberChange, MemberChangeRefused, MembersChanged};
use reqwest::Client;
use serde::Serialize;

use crate::cli::{AddArgs, MembersCommand, Newcomer, OneArgs, ReplaceArgs, Target};
use crate::{discard, http};

/// Exit code of a change that breaks a rule: nothing was changed.
const REFUSED: u8 = 3;
/// Exit code of a wait that took too long: what was done stays done, and the command may be given again.
const TOO_LONG: u8 = 4;
/// How long the replica may take over one order.
const ORDER_TIMEOUT: Duration = Duration::from_secs(160);
/// Pause between two tries of what needs time.
const EVERY: Duration = Duration::from_secs(1);
/// How long a change of the leader, or a member that was just stopped, may be in the way.
const SETTLING: Duration = Duration::from_secs(15);

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MembersError {
    /// A rule forbids it.
    #[error(transparent)]
    Refused(#[from] MemberChangeRefused),
    /// It was still in the way when the time was over.
    #[error("not done within {waited_s} s: {last}")]
    TooLong {
        /// How long it waited.
        waited_s: u64,
        /// What was in the way.
        last: MemberChangeRefused,
    },
    /// The replica cannot be asked, or a file cannot be read.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// What was done, for `--json`.
#[derive(Debug, Serialize)]
struct Done {
    done: &'static str,
    #[serde(flatten)]
    changed: MembersChanged,
}

/// What was not, for `--json`.
#[derive(Debug, Serialize)]
struct NotDone {
    error: MemberChangeRefused,
}

/// Runs a command and prints its outcome. Exit codes: 0 done, 1 failed or unknown, 3 refused, 4 not done in time.
pub(crate) async fn run(command: &MembersCommand) -> ExitCode {
    let (json, outcome) = match command {
        MembersCommand::Add(arguments) => (arguments.target.json, add(arguments).await),
        MembersCommand::Promote(arguments) => {
            let change = MemberChange::Promote { replica: arguments.replica };
            (arguments.target.json, one("promoted", arguments, change).await)
        }
        MembersCommand::Demote(arguments) => {
            let change = MemberChange::Demote { replica: arguments.replica };
            (arguments.target.json, one("demoted", arguments, change).await)
        }
        MembersCommand::Remove(arguments) => {
            let change = MemberChange::Remove { replica: arguments.replica };
            (arguments.target.json, one("removed", arguments, change).await)
        }
        MembersCommand::Replace(arguments) => (arguments.target.json, replace(arguments).await),
        MembersCommand::Heal(arguments) => (arguments.target.json, heal(arguments).await),
        MembersCommand::Discard(arguments) => return discard::run(arguments),
    };
    match outcome {
        Ok(done) => {
            print(&done, json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let (code, named) = match error {
                MembersError::Refused(refused) => {
                    let is_refusal = !["unknown", "halted"].contains(&refused.code.as_str());
                    (if is_refusal { REFUSED } else { 1 }, refused)
                }
                MembersError::TooLong { .. } => {
                    let message = error.to_string();
                    (TOO_LONG, MemberChangeRefused { code: "too_long".to_owned(), message })
                }
                MembersError::Failed(error) => {
                    (1, MemberChangeRefused { code: "failed".to_owned(), message: format!("{error:#}") })
                }
            };
            eprintln!("ollin: {}", named.message);
            if json && let Ok(text) = serde_json::to_string(&NotDone { error: named }) {
                println!("{text}");
            }
            ExitCode::from(code)
        }
    }
}

fn print(done: &Done, json: bool) {
    for warning in &done.changed.warnings {
        eprintln!("warning: {warning}");
    }
    if json {
        if let Ok(text) = serde_json::to_string(done) {
            println!("{text}");
        }
        return;
    }
    let MembersChanged { replica, raft_id, voters, already, handed_over_to, .. } = &done.changed;
    if let Some(leader) = handed_over_to {
        println!("leadership was handed over to replica {leader} first");
    }
    let voters: Vec<String> = voters.iter().map(ToString::to_string).collect();
    let already = if *already { "already " } else { "" };
    println!("replica {replica} (Raft id {raft_id}) is {already}{}; voters: {}", done.done, voters.join(", "));
}

async fn add(arguments: &AddArgs) -> Result<Done, MembersError> {
    let AddArgs { replica, newcomer, target } = arguments;
    let changed = settle(target, &newcomer.order(*replica)?).await?;
    if !target.json {
        eprintln!("start replica {replica}, if it does not run; when it has caught up: ollin cluster promote {replica}");
    }
    Ok(Done { done: if changed.already { "a member" } else { "added as a learner" }, changed })
}

async fn one(done: &'static str, arguments: &OneArgs, change: MemberChange) -> Result<Done, MembersError> {
    Ok(Done { done, changed: settle(&arguments.target, &change).await? })
}

async fn replace(arguments: &ReplaceArgs) -> Result<Done, MembersError> {
    let ReplaceArgs { old, new, newcomer, target } = arguments;
    let status = status(target).await?;
    if !status.members.iter().any(|member| member.id == *new) {
        let changed = settle(target, &newcomer.order(*new)?).await?;
        say(target, &format!("replica {new} is a learner under Raft id {}: start it, if it does not run", changed.raft_id));
    }
    let changed = settle(target, &MemberChange::Replace { old: *old, new: *new }).await?;
    Ok(Done { done: "in its place", changed })
}

async fn heal(arguments: &OneArgs) -> Result<Done, MembersError> {
    let OneArgs { replica, target } = arguments;
    let before = status(target).await?;
    let renewed = match settle(target, &MemberChange::Renew { replica: *replica }).await {
        // An earlier `heal` was interrupted, and its id waits for its store.
        Err(MembersError::Refused(refused)) if refused.code == "renewed" => None,
        outcome => Some(outcome?),
    };
    if let Some(changed) = &renewed {
        say(target, &format!("replica {replica} comes back under Raft id {}: start it, if it does not run", changed.raft_id));
    }
    let had_vote = before.members.iter().any(|member| member.id == *replica && member.voter);
    match renewed {
        Some(changed) if !had_vote => Ok(Done { done: "a learner again", changed }),
        Some(_) | None => {
            let changed = settle(target, &MemberChange::Promote { replica: *replica }).await?;
            Ok(Done { done: "a voter again", changed })
        }
    }
}

/// Gives an order until it is carried out or refused for a reason that time does not cure.
async fn settle(target: &Target, change: &MemberChange) -> Result<MembersChanged, MembersError> {
    let started = Instant::now();
    let mut said = String::new();
    loop {
        let refused = match order(target, change).await {
            Err(MembersError::Refused(refused)) => refused,
            outcome => return outcome,
        };
        let patience = match refused.code.as_str() {
            "lags" => Duration::from_secs(target.timeout),
            "alive" | "under_way" | "not_leader" | "busy" => SETTLING.min(Duration::from_secs(target.timeout)),
            _ => return Err(refused.into()),
        };
        if started.elapsed() >= patience {
            // What should have passed by itself is a refusal; a catching up that takes long is none.
            if refused.code != "lags" {
                return Err(refused.into());
            }
            return Err(MembersError::TooLong { waited_s: started.elapsed().as_secs(), last: refused });
        }
        if said != refused.message {
            say(target, &format!("waiting: {}", refused.message));
            said = refused.message;
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn say(target: &Target, text: &str) {
    if !target.json {
        eprintln!("{text}");
    }
}

async fn order(target: &Target, change: &MemberChange) -> Result<MembersChanged, MembersError> {
    let url = target.admin_url.join("/cluster/members").context("the admin URL of the replica")?;
    let request = http::with_key(Client::new().post(url.clone()), target.api_key_file.as_deref())?;
    let response = http::send_any(request.json(change).timeout(ORDER_TIMEOUT), &url).await?;
    let status = response.status();
    let text = response.text().await.with_context(|| format!("the answer of {url}"))?;
    if status.is_success() {
        return Ok(serde_json::from_str(&text).with_context(|| format!("the answer of {url}: {text}"))?);
    }
    match serde_json::from_str::<MemberChangeRefused>(&text) {
        Ok(refused) => Err(refused.into()),
        Err(_) => Err(anyhow::anyhow!("{url} answered {status}: {text}").into()),
    }
}

async fn status(target: &Target) -> anyhow::Result<ClusterStatus> {
    let url = target.admin_url.join("/cluster/status").context("the admin URL of the replica")?;
    http::fetch_status(&url, target.api_key_file.as_deref()).await
}

impl Newcomer {
    fn order(&self, replica: ReplicaId) -> anyhow::Result<MemberChange> {
        let path = self.cluster_file.as_deref().with_context(|| {
            format!(
                "replica {replica} is no member: name its cluster.json (--cluster-file), which has its address and certificate"
            )
        })?;
        let file = ClusterFile::load(path)?;
        let listed = file.replica(replica).with_context(|| format!("{} lists no replica {replica}", path.display()))?;
        Ok(MemberChange::Add {
            replica,
            address: listed.address.clone(),
            fingerprint: listed.fingerprint.clone(),
            witness: listed.kind == MemberKind::Witness,
        })
    }
}
