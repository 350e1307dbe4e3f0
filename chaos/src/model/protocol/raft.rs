//! Elections and replication, as Raft has them.

use super::{Protocol, Request};
use crate::model::cluster::Cluster;
use crate::model::log::{Command, Entry, Slot};
use crate::model::replica::{Lead, Phase, Process, Role, VOTER_COUNT};
use crate::model::rule::Rule;

impl Protocol {
    pub(super) fn campaign(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let replica = cluster.at(process);
        let free = replica.is_up() && replica.lead().is_none() && !replica.catches_up();
        if !free || replica.disk.term >= self.world.terms {
            return None;
        }
        let mut next = *cluster;
        let replica = next.at_mut(process);
        replica.disk.term += 1;
        replica.disk.vote = Some(process.voter());
        replica.disk.led = false;
        replica.phase = Phase::Up(Role::Candidate { doubt: None });
        if next.quorum() == 1 {
            return self.lead(next, process, None);
        }
        Some(next)
    }

    pub(super) fn vote(&self, cluster: &Cluster, voter: Process, candidate: Process) -> Option<Cluster> {
        let (asking, asked) = (cluster.at(candidate), cluster.at(voter));
        let Phase::Up(Role::Candidate { doubt }) = asking.phase else {
            return None;
        };
        if !asked.is_up() || !self.counts(cluster, candidate, voter, Request::Other) {
            return None;
        }
        let term = asking.disk.term;
        let same_vote = asked.disk.vote.is_none_or(|vote| vote == candidate.voter());
        let free = term > asked.disk.term || (term == asked.disk.term && same_vote && asked.lead().is_none());
        let last = asking.disk.log.last();
        let blind = self.world.witness && voter == Process::C && !self.keeps(Rule::WitnessComparesLogs);
        let long_enough = blind || last >= asked.disk.log.last();
        let holds_heard = !self.keeps(Rule::VoteOnlyForTheHeard) || last >= asked.disk.promise.awaited;
        let common = asking.disk.log.common(&asked.disk.log);
        let one_history = !self.keeps(Rule::ChainedContents) || asking.disk.log.agrees(&asked.disk.log, common);
        if !(free && long_enough && holds_heard && one_history) {
            return None;
        }
        let heard = asked.disk.promise.doubt;
        let mut next = *cluster;
        self.meet(&mut next, voter, candidate);
        let doubt = self.adopt(&mut next, candidate, doubt, heard);
        self.pass_down(&mut next, candidate, voter);
        let asked = next.at_mut(voter);
        asked.follow(term);
        asked.disk.vote = Some(candidate.voter());
        self.lead(next, candidate, doubt)
    }

    /// Hears of a doubt before it counts on who has it: on its own disk, or where that rule is dropped for its term.
    fn adopt(&self, next: &mut Cluster, process: Process, known: Option<Slot>, heard: Option<Slot>) -> Option<Slot> {
        if !self.keeps(Rule::DoubtIsAdopted) {
            return known.max(heard);
        }
        let promise = &mut next.at_mut(process).disk.promise;
        promise.doubt = promise.doubt.max(heard);
        self.settle(next, process);
        known
    }

    /// Whoever follows a doubtful one doubts too: what it takes over may rest on a vote of one that forgot.
    fn pass_down(&self, next: &mut Cluster, from: Process, to: Process) {
        if self.keeps(Rule::FollowersDoubtToo) {
            let heard = next.at(from).disk.promise.doubt;
            let promise = &mut next.at_mut(to).disk.promise;
            promise.doubt = promise.doubt.max(heard);
            self.settle(next, to);
        }
    }

    /// The candidate has its quorum.
    fn lead(&self, mut next: Cluster, process: Process, doubt: Option<Slot>) -> Option<Cluster> {
        let replica = next.at_mut(process);
        replica.disk.led = true;
        replica.phase = Phase::Up(Role::Leader(Lead { matched: [0; VOTER_COUNT], doubt }));
        self.append_own(&mut next, process, Command::Barrier)?;
        Some(next)
    }

    /// Appends an entry to the leader's own log, if the world's logs go so far.
    pub(super) fn append_own(&self, next: &mut Cluster, process: Process, command: Command) -> Option<()> {
        let late_sync = self.world.late_sync;
        let replica = next.at_mut(process);
        if replica.disk.log.len() >= self.world.entries {
            return None;
        }
        replica.disk.log.push(Entry { term: replica.disk.term, command });
        if !late_sync {
            replica.synced = replica.disk.log.len();
        }
        self.commit(next, process);
        Some(())
    }

    pub(super) fn append(&self, cluster: &Cluster, leader: Process, follower: Process) -> Option<Cluster> {
        let (sender, receiver) = (cluster.at(leader), cluster.at(follower));
        let mut lead = sender.lead()?;
        let listens = receiver.is_up() || (receiver.runs() && !self.keeps(Rule::SilentWhileAsking));
        let term = sender.disk.term;
        let rival = term == receiver.disk.term && receiver.lead().is_some();
        if !listens || term < receiver.disk.term || rival || !self.counts(cluster, leader, follower, Request::Append) {
            return None;
        }
        let log = sender.disk.log;
        let common = log.common(&receiver.disk.log);
        let one_history = !self.keeps(Rule::ChainedContents) || log.agrees(&receiver.disk.log, common);
        // Raft's own assertion, on in every build: what was applied is not cut.
        if !one_history || common < receiver.applied {
            return None;
        }
        let committed = sender.applied;
        let mut next = *cluster;
        self.meet(&mut next, leader, follower);
        let receiver = next.at_mut(follower);
        receiver.follow(term);
        receiver.disk.vote = Some(leader.voter());
        let mut matched = common;
        if let Some(entry) = log.get(common + 1) {
            receiver.disk.log.truncate(common);
            receiver.disk.log.push(entry);
            receiver.synced = receiver.synced.min(common);
            matched += 1;
        }
        if self.keeps(Rule::SyncBeforeAck) {
            receiver.synced = receiver.disk.log.len();
        }
        receiver.applied = receiver.applied.max(committed.min(matched));
        let heard = receiver.disk.promise.doubt;
        lead.matched[follower.voter().position()] = lead.matched[follower.voter().position()].max(matched);
        self.settle(&mut next, follower);
        lead.doubt = self.adopt(&mut next, leader, lead.doubt, heard);
        self.pass_down(&mut next, leader, follower);
        next.at_mut(leader).phase = Phase::Up(Role::Leader(lead));
        self.commit(&mut next, leader);
        Some(next)
    }

    pub(super) fn sync(&self, cluster: &Cluster, process: Process) -> Option<Cluster> {
        let replica = cluster.at(process);
        if replica.lead().is_none() || replica.synced == replica.disk.log.len() {
            return None;
        }
        let mut next = *cluster;
        let replica = next.at_mut(process);
        replica.synced = replica.disk.log.len();
        self.commit(&mut next, process);
        Some(next)
    }

    /// Commits and applies what a quorum holds, if it ends with an entry of the leader's own term.
    fn commit(&self, next: &mut Cluster, leader: Process) {
        let quorum = next.quorum();
        let replica = next.at_mut(leader);
        let Some(lead) = replica.lead() else {
            return;
        };
        let holds = |voter: Process, index: u8| {
            let own = voter == leader.voter();
            if own { replica.synced >= index } else { lead.matched[voter.position()] >= index }
        };
        let by_quorum = |index: &u8| Process::VOTERS.into_iter().filter(|voter| holds(*voter, *index)).count() >= quorum as usize;
        let committed = (1..=replica.disk.log.len()).rev().find(by_quorum).unwrap_or(0);
        let own_term = replica.disk.log.get(committed).is_some_and(|entry| entry.term == replica.disk.term);
        if own_term {
            replica.applied = replica.applied.max(committed);
            self.settle(next, leader);
        }
    }
}
