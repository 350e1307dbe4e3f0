//! Answers what the admin port asks about duties.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use ollin_consensus::{CommandError, Fault, SigningLog, planted};
use ollin_guard::interchange::{Doubt, Interchange};
use ollin_protocol::units::Slot;
use ollin_rpc::view::{AttesterMoved, DutiesImported, DutyList};
use ollin_rpc::{CommandRefused, DutiesAnswer, DutiesRequest};

use super::list::Held;
use super::missed::MissedFeed;
use crate::admin::{begun_slot, binding, code};
use crate::chain::Chain;

/// How long one command to the log may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// Most duties of one list.
const MAX_LISTED: usize = 100_000;

/// What the answers are made from.
pub(crate) struct Sources<'a> {
    pub(crate) log: &'a SigningLog,
    /// None on a witness that reads nothing of L1.
    pub(crate) chain: Option<&'a Chain>,
    pub(crate) missed: &'a MissedFeed,
}

/// Answers one request.
///
/// # Errors
/// [`CommandRefused`]: nothing was changed, save with the code `unknown`.
pub(crate) async fn answer(sources: &Sources<'_>, request: DutiesRequest) -> Result<DutiesAnswer, CommandRefused> {
    match request {
        DutiesRequest::List { attester, slot, limit } => Ok(DutiesAnswer::List(sources.list(attester, slot, limit))),
        DutiesRequest::Export { attesters } => sources.export(&attesters).map(DutiesAnswer::Exported),
        DutiesRequest::Import { file, accept } => sources.import(&file, &accept).await.map(DutiesAnswer::Imported),
        DutiesRequest::Missed {} => Ok(DutiesAnswer::Missed(sources.missed.borrow().as_ref().clone())),
        DutiesRequest::AddAttester { attester, after } => sources.add(attester, after).await.map(DutiesAnswer::Added),
        DutiesRequest::ReleaseAttester { attester, last_slot } => {
            sources.release(attester, last_slot).await.map(DutiesAnswer::Released)
        }
        DutiesRequest::Unfreeze { attester, reason } => sources.unfreeze(attester, reason).await.map(DutiesAnswer::Unfrozen),
    }
}

impl Sources<'_> {
    fn list(&self, attester: Option<Address>, slot: Option<Slot>, limit: usize) -> DutyList {
        let Self { log, chain, .. } = self;
        let view = log.view();
        let current = self.current_slot();
        let held = Held {
            cluster_id: view.cluster_id,
            replica: view.replica,
            phase: view.phase.to_string(),
            binding: view.binding,
            floor: view.floor,
            watermark: view.watermark,
            closed: log.closed(),
            audit: log.audit_head(),
            attesters: log.attesters(),
            duties: log.duties(),
        };
        let shows_root = |slot| is_over(slot, current);
        held.list(
            (attester, slot, limit.min(MAX_LISTED)),
            |attester| chain.map(|chain| chain.keystore.holds(attester)),
            shows_root,
        )
    }

    /// The slot of now, by the clock; before genesis there is none.
    fn current_slot(&self) -> Option<Slot> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.chain?.l1.schedule().slot_at(now.as_secs())
    }

    fn export(&self, attesters: &[Address]) -> Result<String, CommandRefused> {
        let only: BTreeSet<Address> = attesters.iter().copied().collect();
        let interchange = self.log.export((!only.is_empty()).then_some(&only));
        interchange.map(|file| file.to_json()).map_err(|error| refused("export", error.to_string()))
    }

    async fn import(&self, file: &str, accept: &[String]) -> Result<DutiesImported, CommandRefused> {
        let interchange = Interchange::parse(file.as_bytes()).map_err(|error| refused("file", chain(&error)))?;
        let accepted = accept.iter().map(|word| Doubt::from_str(word)).collect::<Result<BTreeSet<_>, _>>();
        let accepted = accepted.map_err(|error| refused("accept", error.to_string()))?;
        let Chain { l1, keystore, .. } = self.chain()?;
        let binding = binding(l1, keystore);
        let ours = binding.attesters.clone();
        let imported = self.log.import_duties(binding, &interchange, &accepted).await;
        imported.map_err(|error| refused(code(&error), chain(&error)))?;
        let unlisted = ours.into_iter().filter(|attester| !interchange.attesters().contains_key(attester)).collect();
        Ok(DutiesImported {
            cluster_id: self.log.view().cluster_id,
            duties: interchange.duties().len(),
            attesters: interchange.attesters().keys().copied().collect(),
            unlisted,
            stop_line: interchange.stop_line(),
        })
    }

    /// Above the present slot, and above the stop line of the former cluster if there was one (rules R7 and R9).
    async fn add(&self, attester: Address, after: Option<Slot>) -> Result<AttesterMoved, CommandRefused> {
        if !self.chain()?.keystore.holds(&attester) {
            let message = format!(
                "this replica's keystore holds no key of {attester}: put it into the keystore of every replica and restart \
                 them one by one, then add it"
            );
            return Err(refused("no_key", message));
        }
        let floor = self.begun_slot().await?.max(after.unwrap_or_default());
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        self.log.add_attester(attester, floor, deadline).await.map_err(|error| of_command(&error))?;
        tracing::warn!(%attester, %floor, "attester added");
        Ok(AttesterMoved { attester, slot: floor })
    }

    async fn release(&self, attester: Address, last_slot: Option<Slot>) -> Result<AttesterMoved, CommandRefused> {
        let last_slot = match last_slot {
            Some(last_slot) => last_slot,
            None => self.begun_slot().await?,
        };
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        self.log.release_attester(attester, last_slot, deadline).await.map_err(|error| of_command(&error))?;
        tracing::warn!(%attester, %last_slot, "attester released");
        Ok(AttesterMoved { attester, slot: last_slot })
    }

    /// Above whatever may have begun anywhere, and above the evidence (rule R10).
    async fn unfreeze(&self, attester: Address, reason: String) -> Result<AttesterMoved, CommandRefused> {
        let floor = self.begun_slot().await?;
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        self.log.unfreeze(attester, floor, reason.clone(), deadline).await.map_err(|error| of_command(&error))?;
        let thawed = self.log.attesters().into_iter().find(|(address, _)| *address == attester);
        let slot = thawed.and_then(|(_, standing)| standing.thawed).unwrap_or(floor);
        tracing::warn!(%attester, %slot, reason, "attester unfrozen");
        Ok(AttesterMoved { attester, slot })
    }

    fn chain(&self) -> Result<&Chain, CommandRefused> {
        let message = "this replica is a witness and reads nothing of L1: ask one that holds keys";
        self.chain.ok_or_else(|| refused("witness", message.to_owned()))
    }

    async fn begun_slot(&self) -> Result<Slot, CommandRefused> {
        begun_slot(&self.chain()?.l1).await.map_err(|error| refused(&error.code, error.message))
    }
}

fn of_command(error: &CommandError) -> CommandRefused {
    match error {
        CommandError::NotLeader { leader: Some(leader) } => {
            refused("not_leader", format!("replica {leader} leads: ask it, at its admin port"))
        }
        CommandError::NotLeader { leader: None } => {
            refused("not_leader", "no leader is known: wait for an election, or look at `ollin status`".to_owned())
        }
        CommandError::Unknown { .. } => refused("unknown", format!("{error}: list the duties before asking again")),
        CommandError::Rejected(_) | CommandError::Refused(_) => refused("rejected", error.to_string()),
        CommandError::Halted { .. } => refused("halted", error.to_string()),
    }
}

fn refused(code: &str, message: String) -> CommandRefused {
    CommandRefused { code: code.to_owned(), message }
}

/// An error with its causes, for one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Whether `slot` is over: a root of one that is not may not have been released yet, and is not shown (rule R25).
fn is_over(slot: Slot, current: Option<Slot>) -> bool {
    current.is_some_and(|current| slot < current) || planted(Fault::RootShownEarly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_shown_only_once_its_slot_is_over() {
        assert!(is_over(Slot::new(8), Some(Slot::new(9))));
        assert!(!is_over(Slot::new(9), Some(Slot::new(9))), "it may not have been released yet");
        assert!(!is_over(Slot::new(8), None), "before genesis nothing is over");
    }
}
