//! The faults of a run, drawn from its seed.

use std::time::Duration;

use ollin_consensus::{TimerProfile, Timers};
use ollin_protocol::units::ReplicaId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::fault::{Fault, Outage, Power};
use super::l1::Trouble;
use super::operator::Change;
use super::story::HostId;
use super::{CALM_AT_FIRST, HEALED_AT};

/// Machines in a cluster.
const HOSTS: u64 = 3;

/// Which faults may be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// No disk is rolled back, copied or wiped.
    pub honest_disks: bool,
}

/// What will happen, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The machines of the cluster.
    pub hosts: Vec<HostId>,
    /// Faults, by time.
    pub faults: Vec<(Duration, Fault)>,
    /// How long a sync takes at most, in a healthy disk.
    pub sync: Duration,
    /// How long a frame takes at most, in calm weather.
    pub way: Duration,
    /// Heartbeats and elections.
    pub timers: Timers,
    /// As a multiple of those of one region.
    pub slowness: u32,
}

/// Whose disks may forget in a run. Most of what the oracles know holds while one of three does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dishonest {
    Nobody,
    One(HostId),
    Anybody,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(seed: u64, switches: Switches) -> Self {
        let random = StdRng::seed_from_u64(seed ^ 0x6f6c_6c69_6e00_0000);
        let mut draw = Draw { random, dishonest: Dishonest::Nobody };
        if !switches.honest_disks {
            draw.dishonest = draw.dishonest();
        }
        let count = draw.random.random_range(1..=8);
        let mut faults = Vec::new();
        for _ in 0..count {
            let at = draw.between(CALM_AT_FIRST, HEALED_AT);
            draw.fault(at, &mut faults);
        }
        if draw.random.random_range(0..4) == 0 {
            let at = draw.between(CALM_AT_FIRST, HEALED_AT / 2);
            faults.push((at, Fault::Members(draw.change())));
        }
        faults.sort_by_key(|(at, _)| *at);
        let sync = draw.ms(1, 12);
        let way = draw.ms(1, 12);
        let mut timers = TimerProfile::OneRegion.timers();
        // Slots are short here. As seen from them, longer timers are those of several regions.
        let slowness = draw.random.random_range(1..=4);
        for timer in [&mut timers.heartbeat, &mut timers.election_timeout_min, &mut timers.election_timeout_max] {
            *timer *= slowness;
        }
        Self { hosts: (1..=HOSTS).map(HostId).collect(), faults, sync, way, timers, slowness }
    }
}

struct Draw {
    random: StdRng,
    dishonest: Dishonest,
}

impl Draw {
    fn dishonest(&mut self) -> Dishonest {
        match self.random.random_range(0..10) {
            0..4 => Dishonest::Nobody,
            4..8 => Dishonest::One(self.host()),
            _ => Dishonest::Anybody,
        }
    }

    /// One fault, and in some cases another one that makes it worse.
    fn fault(&mut self, at: Duration, faults: &mut Vec<(Duration, Fault)>) {
        let forgets = self.random.random_range(0..3) == 0;
        let host = match self.dishonest {
            Dishonest::One(host) if forgets => host,
            Dishonest::Anybody if forgets => self.host(),
            Dishonest::Nobody | Dishonest::One(_) | Dishonest::Anybody => {
                faults.push((at, self.honest()));
                return;
            }
        };
        if self.random.random_range(0..3) == 0 {
            // Another one is away meanwhile.
            let other = self.other(host);
            let fault = if self.coin() { self.crash(other) } else { self.outage_of(Outage::Alone(other)) };
            faults.push((at.saturating_sub(self.ms(0, 300)), fault));
        }
        faults.push((at, self.forgetting(host)));
    }

    fn honest(&mut self) -> Fault {
        let host = self.host();
        let down = self.ms(20, 3000);
        match self.random.random_range(0..18) {
            0 | 1 => Fault::Kill { host, down },
            2 | 3 => self.crash(host),
            4 | 5 => Fault::Pause { host, down },
            6 | 7 => {
                let outage = self.outage();
                self.outage_of(outage)
            }
            8 => Fault::Weather { lost_percent: self.random.random_range(1..50), late: self.ms(1, 400), down },
            9 => Fault::SlowDisk { host, sync: self.ms(20, 1500), down },
            10 => Fault::FailingDisk { host, down },
            11 => Fault::WrongClock { host, by_ms: self.random.random_range(-5000..5000) },
            12 => Fault::Transfer { to: host },
            13 => Fault::PowerCut { kept: self.kept(), down },
            14 | 15 => self.l1(host),
            16 => Fault::L1Drops { percent: self.random.random_range(10..90), down },
            _ => Fault::Reorg { depth: self.random.random_range(1..4) },
        }
    }

    fn forgetting(&mut self, host: HostId) -> Fault {
        let (by, down) = (self.ms(50, 4000), self.ms(20, 3000));
        let power = if self.coin() { Power::Stays } else { Power::Lost };
        let kinds = if self.dishonest == Dishonest::Anybody { 5 } else { 4 };
        match self.random.random_range(0..kinds) {
            0 | 1 => Fault::RolledBack { host, by, down, power },
            2 => {
                let by = self.ms(0, 4000);
                let paused = if self.coin() { Some(self.ms(0, 500)) } else { None };
                Fault::Cloned { host, by, lives: down, paused }
            }
            3 => Fault::Wiped { host, down, power },
            _ => Fault::AllRolledBack { by, down },
        }
    }

    fn change(&mut self) -> Change {
        let (replica, time) = (ReplicaId::new(self.host().0), self.ms(100, 2000));
        match self.random.random_range(0..3) {
            0 => Change::Visit(time),
            1 => Change::Replace(replica),
            _ => Change::Rest(replica, time),
        }
    }

    fn l1(&mut self, host: HostId) -> Fault {
        let (trouble, most_ms) = match self.random.random_range(0..4) {
            0 => (Trouble::Gone, 3000),
            1 => (Trouble::Lags(self.random.random_range(1..12)), 3000),
            2 => (Trouble::AllFinal, 3000),
            // A lie that lasts is taken for a foreign spend: then the nonce is given up, rightly as far as anybody can see.
            _ => (Trouble::AllSpent, 2000),
        };
        Fault::L1 { host, trouble, down: self.ms(20, most_ms) }
    }

    fn crash(&mut self, host: HostId) -> Fault {
        Fault::Crash { host, kept: self.kept(), down: self.ms(20, 3000) }
    }

    fn outage_of(&mut self, outage: Outage) -> Fault {
        Fault::Cut { outage, down: self.ms(20, 3000) }
    }

    fn outage(&mut self) -> Outage {
        let from = self.host();
        match self.random.random_range(0..7) {
            0..3 => Outage::Alone(from),
            3 | 4 => Outage::OneWay { from, to: self.other(from) },
            5 => Outage::Bridge(from),
            _ => Outage::All,
        }
    }

    fn host(&mut self) -> HostId {
        HostId(self.random.random_range(1..=HOSTS))
    }

    fn other(&mut self, than: HostId) -> HostId {
        HostId((than.0 + self.random.random_range(0..HOSTS - 1)) % HOSTS + 1)
    }

    fn kept(&mut self) -> usize {
        self.random.random_range(0..4)
    }

    fn coin(&mut self) -> bool {
        self.random.random_range(0..2) == 0
    }

    fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }

    fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + Duration::from_micros(self.random.random_range(0..u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forgets(fault: &Fault) -> Option<HostId> {
        match *fault {
            Fault::RolledBack { host, .. } | Fault::Wiped { host, .. } | Fault::Cloned { host, .. } => Some(host),
            Fault::AllRolledBack { .. } => Some(HostId(0)),
            Fault::Kill { .. }
            | Fault::Crash { .. }
            | Fault::Pause { .. }
            | Fault::Cut { .. }
            | Fault::Weather { .. }
            | Fault::SlowDisk { .. }
            | Fault::FailingDisk { .. }
            | Fault::WrongClock { .. }
            | Fault::PowerCut { .. }
            | Fault::Transfer { .. }
            | Fault::L1 { .. }
            | Fault::L1Drops { .. }
            | Fault::Reorg { .. }
            | Fault::Members(_) => None,
        }
    }

    #[test]
    fn runs_with_one_forgetful_disk_and_with_more_are_drawn_and_none_where_disks_are_to_be_honest() {
        let forgetful = |seed, honest_disks| {
            let plan = Plan::draw(seed, Switches { honest_disks });
            plan.faults.iter().filter_map(|(_, fault)| forgets(fault)).collect::<std::collections::BTreeSet<_>>().len()
        };
        let counts: Vec<usize> = (0..200).map(|seed| forgetful(seed, false)).collect();
        let times = |count| counts.iter().filter(|found| **found == count).count();
        assert!(times(0) > 60 && times(1) > 40 && counts.len() - times(0) - times(1) > 5, "{counts:?}");
        assert!((0..200).all(|seed| forgetful(seed, true) == 0));
    }
}
