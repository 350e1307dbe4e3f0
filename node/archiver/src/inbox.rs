//! The chain of messages: what may follow what.

use alloy_primitives::FixedBytes;
use ollin_l1::MessageSent;
use ollin_protocol::message::rolling_hash;
use ollin_protocol::units::CheckpointNumber;

use crate::record::StoredMessage;

/// Messages in the tree of one checkpoint. Source: npm @aztec/constants 4.1.2, `NUMBER_OF_L1_L2_MESSAGES_PER_ROLLUP`.
pub(crate) const MESSAGES_PER_TREE: u64 = 1024;

/// Why a message cannot follow those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboxFault {
    /// Not in the tree that its event names.
    #[error("message {index} is not one of checkpoint {checkpoint}")]
    OtherTree {
        /// Place of the message.
        index: u64,
        /// Checkpoint in the event.
        checkpoint: CheckpointNumber,
    },
    /// A gap in a tree, or a step back.
    #[error("message {index} cannot follow message {previous:?}")]
    Order {
        /// Place of the message.
        index: u64,
        /// Place of the one before.
        previous: Option<u64>,
    },
    /// The running hash does not continue.
    #[error("rolling hash of message {index} is {found}, expected {expected}")]
    RollingHash {
        /// Place of the message.
        index: u64,
        /// In the event.
        found: FixedBytes<16>,
        /// Computed.
        expected: FixedBytes<16>,
    },
}

/// First place of a checkpoint's tree; none for checkpoint 0.
pub(crate) fn tree_start(checkpoint: CheckpointNumber) -> Option<u64> {
    checkpoint.previous()?.get().checked_mul(MESSAGES_PER_TREE)
}

/// The record of a message that follows `previous`.
///
/// Source: npm @aztec/archiver 4.1.2, `src/store/message_store.ts`.
pub(crate) fn follow(previous: Option<&StoredMessage>, sent: &MessageSent) -> Result<StoredMessage, InboxFault> {
    let index = sent.index;
    let other_tree = InboxFault::OtherTree { index, checkpoint: sent.checkpoint };
    let start = tree_start(sent.checkpoint).ok_or(other_tree)?;
    let position = index.checked_sub(start).filter(|position| *position < MESSAGES_PER_TREE).ok_or(other_tree)?;
    let order = InboxFault::Order { index, previous: previous.map(|message| message.index) };
    let continues = previous.is_some_and(|message| message.index.checked_add(1) == Some(index));
    let opens = position == 0 && previous.is_none_or(|message| message.index < index);
    if !continues && !opens {
        return Err(order);
    }
    let expected = rolling_hash(previous.map(|message| message.rolling_hash).unwrap_or_default(), sent.leaf);
    if expected != sent.rolling_hash {
        return Err(InboxFault::RollingHash { index, found: sent.rolling_hash, expected });
    }
    Ok(StoredMessage {
        index,
        count: previous.map_or(0, |message| message.count).saturating_add(1),
        leaf: sent.leaf,
        rolling_hash: expected,
        l1_block: sent.l1_block,
        l1_block_hash: sent.l1_block_hash,
    })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use ollin_protocol::field::Fr;
    use ollin_protocol::units::L1BlockNumber;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        events: Vec<Event>,
        rolling_hash: FixedBytes<16>,
    }

    #[derive(Deserialize)]
    struct Event {
        checkpoint: u64,
        index: u64,
        hash: Fr,
        rolling_hash: FixedBytes<16>,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../fixtures/inbox.json")).unwrap()
    }

    fn events() -> Vec<MessageSent> {
        let sent = |event: Event| MessageSent {
            checkpoint: CheckpointNumber::new(event.checkpoint),
            index: event.index,
            leaf: event.hash,
            rolling_hash: event.rolling_hash,
            l1_block: L1BlockNumber::new(1),
            l1_block_hash: B256::ZERO,
        };
        fixture().events.into_iter().map(sent).collect()
    }

    fn all(events: &[MessageSent]) -> Result<Option<StoredMessage>, InboxFault> {
        events.iter().try_fold(None, |previous, sent| follow(previous.as_ref(), sent).map(Some))
    }

    #[test]
    fn real_messages_chain_to_the_inbox_state() {
        let last = all(&events()).unwrap().unwrap();
        assert_eq!((last.count, last.rolling_hash), (3, fixture().rolling_hash));
    }

    #[test]
    fn a_missing_a_swapped_and_a_changed_message_are_refused() {
        let mut missing = events();
        missing.remove(1);
        assert!(matches!(all(&missing), Err(InboxFault::Order { index: 1026, previous: Some(1024) })));
        let mut first_missing = events();
        first_missing.remove(0);
        assert!(matches!(all(&first_missing), Err(InboxFault::Order { index: 1025, previous: None })));
        let mut swapped = events();
        swapped.swap(1, 2);
        assert!(matches!(all(&swapped), Err(InboxFault::Order { .. })));
        let mut changed = events();
        changed[2].leaf = Fr::from_u64(7);
        assert!(matches!(all(&changed), Err(InboxFault::RollingHash { index: 1026, .. })));
    }

    #[test]
    fn a_message_outside_its_tree_is_refused() {
        for (checkpoint, index) in [(0, 0), (1, 1024), (3, 1024), (2, 2048), (u64::MAX, 5)] {
            let mut sent = events().remove(0);
            (sent.checkpoint, sent.index) = (CheckpointNumber::new(checkpoint), index);
            assert!(matches!(follow(None, &sent), Err(InboxFault::OtherTree { .. })), "{checkpoint} {index}");
        }
    }

    #[test]
    fn a_new_tree_opens_at_its_first_place() {
        let last = all(&events()).unwrap().unwrap();
        let mut sent = events().remove(0);
        sent.rolling_hash = rolling_hash(last.rolling_hash, sent.leaf);
        (sent.checkpoint, sent.index) = (CheckpointNumber::new(5), 4 * 1024);
        assert_eq!(follow(Some(&last), &sent).map(|message| message.count), Ok(4));
        (sent.checkpoint, sent.index) = (CheckpointNumber::new(5), 4 * 1024 + 1);
        assert!(matches!(follow(Some(&last), &sent), Err(InboxFault::Order { .. })));
    }
}
