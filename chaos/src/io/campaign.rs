//! All faults of all lives, on a few processes at a time.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use parking_lot::Mutex;

use super::case::{Crash, FailedCall, fingerprint, points, told, with_subject};
use super::flip::{Flip, flips};
use super::image::{Dirty, Disk, Image};
use super::inspect::{Found, Held};
use super::journal::{Change, FileKind, Operation};
use super::judge::{self, Verdict};
use super::life::Role;
use super::tally::{Made, Tally};
use super::told::{Ended, Grant, Told};
use super::workshop::{Recording, Workshop, WorkshopError};

/// Longer than a stalled sync may take, and than a lost one.
const DELAYS_MS: [u64; 2] = [1_500, 12_000];
/// The watchdog ends the process when a sync takes longer.
const LOST_MS: u64 = 10_000;
/// So many lives are lived to find one that is like another.
const LIVES: u32 = 20;
/// After one in so many failed calls the whole cluster goes on.
const AFTERWARDS_ONE_IN: u64 = 8;

/// The programs of a campaign.
pub struct Campaign {
    /// `chaos`.
    pub program: PathBuf,
    /// The faulty layer.
    pub layer: PathBuf,
    /// Workshops at a time.
    pub threads: usize,
}

/// Which faults to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In these roles.
    pub roles: Vec<Role>,
    /// Only this one, by its name.
    pub fault: Option<String>,
    /// Only at this change of the life.
    pub point: Option<usize>,
    /// What is drawn.
    pub seed: u64,
    /// How many.
    pub sample: Sample,
}

/// How many of the faults are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Every one.
    All,
    /// Crashes at every sync, and one in so many of everything else.
    OneIn(u64),
}

/// Why a campaign did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// A workshop cannot be used.
    #[error(transparent)]
    Workshop(#[from] WorkshopError),
    /// Without a fault the life does not come to its end.
    #[error("the life of a {role} without faults did not end well: {how}")]
    Life {
        /// In which role.
        role: &'static str,
        /// How it ended.
        how: String,
    },
    /// Points cannot be told apart if a life is another one each time.
    #[error("two lives of a {role} differ at change {at}")]
    Differs {
        /// In which role.
        role: &'static str,
        /// The first difference.
        at: usize,
    },
    /// The store of a life that ended well cannot be read.
    #[error("the store of a {role} without faults cannot be read: {how}")]
    Unreadable {
        /// In which role.
        role: &'static str,
        /// Why.
        how: String,
    },
}

/// One fault.
#[derive(Clone, Debug)]
enum Job {
    Crash { crash: Crash, at: usize },
    Flip(Flip),
    Call { call: FailedCall, at: usize },
    Delay { sync: u64, ms: u64 },
}

/// One worker: its workshop, and its own recording of the life without faults.
struct Worker {
    role: Role,
    seed: u64,
    workshop: Workshop,
    changes: Vec<Change>,
    /// The disk before change `made`.
    disk: Disk,
    made: usize,
    end: Image,
    held: Held,
}

impl Campaign {
    /// Makes the faults of a plan.
    ///
    /// # Errors
    /// [`CampaignError`]: what was not made proves nothing.
    pub fn run(&self, plan: &Plan) -> Result<Tally, CampaignError> {
        let mut tally = Tally::default();
        for role in &plan.roles {
            self.run_role(*role, plan, &mut tally)?;
        }
        Ok(tally)
    }

    fn run_role(&self, role: Role, plan: &Plan, tally: &mut Tally) -> Result<(), CampaignError> {
        let first = self.worker(role, plan)?;
        let jobs = first.jobs(plan);
        tally.points(role, points(&first.changes).len());
        let shape = first.shape();
        let (next, images) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
        let (sender, results) = mpsc::sync_channel::<Result<Made, CampaignError>>(64);
        let mut fault = None;
        thread::scope(|scope| {
            let mut first = Some(first);
            for _ in 0..self.threads.min(jobs.len().max(1)) {
                let (worker, sender) = (first.take(), sender.clone());
                let (jobs, next, images, shape) = (&jobs, &next, &images, &shape);
                scope.spawn(move || {
                    let worker = worker.map_or_else(|| self.same_worker(role, plan, shape), Ok);
                    let worked = worker.and_then(|mut worker| {
                        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                            if let Some(made) = worker.make(job, images)?
                                && sender.send(Ok(made)).is_err()
                            {
                                break;
                            }
                        }
                        Ok(())
                    });
                    if let Err(error) = worked {
                        drop(sender.send(Err(error)));
                    }
                });
            }
            drop(sender);
            for result in results {
                match result {
                    Ok(made) => {
                        if plan.point.is_some() {
                            println!("{} {} {}: {:?}", role.name(), made.fault, made.place, made.verdict);
                        }
                        tally.add(made);
                    }
                    Err(error) => {
                        next.store(jobs.len(), Ordering::Relaxed);
                        fault.get_or_insert(error);
                    }
                }
            }
        });
        fault.map_or(Ok(()), Err)
    }

    /// One whose life has this shape. RocksDB removes what is obsolete on a thread of its own, now a little earlier, now later.
    fn same_worker(&self, role: Role, plan: &Plan, shape: &[(Operation, FileKind)]) -> Result<Worker, CampaignError> {
        let mut tries = 1;
        loop {
            let worker = self.worker(role, plan)?;
            match worker.compare(shape) {
                Ok(()) => return Ok(worker),
                Err(_) if tries < LIVES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn worker(&self, role: Role, plan: &Plan) -> Result<Worker, CampaignError> {
        let mut workshop = Workshop::new(&self.program, &self.layer)?;
        let Recording { changes, died, complained } = workshop.record(&life(role), None)?;
        let mut disk = Disk::default();
        changes.iter().for_each(|change| disk.make(change));
        let end = disk.seen();
        if judge::ended(&Told::parse_all(told(&end)), died.as_deref(), None) != Verdict::GoesOn {
            let how = format!("{} {complained}", String::from_utf8_lossy(told(&end)).lines().last().unwrap_or_default());
            return Err(CampaignError::Life { role: role.name(), how });
        }
        workshop.lay_out(&end, false)?;
        let held = match workshop.inspect()? {
            Found::Held(held) if held.proven => held,
            other @ (Found::Held(_) | Found::Refused { .. } | Found::Died { .. }) => {
                return Err(CampaignError::Unreadable { role: role.name(), how: format!("{other:?}") });
            }
        };
        Ok(Worker { role, seed: plan.seed, workshop, changes, disk: Disk::default(), made: 0, end, held })
    }
}

/// The arguments of a whole life.
fn life(role: Role) -> Vec<String> {
    vec!["--role".to_owned(), role.name().to_owned()]
}

impl Worker {
    fn jobs(&self, plan: &Plan) -> Vec<Job> {
        let points = points(&self.changes);
        let flips_per_file = match plan.sample {
            Sample::All => 600,
            Sample::OneIn(_) => 6,
        };
        let crashes = points.keys().flat_map(|at| Crash::at(&self.changes[*at]).into_iter().map(|crash| (crash, *at)));
        let mut jobs: Vec<Job> = crashes.map(|(crash, at)| Job::Crash { crash, at }).collect();
        jobs.extend(flips(&self.end, flips_per_file, plan.seed).into_iter().map(Job::Flip));
        jobs.extend(points.iter().flat_map(|(at, calls)| calls.iter().map(|call| Job::Call { call: call.clone(), at: *at })));
        let is_log_sync = |at: &&usize| {
            let change = &self.changes[**at];
            change.operation == Operation::Sync && FileKind::of(&change.path).name() == "wal"
        };
        let syncs = u64::try_from(points.keys().filter(is_log_sync).count()).unwrap_or(0);
        jobs.extend(DELAYS_MS.iter().flat_map(|ms| (0..syncs).map(|sync| Job::Delay { sync, ms: *ms })));
        jobs.retain(|job| self.is_wanted(job, plan));
        jobs
    }

    fn is_wanted(&self, job: &Job, plan: &Plan) -> bool {
        if plan.fault.as_ref().is_some_and(|fault| *fault != job.name()) {
            return false;
        }
        if let Some(point) = plan.point {
            return job.point() == Some(point);
        }
        let Sample::OneIn(many) = plan.sample else { return true };
        let at_sync = |at: usize| self.changes[at].operation == Operation::Sync;
        match job {
            Job::Flip(_) => true,
            Job::Crash { at, .. } if at_sync(*at) => true,
            Job::Crash { .. } | Job::Call { .. } | Job::Delay { .. } => draw(plan.seed, self.role, job).is_multiple_of(many),
        }
    }

    fn shape(&self) -> Vec<(Operation, FileKind)> {
        self.changes.iter().map(|change| (change.operation, FileKind::of(&change.path))).collect()
    }

    fn compare(&self, shape: &[(Operation, FileKind)]) -> Result<(), CampaignError> {
        let own = self.shape();
        if own == shape {
            return Ok(());
        }
        let at = own.iter().zip(shape).position(|(one, other)| one != other).unwrap_or(own.len().min(shape.len()));
        Err(CampaignError::Differs { role: self.role.name(), at })
    }

    /// `None` if there was nothing to be made.
    fn make(&mut self, job: &Job, images: &Mutex<BTreeSet<u64>>) -> Result<Option<Made>, CampaignError> {
        let verdict = match job {
            Job::Crash { crash, at } => self.crash(*crash, *at, images)?,
            Job::Flip(flip) => Some(self.flip(flip)?),
            Job::Call { call, at } => Some(self.call(call, *at)?),
            Job::Delay { sync, ms } => self.delay(*sync, *ms)?,
        };
        let place = match job {
            Job::Crash { at, .. } | Job::Call { at, .. } => {
                let change = &self.changes[*at];
                format!("--point {at} ({} {})", change.operation, change.path)
            }
            Job::Flip(Flip { path, byte, bit, .. }) => format!("{path} byte {byte} bit {bit}"),
            Job::Delay { sync, ms } => format!("sync {sync} by {ms} ms"),
        };
        Ok(verdict.map(|verdict| Made { role: self.role, fault: job.name(), place, verdict }))
    }

    fn crash(&mut self, crash: Crash, at: usize, images: &Mutex<BTreeSet<u64>>) -> Result<Option<Verdict>, CampaignError> {
        if at < self.made {
            (self.disk, self.made) = (Disk::default(), 0);
        }
        for change in &self.changes[self.made..at] {
            self.disk.make(change);
        }
        self.made = at;
        let left = crash.left(&self.disk, &self.changes, at);
        // Random names and numbers in the files differ between workers: then an image is opened twice.
        if !images.lock().insert(fingerprint(&left.image)) {
            return Ok(None);
        }
        self.open(&left.image, left.disk).map(Some)
    }

    /// Lays an image out, and judges what a replica finds in it.
    fn open(&mut self, image: &Image, disk: judge::Disk) -> Result<Verdict, CampaignError> {
        self.workshop.lay_out(image, false)?;
        let granted = needed(&Told::parse_all(told(image)));
        Ok(judge::found(&self.workshop.inspect()?, &granted, disk))
    }

    fn flip(&mut self, flip: &Flip) -> Result<Verdict, CampaignError> {
        let mut image = self.end.clone();
        let may_cut = flip.looks_torn(&image);
        flip.make(&mut image);
        self.workshop.lay_out(&image, false)?;
        Ok(judge::flipped(&self.workshop.inspect()?, &self.held, may_cut))
    }

    fn call(&mut self, call: &FailedCall, at: usize) -> Result<Verdict, CampaignError> {
        let recording = self.workshop.record(&life(self.role), Some(&call.spec))?;
        let mut disk = Disk::default();
        recording.changes.iter().for_each(|change| disk.make(change));
        let seen = disk.seen();
        let told = Told::parse_all(told(&seen));
        let ended = judge::ended(&told, recording.died.as_deref(), call.error);
        if matches!(ended, Verdict::Violation { .. }) {
            return Ok(ended);
        }
        let cut = with_subject(seen.clone(), disk.after_power_cut(Dirty::Lost), false);
        for (after, image) in [("restart", &seen), ("power cut", &cut)] {
            if let Verdict::Violation { reason } = self.open(image, judge::Disk::Honest)? {
                return Ok(Verdict::Violation { reason: format!("after the {after}: {reason}") });
            }
        }
        if draw(self.seed, self.role, &(at, &call.spec)).is_multiple_of(AFTERWARDS_ONE_IN)
            && let Some(reason) = self.afterwards(&seen)?
        {
            return Ok(Verdict::Violation { reason });
        }
        Ok(ended)
    }

    /// All three go on with what is left, and are asked for everything again.
    fn afterwards(&mut self, image: &Image) -> Result<Option<String>, CampaignError> {
        self.workshop.lay_out(image, true)?;
        let before = Told::parse_all(told(image)).len();
        let Recording { died, complained, .. } = self.workshop.live(&[], None)?;
        let told = self.workshop.told()?;
        let verdict = judge::ended(told.get(before..).unwrap_or_default(), died.as_deref(), None);
        Ok((verdict != Verdict::GoesOn).then(|| format!("the cluster afterwards: {verdict:?} {complained}")))
    }

    fn delay(&mut self, sync: u64, ms: u64) -> Result<Option<Verdict>, CampaignError> {
        let mut arguments = life(self.role);
        arguments.extend(["--delay-sync".to_owned(), sync.to_string(), "--delay-ms".to_owned(), ms.to_string()]);
        let Recording { died, .. } = self.workshop.record(&arguments, None)?;
        let told = self.workshop.told()?;
        if !told.iter().any(|told| matches!(told, Told::Delayed { .. })) {
            return Ok(None);
        }
        let ended = judge::ended(&told, died.as_deref(), None);
        let early = judge::delayed(&told);
        let gave_up = told.iter().any(|told| matches!(told, Told::Ended(Ended::Stopped { how, .. }) if how == "fatal"));
        Ok(Some(if early != Verdict::GoesOn {
            early
        } else if gave_up != (ms > LOST_MS) {
            Verdict::Violation { reason: format!("the process ended: {gave_up}, after a sync of {ms} ms") }
        } else {
            ended
        }))
    }
}

impl Job {
    fn name(&self) -> String {
        match self {
            Self::Crash { crash, .. } => crash.name().to_owned(),
            Self::Flip(flip) => flip.name(),
            Self::Call { call, .. } => call.name.clone(),
            Self::Delay { ms, .. } => format!("sync takes {ms} ms"),
        }
    }

    fn point(&self) -> Option<usize> {
        match self {
            Self::Crash { at, .. } | Self::Call { at, .. } => Some(*at),
            Self::Flip(_) | Self::Delay { .. } => None,
        }
    }
}

fn needed(told: &[Told]) -> Vec<Grant> {
    let granted = told.iter().filter_map(|told| match told {
        Told::Granted(grant) if grant.needed => Some(grant.clone()),
        Told::Granted(_) | Told::Delayed { .. } | Told::Ended(_) => None,
    });
    granted.collect()
}

/// A number that a seed gives to a thing, always the same.
fn draw(seed: u64, role: Role, thing: &impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, role.name(), format!("{thing:?}")).hash(&mut hasher);
    hasher.finish()
}
