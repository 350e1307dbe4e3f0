//! Creating a cluster: explicit, once, with all replicas there (safety rule R9).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use ollin_guard::interchange::{Doubt, Interchange};
use ollin_guard::{Binding, Fault, Guard, GuardCommand, Phase, planted};
use ollin_protocol::units::Slot;

use super::error::CommandError;
use super::propose::elapsed_ms;
use super::{CreateError, SigningLog};
use crate::command::Command;
use crate::membership::Member;
use crate::recovery::Memory;
use crate::role::Role;
use crate::runtime;
use crate::transport::{Lane, Request, Response};

/// How long creation may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a replica has to answer.
const GREETING: Duration = Duration::from_secs(2);
/// How often another leader is asked to hand over.
const POLL: Duration = Duration::from_millis(200);

impl SigningLog {
    /// Creates the cluster of `cluster.json`: makes its replicas the members, binds chain, rollup and attesters, and opens the log
    /// above `floor`. Asked of one replica, while all are running; a creation that was cut short can be asked for again there.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create_cluster(&self, binding: Binding, floor: Slot) -> Result<(), CreateError> {
        let deadline = runtime::now() + DEADLINE;
        self.bind(binding, deadline).await?;
        let floor = if planted(Fault::CreationWithoutFloor) { Slot::new(0) } else { floor };
        self.settle(GuardCommand::Open { floor }, deadline).await?;
        tracing::info!(%floor, "cluster created");
        Ok(())
    }

    /// Makes the replicas of `cluster.json` the members, binds chain, rollup and attesters, and takes over what an earlier cluster
    /// has signed. The log stays sealed: [`SigningLog::create_cluster`] opens it, above the file's stop line at least.
    ///
    /// # Errors
    /// [`CreateError`]; [`CreateError::Import`] before anything is written.
    pub async fn import_duties(
        &self,
        binding: Binding,
        interchange: &Interchange,
        accepted: &BTreeSet<Doubt>,
    ) -> Result<(), CreateError> {
        let import = interchange.command(&binding, accepted)?;
        let deadline = runtime::now() + DEADLINE;
        self.bind(binding, deadline).await?;
        self.settle(import, deadline).await?;
        tracing::info!(duties = interchange.duties().len(), stop_line = %interchange.stop_line(), "duties imported");
        Ok(())
    }

    /// Walks the way in as far as the binding.
    pub(super) async fn bind(&self, binding: Binding, deadline: Instant) -> Result<(), CreateError> {
        let started = runtime::now();
        let own = self.inner.config.replica;
        if self.inner.state.read().guard().phase() == Phase::Open {
            return Err(CreateError::Exists { replica: own });
        }
        let initialised = self.inner.raft.is_initialized().await;
        if !initialised.map_err(|error| CreateError::Raft { reason: error.to_string() })? {
            self.require_fresh_members().await?;
            self.found().await?;
            self.require_recovered(deadline).await?;
            let members = self.inner.shared.members();
            let initialised = self.inner.raft.initialize(members).await;
            initialised.map_err(|error| CreateError::Raft { reason: error.to_string() })?;
            tracing::info!("members initialised");
        }
        // Also where an earlier creation was cut short: a store of before may have promised more since (safety rule R6).
        self.require_recovered(deadline).await?;
        self.become_leader(started, deadline).await?;
        let (phase, bound) = {
            let state = self.inner.state.read();
            (state.guard().phase(), state.guard().binding())
        };
        match phase {
            Phase::Open => Err(CreateError::Exists { replica: own }),
            Phase::Bound | Phase::Imported if bound.as_ref() == Some(&binding) => Ok(()),
            // The guard refuses a second binding; its answer says so.
            Phase::Unbound | Phase::Bound | Phase::Imported => self.settle(GuardCommand::Bind(binding), deadline).await,
        }
    }

    /// Has a step of the creation applied. A term that ends under it leaves open whether it was: then the state tells, and the step
    /// is asked for again if it was not. Nothing else changes a log that is not open, so the state that the step makes is known.
    async fn settle(&self, command: GuardCommand, deadline: Instant) -> Result<(), CreateError> {
        let started = runtime::now();
        let mut made = self.inner.state.read().guard().clone();
        made.apply(&command);
        loop {
            match self.command(Command::Guard(command.clone()), deadline).await {
                Err(CommandError::Unknown { .. } | CommandError::NotLeader { .. }) if runtime::now() < deadline => {}
                applied => return Ok(applied?),
            }
            self.become_leader(started, deadline).await?;
            if let Some(settled) = self.settled(&made) {
                return settled;
            }
        }
    }

    /// Whether the step that makes `made` was applied; `None` if it was not.
    fn settled(&self, made: &Guard) -> Option<Result<(), CreateError>> {
        let state = self.inner.state.read();
        let guard = state.guard();
        if guard.phase() != Phase::Open {
            return (guard == made).then_some(Ok(()));
        }
        // An open log goes on at once, by whoever leads; its binding and its floor stay.
        let opened = made.phase() == Phase::Open && guard.binding() == made.binding() && guard.floor() == made.floor();
        Some(if opened { Ok(()) } else { Err(CreateError::Exists { replica: self.inner.config.replica }) })
    }

    async fn require_recovered(&self, deadline: Instant) -> Result<(), CreateError> {
        let recovery = &self.inner.shared.recovery;
        let mut memory = recovery.watch_memory();
        let recovered = memory.wait_for(|memory| *memory != Memory::Recovering);
        if runtime::timeout_at(deadline, recovered).await.is_err() {
            return Err(CreateError::Recovering { missing: self.waits_for().into_values().collect() });
        }
        Ok(())
    }

    /// Every other replica must answer, and none may hold a log: a cluster is created once.
    async fn require_fresh_members(&self) -> Result<(), CreateError> {
        let own = self.inner.shared.me.replica;
        let others = self.inner.shared.members().into_iter().filter(|(id, _)| *id != own);
        let greetings = others.map(|(id, member)| async move { (member, self.inner.client.hello(id, GREETING).await) });
        for (member, answer) in join_all(greetings).await {
            let replica = member.name;
            match answer {
                Ok(answered) if answered.has_log => return Err(CreateError::Exists { replica }),
                Ok(_) => {}
                Err(_) if planted(Fault::CreationOfSome) => {}
                Err(error) => {
                    return Err(CreateError::Unreachable { replica, address: member.address, reason: error.to_string() });
                }
            }
        }
        Ok(())
    }

    /// Every store's Raft id becomes its own: from here on an emptied one is known by having none (safety rule R6).
    async fn found(&self) -> Result<(), CreateError> {
        let own = self.inner.shared.me.replica;
        let others = self.inner.shared.members().into_iter().filter(|(id, _)| *id != own);
        let asked = others.map(|(id, member)| async move {
            (member, self.inner.client.call(id, Lane::Heartbeat, Request::Found, GREETING).await)
        });
        for (Member { name: replica, address, .. }, answer) in join_all(asked).await {
            let unreachable = |reason| CreateError::Unreachable { replica, address: address.clone(), reason };
            match answer {
                Ok(Response::Found) => {}
                Ok(_) => return Err(unreachable("an answer of another kind".to_owned())),
                Err(_) if planted(Fault::CreationOfSome) => {}
                Err(error) => return Err(unreachable(error.to_string())),
            }
        }
        self.inner.enlistment.found().map_err(|error| CreateError::Raft { reason: error.to_string() })
    }

    /// Waits until this replica acts. If another one was elected, it is asked to hand over while the log is still sealed; once it is
    /// open there is nothing left to lead.
    async fn become_leader(&self, started: Instant, deadline: Instant) -> Result<(), CreateError> {
        let mut role = self.inner.role.clone();
        let stopped = |error: String| CreateError::Raft { reason: error };
        loop {
            let acts = matches!(*role.borrow_and_update(), Role::Active { .. });
            if acts || self.inner.state.read().guard().phase() == Phase::Open {
                return Ok(());
            }
            if let Some(reason) = self.inner.shared.halt.reason() {
                return Err(CommandError::Halted { reason }.into());
            }
            let leader = self.view().leader;
            if runtime::now() >= deadline {
                return Err(CreateError::NotElected { waited_ms: elapsed_ms(started), leader });
            }
            match leader {
                // Before the cluster exists, Raft ids are names.
                Some(leader) if leader != self.inner.config.replica => {
                    let asked = self.inner.client.call(leader.get(), Lane::Heartbeat, Request::Yield, GREETING).await;
                    if let Err(error) = asked {
                        tracing::debug!(%error, "the leader did not hand over");
                    }
                }
                None if self.inner.shared.recovery.may_campaign() => {
                    self.inner.raft.trigger().elect(true).await.map_err(|error| stopped(error.to_string()))?;
                }
                Some(_) | None => {}
            }
            // Either it changes, or it is looked at again.
            drop(runtime::timeout(POLL, role.changed()).await);
        }
    }
}
