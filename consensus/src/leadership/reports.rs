//! What is known of the replicas' fitness, this one's included.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ollin_protocol::units::ReplicaId;
use openraft::async_runtime::WatchReceiver;

use super::{Leadership, Samples};
use crate::fitness::Report;
use crate::log::SigningLog;
use crate::membership::{Member, MemberKind};
use crate::recovery::Memory;
use crate::runtime;

/// Own report, others' reports, round trips.
#[derive(Debug, Default)]
pub(super) struct Reports {
    own: Report,
    others: BTreeMap<u64, (Report, Instant)>,
    round_trips: BTreeMap<u64, Samples>,
    hand_overs: VecDeque<Instant>,
}

/// Another member, as this replica knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub id: ReplicaId,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it is a witness: it may not lead.
    pub witness: bool,
    /// What it last reported, and how long ago.
    pub report: Option<(Report, Duration)>,
    /// Entries that it lacks; known by a leader only.
    pub lag: Option<u64>,
    /// The median round trip of a small frame to it.
    pub round_trip: Option<Duration>,
}

/// How long things take here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// The median sync of the log.
    pub sync: Option<Duration>,
    /// The median round trip to the farthest voter that answers.
    pub round_trip: Option<Duration>,
}

impl Reports {
    pub(super) fn note_hand_over(&mut self, at: Instant) {
        self.hand_overs.push_front(at);
        self.hand_overs.truncate(Report::HAND_OVERS);
    }
}

impl Leadership {
    /// This replica's report as it is sent now.
    pub(crate) fn own_report(&self) -> Report {
        let reports = self.inner.reports.lock();
        let age = |at: &Instant| u64::try_from(runtime::elapsed(*at).as_millis()).unwrap_or(u64::MAX);
        Report { hand_overs_ms: reports.hand_overs.iter().map(age).collect(), ..reports.own.clone() }
    }

    pub(crate) fn set_own_report(&self, report: Report) {
        self.inner.reports.lock().own = report;
    }

    /// Takes another member's report.
    pub(crate) fn hear_report(&self, from: u64, mut report: Report) {
        report.hand_overs_ms.truncate(Report::HAND_OVERS);
        self.inner.reports.lock().others.insert(from, (report, runtime::now()));
    }

    pub(crate) fn note_round_trip(&self, to: u64, took: Duration) {
        self.inner.reports.lock().round_trips.entry(to).or_default().add(took);
    }

    pub(crate) fn report_of(&self, member: u64) -> Option<(Report, Duration)> {
        self.inner.reports.lock().others.get(&member).map(|(report, at)| (report.clone(), runtime::elapsed(*at)))
    }

    pub(crate) fn round_trip(&self, to: u64) -> Option<Duration> {
        self.inner.reports.lock().round_trips.get(&to).and_then(Samples::median)
    }
}

impl SigningLog {
    /// Sets the readings of this replica; the rest of the report (grants, disk, hand-overs, rules) is filled in here. It is sent to the
    /// other members twice a second.
    pub fn set_report(&self, report: Report) {
        let inner = self.inner();
        let sync = inner.sync_clock.median();
        let sync_ms = sync.map(|sync| u32::try_from(sync.as_millis()).unwrap_or(u32::MAX));
        let disk_stalled = *inner.shared.leadership.stalled().borrow();
        let takes_part = !inner.shared.halt.is_halted() && inner.shared.recovery.memory() != Memory::Recovering;
        let rules = inner.config.rules;
        let can_grant = report.can_grant && takes_part && !self.is_wholly_frozen();
        inner.shared.leadership.set_own_report(Report { sync_ms, disk_stalled, can_grant, rules, ..report });
    }

    /// This replica's report as the others get it.
    pub fn report(&self) -> Report {
        self.inner().shared.leadership.own_report()
    }

    /// The other members, with what they reported.
    pub fn peers(&self) -> Vec<Peer> {
        let inner = self.inner();
        let metrics = inner.raft.metrics().borrow_watched().clone();
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        let own = inner.shared.me.replica;
        let next = |index: Option<u64>| index.map_or(0, |index| index + 1);
        let peer = |(id, member): (u64, Member)| {
            let matched = metrics.replication.as_ref().and_then(|replication| replication.get(&id));
            let matched = matched.map(|matched| matched.as_ref().map(|id| id.index));
            Peer {
                id: member.name,
                voter: voters.contains(&id),
                witness: member.kind == MemberKind::Witness,
                report: inner.shared.leadership.report_of(id),
                lag: matched.map(|matched| next(metrics.last_log_index).saturating_sub(next(matched))),
                round_trip: inner.shared.leadership.round_trip(id),
            }
        };
        inner.shared.members().into_iter().filter(|(id, _)| *id != own).map(peer).collect()
    }

    /// How long syncs and round trips take.
    pub fn timings(&self) -> Timings {
        let round_trips = self.peers().into_iter().filter(|peer| peer.voter).filter_map(|peer| peer.round_trip);
        Timings { sync: self.inner().sync_clock.median(), round_trip: round_trips.max() }
    }
}
