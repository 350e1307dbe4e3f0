//! Hostile frames. A peer that holds a member's certificate may send what it likes; nobody else's bytes come this far.

use bytes::Bytes;
use ollin_fuzz::Fuzz;
use ollin_protocol::units::ReplicaId;

use super::frame::{Appended, Frame, Refused, Request, Response, TransferRefused, VoteAsked};
use super::plausible;
use super::server::announced;
use crate::admission::{Standing, Testimony};
use crate::chain::{Chain, Position};
use crate::entry::Entry;
use crate::fitness::Report;
use crate::fuzz::{check_sealed, log, members, state_after, stored_membership};
use crate::leadership::{Answer, Ask};
use crate::membership::{EnlistRefusal, EnlistToken, MemberChanged, MemberKind, MemberOrder, MemberRefusal};
use crate::raft::VoteRecord;
use crate::recovery::{Memory, Promise, Seen};
use crate::rules::{RulesVersion, Supported, UpgradeRefusal};
use crate::sealed;

const VOTE: VoteRecord = VoteRecord { term: 3, voted_for: 2, committed: true };

fn position() -> Position {
    Position { term: 3, index: 9, chain: Chain::from_bytes([8; 32]) }
}

fn frame<B>(body: B) -> Frame<B> {
    Frame {
        cluster: [7; 16],
        from: 1,
        to: 2,
        boot: u64::MAX,
        last: Some(position()),
        memory: Memory::Doubtful,
        demands: vec![(1, 11)],
        promise: Promise { vote: Some(VOTE), last: Some(position()) },
        body,
    }
}

fn requests() -> Vec<Request> {
    let log = log();
    let asked = || VoteAsked { vote: VOTE, last: Some((3, 9)), transfer: true };
    let add = MemberOrder::Add {
        replica: ReplicaId::new(4),
        address: "127.0.0.1:4".to_owned(),
        fingerprint: [4; 32],
        kind: MemberKind::Witness,
    };
    vec![
        Request::Hello,
        Request::Append {
            vote: VOTE,
            prev: Some((1, 0)),
            prev_chain: Some(Chain::from_bytes([2; 32])),
            entries: log[1..].to_vec(),
            commit: Some((1, 3)),
        },
        Request::Vote(asked()),
        Request::PreVote(asked()),
        Request::Snapshot { vote: VOTE, state: Bytes::from(state_after(&log).encode()) },
        Request::TransferLeader { vote: VOTE, to: 3, last: Some((3, 9)) },
        Request::Yield,
        Request::Report(Report { l1_head: Some(5), hand_overs_ms: vec![1, 2], ..Report::default() }),
        Request::Ask(Ask::Transfer { to: Some(ReplicaId::new(2)) }),
        Request::Found,
        Request::Enlist { token: EnlistToken::new([5; 16]), rules: Supported::BUILD },
        Request::Upgrade,
        Request::Members(add),
        Request::Members(MemberOrder::Replace { old: ReplicaId::new(1), new: ReplicaId::new(4) }),
        Request::RollCall,
    ]
}

fn responses() -> Vec<Response> {
    let changed = MemberChanged {
        replica: ReplicaId::new(4),
        raft_id: 57,
        index: 60,
        voters: vec![ReplicaId::new(1)],
        already: false,
        warnings: vec![],
    };
    vec![
        Response::Hello,
        Response::Append(Appended::PartialSuccess(Some((1, 2)))),
        Response::Append(Appended::HigherVote(VOTE)),
        Response::Vote { vote: VOTE, granted: true, last: Some((3, 9)) },
        Response::Snapshot { vote: VOTE },
        Response::TransferLeader(Err(TransferRefused::LogNotFlushed { expected: Some((1, 2)), actual: None })),
        Response::Refused(Refused::Duplicate { replica: 1, address: "127.0.0.1:1".to_owned() }),
        Response::Refused(Refused::Retired { id: 1, index: 5, later: Some(7) }),
        Response::Refused(Refused::Halted { reason: "rolled back".to_owned(), has_id: true }),
        Response::Refused(Refused::RetiredCluster { by: [9; 16] }),
        Response::Report(Report::default()),
        Response::Answer(Answer::Refused { code: "no".to_owned(), message: "because".to_owned() }),
        Response::Enlist(Err(EnlistRefusal::NotReserved { id: 9 })),
        Response::Upgrade(Err(UpgradeRefusal::Unsupported {
            version: RulesVersion::NEXT,
            lacking: vec![(ReplicaId::new(2), Supported::RELEASED)],
        })),
        Response::Members(Ok(changed)),
        Response::Members(Err(MemberRefusal::Leads { replica: ReplicaId::new(1) })),
        Response::RollCall(Seen {
            memory: Memory::Whole,
            promise: Promise { vote: Some(VOTE), last: Some(position()) },
            heard_of_you: None,
            membership: stored_membership(),
        }),
    ]
}

#[test]
fn requests_that_are_accepted_are_read_as_they_are_written_and_nothing_in_them_panics() {
    Fuzz::new("request").seeds(requests().into_iter().map(|request| frame(request).encode().to_vec())).run(|bytes| {
        let Ok(frame) = Frame::<Request>::decode(bytes) else { return };
        let written = frame.encode();
        assert_eq!(Frame::<Request>::decode(&written).unwrap().encode(), written);
        let plausible = plausible::request(&frame).is_ok();
        if let Request::Append { vote, prev, entries, .. } = frame.body {
            let _ = vote.into_raft();
            let first = prev.map_or(0, |(_, index)| index.saturating_add(1));
            let follow = (first..).zip(&entries).all(|(index, entry)| entry.index == index && entry.term <= vote.term);
            assert!(!plausible || follow);
            for entry in entries {
                let chain = entry.chain_after(Chain::default());
                let Ok(raft) = entry.into_raft() else { continue };
                assert_eq!(Entry::from(&raft).chain_after(Chain::default()), chain);
            }
        } else if let Request::Snapshot { state, .. } = frame.body {
            drop(announced(state));
        }
    });
}

#[test]
fn answers_that_are_accepted_are_read_as_they_are_written() {
    Fuzz::new("response").seeds(responses().into_iter().map(|response| frame(response).encode().to_vec())).run(|bytes| {
        let Ok(frame) = Frame::<Response>::decode(bytes) else { return };
        let written = frame.encode();
        assert_eq!(Frame::<Response>::decode(&written).unwrap().encode(), written);
        let _ = plausible::response(&frame);
        if let Response::Refused(refused) = &frame.body {
            assert!(!refused.to_string().is_empty());
        }
        if let Response::RollCall(seen) = frame.body {
            let _ = seen.membership.into_raft();
        }
    });
}

#[test]
fn testimonies_that_are_accepted_are_read_as_they_are_written() {
    let standings = [Standing::Stranger, Standing::Member { id: 1, open: true }, Standing::Retired { id: 2, index: 9 }];
    let seeds = standings.map(|standing| {
        sealed::to_bytes(&Testimony { cluster: [7; 16], has_log: true, standing, members: members(), set_by: Some((1, 1)) })
    });
    Fuzz::new("testimony").seeds(seeds).run(check_sealed::<Testimony>);
}
