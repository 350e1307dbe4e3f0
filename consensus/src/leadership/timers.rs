//! Raft's timers, by profile, and whether they fit the network and the disks.

use std::time::Duration;

use ollin_protocol::units::ReplicaId;

/// A call must be answered within a heartbeat interval, and round trips vary: an interval holds one and a half of them.
const HEARTBEATS_TENTHS_PER_TRIP: u32 = 15;

/// A set of timers that fits one kind of cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerProfile {
    /// Replicas up to 20 ms apart: in one region.
    #[default]
    OneRegion,
    /// Replicas up to 160 ms apart: in several regions of the world.
    MultiRegion,
}

impl TimerProfile {
    /// Its name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneRegion => "one-region",
            Self::MultiRegion => "multi-region",
        }
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::OneRegion, Self::MultiRegion].into_iter().find(|profile| profile.name() == name)
    }

    /// Its timers.
    pub const fn timers(self) -> Timers {
        let (heartbeat, min, max) = match self {
            // Lease, timeout and what is left of a heartbeat: some 310 ms from a leader's silence to the next election.
            Self::OneRegion => (30, 100, 160),
            Self::MultiRegion => (240, 800, 1_300),
        };
        Timers {
            heartbeat: Duration::from_millis(heartbeat),
            election_timeout_min: Duration::from_millis(min),
            election_timeout_max: Duration::from_millis(max),
        }
    }
}

/// Raft's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// How often a leader shows that it lives.
    pub heartbeat: Duration,
    /// Least silence after which a follower campaigns, counted from the end of the leader's lease.
    pub election_timeout_min: Duration,
    /// Most silence; also the leader's lease.
    pub election_timeout_max: Duration,
}

/// What the network and the disk need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// A sync of a small file on the disk of the log.
    pub sync: Option<Duration>,
    /// The round trip to each other voter that answered.
    pub round_trips: Vec<(ReplicaId, Duration)>,
}

/// Timers that are too short for what was measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A heartbeat would come too late.
    #[error(
        "the round trip to replica {replica} takes {took_ms} ms, expected at most {most_ms} ms for heartbeats every {heartbeat_ms} ms"
    )]
    RoundTrip {
        /// To whom.
        replica: ReplicaId,
        /// What it takes.
        took_ms: u64,
        /// What it may take.
        most_ms: u64,
        /// The interval.
        heartbeat_ms: u64,
    },
    /// A vote would come too late.
    #[error(
        "an election takes two round trips and two syncs, {took_ms} ms ({round_trip_ms} ms and {sync_ms} ms each), expected at most \
         the election timeout of {most_ms} ms"
    )]
    Election {
        /// What it takes.
        took_ms: u64,
        /// The longest round trip.
        round_trip_ms: u64,
        /// A sync.
        sync_ms: u64,
        /// The least election timeout.
        most_ms: u64,
    },
}

impl Measured {
    /// Takes what is better in a further measurement.
    pub(crate) fn improve(&mut self, other: Self) {
        self.sync = self.sync.into_iter().chain(other.sync).min();
        for (replica, took) in other.round_trips {
            match self.round_trips.iter_mut().find(|(known, _)| *known == replica) {
                Some((_, best)) => *best = took.min(*best),
                None => self.round_trips.push((replica, took)),
            }
        }
    }
}

impl Timers {
    /// Everything that was measured and does not fit; nothing that was not measured.
    pub fn misfits(&self, measured: &Measured) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let most = self.heartbeat * 10 / HEARTBEATS_TENTHS_PER_TRIP;
        for (replica, took) in measured.round_trips.iter().filter(|(_, took)| *took > most) {
            let (took_ms, most_ms, heartbeat_ms) = (millis(*took), millis(most), millis(self.heartbeat));
            misfits.push(Misfit::RoundTrip { replica: *replica, took_ms, most_ms, heartbeat_ms });
        }
        let round_trip = measured.round_trips.iter().map(|(_, took)| *took).max().unwrap_or_default();
        let sync = measured.sync.unwrap_or_default();
        let election = (round_trip + sync) * 2;
        if election > self.election_timeout_min {
            let (took_ms, most_ms) = (millis(election), millis(self.election_timeout_min));
            misfits.push(Misfit::Election { took_ms, round_trip_ms: millis(round_trip), sync_ms: millis(sync), most_ms });
        }
        misfits
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(sync_ms: u64, round_trip_ms: u64) -> Measured {
        Measured {
            sync: Some(Duration::from_millis(sync_ms)),
            round_trips: vec![
                (ReplicaId::new(2), Duration::from_millis(1)),
                (ReplicaId::new(3), Duration::from_millis(round_trip_ms)),
            ],
        }
    }

    #[test]
    fn each_profile_fits_what_it_is_for_and_not_more() {
        let (one, multi) = (TimerProfile::OneRegion.timers(), TimerProfile::MultiRegion.timers());
        assert_eq!(one.misfits(&measured(10, 20)), vec![]);
        assert_eq!(multi.misfits(&measured(30, 160)), vec![]);
        let to_3 = |took_ms| Misfit::RoundTrip { replica: ReplicaId::new(3), took_ms, most_ms: 20, heartbeat_ms: 30 };
        assert_eq!(one.misfits(&measured(10, 21)), vec![to_3(21)]);
        let election = Misfit::Election { took_ms: 122, round_trip_ms: 1, sync_ms: 60, most_ms: 100 };
        assert_eq!(one.misfits(&measured(60, 1)), vec![election]);
        assert_eq!(multi.misfits(&measured(10, 161)).len(), 1);
    }

    #[test]
    fn the_best_of_several_measurements_counts() {
        let mut best = Measured::default();
        best.improve(measured(60, 30));
        best.improve(measured(5, 90));
        assert_eq!(best, measured(5, 30));
    }

    #[test]
    fn what_was_not_measured_fits() {
        assert_eq!(TimerProfile::OneRegion.timers().misfits(&Measured::default()), vec![]);
    }

    #[test]
    fn a_misfit_names_what_was_measured_and_what_is_expected() {
        let misfits = TimerProfile::OneRegion.timers().misfits(&measured(1, 70));
        assert_eq!(
            misfits[0].to_string(),
            "the round trip to replica 3 takes 70 ms, expected at most 20 ms for heartbeats every 30 ms"
        );
    }

    #[test]
    fn profiles_are_found_by_name() {
        assert_eq!(TimerProfile::named("multi-region"), Some(TimerProfile::MultiRegion));
        assert_eq!(TimerProfile::named("one region"), None);
    }
}
