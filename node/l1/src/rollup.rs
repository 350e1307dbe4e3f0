//! What an archiver reads of the rollup and its inbox, pinned to one L1 block.

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, FixedBytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log, TransactionTrait};
use alloy::sol_types::SolEvent;
use ollin_protocol::field::Fr;
use ollin_protocol::units::{CheckpointNumber, Epoch, L1BlockNumber};

use crate::client::{L1, answer};
use crate::contract::{IEscapeHatch, IInbox, IRollup};
use crate::discovery::{field, small};
use crate::error::L1Error;

/// A block of L1, by number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Block {
    /// Height.
    pub number: L1BlockNumber,
    /// Hash.
    pub hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
}

/// The rollup's tips, and its view of one of our checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupStatus {
    /// Last proven checkpoint.
    pub proven: CheckpointNumber,
    /// Archive root after it.
    pub proven_archive: Fr,
    /// Last checkpoint of the pending chain, whether or not a prune is due.
    pub pending: CheckpointNumber,
    /// Archive root after it.
    pub pending_archive: Fr,
    /// Archive root after the checkpoint that was asked about; zero above the pending tip.
    pub archive_of_asked: Fr,
}

/// A checkpoint was proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointProposed {
    /// Its number. Numbers are reused after a prune or an invalidation.
    pub checkpoint: CheckpointNumber,
    /// Archive root after it.
    pub archive: Fr,
    /// Versioned hashes of its blobs, in order.
    pub versioned_blob_hashes: Vec<B256>,
    /// keccak256 of the attested payload, without the EIP-191 prefix.
    pub payload_digest: B256,
    /// keccak256 of the packed attestations.
    pub attestations_hash: B256,
    /// The L1 block.
    pub l1_block: L1BlockNumber,
    /// Its hash.
    pub l1_block_hash: B256,
    /// The transaction.
    pub transaction: B256,
}

/// An L1-to-L2 message entered the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSent {
    /// The checkpoint that will take it.
    pub checkpoint: CheckpointNumber,
    /// Its place over all checkpoints: (checkpoint - 1) * 1024 + position.
    pub index: u64,
    /// Its hash: the leaf.
    pub leaf: Fr,
    /// Running hash over all messages up to this one.
    pub rolling_hash: FixedBytes<16>,
    /// The L1 block.
    pub l1_block: L1BlockNumber,
    /// Its hash.
    pub l1_block_hash: B256,
}

/// The inbox as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxState {
    /// Running hash over all messages.
    pub rolling_hash: FixedBytes<16>,
    /// How many messages there are.
    pub total: u64,
    /// The checkpoint whose tree is being filled: every tree below it is sealed.
    pub in_progress: CheckpointNumber,
}

/// A transaction as far as its call matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Transaction {
    /// Whom it calls; `None` creates a contract.
    pub to: Option<Address>,
    /// Call data.
    pub input: Bytes,
}

impl CheckpointProposed {
    /// Reads the event from a log.
    ///
    /// # Errors
    /// [`L1Error::Malformed`] if the log is another event, is not in a block yet, or holds what no rollup emits.
    pub(crate) fn read(log: &Log) -> Result<Self, L1Error> {
        const CALL: &str = "CheckpointProposed";
        let event = decode::<IRollup::CheckpointProposed>(CALL, log)?;
        let place = Place::of(CALL, log)?;
        Ok(Self {
            checkpoint: CheckpointNumber::new(small(CALL, event.checkpointNumber)?),
            archive: field(CALL, event.archive)?,
            versioned_blob_hashes: event.versionedBlobHashes,
            payload_digest: event.payloadDigest,
            attestations_hash: event.attestationsHash,
            l1_block: place.block,
            l1_block_hash: place.block_hash,
            transaction: place.transaction,
        })
    }
}

impl MessageSent {
    pub(crate) fn read(log: &Log) -> Result<Self, L1Error> {
        const CALL: &str = "MessageSent";
        let event = decode::<IInbox::MessageSent>(CALL, log)?;
        let place = Place::of(CALL, log)?;
        Ok(Self {
            checkpoint: CheckpointNumber::new(small(CALL, event.checkpointNumber)?),
            index: small(CALL, event.index)?,
            leaf: field(CALL, event.hash)?,
            rolling_hash: event.rollingHash,
            l1_block: place.block,
            l1_block_hash: place.block_hash,
        })
    }
}

/// Where a log stands.
struct Place {
    block: L1BlockNumber,
    block_hash: B256,
    transaction: B256,
}

impl Place {
    fn of(call: &'static str, log: &Log) -> Result<Self, L1Error> {
        match (log.block_number, log.block_hash, log.transaction_hash) {
            (Some(block), Some(block_hash), Some(transaction)) if !log.removed => {
                Ok(Self { block: L1BlockNumber::new(block), block_hash, transaction })
            }
            _ => Err(L1Error::Malformed { call, reason: "a log that is in no block".to_owned() }),
        }
    }
}

fn decode<E: SolEvent>(call: &'static str, log: &Log) -> Result<E, L1Error> {
    E::decode_log_validate(&log.inner).map(|log| log.data).map_err(|error| L1Error::Malformed { call, reason: error.to_string() })
}

fn at(block: B256) -> BlockId {
    BlockId::hash(block)
}

impl L1 {
    /// A block by number, or `None` if L1 has not come that far.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn block_at(&self, number: L1BlockNumber) -> Result<Option<L1Block>, L1Error> {
        self.l1_block(BlockNumberOrTag::Number(number.get()).into()).await
    }

    /// The first block up to `head` whose time is at least `timestamp`; `head` if there is none before it.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn first_block_from(&self, timestamp: u64, head: L1BlockNumber) -> Result<L1BlockNumber, L1Error> {
        let (mut low, mut high) = (self.constants().l1_start_block, head);
        while low < high {
            let middle = L1BlockNumber::new(low.get() + (high.get() - low.get()) / 2);
            match self.block_at(middle).await? {
                Some(block) if block.timestamp < timestamp => low = middle.saturating_add(1),
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    pub(crate) async fn l1_block(&self, id: BlockId) -> Result<Option<L1Block>, L1Error> {
        let block = self.block(id).await?;
        Ok(block.map(|block| L1Block {
            number: L1BlockNumber::new(block.header.number),
            hash: block.header.hash,
            timestamp: block.header.timestamp,
        }))
    }

    /// The rollup's tips at the L1 block of that hash, and its archive root after checkpoint `asked`.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn rollup_status(&self, block: B256, asked: CheckpointNumber) -> Result<RollupStatus, L1Error> {
        const CALL: &str = "Rollup.status";
        let call = IRollup::statusCall { myCheckpoint: U256::from(asked.get()) };
        let status = self.inner.reader.call_at(CALL, self.contracts().rollup, call, at(block)).await?;
        Ok(RollupStatus {
            proven: CheckpointNumber::new(small(CALL, status.provenCheckpointNumber)?),
            proven_archive: field(CALL, status.provenArchive)?,
            pending: CheckpointNumber::new(small(CALL, status.pendingCheckpointNumber)?),
            pending_archive: field(CALL, status.pendingArchive)?,
            archive_of_asked: field(CALL, status.archiveOfMyCheckpoint)?,
        })
    }

    /// Archive root after a checkpoint, at the L1 block of that hash; zero above the pending tip.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn archive_at(&self, block: B256, checkpoint: CheckpointNumber) -> Result<Fr, L1Error> {
        const CALL: &str = "Rollup.archiveAt";
        let call = IRollup::archiveAtCall { checkpointNumber: U256::from(checkpoint.get()) };
        field(CALL, self.inner.reader.call_at(CALL, self.contracts().rollup, call, at(block)).await?)
    }

    /// Whether the rollup would prune its unproven checkpoints at `timestamp`, as of the L1 block of that hash.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn can_prune_at(&self, block: B256, timestamp: u64) -> Result<bool, L1Error> {
        let call = IRollup::canPruneAtTimeCall { ts: U256::from(timestamp) };
        self.inner.reader.call_at("Rollup.canPruneAtTime", self.contracts().rollup, call, at(block)).await
    }

    /// The last checkpoint that was proven in the newest finalized L1 block.
    ///
    /// # Errors
    /// [`L1Error`]. An endpoint that keeps little history may not answer at all.
    pub async fn proven_at_finalized(&self) -> Result<CheckpointNumber, L1Error> {
        const CALL: &str = "Rollup.getProvenCheckpointNumber";
        let call = IRollup::getProvenCheckpointNumberCall {};
        let proven = self.inner.reader.call_at(CALL, self.contracts().rollup, call, BlockId::finalized()).await?;
        Ok(CheckpointNumber::new(small(CALL, proven)?))
    }

    /// The inbox at the L1 block of that hash.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn inbox_state(&self, block: B256) -> Result<InboxState, L1Error> {
        let call = IInbox::getStateCall {};
        let state = self.inner.reader.call_at("Inbox.getState", self.contracts().inbox, call, at(block)).await?;
        Ok(InboxState {
            rolling_hash: state.rollingHash,
            total: state.totalMessagesInserted,
            in_progress: CheckpointNumber::new(state.inProgress),
        })
    }

    /// Whether the escape hatch is open in `epoch`: its checkpoints carry no attestations. None, or a refusal: closed.
    ///
    /// # Errors
    /// [`L1Error`], but for refusals of the contracts.
    pub async fn escape_hatch_open(&self, block: B256, epoch: Epoch) -> Result<bool, L1Error> {
        let epoch = U256::from(epoch.get());
        let reader = &self.inner.reader;
        let call = IRollup::getEscapeHatchForEpochCall { epoch };
        let hatch = match reader.call_at("Rollup.getEscapeHatchForEpoch", self.contracts().rollup, call, at(block)).await {
            Ok(hatch) if hatch != Address::ZERO => hatch,
            Ok(_) | Err(L1Error::Reverted { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let call = IEscapeHatch::isHatchOpenCall { epoch };
        match reader.call_at("EscapeHatch.isHatchOpen", hatch, call, at(block)).await {
            Ok(answer) => Ok(answer.open),
            Err(L1Error::Reverted { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Checkpoints proposed in L1 blocks `from..=to`, in the order of L1.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn checkpoints_proposed(&self, from: L1BlockNumber, to: L1BlockNumber) -> Result<Vec<CheckpointProposed>, L1Error> {
        let filter = Filter::new().address(self.contracts().rollup).event_signature(IRollup::CheckpointProposed::SIGNATURE_HASH);
        self.logs(filter, from, to).await?.iter().map(CheckpointProposed::read).collect()
    }

    /// Messages that entered the inbox in L1 blocks `from..=to`, in the order of L1.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn messages_sent(&self, from: L1BlockNumber, to: L1BlockNumber) -> Result<Vec<MessageSent>, L1Error> {
        let filter = Filter::new().address(self.contracts().inbox).event_signature(IInbox::MessageSent::SIGNATURE_HASH);
        self.logs(filter, from, to).await?.iter().map(MessageSent::read).collect()
    }

    /// A transaction by hash.
    ///
    /// # Errors
    /// [`L1Error`].
    pub async fn transaction_by_hash(&self, hash: B256) -> Result<Option<L1Transaction>, L1Error> {
        let transaction = answer("eth_getTransactionByHash", self.provider().get_transaction_by_hash(hash).await)?;
        Ok(transaction
            .map(|transaction| L1Transaction { to: TransactionTrait::to(&transaction), input: transaction.input().clone() }))
    }

    /// Logs of L1 blocks `from..=to`. An answer with logs of other blocks or addresses is refused.
    async fn logs(&self, filter: Filter, from: L1BlockNumber, to: L1BlockNumber) -> Result<Vec<Log>, L1Error> {
        let filter = filter.from_block(from.get()).to_block(to.get());
        let logs = answer("eth_getLogs", self.provider().get_logs(&filter).await)?;
        let asked = |log: &Log| {
            log.block_number.is_some_and(|block| (from.get()..=to.get()).contains(&block))
                && filter.address.matches(&log.address())
        };
        if !logs.iter().all(asked) {
            return Err(L1Error::Malformed { call: "eth_getLogs", reason: "logs that were not asked for".to_owned() });
        }
        Ok(logs)
    }
}
