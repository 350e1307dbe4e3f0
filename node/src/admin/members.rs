//! Changes of the membership, from the admin port to the log.

use ollin_consensus::{MemberChanged, MemberError, MemberKind, MemberOrder, SigningLog};
use ollin_rpc::{MemberChange, MemberChangeRefused, MembersChanged};

/// Has the log make a change; it passes the order on to the leader.
pub(super) async fn change(log: &SigningLog, change: MemberChange) -> Result<MembersChanged, MemberChangeRefused> {
    let MemberChanged { replica, raft_id, index, voters, warnings } =
        log.change_members(order(change)?).await.map_err(|error| refused(code(&error), error.to_string()))?;
    Ok(MembersChanged { replica, raft_id, index, voters, warnings })
}

fn order(change: MemberChange) -> Result<MemberOrder, MemberChangeRefused> {
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

fn refused(code: &str, message: String) -> MemberChangeRefused {
    MemberChangeRefused { code: code.to_owned(), message }
}
