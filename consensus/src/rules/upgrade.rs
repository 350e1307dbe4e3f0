//! Whether the version of the rules may be raised. Pure: all that the leader knows is an argument.

use std::collections::BTreeMap;

use ollin_guard::{Fault, planted};
use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};

use super::{RulesVersion, Supported};

/// What a member reported longer ago says nothing: its program may have been exchanged since.
pub(crate) const FRESH_MS: u64 = 3_000;

/// What the leader knows when it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The cluster exists.
    pub(crate) open: bool,
    /// The membership is committed, and no joint one.
    pub(crate) settled: bool,
    /// The version in force.
    pub(crate) version: RulesVersion,
    /// The leader's Raft id.
    pub(crate) leader: u64,
    /// Every member by Raft id, voter, learner or witness, with what it reported lately.
    pub(crate) members: BTreeMap<u64, (ReplicaId, Option<Supported>)>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The version is raised to this one.
    Raise(RulesVersion),
    /// No member knows a newer one than is in force.
    Newest,
}

/// The rules that are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// Their version.
    pub version: RulesVersion,
    /// No member knows a newer one: nothing was logged.
    pub already: bool,
}

/// Why the version was not raised; nothing was logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UpgradeRefusal {
    /// The cluster is not created yet.
    #[error("the cluster is not created: run `ollin cluster create` once")]
    Sealed,
    /// The members are changing, or an upgrade is on its way.
    #[error("a change of the members is under way: ask again when it is done (`ollin status` shows the members)")]
    UnderWay,
    /// Some members run a program that does not know the next version.
    #[error(
        "version {version} of the rules is not supported by {}: exchange the program there first, or remove that replica",
        .lacking.iter().map(|(replica, supported)| format!("replica {replica} ({supported})")).collect::<Vec<_>>().join(", ")
    )]
    Unsupported {
        /// The next version.
        version: RulesVersion,
        /// Who does not support it, and what instead.
        lacking: Vec<(ReplicaId, Supported)>,
    },
    /// What some members run is not known.
    #[error(
        "nothing was heard lately from {}: every member must say which rules it supports. Start what does not run, or remove it",
        .replicas.iter().map(|replica| format!("replica {replica}")).collect::<Vec<_>>().join(", ")
    )]
    Unheard {
        /// Whose.
        replicas: Vec<ReplicaId>,
    },
}

impl UpgradeRefusal {
    /// For programs: the case in a word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::UnderWay => "under_way",
            Self::Unsupported { .. } => "unsupported",
            Self::Unheard { .. } => "unheard",
        }
    }
}

/// Decides about an upgrade.
pub(crate) fn plan(now: &Standing) -> Result<Plan, UpgradeRefusal> {
    if !now.open {
        return Err(UpgradeRefusal::Sealed);
    }
    if !now.settled {
        return Err(UpgradeRefusal::UnderWay);
    }
    let version = now.version.next();
    let asked = now.members.iter().filter(|(id, _)| **id == now.leader || !planted(Fault::UpgradeOfSome));
    let (mut lacking, mut unheard, mut supporting) = (Vec::new(), Vec::new(), 0_usize);
    for (_, (replica, supported)) in asked {
        match supported {
            Some(supported) if supported.includes(version) => supporting += 1,
            Some(supported) => lacking.push((*replica, *supported)),
            None => unheard.push(*replica),
        }
    }
    match (supporting, lacking.is_empty(), unheard.is_empty()) {
        (1.., false, _) => Err(UpgradeRefusal::Unsupported { version, lacking }),
        (_, _, false) => Err(UpgradeRefusal::Unheard { replicas: unheard }),
        (0, _, true) => Ok(Plan::Newest),
        (1.., true, true) => Ok(Plan::Raise(version)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: Supported = Supported::RELEASED;
    const NEW: Supported = Supported::BUILD;

    fn standing(supported: &[Option<Supported>]) -> Standing {
        let members = (1..).zip(supported).map(|(id, supported)| (id, (ReplicaId::new(id), *supported))).collect();
        Standing { open: true, settled: true, version: RulesVersion::FIRST, leader: 1, members }
    }

    #[test]
    fn the_version_is_raised_when_every_member_supports_the_next_one() {
        assert_eq!(plan(&standing(&[Some(NEW); 4])), Ok(Plan::Raise(RulesVersion::NEXT)));
        let raised = Standing { version: RulesVersion::NEXT, ..standing(&[Some(NEW); 4]) };
        assert_eq!(plan(&raised), Ok(Plan::Newest));
        assert_eq!(plan(&standing(&[Some(OLD); 3])), Ok(Plan::Newest), "there is no newer one here");
    }

    #[test]
    fn who_does_not_support_it_or_is_silent_is_named() {
        let (two, four) = (ReplicaId::new(2), ReplicaId::new(4));
        let refused = plan(&standing(&[Some(NEW), Some(OLD), Some(NEW), Some(OLD)])).unwrap_err();
        let lacking = vec![(two, OLD), (four, OLD)];
        assert_eq!(refused, UpgradeRefusal::Unsupported { version: RulesVersion::NEXT, lacking });
        assert!(refused.to_string().contains("replica 2 (version 1), replica 4 (version 1)"), "{refused}");
        let silent = plan(&standing(&[Some(NEW), Some(NEW), Some(NEW), None]));
        assert_eq!(silent, Err(UpgradeRefusal::Unheard { replicas: vec![four] }), "a learner counts as a voter does");
        assert!(matches!(plan(&standing(&[Some(OLD), Some(NEW), None])), Err(UpgradeRefusal::Unsupported { .. })));
        assert!(matches!(plan(&standing(&[Some(OLD), None, None])), Err(UpgradeRefusal::Unheard { .. })));
    }

    #[test]
    fn not_before_the_cluster_exists_nor_while_its_members_change() {
        let all = standing(&[Some(NEW); 3]);
        assert_eq!(plan(&Standing { open: false, ..all.clone() }), Err(UpgradeRefusal::Sealed));
        assert_eq!(plan(&Standing { settled: false, ..all }), Err(UpgradeRefusal::UnderWay));
    }

    proptest! {
        /// Whatever the members report: none of them meets a version that it does not support.
        #[test]
        fn nobody_is_left_behind(reported in prop::collection::vec(prop::option::of(prop::bool::ANY), 1..8)) {
            let reported: Vec<_> = reported.into_iter().map(|new| new.map(|new| if new { NEW } else { OLD })).collect();
            if let Ok(Plan::Raise(version)) = plan(&standing(&reported)) {
                prop_assert!(reported.iter().all(|supported| supported.is_some_and(|supported| supported.includes(version))));
            }
        }
    }
}
