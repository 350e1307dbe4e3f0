//! The recovery of this process: what it has promised, how far it may be relied on, and the way from one to the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use ollin_guard::{Fault, planted};
use openraft::raft::VoteRequest;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::roll_call::{RollCall, Terms};
use super::{Anchor, Demands, Memory, Promise, Seen, Standing, StartRefusal};
use crate::entry::StoredMembership;
use crate::raft::{Raft, Vote, log_id};
use crate::runtime;
use crate::store::{Progress, SharedState, StateMachine};
use crate::transport::{Client, Lane, Request, Response, Shared};

/// How long one replica has to answer.
const WAIT: Duration = Duration::from_millis(500);
/// How often those are asked again that have not answered.
const POLL: Duration = Duration::from_millis(100);
/// How often the log says whom it waits for.
const SAY: Duration = Duration::from_secs(10);
/// How long a vote or an acknowledgement of the process before may be on its way to a voter that was not heard.
const LINGER: Duration = Duration::from_secs(2);
/// So many processes of a Raft id are remembered after their end.
const GONE: usize = 64;
/// A vote for this id is a vote for nobody: ids of replicas start at 1.
const NOBODY: u64 = 0;

/// Shared by store, transport, role and status. Each lock is held for one look-up or one write to memory, never across an await.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    memory: watch::Sender<Memory>,
    /// What is durable here.
    own: watch::Sender<Promise>,
    anchor: Mutex<Option<(Box<dyn Anchor>, u64)>>,
    /// Until the own log has come this far, it neither campaigns nor votes for a shorter one.
    target: Mutex<Option<(u64, u64)>>,
    missing: Mutex<BTreeSet<u64>>,
    excused: watch::Sender<BTreeSet<u64>>,
    campaigns: Mutex<Campaigns>,
    demands: Demands,
    /// Who takes part under each Raft id.
    heard: Mutex<BTreeMap<u64, Heard>>,
}

/// The process that takes part under a Raft id, as its frames show it.
#[derive(Debug)]
struct Heard {
    boot: u64,
    /// What it said last that it had promised.
    promise: Promise,
    /// The processes before it, newest last.
    gone: VecDeque<u64>,
}

/// What became of a frame's word about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It counts.
    Heard,
    /// Another process has taken the sender's place: it was stopped for a while, and a copy of its machine took part under its Raft id
    /// meanwhile. What that one has promised, the sender does not know (safety rule R8).
    Superseded,
}

/// What a frame says of its sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) replica: u64,
    pub(crate) boot: u64,
    pub(crate) memory: Memory,
    pub(crate) demands: &'a [(u64, u64)],
    pub(crate) promise: &'a Promise,
}

/// Whether this replica campaigns: if it may, as far as its memory goes, and is wanted to.
#[derive(Clone, Copy, Debug)]
struct Campaigns {
    may: bool,
    wanted: bool,
}

type RaftHandle = openraft::Raft<Raft, StateMachine>;

impl Recovery {
    /// A process that starts with `own` on its disk, and knows nothing yet.
    pub(crate) fn new(own: Promise) -> Self {
        let inner = Inner {
            memory: watch::Sender::new(if planted(Fault::NoRollCall) { Memory::Whole } else { Memory::Recovering }),
            own: watch::Sender::new(own),
            anchor: Mutex::default(),
            target: Mutex::default(),
            missing: Mutex::default(),
            excused: watch::Sender::default(),
            campaigns: Mutex::new(Campaigns { may: false, wanted: true }),
            demands: Demands::default(),
            heard: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Keeps the anchor of this Raft id from here on. `proven`: it shows that this process continues the one before.
    pub(crate) fn anchored(&self, anchor: Box<dyn Anchor>, replica: u64, proven: bool) {
        *self.inner.anchor.lock() = Some((anchor, replica));
        if proven {
            self.inner.memory.send_replace(Memory::Whole);
        }
    }

    /// For tests of what comes after.
    #[cfg(test)]
    pub(crate) fn whole(own: Promise) -> Self {
        let recovery = Self::new(own);
        recovery.inner.memory.send_replace(Memory::Whole);
        recovery
    }

    /// Its own memory, and what it has heard of others': while a demand is open that it knows of, its own word is not sure either.
    pub(crate) fn memory(&self) -> Memory {
        let own = *self.inner.memory.borrow();
        if own == Memory::Whole && !self.inner.demands.is_empty() && !planted(Fault::DoubtHidden) {
            Memory::Doubtful
        } else {
            own
        }
    }

    pub(crate) fn watch_memory(&self) -> watch::Receiver<Memory> {
        self.inner.memory.subscribe()
    }

    /// What is durable here.
    pub(crate) fn promise(&self) -> Promise {
        *self.inner.own.borrow()
    }

    pub(crate) fn demands(&self) -> &Demands {
        &self.inner.demands
    }

    /// Whom the roll call waits for.
    pub(crate) fn missing(&self) -> BTreeSet<u64> {
        self.inner.missing.lock().clone()
    }

    /// An operator says that `replica` is down: it is no longer waited for, and a closing is demanded.
    pub(crate) fn excuse(&self, replica: u64) {
        self.inner.excused.send_if_modified(|excused| excused.insert(replica));
    }

    /// Notes what a frame says of its sender. Before Raft sees the frame.
    ///
    /// # Errors
    /// If the anchor cannot be removed: a demand that was heard must survive a restart.
    pub(crate) fn note(&self, said: &Said<'_>) -> io::Result<Noted> {
        if said.memory == Memory::Recovering {
            return Ok(Noted::Heard);
        }
        // In one step: between a look and a note another frame could make the sender one that is gone, or its successor.
        let noted = self.inner.heard.lock().entry(said.replica).or_insert_with(|| Heard::new(said)).hear(said);
        if noted == Noted::Heard && !planted(Fault::DoubtNotAdopted) && self.inner.demands.adopt(said.demands) {
            self.anchor()?;
        }
        Ok(noted)
    }

    /// Forgets the demands that a closing has settled.
    ///
    /// # Errors
    /// If the anchor can neither be written nor removed.
    pub(crate) fn settle(&self, settled: &VecDeque<(u64, u64)>) -> io::Result<()> {
        if self.inner.demands.settle(settled) { self.anchor() } else { Ok(()) }
    }

    /// What `replica` was heard to have promised, in the life of this process.
    pub(crate) fn heard_of(&self, replica: u64) -> Option<Promise> {
        self.inner.heard.lock().get(&replica).map(|heard| heard.promise)
    }

    /// Whether this replica's memory lets it campaign at all.
    pub(crate) fn may_campaign(&self) -> bool {
        self.inner.campaigns.lock().may
    }

    /// Whether it is wanted to; it does only once it may.
    pub(crate) fn set_campaigns(&self, raft: &RaftHandle, wanted: bool) {
        let mut campaigns = self.inner.campaigns.lock();
        campaigns.wanted = wanted;
        raft.runtime_config().elect(campaigns.may && wanted);
    }

    fn permit_campaigns(&self, raft: &RaftHandle) -> io::Result<()> {
        {
            let mut campaigns = self.inner.campaigns.lock();
            campaigns.may = true;
            raft.runtime_config().elect(campaigns.wanted);
        }
        self.anchor()
    }

    /// Writes or removes the anchor, as what is known now demands.
    fn anchor(&self) -> io::Result<()> {
        let anchor = self.inner.anchor.lock();
        self.write(anchor.as_ref(), &self.promise())
    }

    /// Whether a candidate with this last entry may be voted for.
    pub(crate) fn admits(&self, last: Option<(u64, u64)>) -> bool {
        self.inner.target.lock().is_none_or(|target| last >= Some(target) || planted(Fault::ShortLogVotedFor))
    }

    /// The store has made `promise` durable. Called before anything that rests on it is acknowledged.
    ///
    /// # Errors
    /// If the anchor can neither be written nor removed: a stale one would prove what is not so.
    pub(crate) fn synced(&self, promise: Promise) -> io::Result<()> {
        let anchor = self.inner.anchor.lock();
        self.inner.own.send_replace(promise);
        self.write(anchor.as_ref(), &promise)
    }

    fn write(&self, anchor: Option<&(Box<dyn Anchor>, u64)>, promise: &Promise) -> io::Result<()> {
        let Some((anchor, replica)) = anchor else { return Ok(()) };
        // What is owed after a roll call, the awaited entry and open demands, must survive a plain restart: without an anchor the
        // roll is called again.
        if (self.memory() != Memory::Whole || !self.may_campaign()) && !planted(Fault::AnchorWhileOwed) {
            return anchor.remove();
        }
        anchor.write(*replica, promise).or_else(|error| {
            tracing::warn!(%error, "the anchor cannot be written: after a restart all other replicas will be asked");
            anchor.remove()
        })
    }

    /// What this process holds is not all that was promised under its Raft id. No anchor proves it from here on, so that the next start
    /// calls the roll.
    ///
    /// # Errors
    /// If the anchor cannot be removed.
    pub(crate) fn distrust(&self) -> io::Result<()> {
        self.inner.memory.send_replace(Memory::Recovering);
        self.anchor()
    }

    fn become_whole(&self) -> io::Result<()> {
        self.inner.memory.send_replace(Memory::Whole);
        self.anchor()
    }
}

impl Heard {
    fn new(said: &Said<'_>) -> Self {
        Self { boot: said.boot, promise: *said.promise, gone: VecDeque::new() }
    }

    fn hear(&mut self, said: &Said<'_>) -> Noted {
        if self.boot != said.boot {
            if self.has_passed(said) && !planted(Fault::PausedProcessServed) {
                return Noted::Superseded;
            }
            if self.gone.len() == GONE {
                self.gone.pop_front();
            }
            self.gone.push_back(self.boot);
            self.boot = said.boot;
        }
        self.promise = *said.promise;
        Noted::Heard
    }

    /// A process that ended never comes back; one that was not heard before the present one lacks what that one has promised.
    fn has_passed(&self, said: &Said<'_>) -> bool {
        self.gone.contains(&said.boot) || said.promise.forgets(&self.promise)
    }
}

/// Answers another replica's roll call.
pub(crate) fn seen(recovery: &Recovery, to: u64, membership: StoredMembership) -> Seen {
    Seen { memory: recovery.memory(), promise: recovery.promise(), heard_of_you: recovery.heard_of(to), membership }
}

/// The way to recovery, and what it needs.
pub(crate) struct Recovering {
    pub(crate) recovery: Recovery,
    pub(crate) raft: RaftHandle,
    pub(crate) client: Client,
    pub(crate) shared: Shared,
    pub(crate) state: SharedState,
    pub(crate) progress: Progress,
    /// The membership that the store holds.
    pub(crate) membership: StoredMembership,
    pub(crate) stop: CancellationToken,
}

impl Recovering {
    /// Calls the roll, takes part under what it concluded, and waits for the closing if one is demanded.
    pub(crate) async fn recover(self) {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.run() => {}
        }
    }

    async fn run(self) {
        if self.shared.halt.is_halted() {
            return;
        }
        if self.recovery.memory() == Memory::Whole {
            if let Err(error) = self.recovery.permit_campaigns(&self.raft) {
                self.shared.halt.halt(format!("the anchor can neither be written nor removed: {error}"));
            }
            return;
        }
        let terms = match self.call().await {
            Ok(terms) => terms,
            Err(refusal) => return self.shared.halt.halt(refusal.to_string()),
        };
        if let Err(reason) = self.take_part(&terms).await {
            self.shared.halt.halt(reason);
        }
    }

    /// Asks until enough have answered.
    async fn call(&self) -> Result<Terms, StartRefusal> {
        let mut answers = BTreeMap::new();
        let mut excused = self.recovery.inner.excused.subscribe();
        let mut enough_since = None;
        let mut said: Option<Instant> = None;
        loop {
            self.ask(&mut answers).await;
            let excuses = excused.borrow_and_update().clone();
            let (promise, membership) = (self.recovery.promise(), &self.membership);
            let call =
                RollCall { own: self.shared.me.replica, promise: &promise, membership, answers: &answers, excused: &excuses };
            match call.conclude() {
                Standing::Refused(refusal) => return Err(refusal),
                Standing::Ready(terms) => {
                    let since = *enough_since.get_or_insert_with(runtime::now);
                    if terms.unheard.is_subset(&excuses) || runtime::elapsed(since) >= LINGER {
                        return Ok(terms);
                    }
                }
                Standing::Waiting { missing } => {
                    if said.is_none_or(|said| runtime::elapsed(said) >= SAY) {
                        tracing::info!(?missing, "recovering: these replicas have not answered since this process started");
                        said = Some(runtime::now());
                    }
                    *self.recovery.inner.missing.lock() = missing;
                }
            }
            tokio::select! {
                biased;
                _ = excused.changed() => {}
                () = runtime::sleep(POLL) => {}
            }
        }
    }

    async fn ask(&self, answers: &mut BTreeMap<u64, Seen>) {
        let own = self.shared.me.replica;
        let known = answers.values().map(|answer: &Seen| &answer.membership).chain([&self.membership]);
        let listed: BTreeSet<u64> = known.flat_map(|known| known.membership.members.keys().copied()).collect();
        let asked = listed.into_iter().filter(|id| *id != own).map(|id| async move {
            match self.client.call(id, Lane::Heartbeat, Request::RollCall, WAIT).await {
                Ok(Response::RollCall(answer)) => Some((id, answer)),
                Ok(_) | Err(_) => None,
            }
        });
        answers.extend(join_all(asked).await.into_iter().flatten());
    }

    async fn take_part(&self, terms: &Terms) -> Result<(), String> {
        let Terms { term, target, doubtful, unheard } = terms;
        let recovery = &self.recovery;
        self.raise_vote(*term).await?;
        let reached = |promise: &Promise| promise.place() >= *target;
        *recovery.inner.target.lock() = target.filter(|_| !reached(&recovery.promise()));
        recovery.inner.missing.lock().clear();
        let me = self.shared.me;
        if *doubtful {
            recovery.inner.demands.adopt(&[(me.replica, me.boot)]);
            recovery.inner.memory.send_replace(Memory::Doubtful);
            tracing::warn!(
                term,
                ?target,
                ?unheard,
                "this replica takes part, and demands that the slots that have begun are closed"
            );
        } else {
            recovery.become_whole().map_err(|error| error.to_string())?;
            tracing::info!(term, ?target, "this replica takes part: all other voters were heard");
        }
        let mut own = recovery.inner.own.subscribe();
        if !planted(Fault::CampaignWhileBehind) {
            // The sender lives as long as `recovery`.
            drop(own.wait_for(reached).await);
        }
        *recovery.inner.target.lock() = None;
        recovery.permit_campaigns(&self.raft).map_err(|error| error.to_string())?;
        if *doubtful {
            let mut applied = self.progress.applied.subscribe();
            drop(applied.wait_for(|_| self.state.read().settled().contains(&(me.replica, me.boot))).await);
            recovery.become_whole().map_err(|error| error.to_string())?;
            tracing::info!("the closing that this replica demanded is applied");
        }
        Ok(())
    }

    /// Votes for nobody in `term`, durably: the process before may have voted in it.
    pub(crate) async fn raise_vote(&self, term: u64) -> Result<(), String> {
        let promise = self.recovery.promise();
        if promise.term() >= term || planted(Fault::TermNotRaised) {
            return Ok(());
        }
        let last = promise.place().map(|(term, index)| log_id(term, index));
        let answer = self.raft.vote(VoteRequest::new(Vote::new(term, NOBODY), last)).await.map_err(|error| error.to_string())?;
        let mut own = self.recovery.inner.own.subscribe();
        let durable = own.wait_for(|promise| promise.term() >= term);
        match runtime::timeout(LINGER, durable).await {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("the term cannot be raised to {term}: raft says {answer}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::promise::tests::promise;

    /// An anchor whose place the test reads.
    #[derive(Clone, Debug, Default)]
    struct Held(Arc<Mutex<Option<Promise>>>);

    impl Anchor for Held {
        fn read(&self, _replica: u64) -> Option<Promise> {
            *self.0.lock()
        }

        fn write(&self, _replica: u64, promise: &Promise) -> io::Result<()> {
            *self.0.lock() = Some(*promise);
            Ok(())
        }

        fn remove(&self) -> io::Result<()> {
            *self.0.lock() = None;
            Ok(())
        }
    }

    fn anchored() -> (Recovery, Held) {
        let (recovery, anchor) = (Recovery::whole(Promise::default()), Held::default());
        recovery.anchored(Box::new(anchor.clone()), 1, true);
        recovery.inner.campaigns.lock().may = true;
        (recovery, anchor)
    }

    /// A frame of replica 2, which has heard of one demand.
    fn said(memory: Memory) -> Said<'static> {
        const EMPTY: Promise = Promise { vote: None, last: None };
        Said { replica: 2, boot: 20, memory, demands: &[(2, 20)], promise: &EMPTY }
    }

    #[test]
    fn a_doubt_that_was_heard_makes_ones_own_word_doubtful_until_it_is_settled() {
        let (recovery, _) = anchored();
        recovery.note(&said(Memory::Recovering)).unwrap();
        assert_eq!(recovery.memory(), Memory::Whole, "who takes no part yet demands nothing");
        recovery.note(&said(Memory::Doubtful)).unwrap();
        assert_eq!(recovery.demands().all(), [(2, 20)], "whoever counts on a doubtful vote doubts too");
        assert_eq!(recovery.memory(), Memory::Doubtful, "and says so");
        recovery.settle(&VecDeque::from([(2, 20)])).unwrap();
        assert_eq!(recovery.memory(), Memory::Whole);
    }

    #[test]
    fn there_is_no_anchor_while_anything_is_owed() {
        let (recovery, anchor) = anchored();
        let promised = promise(3, 1, Some((3, 10)));
        recovery.synced(promised).unwrap();
        assert_eq!(*anchor.0.lock(), Some(promised));
        recovery.note(&said(Memory::Doubtful)).unwrap();
        assert_eq!(*anchor.0.lock(), None, "a restart must not excuse it from the demand");
        recovery.synced(promise(3, 1, Some((3, 11)))).unwrap();
        assert_eq!(*anchor.0.lock(), None, "nor after a later sync");
        recovery.settle(&VecDeque::from([(2, 20)])).unwrap();
        assert_eq!(*anchor.0.lock(), Some(promise(3, 1, Some((3, 11)))));
        recovery.inner.campaigns.lock().may = false;
        recovery.synced(promise(3, 1, Some((3, 12)))).unwrap();
        assert_eq!(*anchor.0.lock(), None, "the log that was heard of is still awaited");
    }

    #[test]
    fn what_is_not_all_that_was_promised_has_no_anchor_any_more() {
        let (recovery, anchor) = anchored();
        recovery.synced(promise(3, 1, Some((3, 11)))).unwrap();
        assert!(anchor.0.lock().is_some());
        recovery.distrust().unwrap();
        recovery.synced(promise(3, 1, Some((3, 12)))).unwrap();
        assert_eq!((*anchor.0.lock(), recovery.memory()), (None, Memory::Recovering));
    }

    #[test]
    fn a_candidate_with_less_than_the_awaited_entry_is_not_admitted() {
        let (recovery, _) = anchored();
        assert!(recovery.admits(None), "nothing is awaited");
        *recovery.inner.target.lock() = Some((3, 10));
        assert!(!recovery.admits(None) && !recovery.admits(Some((2, 99))) && !recovery.admits(Some((3, 9))));
        assert!(recovery.admits(Some((3, 10))) && recovery.admits(Some((4, 1))));
    }
}
