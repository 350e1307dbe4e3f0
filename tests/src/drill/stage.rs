//! The parts of which rounds are made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use ollin_rpc::view::{ClusterStatus, DutyState};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::history::Fault;
use crate::chain::Landed;
use crate::clock::now_ms;
use crate::l1_proxy::{L1Proxy, Mode};
use crate::replica::Replica;
use crate::wait::until;
use crate::world::World;

/// How long a cluster may take to be well again. Machines that run drills run other things too.
pub(super) const WELL: Duration = Duration::from_secs(150);
/// The exit code of a command whose outcome is not known.
const UNKNOWN: i32 = 1;
/// Refusals that say that the order may be given again.
const ASK_AGAIN: [&str; 3] = ["not_leader", "under_way", "lags"];
/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_secs(5);
/// Slots within which one must land, once a leader is there. The first ones may have been closed.
pub(super) const SLOTS_TO_LAND: u32 = 8;

/// A drill under way.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub world: &'a mut World,
    pub random: StdRng,
    /// Every fault so far.
    pub faults: Vec<Fault>,
    /// Milliseconds from a fault of the leader to the next one, as seen from outside.
    pub takeovers_ms: Vec<u64>,
    /// The name of the next replica that is added to this world.
    pub next_replica: &'a mut u64,
    /// Each replica's own L1 endpoint, once there are any.
    pub proxies: &'a mut BTreeMap<u64, L1Proxy>,
}

impl Stage<'_> {
    /// Waits until every replica runs and has caught up; returns the leader.
    pub(super) async fn well(&mut self) -> Result<u64> {
        let ids: Vec<u64> = self.world.replicas().iter().map(Replica::id).collect();
        for id in ids {
            self.back(id).await?;
        }
        self.world.settled(WELL).await
    }

    /// Waits until a replica runs and has caught up. As a supervisor does, starts it again where it found the machine too slow for its
    /// timers when it started; any other end of its own is a fault.
    pub(super) async fn back(&mut self, id: u64) -> Result<()> {
        let deadline = Instant::now() + WELL;
        loop {
            if !self.world.replica_mut(id)?.alive() {
                let said = self.world.replica(id)?.log_tail(12);
                ensure!(said.contains("timers do not fit"), "replica {id} has ended by itself:\n{said}");
                self.world.replica_mut(id)?.start()?;
            }
            match self.world.caught_up(id, LOOK).await {
                Ok(()) => return Ok(()),
                Err(fault) if Instant::now() >= deadline => return Err(fault),
                Err(_) => {}
            }
        }
    }

    /// All replicas but `one`.
    pub(super) fn others(&self, one: u64) -> Vec<u64> {
        self.world.replicas().iter().map(Replica::id).filter(|id| *id != one).collect()
    }

    /// One of `these`.
    pub(super) fn draw<T: Copy>(&mut self, these: &[T]) -> Result<T> {
        these.choose(&mut self.random).copied().context("nothing to draw from")
    }

    /// Waits for an instant within the next `most_ms` milliseconds.
    pub(super) async fn any_instant(&mut self, most_ms: u64) -> Result<()> {
        let at = now_ms() + self.random.random_range(0..=most_ms);
        let patience = Duration::from_millis(most_ms) + Duration::from_secs(5);
        Ok(until("the drawn instant", patience, || std::future::ready((now_ms() >= at).then_some(()))).await?)
    }

    /// Notes that a fault is done now; returns when that is.
    pub(super) fn note(&mut self, replica: u64, what: impl Into<String>) -> u64 {
        let time_ms = now_ms();
        self.faults.push(Fault { time_ms, replica, what: what.into() });
        time_ms
    }

    /// Kills a replica.
    pub(super) fn kill(&mut self, id: u64, what: impl Into<String>) -> Result<u64> {
        let at = self.note(id, what);
        self.world.kill(id)?;
        Ok(at)
    }

    /// Waits until another replica than `old` acts, since the fault at `since_ms`; returns it.
    pub(super) async fn takeover(&mut self, old: u64, since_ms: u64) -> Result<u64> {
        let (next, active_ms) = self.world.acting(Some(old), WELL).await.context("nobody took over")?;
        self.takeovers_ms.push(active_ms.saturating_sub(since_ms));
        Ok(next)
    }

    /// Waits until a checkpoint lands in a block that L1 does not have yet.
    pub(super) async fn lands(&self) -> Result<Landed> {
        let head = self.world.chain().head_number().await?;
        let look = || async { self.world.chain().landed_since(head + 1).await.ok()?.into_values().next() };
        let patience = self.world.clock().slots(SLOTS_TO_LAND) + Duration::from_secs(20);
        let landed = until("a further checkpoint on L1", patience, look).await;
        landed.map_err(|fault| anyhow::Error::new(fault).context(self.world.log_tails(8)))
    }

    /// What a replica says of the cluster.
    pub(super) async fn status(&self, id: u64) -> Result<ClusterStatus> {
        let look = || async { self.world.replica(id).ok()?.status().await };
        until(format!("the status of replica {id}"), WELL, look).await.map_err(Into::into)
    }

    /// Waits until a replica says that it does not act.
    pub(super) async fn stands_by(&self, id: u64) -> Result<()> {
        let look = || async {
            let status = self.world.replica(id).ok()?.status().await?;
            (status.replica.duty_state != DutyState::Active).then_some(())
        };
        Ok(until(format!("replica {id} to stand by"), WELL, look).await?)
    }

    /// Waits until a replica takes no part and its reason holds `words`.
    pub(super) async fn halts(&self, id: u64, words: &str) -> Result<String> {
        let look = || async { self.world.replica(id).ok()?.status().await?.halted.filter(|reason| reason.contains(words)) };
        let said = until(format!("replica {id} to take no part and to name '{words}'"), WELL, look).await;
        said.map_err(|fault| anyhow::Error::new(fault).context(self.world.log_tails(8)))
    }

    /// `ollin cluster WORDS...`, which must succeed; given again, to whoever leads then, where its outcome is not known or the refusal
    /// says so.
    pub(super) async fn order(&self, words: &[&str]) -> Result<()> {
        let deadline = Instant::now() + WELL;
        let mut given = 0;
        loop {
            let (via, _) = self.world.acting(None, WELL).await?;
            let (exit, answer) = self.world.cluster_command(via, words, WELL * 2).await?;
            let code = answer.pointer("/error/code").and_then(serde_json::Value::as_str).unwrap_or_default();
            // One that was healed by an order whose outcome was not known answers when it is given again.
            if exit == 0 || (given > 0 && code == "alive") {
                return Ok(());
            }
            let again = (exit == UNKNOWN || ASK_AGAIN.contains(&code)) && Instant::now() < deadline;
            ensure!(again, "ollin cluster {}: exit {exit}, {answer}", words.join(" "));
            given += 1;
        }
    }

    /// Brings leadership to a replica. It is asked again until it is there: a replica that has just started is not yet fit to lead.
    pub(super) async fn leads(&mut self, id: u64) -> Result<()> {
        let deadline = Instant::now() + WELL;
        loop {
            let leader = self.well().await?;
            if leader == id {
                return Ok(());
            }
            let (exit, answer) =
                self.world.cluster_command(leader, &["transfer", "--to", &id.to_string()], Duration::from_secs(60)).await?;
            ensure!(exit == 0 || Instant::now() < deadline, "replica {id} does not come to lead: exit {exit}, {answer}");
        }
    }

    /// Ends a replica's process, whatever state it is in, and starts it again.
    pub(super) async fn restart(&mut self, id: u64) -> Result<()> {
        self.world.replica_mut(id)?.kill()?;
        self.world.replica_mut(id)?.start()?;
        self.back(id).await
    }

    /// Undoes whatever a broken-off round has left.
    pub(super) async fn put_right(&mut self) -> Result<()> {
        self.world.network()?.mend()?;
        for proxy in self.proxies.values() {
            proxy.set(Mode::Honest);
        }
        for replica in self.world.replicas() {
            if let Some(child) = replica.child() {
                // One that has ended is started below.
                let _ = child.signal(Signal::SIGCONT);
            }
        }
        self.world.recover().await
    }
}
