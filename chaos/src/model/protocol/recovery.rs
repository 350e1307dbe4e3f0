//! What a started process does before it takes part: the roll call (R6) and what it leads to (R7).

use super::{Protocol, Request};
use crate::model::cluster::Cluster;
use crate::model::log::LogId;
use crate::model::replica::{Lead, Phase, Process, Promise, Replica, Role, RollCall, VOTER_COUNT, Voters};
use crate::model::rule::Rule;

impl Protocol {
    /// A process that starts. An anchor that agrees with the disk proves that nothing was forgotten.
    pub(super) fn start(&self, replica: &mut Replica, anchored: bool) {
        if self.keeps(Rule::RollCall) && !anchored {
            replica.phase = Phase::Asking(RollCall::default());
            return;
        }
        if !self.keeps(Rule::PromiseIsKept) {
            replica.disk.promise = Promise::default();
        }
        self.take_part(replica);
    }

    /// Follows; or, where R1 is dropped, leads on if the disk says so.
    fn take_part(&self, replica: &mut Replica) {
        let resumes = !self.keeps(Rule::NoLeaderByMemory) && replica.disk.led;
        let lead = Lead { matched: [0; VOTER_COUNT], doubt: None };
        replica.phase = Phase::Up(if resumes { Role::Leader(lead) } else { Role::Follower });
    }

    pub(super) fn ask(&self, cluster: &Cluster, asker: Process, answerer: Process) -> Option<Cluster> {
        let Phase::Asking(call) = cluster.at(asker).phase else {
            return None;
        };
        let answering = cluster.at(answerer);
        let counts = answering.runs() && self.counts(cluster, asker, answerer, Request::Other);
        if call.heard.has(answerer) || !counts {
            return None;
        }
        let mut heard = call.heard;
        heard.add(answerer);
        let call = RollCall {
            heard,
            term: call.term.max(answering.disk.term),
            last: call.last.max(answering.disk.log.last()),
            doubt: call.doubt || self.may_have_forgotten(answering),
        };
        let mut next = *cluster;
        self.meet(&mut next, asker, answerer);
        self.hear(&mut next, asker, call);
        Some(next)
    }

    fn may_have_forgotten(&self, replica: &Replica) -> bool {
        let asking = matches!(replica.phase, Phase::Asking(_));
        let doubts = self.keeps(Rule::DoubtPassesOn) && replica.disk.promise.doubt.is_some();
        let catches_up = self.keeps(Rule::CatchingUpIsDoubt) && replica.catches_up();
        asking || doubts || catches_up
    }

    pub(super) fn proceed_without(&self, cluster: &Cluster, asker: Process, missing: Process) -> Option<Cluster> {
        let Phase::Asking(call) = cluster.at(asker).phase else {
            return None;
        };
        // Something was heard, and only this answer lacks.
        if call.heard.count() != 1 || call.heard.has(missing) {
            return None;
        }
        let mut next = *cluster;
        let doubt = call.doubt || self.keeps(Rule::ProceedIsDoubt);
        self.end(&mut next, asker, RollCall { doubt, ..call });
        Some(next)
    }

    fn hear(&self, next: &mut Cluster, asker: Process, call: RollCall) {
        let needed = if self.keeps(Rule::AskAllOthers) { 2 } else { 1 };
        if call.heard.count() >= needed {
            self.end(next, asker, call);
        } else {
            next.at_mut(asker).phase = Phase::Asking(call);
        }
    }

    /// The roll call is over: the replica takes part, and owes what it has heard.
    fn end(&self, next: &mut Cluster, asker: Process, call: RollCall) {
        let now = next.now;
        let replica = next.at_mut(asker);
        if self.keeps(Rule::NoVoteInTermHeard) {
            replica.disk.term = replica.disk.term.max(call.term);
            // A vote for itself, without a candidacy: nobody else gets it.
            replica.disk.vote = Some(asker.voter());
            replica.disk.led = false;
        }
        let promise = &mut replica.disk.promise;
        promise.awaited = promise.awaited.max(call.last);
        if call.doubt && self.keeps(Rule::CloseOnDoubt) {
            promise.doubt = promise.doubt.max(Some(now));
        }
        self.take_part(replica);
        self.settle(next, asker);
    }

    /// Forgets what is no longer owed: the log has caught up, the doubtful slot is closed.
    pub(super) fn settle(&self, next: &mut Cluster, process: Process) {
        let applied = next.applied(process);
        let replica = next.at_mut(process);
        if !replica.catches_up() {
            replica.disk.promise.awaited = LogId::default();
        }
        if applied.closed >= replica.disk.promise.doubt {
            replica.disk.promise.doubt = None;
        }
    }

    pub(super) fn recover(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let lost = matches!(cluster.at(process).phase, Phase::Gone);
        if !self.world.recover || cluster.survivor.is_some() || lost {
            return None;
        }
        let mut next = *cluster;
        for other in Process::ALL.into_iter().filter(|other| *other != process) {
            next.at_mut(other).phase = Phase::Gone;
        }
        next.survivor = Some(process);
        next.heard_of_copy = Voters::default();
        let now = next.now;
        let replica = next.at_mut(process);
        let mut disk = replica.on_disk();
        disk.promise.awaited = LogId::default();
        if self.keeps(Rule::RecoverCloses) {
            disk.promise.doubt = Some(now);
        }
        *replica = Replica::follower(disk);
        Some(next)
    }
}
