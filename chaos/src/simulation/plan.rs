//! The faults of a run, drawn from its seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::fault::{Fault, Outage};
use super::story::HostId;
use super::{CALM_AT_FIRST, HEALED_AT};

/// Machines in a cluster.
const HOSTS: u64 = 3;

/// Which faults may be drawn besides those of an honest disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Disks that were rolled back, cloned or wiped, and power cuts of all machines (safety rules R6 to R8).
    pub dishonest_disks: bool,
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
}

impl Plan {
    /// Draws a plan.
    pub fn draw(seed: u64, switches: Switches) -> Self {
        let mut draw = Draw { random: StdRng::seed_from_u64(seed ^ 0x6f6c_6c69_6e00_0000), switches };
        let count = draw.random.random_range(1..=8);
        let mut faults: Vec<_> = (0..count).map(|_| (draw.between(CALM_AT_FIRST, HEALED_AT), draw.fault())).collect();
        faults.sort_by_key(|(at, _)| *at);
        let sync = draw.ms(1, 12);
        let way = draw.ms(1, 12);
        Self { hosts: (1..=HOSTS).map(HostId).collect(), faults, sync, way }
    }
}

struct Draw {
    random: StdRng,
    switches: Switches,
}

impl Draw {
    fn fault(&mut self) -> Fault {
        let host = self.host();
        let down = self.ms(20, 3000);
        let kinds = if self.switches.dishonest_disks { 16 } else { 11 };
        match self.random.random_range(0..kinds) {
            0 | 1 => Fault::Crash { host, kept: self.kept(), down },
            2 | 3 => Fault::Pause { host, down },
            4 | 5 => Fault::Cut { outage: self.outage(), down },
            6 => Fault::Weather { lost_percent: self.random.random_range(1..50), late: self.ms(1, 400), down },
            7 => Fault::SlowDisk { host, sync: self.ms(20, 1500), down },
            8 => Fault::FailingDisk { host, down },
            9 => Fault::WrongClock { host, by_ms: self.random.random_range(-5000..5000) },
            10 => Fault::Transfer { to: host },
            11 => Fault::PowerCut { kept: self.kept(), down },
            12 => Fault::RolledBack { host, by: self.ms(50, 4000), down },
            13 => Fault::Cloned { host, by: self.ms(0, 4000), lives: down },
            14 => Fault::Wiped { host, down },
            _ => Fault::AllRolledBack { by: self.ms(50, 4000), down },
        }
    }

    fn outage(&mut self) -> Outage {
        let from = self.host();
        match self.random.random_range(0..7) {
            0..3 => Outage::Alone(from),
            3 | 4 => {
                let to = HostId((from.0 + self.random.random_range(0..HOSTS - 1)) % HOSTS + 1);
                Outage::OneWay { from, to }
            }
            5 => Outage::Bridge(from),
            _ => Outage::All,
        }
    }

    fn host(&mut self) -> HostId {
        HostId(self.random.random_range(1..=HOSTS))
    }

    fn kept(&mut self) -> usize {
        self.random.random_range(0..4)
    }

    fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }

    fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + Duration::from_micros(self.random.random_range(0..u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX)))
    }
}
