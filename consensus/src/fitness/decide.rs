//! When leadership moves: a plain function over classes, places in the log and what was done before.

use ollin_protocol::units::ReplicaId;

use super::Class;

/// Doublings of the pause between hand-overs stop here.
const DOUBLINGS_MAX: u32 = 6;

/// The rules' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The least time between two hand-overs of the cluster: one slot. It doubles with every further one.
    pub pause_ms: u64,
    /// Hand-overs longer ago than this are forgotten.
    pub window_ms: u64,
    /// A report older than this says nothing.
    pub fresh_ms: u64,
    /// A voter that lacks more entries is not handed leadership.
    pub lag_max: u64,
}

impl Rules {
    /// For slots of that length: once a slot at most, and at most eight times in the window.
    pub fn for_slots(slot_ms: u64) -> Self {
        Self { pause_ms: slot_ms, window_ms: slot_ms.saturating_mul(1 << DOUBLINGS_MAX), fresh_ms: 3_000, lag_max: 64 }
    }

    /// The most hand-overs in any span of [`Rules::window_ms`].
    pub const fn most_in_window() -> u32 {
        DOUBLINGS_MAX + 2
    }
}

/// Another voter, as the leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: ReplicaId,
    /// Its class.
    pub class: Class,
    /// Age of its report in milliseconds.
    pub age_ms: u64,
    /// Entries that it lacks; `None`: unknown.
    pub lag: Option<u64>,
}

/// When the cluster handed over, by the clock of whoever decides, in milliseconds. Merged from all replicas' reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    hand_overs_ms: Vec<u64>,
}

impl History {
    /// From moments in any order.
    pub fn new(mut hand_overs_ms: Vec<u64>) -> Self {
        hand_overs_ms.sort_unstable();
        Self { hand_overs_ms }
    }

    /// When the next one is due at the earliest.
    fn next_ms(&self, now_ms: u64, rules: &Rules) -> u64 {
        let recent = self.hand_overs_ms.iter().filter(|at| now_ms.saturating_sub(**at) <= rules.window_ms);
        let (count, last) = recent.fold((0_u32, None), |(count, _), at| (count.saturating_add(1), Some(*at)));
        let Some(last) = last else { return 0 };
        let doublings = count.saturating_sub(1).min(DOUBLINGS_MAX);
        last.saturating_add(rules.pause_ms.saturating_mul(1 << doublings))
    }
}

/// What a leader knows when it decides.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Now, on the scale of [`History`].
    pub now_ms: u64,
    /// The leader's own class.
    pub own: Class,
    /// The other voters.
    pub others: &'a [Candidate],
    /// What was done before.
    pub history: &'a History,
}

/// What a leader does about its leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on leading.
    Stay(StayReason),
    /// Hand over to a better voter.
    HandOver {
        /// Which.
        to: ReplicaId,
        /// Its class.
        class: Class,
    },
}

/// Why to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StayReason {
    /// Nothing is better than being fit.
    Fit,
    /// No other voter is known to be better, able and caught up: the best one there is leads.
    NobodyBetter,
    /// One is, and the last hand-over is too recent.
    TooSoon {
        /// When it may be, on the scale of [`History`].
        at_ms: u64,
    },
}

/// Decides. It hands over only to a voter that reports itself able to lead, has caught up and is better by class; all others
/// unfit: it stays, for it never waits for itself.
pub fn decide(situation: &Situation<'_>, rules: &Rules) -> Decision {
    let Situation { now_ms, own, others, history } = *situation;
    if own == Class::Fit {
        return Decision::Stay(StayReason::Fit);
    }
    let Some(best) = best(others, own, rules) else {
        return Decision::Stay(StayReason::NobodyBetter);
    };
    let at_ms = history.next_ms(now_ms, rules);
    // An operator's drain does not wait: it is one decision of a person, and undoing it moves nothing.
    if now_ms < at_ms && own != Class::Draining {
        return Decision::Stay(StayReason::TooSoon { at_ms });
    }
    Decision::HandOver { to: best.id, class: best.class }
}

/// The best voter that is better than `own`: by class, then by place in the log, then by id.
fn best(others: &[Candidate], own: Class, rules: &Rules) -> Option<Candidate> {
    let lag = |candidate: &Candidate| candidate.lag.unwrap_or(u64::MAX);
    let able = others.iter().filter(|other| {
        other.class > own && other.class >= Class::Degraded && other.age_ms <= rules.fresh_ms && lag(other) <= rules.lag_max
    });
    able.min_by_key(|other| (std::cmp::Reverse(other.class), lag(other), other.id)).copied()
}

/// Whether a follower leaves an election to others: a better voter is alive, and there has not been long enough without a leader
/// to show that none of them wins. `leaderless_ms` is how long no leader is known.
pub fn stands_back(own: Class, others: &[Candidate], leaderless_ms: u64, rules: &Rules) -> bool {
    let better = others.iter().any(|other| other.class > own && other.age_ms <= rules.fresh_ms);
    own < Class::Degraded && better && leaderless_ms < rules.fresh_ms
}
