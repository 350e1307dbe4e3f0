//! What must be true in every state.

use super::cluster::Cluster;
use super::log::Slot;
use super::protocol::Protocol;
use super::replica::{Phase, Process};

/// Name of [`one_root`].
pub(super) const S1: &str = "S1 one root";
/// Name of [`write_ahead`].
pub(super) const S2: &str = "S2 write-ahead";
/// Name of [`no_forgetting`].
pub(super) const S3: &str = "S3 no forgetting";

/// Whether the property of this name holds in a state.
pub(super) fn holds(name: &'static str, protocol: &Protocol, cluster: &Cluster) -> bool {
    match name {
        S1 => one_root(cluster),
        S2 => write_ahead(cluster),
        _ => no_forgetting(protocol, cluster),
    }
}

/// S1: at most one root leaves for one duty.
pub(super) fn one_root(cluster: &Cluster) -> bool {
    cluster.released.iter().all(|released| !(released.x && released.y))
}

/// S2: whatever left had been applied by the process that it left.
pub(super) fn write_ahead(cluster: &Cluster) -> bool {
    !cluster.unapplied_left
}

/// S3: the leader of the highest term, once it may grant, binds what has left, or the slot is closed.
///
/// Only where another voter stands with it that has no doubt: without one it can commit nothing, and with a doubtful one it
/// hears of the doubt before it does.
pub(super) fn no_forgetting(protocol: &Protocol, cluster: &Cluster) -> bool {
    let living = || Process::ALL.into_iter().filter(|process| !matches!(cluster.at(*process).phase, Phase::Gone));
    let highest = living().map(|process| cluster.at(process).disk.term).max();
    let leaders = living().filter(|process| Some(cluster.at(*process).disk.term) == highest);
    let standing = |leader: Process| {
        let sure = |process: &Process| cluster.at(*process).is_up() && cluster.at(*process).disk.promise.doubt.is_none();
        cluster.quorum() == 1 || living().filter(sure).any(|process| process.voter() != leader.voter())
    };
    let able = leaders.filter(|process| protocol.may_grant(cluster, *process) && standing(*process));
    able.into_iter().all(|leader| remembers(cluster, leader))
}

fn remembers(cluster: &Cluster, leader: Process) -> bool {
    let applied = cluster.applied(leader);
    let slots = Slot::FIRST.next().into_iter().flat_map(Slot::up_to);
    slots.filter(|slot| applied.closed < Some(*slot)).all(|slot| {
        let left = cluster.released[slot.position()].only();
        left.is_none() || applied.bound(slot) == left
    })
}

/// The model is not empty: a claim is granted.
pub(super) fn something_is_signed(cluster: &Cluster) -> bool {
    cluster.released.iter().any(|released| released.only().is_some())
}
