//! A planted fault, and who catches it.

use ollin_guard::Fault;

/// One row of the museum.
#[derive(Debug)]
pub(crate) struct Exhibit {
    pub(crate) fault: Fault,
    /// The rule of `safety.md` (R) or the invariant (S) that it breaks.
    pub(crate) rule: &'static str,
    /// The file with the switch.
    pub(crate) place: &'static str,
    /// All of them must catch it.
    pub(crate) catchers: &'static [Catcher],
}

/// What turns red under a fault.
#[derive(Debug)]
pub(crate) enum Catcher {
    /// A test, and words of what it says when it fails.
    Test(Suite, &'static str, &'static str),
    /// Simulated runs, and the oracle that finds a violation in one of them.
    Seeds(Seeds, &'static str),
}

/// A compiled set of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Guard,
    GuardTests,
    Consensus,
    Keystore,
    KeystoreTests,
    Sequencer,
    Publisher,
    Node,
}

/// Seeds `0..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) end: u64,
}

impl Exhibit {
    /// Its row in `docs/museum.md`.
    pub(crate) fn row(&self) -> String {
        let Self { fault, rule, place, catchers } = self;
        let catchers: Vec<_> = catchers.iter().map(|catcher| format!("`{}`", catcher.name())).collect();
        format!("| `{}` | {} | {rule} | `{place}` | {} |", fault.name(), fault.what(), catchers.join(", "))
    }
}

impl Catcher {
    /// What it is called in tables.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Test(suite, test, _) => format!("{} {test}", suite.target().1),
            Self::Seeds(Seeds { end }, says) => format!("simulate --seeds 0..{end}: {says}"),
        }
    }

    /// Words of what it says when it is red.
    pub(crate) fn says(&self) -> &'static str {
        match self {
            Self::Test(_, _, says) | Self::Seeds(_, says) => says,
        }
    }

    /// Whether it takes a moment: no cluster of processes or of seeds.
    pub(crate) fn is_quick(&self) -> bool {
        match self {
            Self::Test(suite, test, _) => *suite != Suite::KeystoreTests && !test.starts_with("log::tests::"),
            Self::Seeds(..) => false,
        }
    }
}

impl Suite {
    /// Kind and name of cargo's target.
    pub(crate) const fn target(self) -> (&'static str, &'static str) {
        match self {
            Self::Guard => ("lib", "ollin_guard"),
            Self::GuardTests => ("test", "guard"),
            Self::Consensus => ("lib", "ollin_consensus"),
            Self::Keystore => ("lib", "ollin_keystore"),
            Self::KeystoreTests => ("test", "grants"),
            Self::Sequencer => ("lib", "ollin_sequencer"),
            Self::Publisher => ("lib", "ollin_publisher"),
            Self::Node => ("bin", "ollin"),
        }
    }
}
