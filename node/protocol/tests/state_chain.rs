//! Whole chains made by the official builder and by an official node: see `fixtures/README.md`.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a driver of vectors: a panic is its verdict")]

#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared by the vector tests, none of which needs all of it")]
mod fixture;

use fixture::*;
use ollin_protocol::blob::{
    Blob, BlobCommitment, TxEffect, blob_commitments_hash, blobs_from_fields, blobs_hash, checkpoint_fields, decode_checkpoint,
    encode_blob_input, fields_from_blobs,
};
use ollin_protocol::chain::{ChainError, ChainState, CheckpointInputs, empty_checkpoint_fields};
use ollin_protocol::field::Fr;
use ollin_protocol::hash::{SpongeBlob, sha256_to_field};
use ollin_protocol::header::{BlockHeader, CheckpointHeader, PartialState};
use ollin_protocol::tree::{
    ARCHIVE_HEIGHT, Frontier, MESSAGE_SUBTREE_HEIGHT, MESSAGE_TREE_HEIGHT, block_out_hash, blocks_root, checkpoint_out_hash,
    epoch_out_hash, in_hash, tx_out_hash,
};
use ollin_protocol::units::{BlockNumber, CheckpointNumber};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn main() {
    let mut vectors = Fixture::open("state-chain.json");
    let chains = vectors.at("chains");
    for chain in list(&chains) {
        let name = text(&chain["name"]);
        let mut replay = Replay::new(chain);
        vectors.entries(&format!("chains {name}"), list(&chain["checkpoints"]), |checkpoint| replay.checkpoint(checkpoint));
        assert_eq!(replay.archive.snapshot(), snapshot(&chain["finalArchive"]));
    }
    let empty: Vec<Value> = list(&chains[0]["checkpoints"]).iter().filter(|checkpoint| is_empty(checkpoint)).cloned().collect();
    assert_eq!(empty.len(), 2, "checkpoints 1 and 5 hold one empty block");
    let chain = chains[0].clone();
    vectors.entries("chains (rebuilt empty checkpoints)", &empty, |checkpoint| rebuild(&chain, checkpoint));
    vectors.finish(&[]);
}

fn is_empty(checkpoint: &Value) -> bool {
    list(&checkpoint["blocks"]).iter().all(|block| list(&block["txs"]).is_empty())
}

/// The append-only trees of a chain, replayed from messages and block hashes.
struct Replay {
    messages: Frontier,
    archive: Frontier,
    partial: PartialState,
    commitments_hash: Option<Fr>,
}

impl Replay {
    fn new(chain: &Value) -> Self {
        let genesis = state(&chain["genesis"]["state"]);
        let header = BlockHeader { state: genesis, ..BlockHeader::default() };
        assert_eq!(header.hash(), fr(&chain["genesis"]["headerHash"]));
        let mut archive = Frontier::new(ARCHIVE_HEIGHT);
        archive.append(header.hash()).unwrap();
        assert_eq!(archive.snapshot(), snapshot(&chain["genesis"]["archive"]));
        Self { messages: Frontier::new(MESSAGE_TREE_HEIGHT), archive, partial: genesis.partial, commitments_hash: None }
    }

    fn checkpoint(&mut self, checkpoint: &Value) {
        let messages = frs(&checkpoint["l1ToL2Messages"]);
        self.messages.append_padded_subtree(MESSAGE_SUBTREE_HEIGHT, &messages).unwrap();
        let mut sponge = SpongeBlob::new();
        let mut fields = Vec::new();
        let mut hashes = Vec::new();
        let mut out_hashes = Vec::new();
        for block in list(&checkpoint["blocks"]) {
            let header = self.block(block, &mut sponge);
            fields.extend(frs(&block["blobFields"]));
            hashes.push(header.hash());
            let messages_of = |tx: &Value| tx_out_hash(&frs(&tx["effect"]["l2ToL1Msgs"]));
            out_hashes.push(block_out_hash(&list(&block["txs"]).iter().map(messages_of).collect::<Vec<_>>()));
        }
        let out_hash = checkpoint_out_hash(&out_hashes);
        assert_eq!(out_hash, fr(&checkpoint["checkpointOutHash"]));
        let header = checkpoint_header(&checkpoint["header"]);
        assert_eq!(header.to_bytes().to_vec(), bytes(&checkpoint["headerBytes"]));
        assert_eq!(CheckpointHeader::from_bytes(&header.to_bytes()).unwrap(), header);
        assert_eq!(header.hash(), fr(&checkpoint["headerHash"]));
        assert_eq!(header.block_headers_hash, blocks_root(&hashes));
        assert_eq!(header.in_hash, in_hash(&messages).unwrap());
        let epoch: Vec<Fr> = frs(&checkpoint["previousCheckpointOutHashesInEpoch"]).into_iter().chain([out_hash]).collect();
        assert_eq!(header.epoch_out_hash, epoch_out_hash(&epoch).unwrap());
        assert_eq!(self.archive.snapshot(), snapshot(&checkpoint["archive"]));
        self.blobs(checkpoint, &header, fields);
    }

    fn block(&mut self, block: &Value, sponge: &mut SpongeBlob) -> BlockHeader {
        let header = block_header(&block["header"]);
        assert_eq!(header.to_bytes().to_vec(), bytes(&block["headerBytes"]));
        assert_eq!(header.hash(), fr(&block["blockHash"]));
        assert_eq!(header.last_archive, self.archive.snapshot());
        assert_eq!(header.state.l1_to_l2_message, self.messages.snapshot());
        sponge.absorb(&frs(&block["blobFields"])).unwrap();
        assert_eq!(header.sponge_blob_hash, sponge.squeeze());
        if list(&block["txs"]).is_empty() {
            assert_eq!(header.state.partial, self.partial, "an empty block changed the state");
        }
        self.partial = header.state.partial;
        self.archive.append(header.hash()).unwrap();
        assert_eq!(self.archive.snapshot(), snapshot(&block["archive"]));
        header
    }

    fn blobs(&mut self, checkpoint: &Value, header: &CheckpointHeader, block_fields: Vec<Fr>) {
        let fields = checkpoint_fields(block_fields).unwrap();
        assert_eq!(fields.last(), Some(&fr(&checkpoint["checkpointEndMarker"])));
        assert_eq!(fields.len(), count(&checkpoint["numBlobFields"]));
        let mut sponge = SpongeBlob::new();
        sponge.absorb(&fields).unwrap();
        assert_eq!(sponge.squeeze(), fr(&checkpoint["blobFieldsHash"]));

        let blobs = blobs_from_fields(&fields).unwrap();
        let commitments: Vec<BlobCommitment> = blobs.iter().map(|blob| blob.commitment().unwrap()).collect();
        assert_eq!(blobs.len(), list(&checkpoint["blobs"]).len());
        for ((blob, commitment), expected) in blobs.iter().zip(&commitments).zip(list(&checkpoint["blobs"])) {
            assert_eq!(commitment.as_bytes().to_vec(), bytes(&expected["commitment"]));
            assert_eq!(commitment.versioned_hash(), word(&expected["versionedHash"]));
            assert_eq!(Sha256::digest(blob.as_bytes()).to_vec(), bytes(&expected["dataSha256"]));
        }
        assert_eq!(encode_blob_input(&commitments).unwrap(), bytes(&checkpoint["blobsInput"]));
        let hashes: Vec<_> = commitments.iter().map(BlobCommitment::versioned_hash).collect();
        assert_eq!(blobs_hash(&hashes), header.blobs_hash);
        let previous = self.commitments_hash.filter(|_| checkpoint["firstCheckpointOfEpoch"] == false);
        self.commitments_hash = blob_commitments_hash(previous, &commitments);
        assert_eq!(self.commitments_hash, Some(fr(&checkpoint["blobCommitmentsHashAfter"])));
        self.decode(checkpoint, &blobs, &fields);
    }

    /// From the blobs back to blocks and effects.
    fn decode(&self, checkpoint: &Value, blobs: &[Blob], fields: &[Fr]) {
        let decoded = decode_checkpoint(&fields_from_blobs(blobs).unwrap()).unwrap();
        assert_eq!(usize::try_from(decoded.num_fields).unwrap(), fields.len());
        assert_eq!(decoded.blocks.len(), list(&checkpoint["blocks"]).len());
        let first_messages = decoded.blocks[0].end.l1_to_l2_message_root;
        for (block, expected) in decoded.blocks.into_iter().zip(list(&checkpoint["blocks"])) {
            let header = block_header(&expected["header"]);
            let partial = &header.state.partial;
            assert_eq!(block.to_fields().unwrap(), frs(&expected["blobFields"]));
            assert_eq!(block.number(), header.global_variables.block_number);
            assert_eq!(block.end.marker.timestamp, header.global_variables.timestamp);
            assert_eq!(block.end.last_archive_root, header.last_archive.root);
            assert_eq!(
                (block.end.note_hash_root, block.end.nullifier_root, block.end.public_data_root),
                (partial.note_hash.root, partial.nullifier.root, partial.public_data.root)
            );
            assert_eq!(first_messages, Some(header.state.l1_to_l2_message.root));
            assert_eq!(block.end.state.public_data_size, u64::from(partial.public_data.next_available_leaf_index));
            assert_eq!(Some(block.end.state.total_mana_used), header.total_mana_used.to_u64());
            let effects: Vec<TxEffect> = block.transactions.into_iter().map(|tx| TxEffect::try_from(tx).unwrap()).collect();
            assert_eq!(effects.len(), list(&expected["txs"]).len());
            for (effect, tx) in effects.iter().zip(list(&expected["txs"])) {
                assert_eq!(*effect, tx_effect(&tx["effect"]));
                assert_eq!(u64::from(effect.to_fields().unwrap().marker.num_blob_fields), number(&tx["numBlobFields"]));
            }
        }
    }
}

/// Builds an empty checkpoint of the chain from the state before it and compares every byte.
fn rebuild(chain: &Value, expected: &Value) {
    let before = state_before(chain, expected);
    let header = checkpoint_header(&expected["header"]);
    let block = &expected["blocks"][0];
    let inputs = CheckpointInputs {
        chain_id: fr(&chain["chainId"]).to_u64().unwrap(),
        rollup_version: fr(&chain["version"]).to_u64().unwrap(),
        checkpoint: CheckpointNumber::new(number(&expected["checkpointNumber"])),
        block: BlockNumber::new(number(&block["blockNumber"])),
        slot: header.slot,
        timestamp: header.timestamp,
        coinbase: header.coinbase,
        fee_recipient: header.fee_recipient,
        gas_fees: header.gas_fees,
        messages: frs(&expected["l1ToL2Messages"]),
        previous_out_hashes: frs(&expected["previousCheckpointOutHashesInEpoch"]),
    };
    let built = before.build_empty_checkpoint(&inputs).unwrap();
    assert_eq!(built.block_header, block_header(&block["header"]));
    assert_eq!(built.block_hash, fr(&block["blockHash"]));
    assert_eq!(built.header, header);
    assert_eq!(built.header.hash(), fr(&expected["headerHash"]));
    assert_eq!(built.archive, snapshot(&expected["archive"]));
    assert_eq!(built.state.archive(), built.archive);
    assert_eq!(built.out_hash, fr(&expected["checkpointOutHash"]));
    assert_eq!(built.blob_fields, empty_checkpoint_fields(&built.block_header).unwrap());
    assert_eq!(encode_blob_input(&built.commitments).unwrap(), bytes(&expected["blobsInput"]));
    assert_eq!(Sha256::digest(built.blobs[0].as_bytes()).to_vec(), bytes(&expected["blobs"][0]["dataSha256"]));
    let hashes: Vec<_> = built.blobs.iter().map(|blob| blob.versioned_hash().unwrap()).collect();
    assert_eq!(hashes, [word(&expected["blobs"][0]["versionedHash"])]);
    assert_eq!(sha256_to_field(hashes[0].as_slice()), header.blobs_hash);

    let again = before.build_empty_checkpoint(&CheckpointInputs { block: built.state.next_block(), ..inputs.clone() });
    assert!(matches!(again, Err(ChainError::Order { .. })), "a block was built on the wrong height");
    let onwards = built.state.build_empty_checkpoint(&inputs);
    assert!(matches!(onwards, Err(ChainError::Order { .. })), "a checkpoint was built twice");
    let stored = postcard::to_allocvec(&built.state).unwrap();
    assert_eq!(postcard::from_bytes::<ChainState>(&stored).unwrap(), built.state);
    let readable = serde_json::to_string(&built.state).unwrap();
    assert_eq!(serde_json::from_str::<ChainState>(&readable).unwrap(), built.state);
}

fn state_before(chain: &Value, checkpoint: &Value) -> ChainState {
    let mut replay = Replay::new(chain);
    for earlier in list(&chain["checkpoints"]).iter().take_while(|earlier| *earlier != checkpoint) {
        replay.messages.append_padded_subtree(MESSAGE_SUBTREE_HEIGHT, &frs(&earlier["l1ToL2Messages"])).unwrap();
        for block in list(&earlier["blocks"]) {
            replay.archive.append(fr(&block["blockHash"])).unwrap();
            replay.partial = block_header(&block["header"]).state.partial;
        }
    }
    let state = ChainState::from_parts(replay.messages, replay.archive, replay.partial);
    assert_eq!(state == ChainState::genesis(), number(&checkpoint["checkpointNumber"]) == 1);
    state
}
