//! Raising the version of the rules (safety rule R13); decided by [`crate::rules::upgrade`].

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::SigningLog;
use super::error::UpgradeError;
use super::propose::elapsed_ms;
use crate::command::{Command, Reply};
use crate::membership::rule::Situation;
use crate::rules::upgrade::{FRESH_MS, Plan, Standing, plan};
use crate::rules::{RulesVersion, Supported, UpgradeRefusal, Upgraded};
use crate::runtime;
use crate::transport::{CallError, Lane, Order, Request, Response};

/// How long one entry and its quorum may take.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long the leader has to answer when the order was passed on to it.
const PASSED_ON: Duration = Duration::from_secs(20);

impl SigningLog {
    /// The version of the rules in this replica's applied state.
    pub fn rules(&self) -> RulesVersion {
        self.inner.state.read().rules()
    }

    /// Raises the version of the rules by one, if every member supports the next one. Any replica may be asked: one that does not lead
    /// passes the order on.
    ///
    /// # Errors
    /// [`UpgradeError`]. After [`UpgradeError::Unknown`] it may have been raised; to ask again is safe.
    pub async fn upgrade(&self) -> Result<Upgraded, UpgradeError> {
        let started = runtime::now();
        let (answer, answered) = oneshot::channel();
        let asked = self.inner.orders.try_send(Order::Upgrade { answer });
        asked.map_err(|_| UpgradeError::Refused(UpgradeRefusal::UnderWay))?;
        match answered.await.map_err(|_| UpgradeError::Unknown { waited_ms: elapsed_ms(started) })? {
            Err(UpgradeError::NotLeader { leader: Some(leader) }) if leader != self.replica() => {
                self.pass_upgrade_on(UpgradeError::NotLeader { leader: Some(leader) }, started).await
            }
            answer => answer,
        }
    }

    async fn pass_upgrade_on(&self, not_leader: UpgradeError, started: Instant) -> Result<Upgraded, UpgradeError> {
        let Some(id) = self.leader_id() else { return Err(not_leader) };
        match self.inner.client.call(id, Lane::Heartbeat, Request::Upgrade, PASSED_ON).await {
            Ok(Response::Upgrade(answer)) => Ok(answer?),
            Err(CallError::Unreachable { .. } | CallError::Refused { .. }) => Err(not_leader),
            Ok(_) | Err(CallError::Timeout { .. } | CallError::Broken { .. }) => {
                Err(UpgradeError::Unknown { waited_ms: elapsed_ms(started) })
            }
        }
    }

    /// Carries the order out, as leader. Changes of the members and enlistments come one at a time with it.
    pub(super) async fn raise_rules(&self) -> Result<Upgraded, UpgradeError> {
        let started = runtime::now();
        if self.inner.role.borrow().active_term().is_none() {
            return Err(self.not_leader().into());
        }
        let version = match plan(&self.standing())? {
            Plan::Newest => return Ok(Upgraded { version: self.rules(), already: true }),
            Plan::Raise(version) => version,
        };
        match self.propose(Command::Upgrade { version }, started + DEADLINE).await? {
            Reply::Upgraded(found) if found >= version => {
                tracing::info!(%version, "the version of the rules is raised");
                Ok(Upgraded { version: found, already: false })
            }
            Reply::Upgraded(_)
            | Reply::Guard(_)
            | Reply::Attempt(_)
            | Reply::Outcome(_)
            | Reply::Reserved(_)
            | Reply::Enlisted(_) => Err(UpgradeError::Unknown { waited_ms: elapsed_ms(started) }),
        }
    }

    fn standing(&self) -> Standing {
        let (Situation { open, configurations, members, committed, leader, .. }, _) = self.situation();
        let members = members.into_iter().map(|(id, member)| (id, (member.name, self.supported_by(id)))).collect();
        Standing { open, settled: committed && configurations.len() == 1, version: self.rules(), leader, members }
    }

    /// What a member's program supports, if it has said so lately.
    pub(super) fn supported_by(&self, id: u64) -> Option<Supported> {
        if id == self.inner.shared.me.replica {
            return Some(self.inner.config.rules);
        }
        let (report, age) = self.inner.shared.leadership.report_of(id)?;
        (age <= Duration::from_millis(FRESH_MS)).then_some(report.rules)
    }
}
