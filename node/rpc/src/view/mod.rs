//! What is served, as types: the binary fills them, the servers and `ollin status` read them.

mod admin_config;
mod cluster_status;
mod decimal;
mod duties;
mod l2_tips;
mod leadership;
mod node_description;

pub use admin_config::AdminConfig;
pub use cluster_status::{
    ClusterStatus, DutyState, DutyWord, FrozenAttester, L1Endpoint, L1Section, LeaderChange, LogPosition, Member, P2pSection,
    PublisherBalance, RECENT_SLOTS, ReleasedSlot, ReplicaSection, RoleWord, RulesSection, Warning,
};
pub use duties::{
    AttesterMoved, AttesterStanding, AuditPosition, DutiesImported, DutyList, ListedDuty, MissReason, MissedDuties, MissedDuty,
};
pub use l2_tips::{BlockRef, CheckpointRef, CheckpointTip, L2Tips};
pub use leadership::{FitnessWord, LeadershipSection, ReplicaFitness, TimersSection};
pub use node_description::{L1ContractAddresses, NodeInfo, ProtocolContractAddresses, VersionHeaders};
