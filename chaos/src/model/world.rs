//! What may go wrong in a run of the model, and how far it goes.

use std::fmt;
use std::str::FromStr;

/// A set of faults and limits; exhausted, it is one row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// Its name on the command line and in histories.
    pub name: &'static str,
    /// Highest term.
    pub terms: u8,
    /// Entries in a log.
    pub entries: u8,
    /// Slots that begin, 1 or 2.
    pub slots: u8,
    /// Payloads that are claimed for one duty, 1 or 2.
    pub payloads: u8,
    /// Entries of a leader may be with others before they are on its own disk.
    pub late_sync: bool,
    /// Processes are killed; the machine goes on.
    pub kills: bool,
    /// How often a machine loses its power.
    pub power_cuts: u8,
    /// How often one disk is put back to a copy, or lost.
    pub rollbacks: u8,
    /// All disks are put back to copies of one instant.
    pub backup_of_all: bool,
    /// A second process runs on a copy of A's disk.
    pub copy: bool,
    /// Operators use `proceed-without`.
    pub proceed: bool,
    /// Operators make a new cluster of one survivor.
    pub recover: bool,
    /// C is a witness: it votes and stores, and grants nothing.
    pub witness: bool,
}

/// No world has this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no world is called {0:?}")]
pub struct UnknownWorld(pub String);

const QUIET: World = World {
    name: "quiet",
    terms: 3,
    entries: 4,
    slots: 1,
    payloads: 2,
    late_sync: false,
    kills: false,
    power_cuts: 0,
    rollbacks: 0,
    backup_of_all: false,
    copy: false,
    proceed: false,
    recover: false,
    witness: false,
};

impl World {
    /// Pauses and partitions only: any process may be slow for any time, any message lost.
    pub const QUIET: Self = QUIET;
    /// Killed processes that lose what they had not synced.
    pub const CRASH: Self = World { name: "crash", kills: true, late_sync: true, ..QUIET };
    /// One disk rolled back to a copy of any earlier instant, or lost.
    pub const ONE_DISK: Self = World { name: "one-disk", terms: 2, kills: true, rollbacks: 1, ..QUIET };
    /// Two disks rolled back or lost, one after the other or at once.
    pub const TWO_DISKS: Self = World { name: "two-disks", terms: 2, rollbacks: 2, ..QUIET };
    /// All disks put back to copies of one instant.
    pub const COLD_START: Self = World { name: "cold-start", terms: 2, backup_of_all: true, ..QUIET };
    /// The same over two slots.
    pub const TWO_SLOTS: Self = World { name: "two-slots", slots: 2, ..Self::COLD_START };
    /// A second process on a copy of a disk.
    pub const COPY: Self = World { name: "copy", terms: 2, kills: true, copy: true, ..QUIET };
    /// An operator who goes on without a replica, or makes a new cluster of one.
    pub const OPERATOR: Self = World { name: "operator", terms: 2, rollbacks: 1, proceed: true, recover: true, ..QUIET };
    /// C is a witness.
    pub const WITNESS: Self = World { name: "witness", kills: true, witness: true, ..QUIET };

    /// Each exhausted within seconds: part of the tests.
    pub const SHORT: [Self; 9] = [
        Self::QUIET,
        Self::CRASH,
        Self::ONE_DISK,
        Self::TWO_DISKS,
        Self::COLD_START,
        Self::TWO_SLOTS,
        Self::COPY,
        Self::OPERATOR,
        Self::WITNESS,
    ];

    /// Two disks and three terms: whose doubt reaches whom takes that many.
    pub const TWO_DISKS_THREE_TERMS: Self = World { name: "two-disks-three-terms", terms: 3, ..Self::TWO_DISKS };

    /// The large form: minutes.
    pub const FULL: [Self; 11] = [
        World { name: "quiet-large", terms: 4, entries: 6, slots: 2, ..Self::QUIET },
        World { name: "crash-large", entries: 5, ..Self::CRASH },
        World { name: "one-disk-three-terms", terms: 3, entries: 5, ..Self::ONE_DISK },
        World { name: "one-disk-power-cut", entries: 5, power_cuts: 1, ..Self::ONE_DISK },
        World { name: "two-disks-kills", kills: true, ..Self::TWO_DISKS },
        Self::TWO_DISKS_THREE_TERMS,
        World { name: "cold-start-power-cuts", power_cuts: 2, kills: true, ..Self::COLD_START },
        World { name: "cold-start-three-terms", terms: 3, entries: 5, power_cuts: 1, ..Self::COLD_START },
        World { name: "copy-large", terms: 3, entries: 5, ..Self::COPY },
        World { name: "operator-large", kills: true, power_cuts: 1, ..Self::OPERATOR },
        World { name: "witness-large", entries: 5, power_cuts: 1, ..Self::WITNESS },
    ];

    /// Whether it is one of the short form.
    pub fn is_short(&self) -> bool {
        Self::SHORT.contains(self)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl FromStr for World {
    type Err = UnknownWorld;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::SHORT.into_iter().chain(Self::FULL).find(|world| world.name == text).ok_or_else(|| UnknownWorld(text.to_owned()))
    }
}
