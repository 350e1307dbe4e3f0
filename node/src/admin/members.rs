//! Changes of the membership, from the admin port to the log. A leader that is to leave hands over first.

use std::time::{Duration, Instant};

use ollin_consensus::{Answer, Ask, MemberChanged, MemberError, MemberKind, MemberOrder, MemberRefusal, SigningLog};
use ollin_protocol::units::ReplicaId;
use ollin_rpc::{CommandRefused, MemberChange, MembersChanged};

use crate::lead::LeadershipHandle;

/// How often leadership is handed over for one order. It comes back only if the successor fails at once.
const HAND_OVERS: u32 = 3;
/// How long a successor may take to carry out the order that it takes over.
const SUCCESSION: Duration = Duration::from_secs(30);
/// Pause between two tries at a successor.
const EVERY: Duration = Duration::from_millis(200);

/// What follows from an answer of the log.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The leader is to leave: it hands over, and the order goes to its successor.
    HandOver,
    /// The order is given again; that is safe, whatever came of it before.
    Again,
    /// That is the answer.
    Answer,
}

/// Has the log make a change; it passes the order on to the leader. If the change takes the leader's own vote, leadership is handed
/// over first, at its moment in the slot, and the successor makes the change.
pub(super) async fn change(
    log: &SigningLog,
    leadership: &LeadershipHandle,
    change: MemberChange,
) -> Result<MembersChanged, CommandRefused> {
    let order = order(change)?;
    let mut deadline = Instant::now();
    let mut hand_overs = 0;
    let mut handed_over_to = None;
    loop {
        let error = match log.change_members(order.clone()).await {
            Ok(MemberChanged { replica, raft_id, index, voters, already, warnings }) => {
                // Whoever carried out the order before its answer was lost has carried it out for this caller.
                let already = already && hand_overs == 0;
                return Ok(MembersChanged { replica, raft_id, index, voters, already, handed_over_to, warnings });
            }
            Err(error) => error,
        };
        match next(&order, &error, hand_overs, Instant::now() < deadline) {
            Next::HandOver => {
                handed_over_to = hand_over(leadership, &error).await?.or(handed_over_to);
                hand_overs += 1;
                deadline = Instant::now() + SUCCESSION;
            }
            Next::Again => tokio::time::sleep(EVERY).await,
            Next::Answer => return Err(answer(log, &error, handed_over_to)),
        }
    }
}

fn next(order: &MemberOrder, error: &MemberError, hand_overs: u32, in_time: bool) -> Next {
    match error {
        MemberError::Refused(MemberRefusal::Leads { replica })
            if order.leaving() == Some(*replica) && hand_overs < HAND_OVERS =>
        {
            Next::HandOver
        }
        // A successor that has just begun to lead has not heard from everybody yet.
        MemberError::NotLeader { .. }
        | MemberError::Unknown { .. }
        | MemberError::Refused(MemberRefusal::UnderWay | MemberRefusal::Lags { .. } | MemberRefusal::QuorumLost { .. })
            if hand_overs > 0 && in_time =>
        {
            Next::Again
        }
        MemberError::NotLeader { .. } | MemberError::Unknown { .. } | MemberError::Refused(_) | MemberError::Halted { .. } => {
            Next::Answer
        }
    }
}

/// Returns who leads, if that is known. An election instead of the hand-over is none of the order's business: another one leads, or the
/// same one, which hands over again.
async fn hand_over(leadership: &LeadershipHandle, error: &MemberError) -> Result<Option<ReplicaId>, CommandRefused> {
    match leadership.order(None, Ask::Transfer { to: None }).await {
        Answer::Done { leader, .. } => Ok(leader),
        Answer::Refused { code, .. } if ["not_taken", "not_leader", "no_leader"].contains(&code.as_str()) => Ok(None),
        Answer::Refused { code, message } => {
            let message = format!("nothing was changed. {error}; handing over was refused ({code}): {message}");
            Err(refused("leads", message))
        }
    }
}

/// The refusal in words, with what was done all the same.
fn answer(log: &SigningLog, error: &MemberError, handed_over_to: Option<ReplicaId>) -> CommandRefused {
    // A replica that is taken out may hear of it before it hears the answer.
    let halted = log.view().halted.filter(|_| matches!(error, MemberError::NotLeader { .. } | MemberError::Unknown { .. }));
    let (code, what) = halted.map_or_else(|| (code(error), error.to_string()), |halted| ("halted", halted));
    let done = handed_over_to.map_or_else(String::new, |to| format!("leadership was handed over to replica {to}, and then: "));
    refused(code, format!("{done}{what}"))
}

fn order(change: MemberChange) -> Result<MemberOrder, CommandRefused> {
    Ok(match change {
        MemberChange::Add { replica, address, fingerprint: text, witness } => {
            let mut fingerprint = [0; 32];
            hex::decode_to_slice(&text, &mut fingerprint)
                .map_err(|_| refused("order", format!("the fingerprint is {text:?}, expected 64 hexadecimal digits")))?;
            let kind = if witness { MemberKind::Witness } else { MemberKind::Full };
            MemberOrder::Add { replica, address, fingerprint, kind }
        }
        MemberChange::Renew { replica } => MemberOrder::Renew { replica },
        MemberChange::Promote { replica } => MemberOrder::Promote { replica },
        MemberChange::Demote { replica } => MemberOrder::Demote { replica },
        MemberChange::Remove { replica } => MemberOrder::Remove { replica },
        MemberChange::Replace { old, new } => MemberOrder::Replace { old, new },
    })
}

fn code(error: &MemberError) -> &'static str {
    match error {
        MemberError::NotLeader { .. } => "not_leader",
        MemberError::Unknown { .. } => "unknown",
        MemberError::Refused(refusal) => refusal.code(),
        MemberError::Halted { .. } => "halted",
    }
}

fn refused(code: &str, message: String) -> CommandRefused {
    CommandRefused { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ReplicaId = ReplicaId::new(1);
    const FOUR: ReplicaId = ReplicaId::new(4);

    fn leads(replica: ReplicaId) -> MemberError {
        MemberError::Refused(MemberRefusal::Leads { replica })
    }

    #[test]
    fn only_a_leader_that_is_to_leave_hands_over_and_not_for_ever() {
        let leaving = [
            MemberOrder::Demote { replica: ONE },
            MemberOrder::Remove { replica: ONE },
            MemberOrder::Replace { old: ONE, new: FOUR },
        ];
        for order in &leaving {
            for done in 0..HAND_OVERS {
                assert_eq!(next(order, &leads(ONE), done, false), Next::HandOver, "{order:?}");
            }
            assert_eq!(next(order, &leads(ONE), HAND_OVERS, true), Next::Answer, "{order:?}");
        }
        // A leader has no store to be healed.
        assert_eq!(next(&MemberOrder::Renew { replica: ONE }, &leads(ONE), 0, true), Next::Answer);
    }

    #[test]
    fn what_passes_by_itself_is_waited_for_after_a_hand_over_only_and_in_bounded_time() {
        let order = MemberOrder::Remove { replica: ONE };
        let passing = [
            MemberError::NotLeader { leader: None },
            MemberError::Unknown { waited_ms: 1 },
            MemberError::Refused(MemberRefusal::UnderWay),
            MemberError::Refused(MemberRefusal::Lags { replica: FOUR, behind: None, limit: 64 }),
            MemberError::Refused(MemberRefusal::QuorumLost { voters: vec![], present: vec![], needed: 2 }),
        ];
        for error in &passing {
            assert_eq!(next(&order, error, 1, true), Next::Again, "{error}");
            assert_eq!(next(&order, error, 1, false), Next::Answer, "{error}");
            assert_eq!(next(&order, error, 0, true), Next::Answer, "{error}");
        }
        let lasting = [
            MemberError::Refused(MemberRefusal::LastVoter { replica: ONE }),
            MemberError::Refused(MemberRefusal::Sealed),
            MemberError::Halted { reason: "disk".to_owned() },
        ];
        for error in &lasting {
            assert_eq!(next(&order, error, 1, true), Next::Answer, "{error}");
        }
    }
}
