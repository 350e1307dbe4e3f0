//! What the admin port asks of the running replica.

mod listen;
mod members;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ollin_consensus::{Answer, Ask, Binding, CommandError, CreateError, SigningLog, UpgradeError, Upgraded};
use ollin_keystore::Keystore;
use ollin_l1::L1;
use ollin_protocol::units::{ReplicaId, Slot};
use ollin_rpc::{AdminCommand, ClusterCreated, CommandRefused, CreateOrder, LeadershipOrder, OrderDone, RulesUpgraded};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::duties::missed::MissedFeed;
use crate::duties::serve;
use crate::lead::LeadershipHandle;

/// Seconds beyond one L1 slot that the first floor covers.
const FLOOR_MARGIN_S: u64 = 2;

/// Code of a creation that found a replica missing.
const UNREACHABLE: &str = "unreachable";
/// How long a creation waits for replicas that do not answer yet.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// Pause between asking them.
const ANSWER_EVERY: Duration = Duration::from_millis(500);

/// Serves admin commands until `shutdown`.
pub(crate) async fn serve(
    log: SigningLog,
    chain: Option<Chain>,
    leadership: LeadershipHandle,
    missed: MissedFeed,
    mut commands: mpsc::Receiver<AdminCommand>,
    shutdown: CancellationToken,
) {
    loop {
        let command = tokio::select! {
            () = shutdown.cancelled() => return,
            command = commands.recv() => command,
        };
        match command {
            Some(AdminCommand::Leadership { order, reply }) => {
                // Whoever asked may have gone; the outcome is in the status.
                let _ = reply.send(carry_out(&log, &leadership, order).await);
            }
            Some(AdminCommand::CreateCluster { order, reply }) => {
                let outcome = create_when_all_answer(&log, chain.as_ref(), &order).await;
                if let Err(refused) = &outcome {
                    tracing::warn!(reason = %refused, "cluster not created");
                }
                // Whoever asked may have gone; the outcome is in the log and in the status.
                let _ = reply.send(outcome);
            }
            Some(AdminCommand::Duties { request, reply }) => {
                let sources = serve::Sources { log: &log, chain: chain.as_ref(), missed: &missed };
                let _ = reply.send(serve::answer(&sources, request).await);
            }
            Some(AdminCommand::Upgrade { reply }) => {
                // Whoever asked may have gone; the outcome is in the log and in the status.
                let _ = reply.send(upgrade(&log).await);
            }
            Some(AdminCommand::ChangeMembers { change, reply }) => {
                let outcome = members::change(&log, &leadership, change).await;
                // Whoever asked may have gone; the outcome is in the log and in the status.
                let _ = reply.send(outcome);
            }
            None => return,
        }
    }
}

async fn upgrade(log: &SigningLog) -> Result<RulesUpgraded, CommandRefused> {
    let Upgraded { version, already } = log.upgrade().await.map_err(|error| {
        tracing::warn!(%error, "the version of the rules is not raised");
        let code = match &error {
            UpgradeError::NotLeader { .. } => "not_leader",
            UpgradeError::Unknown { .. } => "unknown",
            UpgradeError::Refused(refusal) => refusal.code(),
            UpgradeError::Halted { .. } => "halted",
        };
        CommandRefused { code: code.to_owned(), message: error.to_string() }
    })?;
    Ok(RulesUpgraded { version: version.get(), already })
}

fn proceed_without(log: &SigningLog, replica: ReplicaId) -> Answer {
    match log.proceed_without(replica) {
        Ok(()) => {
            let message = format!(
                "replica {replica} is not waited for any more. The slots that have begun are closed: the next ones are signed again. \
                 Keep replica {replica} from starting with its old disk, or bring it back by `ollin cluster heal {replica}`"
            );
            Answer::Done { leader: log.view().leader, still_leads: false, message }
        }
        Err(error) => Answer::Refused { code: "not_waiting".to_owned(), message: error.to_string() },
    }
}

async fn carry_out(log: &SigningLog, leadership: &LeadershipHandle, order: LeadershipOrder) -> Result<OrderDone, CommandRefused> {
    let answer = match order {
        LeadershipOrder::Transfer { to } => leadership.order(None, Ask::Transfer { to }).await,
        LeadershipOrder::Drain { replica, undo } => leadership.order(replica, Ask::Drain { undo }).await,
        LeadershipOrder::ProceedWithout { replica } => proceed_without(log, replica),
    };
    match answer {
        Answer::Done { leader, still_leads, message } => Ok(OrderDone { leader, still_leads, message }),
        Answer::Refused { code, message } => {
            tracing::warn!(?order, code, message, "order about leadership refused");
            Err(CommandRefused { code, message })
        }
    }
}

/// Replicas that were started together are not ready together: a creation waits for the slower ones.
async fn create_when_all_answer(
    log: &SigningLog,
    chain: Option<&Chain>,
    order: &CreateOrder,
) -> Result<ClusterCreated, CommandRefused> {
    let deadline = Instant::now() + ANSWER_DEADLINE;
    loop {
        match create(log, chain, order).await {
            Err(refused) if refused.code == UNREACHABLE && Instant::now() < deadline => {
                tracing::info!(reason = refused.message, "creation waits for all replicas");
                tokio::time::sleep(ANSWER_EVERY).await;
            }
            outcome => return outcome,
        }
    }
}

/// Creates the cluster: binds chain, rollup and the keystore's attesters, and writes the first floor (rules R7 and R9).
async fn create(log: &SigningLog, chain: Option<&Chain>, order: &CreateOrder) -> Result<ClusterCreated, CommandRefused> {
    let Some(Chain { l1, keystore, .. }) = chain.filter(|chain| chain.keystore.attesters().next().is_some()) else {
        let message = "this replica is a witness and holds no keys: create the cluster through one that does".to_owned();
        return Err(refused("witness", message));
    };
    let floor = begun_slot(l1).await?;
    let binding = binding(l1, keystore);
    let attesters = binding.attesters.clone();
    listen::listen(log, l1, &attesters, floor, order).await?;
    log.create_cluster(binding, floor).await.map_err(|error| refused(code(&error), error.to_string()))?;
    // The stop line of an import prevails over what was asked.
    let floor = log.view().floor.unwrap_or(floor);
    tracing::info!(%floor, attesters = attesters.len(), "cluster created");
    Ok(ClusterCreated { cluster_id: log.view().cluster_id, floor, attesters: attesters.into_iter().collect() })
}

/// The last slot that may have begun anywhere: of now and one L1 slot and a margin (rule R7). Nothing is bound at or below it by
/// whoever comes new.
pub(crate) async fn begun_slot(l1: &L1) -> Result<Slot, CommandRefused> {
    let head = l1.head().await.map_err(|error| refused("l1", format!("L1 cannot be read: {error}")))?;
    let schedule = l1.schedule();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now.abs_diff(head.timestamp) > schedule.slot_duration {
        let message = format!(
            "the clock says {now} and the head of L1 {}: more than a slot apart. Set the clock, or wait until L1 follows",
            head.timestamp
        );
        return Err(refused("clock", message));
    }
    let begun = now.max(head.timestamp).saturating_add(schedule.ethereum_slot_duration).saturating_add(FLOOR_MARGIN_S);
    Ok(schedule.slot_at(begun).unwrap_or(Slot::new(0)))
}

/// What a new cluster is bound to: the chain and rollup that L1 names, and the keystore's attesters.
pub(crate) fn binding(l1: &L1, keystore: &Keystore) -> Binding {
    let attesters = keystore.attesters().map(|entry| entry.address).collect();
    Binding { chain_id: l1.constants().chain_id, rollup: l1.contracts().rollup, attesters }
}

pub(crate) fn code(error: &CreateError) -> &'static str {
    match error {
        CreateError::Exists { .. } => "exists",
        CreateError::Unreachable { .. } => UNREACHABLE,
        CreateError::Recovering { .. } => "recovering",
        CreateError::NotElected { .. } => "not_elected",
        CreateError::Import(_) => "import",
        CreateError::Command(CommandError::Rejected(_)) => "rejected",
        CreateError::Command(_) => "unknown",
        CreateError::Raft { .. } => "raft",
    }
}

fn refused(code: &str, message: String) -> CommandRefused {
    CommandRefused { code: code.to_owned(), message }
}
