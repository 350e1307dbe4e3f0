//! The version of the rules by which verdicts are made (safety rule R13).
//!
//! It is a part of the replicated state, so that all replicas judge an entry by the same rules whatever programs they run. Only an
//! applied `Upgrade` raises it, by one, and that is proposed only when every member supports the next version ([`upgrade`]). A
//! replica that meets a version that it does not support stops before it applies the entry, or takes the snapshot over.
//!
//! A program supports the newest version of its time and the one before, so that the replicas of a cluster are exchanged one by one
//! and the version is raised when all are.

pub(crate) mod upgrade;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use upgrade::{UpgradeRefusal, Upgraded};

/// A version of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulesVersion(u16);

impl RulesVersion {
    /// Every cluster begins with it.
    pub const FIRST: Self = Self(1);
    /// The next one, of which a release knows nothing: it exists to try out how a version is raised.
    #[cfg(any(test, feature = "next-rules"))]
    pub(crate) const NEXT: Self = Self(2);

    /// The version as a number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The one after it, the only one that it can be raised to.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Default for RulesVersion {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The versions that a program supports: from the oldest to the newest, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supported {
    oldest: RulesVersion,
    newest: RulesVersion,
}

impl Supported {
    /// What a release of this code supports.
    pub const RELEASED: Self = Self { oldest: RulesVersion::FIRST, newest: RulesVersion::FIRST };
    /// What this build could support: a test build knows the next version, too. Only replicas that are told so support it.
    #[cfg(any(test, feature = "next-rules"))]
    pub const BUILD: Self = Self { oldest: RulesVersion::FIRST, newest: RulesVersion::NEXT };
    /// What this build could support.
    #[cfg(not(any(test, feature = "next-rules")))]
    pub const BUILD: Self = Self::RELEASED;

    /// The oldest version.
    pub const fn oldest(self) -> RulesVersion {
        self.oldest
    }

    /// The newest version.
    pub const fn newest(self) -> RulesVersion {
        self.newest
    }

    /// Whether `version` is one of them.
    pub const fn includes(self, version: RulesVersion) -> bool {
        self.oldest.0 <= version.0 && version.0 <= self.newest.0
    }
}

impl Default for Supported {
    fn default() -> Self {
        Self::RELEASED
    }
}

impl fmt::Display for Supported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest {
            return write!(f, "version {}", self.oldest);
        }
        write!(f, "versions {} to {}", self.oldest, self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_supports_one_version_or_two_and_no_others() {
        let (released, build) = (Supported::RELEASED, Supported::BUILD);
        assert!(released.includes(RulesVersion::FIRST) && !released.includes(RulesVersion::NEXT));
        assert!(build.includes(RulesVersion::FIRST) && build.includes(RulesVersion::NEXT));
        assert!(!build.includes(RulesVersion(0)) && !build.includes(RulesVersion(3)));
        assert_eq!((released.to_string(), build.to_string()), ("version 1".to_owned(), "versions 1 to 2".to_owned()));
        for supported in [released, build] {
            assert!(supported.newest().get() - supported.oldest().get() <= 1, "the old rules are kept for one version");
        }
    }
}
