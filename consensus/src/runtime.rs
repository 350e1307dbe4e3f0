//! Tasks, time and randomness of a replica: tokio's and the system's, or those of the simulation that runs on this thread.
//!
//! Nothing in this crate asks tokio, the system's clock or a generator directly: a simulated run could not be repeated. `std`'s
//! `Instant` serves both, read through [`now`].

#[cfg(test)]
mod discipline;
mod join;
mod raft;
mod timeout;

use std::future::Future;
use std::time::{Duration, Instant};

pub(crate) use join::{JoinError, JoinHandle};
pub(crate) use raft::Runtime;
pub(crate) use timeout::{Elapsed, Timeout};

#[cfg(any(test, feature = "simulation"))]
use crate::simulation::World;

/// Ends at its deadline.
#[cfg(any(test, feature = "simulation"))]
pub(crate) type Sleep = futures::future::Either<tokio::time::Sleep, crate::simulation::Sleep>;
/// Ends at its deadline.
#[cfg(not(any(test, feature = "simulation")))]
pub(crate) type Sleep = tokio::time::Sleep;

/// The time of this process's monotonic clock.
pub(crate) fn now() -> Instant {
    #[cfg(any(test, feature = "simulation"))]
    if let Some(world) = World::current() {
        return world.now();
    }
    Instant::now()
}

/// How long ago that was; zero if it is still to come.
pub(crate) fn elapsed(since: Instant) -> Duration {
    now().saturating_duration_since(since)
}

/// Runs a future on its own. It ends with the process, not with its handle.
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[cfg(any(test, feature = "simulation"))]
    if let Some(world) = World::current() {
        return JoinHandle::Simulated(world.spawn(future));
    }
    JoinHandle::Tokio(tokio::spawn(future))
}

/// Waits until `deadline`.
pub(crate) fn sleep_until(deadline: Instant) -> Sleep {
    #[cfg(any(test, feature = "simulation"))]
    {
        if let Some(world) = World::current() {
            return futures::future::Either::Right(world.sleep_until(deadline));
        }
        futures::future::Either::Left(tokio::time::sleep_until(deadline.into()))
    }
    #[cfg(not(any(test, feature = "simulation")))]
    tokio::time::sleep_until(deadline.into())
}

/// Waits for `duration`.
pub(crate) fn sleep(duration: Duration) -> Sleep {
    /// Longer than any process runs; what cannot be added to the clock is as long.
    const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
    sleep_until(now() + duration.min(NEVER))
}

/// The future's output, if it is there within `duration`.
pub(crate) fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout::new(future, sleep(duration))
}

/// The future's output, if it is there by `deadline`.
pub(crate) fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout::new(future, sleep_until(deadline))
}

/// A random number that nobody can guess, or the simulation's next one.
pub(crate) fn random() -> u64 {
    #[cfg(any(test, feature = "simulation"))]
    if let Some(world) = World::current() {
        return world.random();
    }
    rand::random()
}
