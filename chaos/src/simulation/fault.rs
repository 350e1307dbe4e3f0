//! What can go wrong.

use std::time::Duration;

use super::l1::Trouble;
use super::operator::Change;
use super::story::HostId;

/// One fault. Those with an outage end by themselves; at the end of the faulty time everything is healed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant says what its fields are")]
pub enum Fault {
    /// A process is killed. Its machine goes on: what was written is there, and so is the anchor.
    Kill { host: HostId, down: Duration },
    /// A machine loses power: what was not synced is gone, save its first `kept` batches, and so is the anchor.
    Crash { host: HostId, kept: usize, down: Duration },
    /// A process is stopped and goes on later: its clock has moved on.
    Pause { host: HostId, down: Duration },
    /// Frames get lost on the way.
    Cut { outage: Outage, down: Duration },
    /// Every frame is lost with this probability, in percent, or delayed by up to so much; some arrive twice.
    Weather { lost_percent: u64, late: Duration, down: Duration },
    /// A disk takes long to sync.
    SlowDisk { host: HostId, sync: Duration, down: Duration },
    /// A disk fails; its machine restarts with what was durable.
    FailingDisk { host: HostId, down: Duration },
    /// A machine's wall clock is wrong, by milliseconds.
    WrongClock { host: HostId, by_ms: i64 },
    /// All machines lose power at once.
    PowerCut { kept: usize, down: Duration },
    /// A machine comes back with its disk as it was so long ago.
    RolledBack { host: HostId, by: Duration, down: Duration, power: Power },
    /// All machines come back from a power cut with their disks as they were so long ago: restored from one backup.
    AllRolledBack { by: Duration, down: Duration },
    /// A machine comes back with an empty disk.
    Wiped { host: HostId, down: Duration, power: Power },
    /// A copy of a machine's disk of so long ago starts beside it, on another machine, and takes its address. `paused`: the machine
    /// stands still meanwhile, and goes on so long after the copy's end.
    Cloned { host: HostId, by: Duration, lives: Duration, paused: Option<Duration> },
    /// The leader is asked to hand over.
    Transfer { to: HostId },
    /// A machine's way to L1 is bad.
    L1 { host: HostId, trouble: Trouble, down: Duration },
    /// Transactions get lost on their way to L1, or in its pool, with this probability in percent.
    L1Drops { percent: u64, down: Duration },
    /// L1 takes its last blocks back.
    Reorg { depth: u64 },
    /// No fault: operators change the members.
    Members(Change),
}

/// What becomes of a machine's memory, and of the anchor in it, while its disk is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The machine runs on.
    Stays,
    /// It is switched off.
    Lost,
}

/// Between whom frames get lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant says what its fields are")]
pub enum Outage {
    /// Between one machine and all others.
    Alone(HostId),
    /// From one machine to another, and not back.
    OneWay { from: HostId, to: HostId },
    /// Between all but one: only it reaches both sides.
    Bridge(HostId),
    /// Between everybody.
    All,
}

impl Outage {
    /// Whether a frame from `from` to `to` is lost.
    pub fn cuts(&self, from: HostId, to: HostId) -> bool {
        match *self {
            Self::Alone(host) => (from == host) != (to == host),
            Self::OneWay { from: cut_from, to: cut_to } => (from, to) == (cut_from, cut_to),
            Self::Bridge(host) => from != to && from != host && to != host,
            Self::All => from != to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outage_cuts_what_it_says() {
        let hosts = [1, 2, 3].map(HostId);
        let cut = |outage: Outage| {
            let pairs = hosts.iter().flat_map(|from| hosts.iter().map(move |to| (*from, *to)));
            pairs.filter(|(from, to)| outage.cuts(*from, *to)).map(|(from, to)| (from.0, to.0)).collect::<Vec<_>>()
        };
        assert_eq!(cut(Outage::Alone(HostId(1))), [(1, 2), (1, 3), (2, 1), (3, 1)]);
        assert_eq!(cut(Outage::OneWay { from: HostId(1), to: HostId(2) }), [(1, 2)]);
        assert_eq!(cut(Outage::Bridge(HostId(1))), [(2, 3), (3, 2)]);
        assert_eq!(cut(Outage::All).len(), 6);
    }
}
