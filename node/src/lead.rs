//! Whether this replica should lead, and giving leadership away: because another one is fitter, because an operator asks, because
//! the process is told to end.
//!
//! The rules are `ollin_consensus::fitness`; this loop reads what they need, carries out what they say, and waits for a moment in
//! the slot at which nothing is half done. Leadership that moves loses nothing at any moment: the successor finds everything in
//! the log. Waiting saves the few hundred milliseconds of a re-execution.

mod readings;
mod safe_point;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ollin_consensus::fitness::{
    Assessment, Candidate, Class, Decision, History, Leaving, Patience, Reference, Report, Rules, Situation, StayReason, Steady,
    decide, stands_back,
};
use ollin_consensus::{Answer, Ask, Asked, HandOverError, HandedOver, Measured, Peer, Role, SigningLog, TimerProfile, Timers};
use ollin_protocol::units::ReplicaId;
use ollin_rpc::view::{FitnessWord, LeadershipSection, ReplicaFitness, TimersSection};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use readings::Readings;

/// Pause between looks.
const TICK: Duration = Duration::from_millis(250);
/// The same while a hand-over waits for its moment.
const WAITING_TICK: Duration = Duration::from_millis(25);
/// A replica that turns unable counts as such after the shorter of these; smaller changes, and those for the better, after the
/// longer.
const PATIENCE: Patience = Patience { unable_ms: 3_000, other_ms: 10_000 };

/// A slot where L1 is not read: a witness leads only until it has handed over, which no pause delays.
const WITNESS_SLOT_MS: u64 = 72_000;

/// What the loop is made from.
pub(crate) struct LeadershipParts {
    pub(crate) log: SigningLog,
    /// None on a witness that reads nothing of L1.
    pub(crate) chain: Option<Chain>,
    /// Whose disk is watched.
    pub(crate) data_directory: PathBuf,
    pub(crate) profile: TimerProfile,
    pub(crate) timers: Timers,
    /// How long a hand-over waits for its moment.
    pub(crate) patience: Duration,
}

/// The way to the loop.
#[derive(Clone)]
pub(crate) struct LeadershipHandle {
    log: SigningLog,
    orders: mpsc::Sender<Order>,
    view: watch::Receiver<LeadershipSection>,
    /// How long another replica may take to answer.
    wait: Duration,
}

/// What the loop is told.
enum Order {
    Asked(Asked),
    /// The process ends: hand over, then answer.
    Stop(oneshot::Sender<()>),
}

/// A hand-over that waits for its moment.
struct Pending {
    /// `None`: to the best voter when the moment comes.
    to: Option<ReplicaId>,
    cause: Cause,
    because: String,
    until: Instant,
    replies: Vec<oneshot::Sender<Answer>>,
    stops: Vec<oneshot::Sender<()>>,
}

/// What moves leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A fitter voter: counted against going to and fro.
    Fitness,
    /// An operator, or the end of the process.
    Order,
}

/// Judges and hands over; see the module.
pub(crate) struct Leadership {
    parts: LeadershipParts,
    rules: Rules,
    readings: Readings,
    steady: BTreeMap<ReplicaId, Steady>,
    leaving: Leaving,
    pending: Option<Pending>,
    started: Instant,
    orders: mpsc::Receiver<Order>,
    asks: mpsc::Receiver<Asked>,
    view: watch::Sender<LeadershipSection>,
}

/// Every replica's class now.
struct Classes {
    own: (Class, Assessment),
    /// Whether this replica could finish what it has begun: the readings permit it, whatever else speaks against it as leader.
    works: bool,
    others: Vec<(Peer, Class, Option<Assessment>)>,
}

impl Leadership {
    /// Wires the loop; [`Self::run`] starts it. `None` if another one was wired for this log before.
    pub(crate) fn new(parts: LeadershipParts) -> Option<(Self, LeadershipHandle)> {
        let asks = parts.log.asks()?;
        let (send, orders) = mpsc::channel(16);
        let (view, seen) = watch::channel(LeadershipSection::default());
        let wait = parts.patience + Duration::from_secs(10);
        let handle = LeadershipHandle { log: parts.log.clone(), orders: send, view: seen, wait };
        let slot_ms =
            parts.chain.as_ref().map_or(WITNESS_SLOT_MS, |chain| chain.l1.schedule().slot_duration.saturating_mul(1000));
        let readings = Readings::new(parts.chain.as_ref(), parts.data_directory.clone());
        let leadership = Self {
            rules: Rules::for_slots(slot_ms),
            readings,
            steady: BTreeMap::new(),
            leaving: Leaving::No,
            pending: None,
            started: Instant::now(),
            orders,
            asks,
            view,
            parts,
        };
        Some((leadership, handle))
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let waiting = async {
                match self.pending {
                    Some(_) => tokio::time::sleep(WAITING_TICK).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = tick.tick() => {}
                () = waiting => {}
                () = self.readings.changed() => {}
                Some(order) = self.orders.recv() => self.take(order),
                Some(asked) = self.asks.recv() => self.take(Order::Asked(asked)),
            }
            self.look().await;
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Asked(Asked { ask: Ask::Transfer { to }, reply }) => self.transfer(to, reply),
            Order::Asked(Asked { ask: Ask::Drain { undo }, reply }) => self.drain(undo, reply),
            Order::Stop(done) => {
                self.leaving = Leaving::Stopping;
                if self.parts.log.leaderless().is_some() || self.parts.log.best_successor().is_none() {
                    let _ = done.send(());
                    return;
                }
                self.prepare(None, Cause::Order, "this replica is stopping".to_owned()).stops.push(done);
            }
        }
    }

    /// An operator's word counts whatever the pause since the last hand-over; the successor must be able to lead all the same.
    fn transfer(&mut self, to: Option<ReplicaId>, reply: oneshot::Sender<Answer>) {
        let refuse = |code: &str, message: String| Answer::Refused { code: code.to_owned(), message };
        let classes = self.classes();
        let refused = match to {
            _ if self.parts.log.leaderless().is_some() => {
                Some(refuse("not_leader", "this replica does not lead any more: ask again".to_owned()))
            }
            Some(to) if to == self.parts.log.replica() => {
                let message = format!("replica {to} leads already");
                let _ = reply.send(Answer::Done { leader: Some(to), still_leads: false, message });
                return;
            }
            Some(to) => self.refusal(to, &classes),
            None if self.parts.log.best_successor().is_none() => {
                Some(refuse("no_voter", "there is no other voter: add one first".to_owned()))
            }
            None => None,
        };
        if let Some(refused) = refused {
            let _ = reply.send(refused);
            return;
        }
        self.prepare(to, Cause::Order, "an operator asked".to_owned()).replies.push(reply);
    }

    /// Why `to` cannot be handed leadership.
    fn refusal(&self, to: ReplicaId, classes: &Classes) -> Option<Answer> {
        let refuse = |code: &str, message: String| Some(Answer::Refused { code: code.to_owned(), message });
        let Some((peer, _, assessment)) = classes.others.iter().find(|(peer, _, _)| peer.id == to) else {
            return refuse("unknown_replica", format!("there is no replica {to}: `ollin status` names them"));
        };
        if !peer.voter {
            return refuse("not_a_voter", format!("replica {to} does not vote: promote it first"));
        }
        if peer.witness {
            return refuse("witness", format!("replica {to} is a witness: it holds no keys and may not lead. Name another one"));
        }
        let fresh = peer.report.as_ref().is_some_and(|(_, age)| millis(*age) <= self.rules.fresh_ms);
        let Some(assessment) = assessment.as_ref().filter(|_| fresh) else {
            return refuse("unreachable", format!("replica {to} does not answer: start it, or name another one"));
        };
        if peer.lag.is_none_or(|lag| lag > self.rules.lag_max) {
            let lag = peer.lag.map_or("an unknown number of".to_owned(), |lag| lag.to_string());
            return refuse("behind", format!("replica {to} lacks {lag} entries: wait until it has caught up"));
        }
        if assessment.class < Class::Degraded {
            let reasons = reasons(assessment).join("; ");
            return refuse("unfit", format!("replica {to} cannot lead: {reasons}"));
        }
        None
    }

    fn drain(&mut self, undo: bool, reply: oneshot::Sender<Answer>) {
        let own = self.parts.log.replica();
        self.leaving = if undo { Leaving::No } else { Leaving::Draining };
        tracing::info!(undo, "drained by an operator");
        let done = |leader, still_leads, message: String| Answer::Done { leader, still_leads, message };
        if undo {
            self.pending = self.pending.take().filter(|pending| pending.replies.is_empty());
            let _ = reply.send(done(self.parts.log.view().leader, false, format!("replica {own} may lead again")));
            return;
        }
        if self.parts.log.leaderless().is_some() {
            let message = format!("replica {own} will not lead while another one can");
            let _ = reply.send(done(self.parts.log.view().leader, false, message));
            return;
        }
        let classes = self.classes();
        match self.decision(&classes) {
            Decision::HandOver { to, .. } => {
                self.prepare(Some(to), Cause::Order, "an operator drained it".to_owned()).replies.push(reply)
            }
            Decision::Stay(_) => {
                let others = classes.others.iter().map(|(peer, class, _)| format!("replica {} is {class}", peer.id));
                let others = others.collect::<Vec<_>>().join(", ");
                let message = format!(
                    "replica {own} is drained and still leads, for no other voter could work a slot ({others}): leadership goes to \
                     the first that can"
                );
                let _ = reply.send(done(Some(own), true, message));
            }
        }
    }

    fn prepare(&mut self, to: Option<ReplicaId>, cause: Cause, because: String) -> &mut Pending {
        let until = Instant::now() + self.parts.patience;
        self.parts.log.set_starts(false);
        let pending = self.pending.get_or_insert_with(|| {
            tracing::info!(to = to.map(ReplicaId::get), because, "a hand-over waits for its moment in the slot");
            Pending { to: None, cause, because: because.clone(), until, replies: Vec::new(), stops: Vec::new() }
        });
        pending.to = to.or(pending.to);
        pending
    }

    async fn look(&mut self) {
        let report = self.readings.report(self.leaving);
        self.parts.log.set_report(report);
        let classes = self.classes();
        let leads = matches!(*self.parts.log.role().borrow(), Role::Active { .. } | Role::CatchingUp { .. });
        let decision = leads.then(|| self.decision(&classes));
        if self.pending.is_none()
            && let Some(Decision::HandOver { to, class }) = decision
        {
            let reasons = reasons(&classes.own.1).join("; ");
            let cause = if classes.own.0 == Class::Draining { Cause::Order } else { Cause::Fitness };
            self.prepare(Some(to), cause, format!("it is {} ({reasons}) and replica {to} is {class}", classes.own.0));
        }
        if !leads {
            let leaderless_ms = self.parts.log.leaderless().map_or(0, millis);
            // A witness may be the only one that holds the whole log, and hands over at once.
            let back =
                self.parts.chain.is_some() && stands_back(classes.own.0, &candidates(&classes), leaderless_ms, &self.rules);
            self.parts.log.set_campaigns(!back);
        }
        self.view.send_replace(self.section(&classes, decision));
        let is_time = |pending: &Pending| !classes.works || safe_point::is_safe(&self.parts) || Instant::now() >= pending.until;
        if self.pending.as_ref().is_some_and(is_time) {
            self.carry_out().await;
        }
    }

    async fn carry_out(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        let log = &self.parts.log;
        let answer = match pending.to.or_else(|| log.best_successor()) {
            Some(to) => match hand_over(log, to, pending.cause).await {
                Ok(handed) => {
                    let message = format!("replica {} leads, after {} ms", handed.to, handed.took.as_millis());
                    tracing::info!(to = %handed.to, because = pending.because, "leadership handed over");
                    Answer::Done { leader: Some(handed.to), still_leads: false, message }
                }
                Err(error) => {
                    tracing::warn!(%to, because = pending.because, %error, "leadership not handed over");
                    Answer::Refused { code: "not_taken".to_owned(), message: error.to_string() }
                }
            },
            None => Answer::Refused { code: "no_voter".to_owned(), message: "there is no other voter".to_owned() },
        };
        log.set_starts(true);
        for reply in pending.replies {
            let _ = reply.send(answer.clone());
        }
        for stop in pending.stops {
            let _ = stop.send(());
        }
    }

    fn decision(&self, classes: &Classes) -> Decision {
        let now_ms = millis(self.started.elapsed()).saturating_add(self.rules.window_ms);
        let own = self.parts.log.report().hand_overs_ms.into_iter();
        let theirs = classes.others.iter().filter_map(|(peer, _, _)| peer.report.as_ref()).flat_map(|(report, age)| {
            let age_ms = millis(*age);
            report.hand_overs_ms.iter().map(move |at| at.saturating_add(age_ms))
        });
        let history = History::new(own.chain(theirs).map(|ago| now_ms.saturating_sub(ago)).collect());
        // A drain counts at once, before the next report says so.
        let own = if self.leaving == Leaving::Draining { classes.own.0.min(Class::Draining) } else { classes.own.0 };
        decide(&Situation { now_ms, own, others: &candidates(classes), history: &history }, &self.rules)
    }

    fn classes(&mut self) -> Classes {
        let now_ms = millis(self.started.elapsed());
        let own = self.parts.log.report();
        let peers = self.parts.log.peers();
        let fresh = |peer: &&Peer| peer.report.as_ref().is_some_and(|(_, age)| millis(*age) <= self.rules.fresh_ms);
        let reports = peers.iter().filter(fresh).filter_map(|peer| peer.report.as_ref().map(|(report, _)| report));
        let schedule = self.parts.chain.as_ref().map(|chain| chain.l1.schedule());
        let l1_slot_ms = schedule.map_or(0, |schedule| schedule.ethereum_slot_duration.saturating_mul(1000));
        let sync_limit_ms = u32::try_from(self.parts.timers.election_timeout_min.as_millis()).unwrap_or(u32::MAX);
        let reference = Reference::of(reports.chain([&own]), l1_slot_ms, sync_limit_ms);
        let assessment = Assessment::of(&own, &reference);
        let id = self.parts.log.replica();
        let works = Assessment::of(&Report { leaving: Leaving::No, ..own }, &reference).class > Class::Unable;
        // To hand over, the own trouble must have lasted and be there now; to be handed leadership, the other's absence of trouble.
        let class = self.steady.entry(id).or_default().observe(now_ms, &assessment, PATIENCE).max(assessment.class);
        let mut others = Vec::new();
        for peer in peers {
            let assessment = peer.report.as_ref().map(|(report, _)| Assessment::of(report, &reference));
            let class = match &assessment {
                // It holds no keys: it may not lead.
                Some(_) if peer.witness => Class::Unable,
                Some(assessment) => {
                    self.steady.entry(peer.id).or_default().observe(now_ms, assessment, PATIENCE).min(assessment.class)
                }
                None => Class::Unable,
            };
            others.push((peer, class, assessment));
        }
        Classes { own: (class, assessment), works, others }
    }

    fn section(&self, classes: &Classes, decision: Option<Decision>) -> LeadershipSection {
        let own = ReplicaFitness {
            id: self.parts.log.replica(),
            class: Some(word(classes.own.0)),
            reasons: reasons(&classes.own.1),
            age_ms: Some(0),
            round_trip_us: None,
        };
        let others = classes.others.iter().map(|(peer, class, assessment)| ReplicaFitness {
            id: peer.id,
            class: assessment.as_ref().map(|_| word(*class)),
            reasons: assessment.as_ref().map(reasons).unwrap_or_default(),
            age_ms: peer.report.as_ref().map(|(_, age)| millis(*age)),
            round_trip_us: peer.round_trip.map(|trip| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)),
        });
        LeadershipSection {
            draining: self.leaving == Leaving::Draining,
            decision: match (&self.pending, decision) {
                (Some(pending), _) => Some(format!("hands over: {}", pending.because)),
                (None, Some(Decision::HandOver { to, .. })) => Some(format!("hands over to replica {to}")),
                (None, Some(Decision::Stay(StayReason::Fit))) => Some("leads, and is fit".to_owned()),
                (None, Some(Decision::Stay(StayReason::NobodyBetter))) => Some("leads, for nobody is fitter".to_owned()),
                (None, Some(Decision::Stay(StayReason::TooSoon { .. }))) => {
                    Some("leads, for the last hand-over is too recent".to_owned())
                }
                (None, None) => None,
            },
            replicas: std::iter::once(own).chain(others).collect(),
            timers: self.timers(),
        }
    }

    fn timers(&self) -> TimersSection {
        let timings = self.parts.log.timings();
        let peers = self.parts.log.peers().into_iter().filter(|peer| peer.voter);
        let round_trips = peers.filter_map(|peer| peer.round_trip.map(|trip| (peer.id, trip))).collect();
        let misfits = self.parts.timers.misfits(&Measured { sync: timings.sync, round_trips });
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        TimersSection {
            profile: self.parts.profile.name().to_owned(),
            heartbeat_ms: millis(self.parts.timers.heartbeat),
            election_timeout_ms: millis(self.parts.timers.election_timeout_min),
            lease_ms: millis(self.parts.timers.election_timeout_max),
            sync_us: timings.sync.map(micros),
            round_trip_us: timings.round_trip.map(micros),
            misfits: misfits.iter().map(ToString::to_string).collect(),
        }
    }
}

impl LeadershipHandle {
    /// What the loop sees.
    pub(crate) fn view(&self) -> watch::Receiver<LeadershipSection> {
        self.view.clone()
    }

    /// Has `ask` answered by the replica that it concerns: the leader for a transfer, `replica` (this one, if none is named) for
    /// a drain.
    pub(crate) async fn order(&self, replica: Option<ReplicaId>, ask: Ask) -> Answer {
        let own = self.log.replica();
        let refuse = |code: &str, message: String| Answer::Refused { code: code.to_owned(), message };
        let target = match ask {
            Ask::Drain { .. } => replica.unwrap_or(own),
            Ask::Transfer { .. } => match self.log.view().leader {
                Some(leader) => leader,
                None => {
                    return refuse("no_leader", "no leader is known: an election is under way, or no quorum answers".to_owned());
                }
            },
        };
        if target != own {
            return match self.log.ask(target, ask, self.wait).await {
                Ok(answer) => answer,
                Err(error) => refuse("unreachable", error.to_string()),
            };
        }
        let (reply, answer) = oneshot::channel();
        let stopping = || refuse("stopping", "this replica is stopping: ask another one".to_owned());
        if self.orders.send(Order::Asked(Asked { ask, reply })).await.is_err() {
            return stopping();
        }
        answer.await.unwrap_or_else(|_| stopping())
    }

    /// Hands over if this replica leads; returns when it no longer does, or cannot, in bounded time.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.orders.send(Order::Stop(done)).await.is_ok() {
            // An error means that the loop has ended: nothing is left to hand over.
            let _ = tokio::time::timeout(self.wait, stopped).await;
        }
    }
}

async fn hand_over(log: &SigningLog, to: ReplicaId, cause: Cause) -> Result<HandedOver, HandOverError> {
    match cause {
        Cause::Fitness => log.hand_over_by_fitness(to).await,
        Cause::Order => log.hand_over(to).await,
    }
}

fn candidates(classes: &Classes) -> Vec<Candidate> {
    let voters = classes.others.iter().filter(|(peer, _, assessment)| peer.voter && assessment.is_some());
    let age = |peer: &Peer| peer.report.as_ref().map_or(u64::MAX, |(_, age)| millis(*age));
    voters.map(|(peer, class, _)| Candidate { id: peer.id, class: *class, age_ms: age(peer), lag: peer.lag }).collect()
}

fn reasons(assessment: &Assessment) -> Vec<String> {
    assessment.reasons.iter().map(ToString::to_string).collect()
}

fn word(class: Class) -> FitnessWord {
    match class {
        Class::Unable => FitnessWord::Unable,
        Class::Draining => FitnessWord::Draining,
        Class::Degraded => FitnessWord::Degraded,
        Class::Fit => FitnessWord::Fit,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
