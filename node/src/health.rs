//! Whether a cluster is well, judged from one replica's status.

use ollin_rpc::view::{ClusterStatus, DutyState, RoleWord};

/// How a cluster is, with the reasons if it is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// A leader acts and nothing asks for attention.
    Healthy,
    /// It works, and something should be looked at.
    Degraded(Vec<String>),
    /// Nothing can be signed as far as this replica knows.
    NoQuorum(String),
}

impl Health {
    /// Judges a status. What a replica does not know counts for nothing: only a leader hears from all members.
    pub(crate) fn of(status: &ClusterStatus) -> Self {
        // A halted replica may hold no log, and then does not know whether there is a cluster.
        if status.phase == "sealed" && status.halted.is_none() {
            return Self::Degraded(vec!["the cluster is not created yet".to_owned()]);
        }
        if status.leader.is_none() && status.halted.is_none() {
            return Self::NoQuorum("no leader is known".to_owned());
        }
        if status.replica.role == RoleWord::Leader && status.replica.duty_state == DutyState::Standby {
            return Self::NoQuorum("this replica leads and no quorum answers it".to_owned());
        }
        let halted = status.halted.iter().map(|reason| format!("this replica is halted: {reason}"));
        let silent = status.members.iter().filter(|member| member.reachable == Some(false));
        let silent = silent.map(|member| {
            // While a replica is healed its old id is a member too, and will never answer again.
            let is_double = status.members.iter().filter(|other| other.id == member.id).count() > 1;
            let id = if is_double { format!(" under Raft id {}", member.raft_id) } else { String::new() };
            format!("replica {} does not answer{id}", member.id)
        });
        let warnings = status.warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.message));
        let reasons: Vec<_> = halted.chain(silent).chain(warnings).collect();
        if reasons.is_empty() { Self::Healthy } else { Self::Degraded(reasons) }
    }

    /// Exit code of `ollin status`: 0 healthy, 1 degraded, 2 no quorum.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Degraded(_) => 1,
            Self::NoQuorum(_) => 2,
        }
    }

    /// The word for a person and, in ANSI's numbers, its colour.
    pub(crate) fn word(&self) -> (&'static str, u8) {
        match self {
            Self::Healthy => ("healthy", 32),
            Self::Degraded(_) => ("degraded", 33),
            Self::NoQuorum(_) => ("no quorum", 31),
        }
    }

    /// Why it is not healthy.
    pub(crate) fn reasons(&self) -> &[String] {
        match self {
            Self::Healthy => &[],
            Self::Degraded(reasons) => reasons,
            Self::NoQuorum(reason) => std::slice::from_ref(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use ollin_protocol::units::ReplicaId;
    use ollin_rpc::view::{Member, Warning};

    use super::*;

    fn well() -> ClusterStatus {
        let member = |id| Member {
            id: ReplicaId::new(id),
            raft_id: id,
            address: None,
            voter: true,
            witness: false,
            reachable: Some(true),
            rules: None,
            lag: Some(0),
        };
        let mut status = ClusterStatus {
            phase: "open".to_owned(),
            leader: Some(ReplicaId::new(1)),
            members: (1..=3).map(member).collect(),
            ..ClusterStatus::default()
        };
        status.replica.role = RoleWord::Leader;
        status.replica.duty_state = DutyState::Active;
        status
    }

    #[test]
    fn an_acting_leader_with_all_members_is_healthy() {
        assert_eq!(Health::of(&well()), Health::Healthy);
        assert_eq!(Health::of(&well()).exit_code(), 0);
    }

    #[test]
    fn a_silent_member_or_a_warning_is_degraded_and_named() {
        let mut status = well();
        status.members[2].reachable = Some(false);
        status.warnings.push(Warning { code: "clock_skew".to_owned(), message: "20 s apart".to_owned() });
        let health = Health::of(&status);
        assert_eq!(health.reasons(), ["replica 3 does not answer", "clock_skew: 20 s apart"]);
        assert_eq!(health.exit_code(), 1);
    }

    #[test]
    fn without_a_leader_or_a_lease_there_is_no_quorum() {
        assert_eq!(Health::of(&ClusterStatus { leader: None, ..well() }).exit_code(), 2);
        let mut alone = well();
        alone.replica.duty_state = DutyState::Standby;
        assert_eq!(Health::of(&alone).exit_code(), 2);
    }

    #[test]
    fn a_halted_replica_says_why_whatever_else_it_does_not_know() {
        let halted = Some("its store is empty".to_owned());
        let status = ClusterStatus { phase: "sealed".to_owned(), leader: None, halted, members: Vec::new(), ..well() };
        assert_eq!(Health::of(&status).reasons(), ["this replica is halted: its store is empty"]);
    }

    #[test]
    fn a_cluster_that_was_not_created_is_degraded() {
        assert_eq!(Health::of(&ClusterStatus { phase: "sealed".to_owned(), leader: None, ..well() }).exit_code(), 1);
    }
}
