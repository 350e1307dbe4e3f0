//! `ollin cluster add | promote | demote | remove | replace | heal`: one or a few orders to the admin port of any replica.
//!
//! The replica keeps nothing between two orders, and each of them is safe by itself: a command that was interrupted is given again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use ollin_consensus::{ClusterFile, MemberKind};
use ollin_protocol::units::ReplicaId;
use ollin_rpc::view::ClusterStatus;
use ollin_rpc::{MemberChange, MembersChanged};
use serde::Serialize;

use crate::cli::{AddArgs, MembersCommand, Newcomer, OneArgs, ReplaceArgs, Target};
use crate::refusal::{Refusal, exit};
use crate::{discard, http};

/// Pause between two tries of what needs time.
const EVERY: Duration = Duration::from_secs(1);
/// How long a change of the leader, or a member that was just stopped, may be in the way.
const SETTLING: Duration = Duration::from_secs(15);

/// What was done, for `--json`.
#[derive(Debug, Serialize)]
struct Done {
    done: &'static str,
    #[serde(flatten)]
    changed: MembersChanged,
}

/// Runs a command and prints its outcome. Exit codes: 0 done, 1 failed or unknown, 3 refused, 4 not done in time.
pub(crate) async fn run(command: &MembersCommand) -> ExitCode {
    let (json, outcome) = match command {
        MembersCommand::Add(arguments) => (arguments.target.admin.json, add(arguments).await),
        MembersCommand::Promote(arguments) => {
            let change = MemberChange::Promote { replica: arguments.replica };
            (arguments.target.admin.json, one("promoted", arguments, change).await)
        }
        MembersCommand::Demote(arguments) => {
            let change = MemberChange::Demote { replica: arguments.replica };
            (arguments.target.admin.json, one("demoted", arguments, change).await)
        }
        MembersCommand::Remove(arguments) => {
            let change = MemberChange::Remove { replica: arguments.replica };
            (arguments.target.admin.json, one("removed", arguments, change).await)
        }
        MembersCommand::Replace(arguments) => (arguments.target.admin.json, replace(arguments).await),
        MembersCommand::Heal(arguments) => (arguments.target.admin.json, heal(arguments).await),
        MembersCommand::Discard(arguments) => return discard::run(arguments),
    };
    let printed = outcome.map(|done| {
        print(&done, json);
        ExitCode::SUCCESS
    });
    exit(json, printed)
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

async fn add(arguments: &AddArgs) -> Result<Done, Refusal> {
    let AddArgs { replica, newcomer, target } = arguments;
    let changed = settle(target, &newcomer.order(*replica)?).await?;
    if !target.admin.json {
        eprintln!("start replica {replica}, if it does not run; when it has caught up: ollin cluster promote {replica}");
    }
    Ok(Done { done: if changed.already { "a member" } else { "added as a learner" }, changed })
}

async fn one(done: &'static str, arguments: &OneArgs, change: MemberChange) -> Result<Done, Refusal> {
    Ok(Done { done, changed: settle(&arguments.target, &change).await? })
}

async fn replace(arguments: &ReplaceArgs) -> Result<Done, Refusal> {
    let ReplaceArgs { old, new, newcomer, target } = arguments;
    let status = status(target).await?;
    if !status.members.iter().any(|member| member.id == *new) {
        let changed = settle(target, &newcomer.order(*new)?).await?;
        say(target, &format!("replica {new} is a learner under Raft id {}: start it, if it does not run", changed.raft_id));
    }
    let changed = settle(target, &MemberChange::Replace { old: *old, new: *new }).await?;
    Ok(Done { done: "in its place", changed })
}

async fn heal(arguments: &OneArgs) -> Result<Done, Refusal> {
    let OneArgs { replica, target } = arguments;
    let before = status(target).await?;
    let renewed = match settle(target, &MemberChange::Renew { replica: *replica }).await {
        // An earlier `heal` was interrupted, and its id waits for its store.
        Err(refused) if refused.code == "renewed" => None,
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

/// Gives an order until it is carried out or refused for a reason that time does not cure. One whose outcome is not known is given
/// again, too: if it was carried out, it is answered so and changes nothing.
async fn settle(target: &Target, change: &MemberChange) -> Result<MembersChanged, Refusal> {
    let mut said = String::new();
    let mut in_the_way = (String::new(), Instant::now());
    loop {
        let refused = match order(target, change).await {
            Err(refused) => refused,
            outcome => return outcome,
        };
        // Each thing that is in the way has its own time: a leader may change while a learner catches up.
        if in_the_way.0 != refused.code {
            in_the_way = (refused.code.clone(), Instant::now());
        }
        let waited = in_the_way.1.elapsed();
        let patience = match refused.code.as_str() {
            "lags" => Duration::from_secs(target.timeout),
            "recent" | "under_way" | "not_leader" | "busy" | "unknown" => SETTLING.min(Duration::from_secs(target.timeout)),
            _ => return Err(refused),
        };
        if waited >= patience {
            // What should have passed by itself is a refusal; a catching up that takes long is none.
            if refused.code != "lags" {
                return Err(refused);
            }
            let waited_s = waited.as_secs();
            return Err(Refusal::too_long(format!("not done within {waited_s} s: {}", refused.message)));
        }
        if said != refused.message {
            say(target, &format!("waiting: {}", refused.message));
            said = refused.message;
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn say(target: &Target, text: &str) {
    if !target.admin.json {
        eprintln!("{text}");
    }
}

async fn order(target: &Target, change: &MemberChange) -> Result<MembersChanged, Refusal> {
    http::give(&target.admin, "/cluster/members", change, "refused").await
}

async fn status(target: &Target) -> anyhow::Result<ClusterStatus> {
    let url = target.admin.admin_url.join("/cluster/status").context("the admin URL of the replica")?;
    http::fetch_status(&url, target.admin.api_key_file.as_deref()).await
}

impl Newcomer {
    fn order(&self, replica: ReplicaId) -> Result<MemberChange, Refusal> {
        let refused = |message: String| Refusal::of("cluster_file", message);
        let path = self.cluster_file.as_deref().ok_or_else(|| {
            refused(format!(
                "replica {replica} is no member: name its cluster.json (--cluster-file), which has its address and certificate"
            ))
        })?;
        let file = ClusterFile::load(path).map_err(anyhow::Error::new)?;
        let unlisted = || {
            let how = "make its certificate first (`ollin cluster certificates --extend`)";
            refused(format!("{} lists no replica {replica}: {how}", path.display()))
        };
        let listed = file.replica(replica).ok_or_else(unlisted)?;
        Ok(MemberChange::Add {
            replica,
            address: listed.address.clone(),
            fingerprint: listed.fingerprint.clone(),
            witness: listed.kind == MemberKind::Witness,
        })
    }
}
