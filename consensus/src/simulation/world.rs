//! The executor: one thread, a seeded order, a clock that moves when nothing else can.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::task::{Joined, Ready, Task};
use super::timer::{Sleep, Timers};

/// So many polls without the clock moving are taken for a loop without end.
const POLLS_AT_ONE_TIME: u64 = 200_000;
/// So many tasks are taken for some that start each other without end.
const TASKS: usize = 20_000;

thread_local! {
    static CURRENT: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// One process of the simulation: what is killed, paused and resumed as one. Never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(u64);

/// A simulation. Clones are the same one; it stays on its thread.
#[derive(Clone)]
pub struct World {
    inner: Rc<Inner>,
}

struct Inner {
    started: Instant,
    timers: Timers,
    ready: Ready,
    tasks: RefCell<BTreeMap<u64, Task>>,
    /// Ready tasks of paused processes.
    paused: RefCell<BTreeMap<ProcessId, Vec<u64>>>,
    /// Processes that asked to be killed from within.
    doomed: RefCell<Vec<ProcessId>>,
    dead: RefCell<BTreeSet<ProcessId>>,
    panics: RefCell<Vec<ProcessId>>,
    current: Cell<ProcessId>,
    random: RefCell<StdRng>,
    next: Cell<u64>,
}

/// Tasks that have no end.
#[derive(Debug, thiserror::Error)]
pub enum Livelock {
    /// They kept waking each other while the clock stood still.
    #[error("{POLLS_AT_ONE_TIME} polls at one time, {at_ms} ms after the start")]
    Polls {
        /// When.
        at_ms: u128,
    },
    /// They start more and more others.
    #[error("more than {TASKS} tasks, {at_ms} ms after the start")]
    Tasks {
        /// When.
        at_ms: u128,
    },
}

impl World {
    /// An empty world. Its whole course follows from `seed` and from what is spawned in it.
    pub fn new(seed: u64) -> Self {
        let started = Instant::now();
        let inner = Inner {
            started,
            timers: Timers::new(started),
            ready: Ready::default(),
            tasks: RefCell::default(),
            paused: RefCell::default(),
            doomed: RefCell::default(),
            dead: RefCell::default(),
            panics: RefCell::default(),
            current: Cell::default(),
            random: RefCell::new(StdRng::seed_from_u64(seed)),
            next: Cell::new(1),
        };
        Self { inner: Rc::new(inner) }
    }

    /// The world that runs on this thread.
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Option::clone)
    }

    /// The simulated time, as this process's clock shows it.
    pub fn now(&self) -> Instant {
        self.inner.timers.now()
    }

    /// Time since the world began.
    pub fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.inner.started)
    }

    /// The next random number.
    pub fn random(&self) -> u64 {
        self.inner.random.borrow_mut().next_u64()
    }

    /// A number in `0..bound`, or 0.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.inner.random.borrow_mut().random_range(0..bound) }
    }

    /// Ends at `deadline`.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        self.inner.timers.sleep_until(deadline)
    }

    /// Ends after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// A new process, without tasks.
    pub fn process(&self) -> ProcessId {
        ProcessId(self.number())
    }

    /// The process whose task runs now; the world's own outside of tasks.
    pub fn current_process(&self) -> ProcessId {
        self.inner.current.get()
    }

    /// Starts a task of the current process.
    pub fn spawn<F>(&self, future: F) -> Joined<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_in(self.current_process(), future)
    }

    /// Starts a task of a process. In a dead one it never runs.
    pub fn spawn_in<F>(&self, process: ProcessId, future: F) -> Joined<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let id = self.number();
        let (task, joined) = Task::new(id, process, &self.inner.ready, future);
        if !self.inner.dead.borrow().contains(&process) {
            self.inner.tasks.borrow_mut().insert(id, task);
        }
        joined
    }

    /// Ends a process: its tasks are dropped where they wait. What it did not hand to others is gone.
    pub fn kill(&self, process: ProcessId) {
        self.inner.dead.borrow_mut().insert(process);
        self.inner.paused.borrow_mut().remove(&process);
        let gone: Vec<Task> = {
            let mut tasks = self.inner.tasks.borrow_mut();
            let ids: Vec<u64> = tasks.iter().filter(|(_, task)| task.process == process).map(|(id, _)| *id).collect();
            ids.iter().filter_map(|id| tasks.remove(id)).collect()
        };
        let before = self.inner.current.replace(process);
        drop(gone);
        self.inner.current.set(before);
    }

    /// Kills the current process as soon as its task waits or ends: what `abort` is to a real one.
    pub fn abort_current(&self) {
        self.inner.doomed.borrow_mut().push(self.current_process());
    }

    /// Whether a process was killed, or killed itself.
    pub fn is_dead(&self, process: ProcessId) -> bool {
        self.inner.dead.borrow().contains(&process)
    }

    /// Whether a process has no task left.
    pub fn is_idle(&self, process: ProcessId) -> bool {
        !self.inner.tasks.borrow().values().any(|task| task.process == process)
    }

    /// Runs no task of the process until it is resumed; the clock goes on.
    pub fn pause(&self, process: ProcessId) {
        self.inner.paused.borrow_mut().entry(process).or_default();
    }

    /// Lets a paused process go on.
    pub fn resume(&self, process: ProcessId) {
        let held = self.inner.paused.borrow_mut().remove(&process).unwrap_or_default();
        self.inner.ready.lock().extend(held);
    }

    /// Processes in which a task has panicked since the last call.
    pub fn take_panics(&self) -> Vec<ProcessId> {
        std::mem::take(&mut self.inner.panics.borrow_mut())
    }

    /// Runs until `elapsed` has passed since the beginning.
    ///
    /// # Errors
    /// [`Livelock`].
    pub fn run_until(&self, elapsed: Duration) -> Result<(), Livelock> {
        let limit = self.inner.started + elapsed;
        let before = CURRENT.replace(Some(self.clone()));
        let result = self.run(limit);
        CURRENT.set(before);
        result
    }

    /// Runs `f` as if in a task of the world itself.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let before = CURRENT.replace(Some(self.clone()));
        let result = f();
        CURRENT.set(before);
        result
    }

    fn run(&self, limit: Instant) -> Result<(), Livelock> {
        loop {
            let mut polls = 0;
            while let Some(id) = self.pick() {
                self.poll(id);
                polls += 1;
                if polls > POLLS_AT_ONE_TIME {
                    return Err(Livelock::Polls { at_ms: self.elapsed().as_millis() });
                }
            }
            if self.inner.tasks.borrow().len() > TASKS {
                return Err(Livelock::Tasks { at_ms: self.elapsed().as_millis() });
            }
            if !self.inner.timers.advance(limit) {
                return Ok(());
            }
        }
    }

    /// One of the ready tasks, any of them.
    fn pick(&self) -> Option<u64> {
        let mut ready = self.inner.ready.lock();
        let drawn = match ready.len() {
            0 => return None,
            1 => 0,
            count => self.inner.random.borrow_mut().random_range(0..count),
        };
        let id = ready.iter().nth(drawn).copied()?;
        ready.remove(&id).then_some(id)
    }

    fn poll(&self, id: u64) {
        let inner = &self.inner;
        let taken = inner.tasks.borrow_mut().remove(&id);
        let Some(mut task) = taken else { return };
        let process = task.process;
        if let Some(held) = inner.paused.borrow_mut().get_mut(&process) {
            held.push(id);
            inner.tasks.borrow_mut().insert(id, task);
            return;
        }
        let before = inner.current.replace(process);
        let polled = catch_unwind(AssertUnwindSafe(|| task.poll()));
        match polled {
            Ok(Poll::Pending) if !inner.dead.borrow().contains(&process) => {
                inner.tasks.borrow_mut().insert(id, task);
            }
            Ok(Poll::Pending | Poll::Ready(())) => drop(task),
            Err(_) => {
                inner.panics.borrow_mut().push(process);
                drop(task);
            }
        }
        inner.current.set(before);
        let doomed = std::mem::take(&mut *inner.doomed.borrow_mut());
        doomed.into_iter().for_each(|process| self.kill(process));
    }

    fn number(&self) -> u64 {
        let number = self.inner.next.get();
        self.inner.next.set(number + 1);
        number
    }
}

impl Drop for Inner {
    /// Tasks hold wakers, handles and each other: they end before the rest of the world does.
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::runtime;

    /// Starts two of its kind after a millisecond.
    fn breed() -> futures::future::BoxFuture<'static, ()> {
        Box::pin(async {
            runtime::sleep(Duration::from_millis(1)).await;
            for _ in 0..2 {
                drop(World::current().unwrap().spawn(breed()));
            }
        })
    }

    #[test]
    fn tasks_that_start_more_and_more_others_are_an_error_and_not_the_end_of_memory() {
        let world = World::new(1);
        drop(world.spawn(breed()));
        let error = world.run_until(Duration::from_secs(60)).unwrap_err();
        assert!(matches!(error, Livelock::Tasks { at_ms: 14..=16 }), "{error}");
    }

    /// Three tasks write down when they ran, over a minute of simulated time.
    fn story(seed: u64) -> Vec<(u64, u128)> {
        let world = World::new(seed);
        let told = Arc::new(Mutex::new(Vec::new()));
        for task in 0..3 {
            let told = Arc::clone(&told);
            drop(world.spawn(async move {
                for _ in 0..20 {
                    runtime::sleep(Duration::from_millis(runtime::random() % 50 * 10)).await;
                    let world = World::current().unwrap();
                    told.lock().push((task, world.elapsed().as_millis()));
                }
            }));
        }
        world.run_until(Duration::from_secs(60)).unwrap();
        Arc::into_inner(told).unwrap().into_inner()
    }

    #[test]
    fn a_seed_gives_one_course_and_another_seed_another_one() {
        assert_eq!(story(1), story(1));
        assert_ne!(story(1), story(2));
        assert_eq!(story(1).len(), 60);
    }

    #[test]
    fn a_killed_process_runs_no_further_and_a_paused_one_goes_on_later() {
        let world = World::new(3);
        let ticks = Arc::new(Mutex::new(BTreeMap::<ProcessId, u32>::new()));
        let (killed, paused) = (world.process(), world.process());
        for process in [killed, paused] {
            let ticks = Arc::clone(&ticks);
            drop(world.spawn_in(process, async move {
                // The counting task inherits the process.
                let counting = runtime::spawn(async move {
                    loop {
                        runtime::sleep(Duration::from_millis(100)).await;
                        *ticks.lock().entry(process).or_default() += 1;
                    }
                });
                let _: Result<(), _> = counting.await;
            }));
        }
        let at = |ms| world.run_until(Duration::from_millis(ms)).unwrap();
        let count = |process| ticks.lock().get(&process).copied().unwrap_or_default();
        at(1050);
        assert_eq!((count(killed), count(paused)), (10, 10));
        world.kill(killed);
        world.pause(paused);
        at(2050);
        assert_eq!((count(killed), count(paused)), (10, 10));
        world.resume(paused);
        at(3050);
        assert_eq!(count(killed), 10);
        assert!((20..=21).contains(&count(paused)), "the deadline of the pause has passed: {}", count(paused));
    }

    #[test]
    fn a_panic_ends_one_task_and_is_reported() {
        let world = World::new(4);
        let process = world.process();
        let joined = world.spawn_in(process, async { panic!("expected by this test") });
        let without_output = Arc::new(Mutex::new(false));
        let seen = Arc::clone(&without_output);
        drop(world.spawn(async move {
            let output: Option<()> = joined.await;
            *seen.lock() = output.is_none();
        }));
        world.run_until(Duration::from_secs(1)).unwrap();
        assert_eq!(world.take_panics(), [process]);
        assert!(*without_output.lock());
    }

    #[test]
    fn tasks_that_wake_each_other_for_ever_are_noticed() {
        let world = World::new(5);
        drop(world.spawn(std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })));
        assert!(world.run_until(Duration::from_secs(1)).is_err());
    }
}
