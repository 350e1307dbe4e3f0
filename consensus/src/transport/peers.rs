//! What client and server share: who we are, who the members are, and which of their processes we have heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use super::book::{Book, SetBy};
use super::frame::{Frame, Refused};
use super::tls::Fingerprint;
use crate::chain::{ChainIndex, Position};
use crate::halt::Halt;
use crate::leadership::Leadership;
use crate::membership::Member;
use crate::recovery::{Noted, Recovery};
use crate::runtime;

/// A process that was heard so recently may still be alive; another one under its id must show that it is not.
const ALIVE: Duration = Duration::from_secs(5);

/// Who this process is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Self_ {
    pub(crate) cluster: [u8; 16],
    /// The stable name.
    pub(crate) name: ReplicaId,
    /// The Raft id.
    pub(crate) replica: u64,
    pub(crate) boot: u64,
}

/// Shared by client, server and status. Each lock is held for one look-up or update, never across an await.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) me: Self_,
    book: Arc<RwLock<Book>>,
    heard: Arc<Mutex<BTreeMap<u64, Heard>>>,
    confirmed: Arc<Mutex<BTreeMap<u64, u64>>>,
    pub(crate) chain: Arc<RwLock<ChainIndex>>,
    pub(crate) recovery: Recovery,
    pub(crate) halt: Halt,
    pub(crate) leadership: Leadership,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    boot: u64,
    at: Instant,
}

/// What is known of the process that sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// It is the one that was heard last, or the first, or the one before was silent for long.
    Known,
    /// Another one was heard a moment ago.
    Other { boot: u64 },
}

impl Shared {
    pub(crate) fn new(
        me: Self_,
        members: BTreeMap<u64, Member>,
        chain: Arc<RwLock<ChainIndex>>,
        recovery: Recovery,
        halt: Halt,
    ) -> Self {
        let book = Arc::new(RwLock::new(Book::new(members)));
        Self { me, book, heard: Arc::default(), confirmed: Arc::default(), chain, recovery, halt, leadership: Leadership::new() }
    }

    pub(crate) fn member(&self, replica: u64) -> Option<Member> {
        self.book.read().members().get(&replica).cloned()
    }

    pub(crate) fn members(&self) -> BTreeMap<u64, Member> {
        self.book.read().members().clone()
    }

    /// The stable name of a Raft id's replica, if it is a member.
    pub(crate) fn name(&self, id: u64) -> Option<ReplicaId> {
        self.book.read().members().get(&id).map(|member| member.name)
    }

    /// The Raft id under which a replica is a member now; of two, the newer.
    pub(crate) fn id(&self, name: ReplicaId) -> Option<u64> {
        self.book.read().members().iter().rfind(|(_, member)| member.name == name).map(|(id, _)| *id)
    }

    /// This replica's id is no member's any more: it stops for good.
    pub(crate) fn retire(&self, index: u64, later: Option<u64>) {
        let Self_ { name, replica, .. } = self.me;
        let what = later.map_or_else(
            || {
                format!(
                    "replica {name} was removed from the cluster at log index {index} (Raft id {replica}). To take it in again"
                )
            },
            |later| {
                let old = format!("Raft id {replica}, whose store this is, was given up at log index {index}");
                format!("replica {name} goes on under Raft id {later}: {old}. To go on here")
            },
        );
        let add = if later.is_some() { "" } else { ", then `ollin cluster add` on a member" };
        self.halt.halt(format!("{what}, stop it and discard this store: `ollin cluster discard` here{add}, then start it"));
    }

    /// The membership in the log takes the place of `cluster.json` as soon as there is one.
    pub(crate) fn set_members(&self, set_by: SetBy, members: BTreeMap<u64, Member>) {
        self.book.write().write(set_by, members);
    }

    /// A membership that another member has applied.
    pub(crate) fn hear_members(&self, set_by: SetBy, members: BTreeMap<u64, Member>) {
        self.book.write().hear(set_by, members);
    }

    /// The owner of a certificate that is no member's was turned away: it may be one that joined later than this replica knows.
    pub(super) fn note_stranger(&self) {
        self.book.write().note_stranger();
    }

    pub(super) fn take_stranger(&self) -> bool {
        self.book.write().take_stranger()
    }

    pub(super) fn is_member_certificate(&self, fingerprint: &Fingerprint) -> bool {
        self.book.read().members().values().any(|member| member.fingerprint == *fingerprint)
    }

    /// The member that a certificate belongs to.
    pub(super) fn member_with(&self, fingerprint: &Fingerprint) -> Option<u64> {
        self.book.read().members().iter().rfind(|(_, member)| member.fingerprint == *fingerprint).map(|(id, _)| *id)
    }

    pub(crate) fn last_heard(&self, replica: u64) -> Option<Duration> {
        self.heard.lock().get(&replica).map(|heard| runtime::elapsed(heard.at))
    }

    /// Notes a frame's process, unless another one was heard a moment ago.
    pub(super) fn hear(&self, replica: u64, boot: u64) -> Process {
        let mut heard = self.heard.lock();
        match heard.get(&replica) {
            Some(last) if last.boot != boot && runtime::elapsed(last.at) < ALIVE && !planted(Fault::SecondProcessServed) => {
                Process::Other { boot: last.boot }
            }
            Some(_) | None => {
                heard.insert(replica, Heard { boot, at: runtime::now() });
                Process::Known
            }
        }
    }

    /// Notes the process that answers at a member's address: that one counts.
    pub(super) fn hear_at_address(&self, replica: u64, boot: u64) {
        self.confirmed.lock().insert(replica, boot);
        self.replace(replica, boot);
    }

    /// Whether this process was the last one to answer at the member's address (safety rule R8).
    pub(super) fn is_confirmed(&self, replica: u64, boot: u64) -> bool {
        self.confirmed.lock().get(&replica) == Some(&boot)
    }

    /// Notes the process that takes the place of one that answers no more.
    pub(super) fn replace(&self, replica: u64, boot: u64) {
        self.heard.lock().insert(replica, Heard { boot, at: runtime::now() });
    }

    pub(super) fn frame<B: Serialize>(&self, to: u64, body: B) -> Frame<B> {
        let Self_ { cluster, replica, boot, .. } = self.me;
        let (memory, promise) = (self.recovery.memory(), self.recovery.promise());
        let (demands, last) = (self.recovery.demands().all(), self.chain.read().last_position());
        let demands = if planted(Fault::DoubtNotSent) { Vec::new() } else { demands };
        Frame { cluster, from: replica, to, boot, last, memory, demands, promise, body }
    }

    /// Takes in what a frame says of its sender's memory, before anything else sees the frame.
    ///
    /// # Errors
    /// [`Refused::Superseded`]: a process whose place another one has taken is not heard, whatever it says.
    pub(super) fn note<B>(&self, frame: &Frame<B>) -> Result<(), Refused> {
        match self.recovery.note(&frame.said()) {
            Ok(Noted::Heard) => {}
            Ok(Noted::Superseded) => return Err(Refused::Superseded { id: frame.from, boot: frame.boot }),
            Err(error) => self.halt.halt(format!("the local anchor can neither be written nor removed: {error}")),
        }
        Ok(())
    }

    /// Another process has taken the place of this one, which was stopped meanwhile: it does not know what that one has promised.
    pub(super) fn supersede(&self, by: u64) {
        let Self_ { name, replica, .. } = self.me;
        if let Err(error) = self.recovery.distrust() {
            return self.halt.halt(format!(
                "replica {name} was superseded, and its anchor cannot be removed, which would prove that it was not: {error}"
            ));
        }
        self.halt.halt(format!(
            "while this process stood still, another one took part as replica {name} (Raft id {replica}): Raft id {by} has heard it. \
             See that the other one stays down, then restart this one: at its start it asks the others what it lacks"
        ));
    }

    /// Stops this replica if another one holds a different entry at a common place.
    pub(super) fn compare(&self, peer: u64, position: &Position) -> Result<(), Refused> {
        if !self.chain.read().contradicts(position) {
            return Ok(());
        }
        let Position { term, index, chain } = *position;
        let own = self.chain.read().at(index).map(|own| own.chain.to_string()).unwrap_or_default();
        self.halt
            .halt(format!("the logs diverge: entry {index} of term {term} has chain {own} here and {chain} at replica {peer}"));
        Err(Refused::Diverged { term, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::VoteRecord;
    use crate::recovery::Promise;

    fn shared() -> Shared {
        let me = Self_ { cluster: [0; 16], name: ReplicaId::new(1), replica: 1, boot: 1 };
        let recovery = Recovery::whole(crate::recovery::Promise::default());
        Shared::new(me, BTreeMap::new(), Arc::default(), recovery, Halt::new())
    }

    #[test]
    fn a_second_process_is_not_taken_for_the_first_until_it_answers_at_the_address() {
        let shared = shared();
        assert_eq!(shared.hear(2, 10), Process::Known);
        assert_eq!(shared.hear(2, 11), Process::Other { boot: 10 });
        assert_eq!(shared.hear(2, 10), Process::Known);
        assert!(!shared.is_confirmed(2, 11));
        shared.hear_at_address(2, 11);
        assert!(shared.is_confirmed(2, 11) && !shared.is_confirmed(2, 10));
        assert_eq!(shared.hear(2, 11), Process::Known);
    }

    #[test]
    fn a_process_whose_place_another_one_has_taken_is_refused_unless_it_calls_the_roll() {
        let here = shared();
        let at =
            |boot, promise| Shared { me: Self_ { boot, replica: 2, ..here.me }, recovery: Recovery::whole(promise), ..shared() };
        let hears = |from: &Shared| here.note(&from.frame(1, ()));
        let (empty, more) =
            (Promise::default(), Promise { vote: Some(VoteRecord { term: 3, voted_for: 1, committed: false }), last: None });
        let (paused, copy) = (at(10, empty), at(11, empty));
        let is_refused = |heard: Result<(), Refused>| matches!(heard, Err(Refused::Superseded { id: 2, .. }));
        assert!(hears(&paused).is_ok() && hears(&copy).is_ok() && hears(&copy).is_ok());
        assert!(is_refused(hears(&paused)), "although both have promised the same");
        assert!(hears(&copy).is_ok());
        let calls_the_roll = Shared { recovery: Recovery::new(empty), ..paused };
        assert!(hears(&calls_the_roll).is_ok(), "it is told then what it lacks");
        // One that was never heard before, and has not promised what the one that was heard has.
        assert!(hears(&at(12, more)).is_ok());
        assert!(is_refused(hears(&at(13, empty))));
        assert!(hears(&at(14, more)).is_ok(), "it was started on the same disk");
    }

    #[test]
    fn a_doubt_that_was_heard_goes_on_with_every_frame() {
        let (first, second) = (shared(), shared());
        first.recovery.demands().adopt(&[(3, 30)]);
        let frame = first.frame(2, ());
        assert_eq!(frame.demands, [(3, 30)], "with votes, entries and answers alike");
        second.note(&frame).unwrap();
        assert_eq!(second.recovery.demands().all(), [(3, 30)]);
    }
}
