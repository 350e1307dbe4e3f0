//! What a survivor holds, and how its log goes on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::RecoverError;
use crate::admission;
use crate::chain::{Chain, ChainIndex, Position};
use crate::command::{Command, Envelope, Origin};
use crate::entry::{Body, Entry, MembershipRecord};
use crate::membership::Member;
use crate::raft::VoteRecord;
use crate::state::State;
use crate::store::{Database, Identity};

/// A store with all entries of its log applied, those too that it does not know to be committed: a lost quorum may have.
pub(super) struct Held {
    pub(super) state: State,
    /// The latest membership.
    pub(super) membership: MembershipRecord,
    pub(super) last: Position,
    pub(super) uncommitted: u64,
}

/// What makes it the store of a new cluster.
pub(super) struct Begun {
    pub(super) identity: Identity,
    pub(super) vote: VoteRecord,
    /// Each with the chain before it and after it.
    pub(super) entries: Vec<(Entry, Chain, Chain)>,
    pub(super) held: Held,
}

impl Held {
    /// Reads a store whose log was verified: every entry, the chain through them, the snapshot and the audit in it.
    pub(super) fn read(database: &Database, index: &ChainIndex) -> Result<Self, RecoverError> {
        let held = Self::of(database)?;
        let log = index.last_promised().map_or(0, |last| last.index);
        if log != held.last.index {
            return Err(RecoverError::Halfway { log, state: held.last.index });
        }
        Ok(held)
    }

    pub(super) fn of(database: &Database) -> Result<Self, RecoverError> {
        let mut state = database.snapshot_state()?;
        let committed = database.committed()?.map_or(0, |(_, index)| index);
        let first = state.applied().map_or(0, |applied| applied.index.saturating_add(1));
        let mut uncommitted = 0;
        for stored in database.entries(first) {
            let stored = stored?;
            let known = Position { term: stored.entry.term, index: stored.entry.index, chain: stored.chain };
            uncommitted += u64::from(stored.entry.index > committed);
            state.apply(&stored.entry, Some(known))?;
        }
        let last = state.applied().ok_or(RecoverError::Sealed)?;
        let membership = state.membership().membership.clone();
        Ok(Self { state, membership, last, uncommitted })
    }

    /// Continues the log, in a term of its own, by two entries: the old cluster is retired and the survivor gets a Raft id, then it is
    /// the only member. `term` is the last one that the store has voted in.
    pub(super) fn begin_anew(
        mut self,
        identity: &Identity,
        cluster: [u8; 16],
        own: Member,
        term: u64,
    ) -> Result<Begun, RecoverError> {
        let term = term.max(self.last.term).saturating_add(1);
        let token = admission::new_token();
        let origin = Origin { replica: identity.id, boot: 0, sequence: 0 };
        let command = Command::Recover { retired: identity.cluster, replica: identity.name, token };
        let recover = Body::Command(Bytes::from(Envelope { origin, command }.encode()));
        let mut entries = vec![self.append(term, recover)?];
        let id = self.state.roster().highest();
        let membership = MembershipRecord { configurations: vec![BTreeSet::from([id])], members: BTreeMap::from([(id, own)]) };
        entries.push(self.append(term, Body::Membership(membership.clone()))?);
        self.membership = membership;
        let identity = Identity { cluster, name: identity.name, id, token: Some(token), enlisted: true };
        // As if it had been elected; a restart does not lead by that (safety rule R1).
        let vote = VoteRecord { term, voted_for: id, committed: true };
        Ok(Begun { identity, vote, entries, held: self })
    }

    fn append(&mut self, term: u64, body: Body) -> Result<(Entry, Chain, Chain), RecoverError> {
        let before = self.last.chain;
        let entry = Entry { term, index: self.last.index.saturating_add(1), body };
        let chain = entry.chain_after(before);
        self.state.apply(&entry, None)?;
        self.last = Position { term, index: entry.index, chain };
        Ok((entry, before, chain))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};
    use ollin_guard::{Binding, Claim, Duty, DutyKind, GuardCommand, GuardReply, Refusal, Verdict};
    use ollin_protocol::units::{ReplicaId, SigningRoot, Slot};
    use proptest::prelude::*;

    use super::*;
    use crate::command::Reply;
    use crate::fuzz::{member, membership};

    const ATTESTER: Address = Address::repeat_byte(1);
    const IDENTITY: Identity = Identity { cluster: [1; 16], name: ReplicaId::new(3), id: 3, token: None, enlisted: true };

    fn body(command: Command) -> Body {
        let origin = Origin { replica: 1, boot: 2, sequence: 3 };
        Body::Command(Bytes::from(Envelope { origin, command }.encode()))
    }

    fn claim((slot, root): (u64, u8)) -> Command {
        let duty = Duty { slot: Slot::new(slot), kind: DutyKind::Attestation, attester: ATTESTER };
        let root = SigningRoot::new(B256::repeat_byte(root));
        Command::Guard(GuardCommand::Claim(vec![Claim { duties: vec![duty], root, payload: vec![1] }]))
    }

    /// Replica 3 of three, after these claims.
    fn survivor(claims: &[(u64, u8)]) -> Held {
        let binding = Binding { chain_id: 1, rollup: Address::ZERO, attesters: [ATTESTER].into() };
        let open = GuardCommand::Open { floor: Slot::new(5) };
        let set_up = [GuardCommand::Bind(binding), open].map(|command| body(Command::Guard(command)));
        let bodies = [Body::Membership(membership(&[1, 2, 3]))].into_iter().chain(set_up);
        let mut state = State::default();
        for (index, body) in (0..).zip(bodies.chain(claims.iter().map(|one| body(claim(*one))))) {
            state.apply(&Entry { term: 2, index, body }, None).unwrap();
        }
        let (last, membership) = (state.applied().unwrap(), state.membership().membership.clone());
        Held { state, membership, last, uncommitted: 0 }
    }

    #[test]
    fn the_survivor_alone_is_a_member_under_an_id_that_was_never_used_and_the_log_goes_on() {
        let held = survivor(&[(7, 1)]);
        let (before, audit) = (held.last, held.state.audit().head());
        let Begun { identity, vote, entries, held } = held.begin_anew(&IDENTITY, [9; 16], member(3), 6).unwrap();
        assert_eq!((identity.cluster, identity.name), ([9; 16], IDENTITY.name));
        assert!(identity.id > 3 && identity.enlisted);
        assert_eq!((vote.term, vote.voted_for), (7, identity.id), "later than any term that it voted in");
        let mut chain = before.chain;
        for (index, (entry, from, to)) in (before.index + 1..).zip(&entries) {
            assert_eq!((entry.index, entry.term, *from, *to), (index, 7, chain, entry.chain_after(chain)));
            chain = *to;
        }
        let state = &held.state;
        assert_eq!(state.membership().membership.configurations, [BTreeSet::from([identity.id])]);
        assert_eq!(state.audit().head(), audit);
        for id in 1..=3 {
            let retired = state.roster().retirement(id).unwrap();
            assert!(state.lineage().ended_by(retired.index), "{id} is of the retired cluster, its own old id as well");
        }
        assert!(state.lineage().has_retired(&IDENTITY.cluster));
        assert_eq!(State::decode(&state.encode()).unwrap(), *state);
    }

    proptest! {
        /// Whatever part of it the survivor holds, and whatever the lost ones signed besides: once the slots that had begun are closed,
        /// no root is granted in them, so that none has a second one.
        #[test]
        fn nothing_that_the_lost_ones_may_have_signed_is_granted_again(
            held in prop::collection::vec((6u64..20, 1u8..4), 0..12),
            lost in prop::collection::vec((6u64..20, 1u8..4), 1..12),
        ) {
            let begun = survivor(&held).begin_anew(&IDENTITY, [9; 16], member(3), 2).unwrap();
            let (mut state, mut index) = (begun.held.state, begun.held.last.index);
            let mut apply = |command| {
                index += 1;
                state.apply(&Entry { term: 9, index, body: body(command) }, None).unwrap().unwrap().reply
            };
            apply(Command::Close { slot: Slot::new(21), settles: vec![(begun.identity.id, 77)] });
            for one in lost.into_iter().chain(held) {
                let Reply::Guard(GuardReply::Verdicts(verdicts)) = apply(claim(one)) else { panic!("a claim has verdicts") };
                prop_assert!(matches!(verdicts[..], [Verdict::Refused(Refusal::Closed { .. })]), "{verdicts:?}");
            }
        }
    }
}
