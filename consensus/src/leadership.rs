//! Who leads, apart from Raft's own rules: what replicas tell each other of themselves, handing over, and noticing early that the
//! leader is gone.
//!
//! Nothing here is safety: which replica leads is Raft's to decide, and every path below ends in an ordinary election. What a
//! hint or a timer gets wrong costs a change of leader and nothing else; no grant and no outlet depends on a lease
//! (`docs/ARCHITECTURE.md`, absent on purpose).

mod ask;
mod exchange;
mod hand_over;
mod measure;
mod reports;
mod sample;
mod stall;
mod suspicion;
mod timers;
mod watchdog;
mod witness;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, mpsc, watch};

pub use ask::{Answer, Ask, AskError, Asked};
pub(crate) use exchange::exchange;
pub use hand_over::{HandOverError, HandedOver};
pub(crate) use measure::{PAUSE, ROUNDS, measure_sync};
use reports::Reports;
pub use reports::{Peer, Timings};
pub(crate) use sample::Samples;
pub(crate) use stall::hand_over_when_stalled;
pub(crate) use suspicion::Suspicion;
pub use timers::{Measured, Misfit, TimerProfile, Timers};
pub(crate) use watchdog::Watchdog;
pub(crate) use witness::hand_over_as_witness;

use crate::runtime;

/// Asks of operators, and broken connections, that may wait.
const QUEUE: usize = 16;

/// What the parts of one replica share about leadership. Each lock is held for one look-up or update; the turn alone is held
/// across an await, by the one hand-over at a time.
#[derive(Clone)]
pub(crate) struct Leadership {
    inner: Arc<Inner>,
}

struct Inner {
    reports: Mutex<Reports>,
    asks: mpsc::Sender<Asked>,
    asks_taken: Mutex<Option<mpsc::Receiver<Asked>>>,
    broken: mpsc::Sender<u64>,
    broken_taken: Mutex<Option<mpsc::Receiver<u64>>>,
    /// Whether a slot may be begun here: not while a hand-over is being prepared.
    starts: watch::Sender<bool>,
    /// A sync of the log does not end.
    stalled: watch::Sender<bool>,
    turn: Turn<()>,
}

impl Leadership {
    pub(crate) fn new() -> Self {
        let (asks, asks_taken) = mpsc::channel(QUEUE);
        let (broken, broken_taken) = mpsc::channel(QUEUE);
        let inner = Inner {
            reports: Mutex::default(),
            asks,
            asks_taken: Mutex::new(Some(asks_taken)),
            broken,
            broken_taken: Mutex::new(Some(broken_taken)),
            starts: watch::Sender::new(true),
            stalled: watch::Sender::new(false),
            turn: Turn::new(()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A connection to that member broke by itself.
    pub(crate) fn connection_broke(&self, member: u64) {
        // A full queue holds the same news.
        let _ = self.inner.broken.try_send(member);
    }

    /// Whether a sync of the log has not ended for too long.
    pub(crate) fn stalled(&self) -> watch::Receiver<bool> {
        self.inner.stalled.subscribe()
    }

    /// No hand-over begins while this is held.
    #[cfg(test)]
    pub(crate) async fn hold_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.turn.lock().await
    }

    fn note_hand_over(&self) {
        self.inner.reports.lock().note_hand_over(runtime::now());
    }
}
