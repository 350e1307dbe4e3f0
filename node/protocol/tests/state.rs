//! Golden vectors of state, headers and blob fields, made with the official packages: see `fixtures/README.md`.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a driver of vectors: a panic is its verdict")]

#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared by the vector tests, none of which needs all of it")]
mod fixture;

use ark_ff::{BigInteger, PrimeField};
use fixture::*;
use ollin_protocol::blob::{
    BlockEndMarker, BlockEndState, EffectError, TxEffect, TxStartMarker, checkpoint_end_marker, decode_checkpoint,
    decode_transaction, parse_checkpoint_end_marker,
};
use ollin_protocol::chain::ChainState;
use ollin_protocol::field::{FIELD_BYTES, Fr};
use ollin_protocol::hash::{
    BLOCK_HEADER_HASH, MAX_CHECKPOINT_FIELDS, SpongeBlob, poseidon2_hash, poseidon2_hash_bytes, poseidon2_hash_with_separator,
    sha256_to_field,
};
use ollin_protocol::header::{BlockHeader, CheckpointHeader};
use ollin_protocol::message::{InboxMessage, OutboxMessage};
use ollin_protocol::tree::{
    ARCHIVE_HEIGHT, Frontier, MAX_CHECKPOINTS_PER_EPOCH, MESSAGE_SUBTREE_HEIGHT, MESSAGE_TREE_HEIGHT, MESSAGES_PER_CHECKPOINT,
    block_out_hash, blocks_root, checkpoint_out_hash, epoch_out_hash, in_hash, tx_out_hash,
};
use ollin_protocol::units::BlockNumber;
use serde_json::Value;

fn main() {
    let mut vectors = Fixture::open("state.json");
    constants(&mut vectors);
    hashes(&mut vectors);
    headers(&mut vectors);
    messages(&mut vectors);
    trees(&mut vectors);
    effects(&mut vectors);
    decoding(&mut vectors);
    vectors.finish(&["about", "aztecVersion"]);
}

fn constants(vectors: &mut Fixture) {
    let as_number = |number: usize| u64::try_from(number).unwrap();
    let ours = [
        ("ARCHIVE_HEIGHT", u64::from(ARCHIVE_HEIGHT)),
        ("L1_TO_L2_MSG_TREE_HEIGHT", u64::from(MESSAGE_TREE_HEIGHT)),
        ("L1_TO_L2_MSG_SUBTREE_HEIGHT", u64::from(MESSAGE_SUBTREE_HEIGHT)),
        ("NUMBER_OF_L1_L2_MESSAGES_PER_ROLLUP", as_number(MESSAGES_PER_CHECKPOINT)),
        ("MAX_CHECKPOINTS_PER_EPOCH", as_number(MAX_CHECKPOINTS_PER_EPOCH)),
        ("FIELDS_PER_BLOB", as_number(ollin_protocol::blob::FIELDS_PER_BLOB)),
        ("BLOBS_PER_CHECKPOINT", as_number(ollin_protocol::blob::MAX_BLOBS)),
    ];
    let constants = vectors.at("constants");
    let genesis = ChainState::genesis();
    let roots = [
        ("GENESIS_ARCHIVE_ROOT", genesis.archive().root),
        ("EMPTY_EPOCH_OUT_HASH", epoch_out_hash(&[]).unwrap()),
        ("GENESIS_CHECKPOINT_HEADER_HASH", CheckpointHeader::default().hash()),
        ("GENESIS_BLOCK_HEADER_HASH", BlockHeader { state: genesis.state_reference(), ..BlockHeader::default() }.hash()),
    ];
    let expected: Vec<Value> = ours
        .iter()
        .map(|(name, _)| name)
        .chain(roots.iter().map(|(name, _)| name))
        .map(|name| constants[*name].clone())
        .collect();
    let mut found = ours.iter().map(|(_, value)| Fr::from_u64(*value)).chain(roots.iter().map(|(_, root)| *root));
    vectors.entries("constants (of chain and blobs)", &expected, |entry| assert_eq!(Some(fr(entry)), found.next()));
    assert_eq!(
        u64::from(MAX_CHECKPOINT_FIELDS),
        number(&constants["FIELDS_PER_BLOB"]) * number(&constants["BLOBS_PER_CHECKPOINT"])
    );
    let others = constants.as_object().unwrap().len() - expected.len();
    vectors.later_part("constants (others)", others, "of indexed trees and transactions; their limits are tested by txEffects");
    let separators = vectors.at("domainSeparators");
    vectors.entries("domainSeparators BLOCK_HEADER_HASH", &[separators["BLOCK_HEADER_HASH"].clone()], |entry| {
        assert_eq!(number(entry), u64::from(BLOCK_HEADER_HASH));
    });
    vectors.later_part("domainSeparators (others)", separators.as_object().unwrap().len() - 1, "of transactions and contracts");
}

fn hashes(vectors: &mut Fixture) {
    vectors.each("poseidon2.permutation", |entry| {
        let ark = |value: &Value| ark_bn254::Fr::from_be_bytes_mod_order(&fr(value).to_be_bytes());
        let input: Vec<_> = list(&entry["in"]).iter().map(ark).collect();
        let output = taceo_poseidon2::bn254::t4::permutation(&input.try_into().unwrap());
        let output: Vec<Fr> =
            output.iter().map(|element| Fr::try_from_slice(&element.into_bigint().to_bytes_be()).unwrap()).collect();
        assert_eq!(output, frs(&entry["out"]));
    });
    vectors.each("poseidon2.hash", |entry| assert_eq!(poseidon2_hash(&frs(&entry["inputs"])), fr(&entry["out"])));
    vectors.each("poseidon2.hashWithSeparator", |entry| {
        let separator = integer(&entry["separator"]).to();
        assert_eq!(poseidon2_hash_with_separator(&frs(&entry["inputs"]), separator), fr(&entry["out"]));
    });
    vectors.each("poseidon2.hashBytes", |entry| assert_eq!(poseidon2_hash_bytes(&bytes(&entry["bytes"])), fr(&entry["out"])));
    vectors.each("sha256ToField", |entry| assert_eq!(sha256_to_field(&bytes(&entry["bytes"])), fr(&entry["out"])));
    vectors.each("spongeBlob", |entry| {
        let mut sponge = SpongeBlob::new();
        assert_eq!(sponge.squeeze(), fr(&entry["emptySqueeze"]));
        for step in list(&entry["steps"]) {
            sponge.absorb(&frs(&step["absorb"])).unwrap();
            assert_eq!(sponge.squeeze(), fr(&step["squeezedCopy"]));
        }
    });
}

fn headers(vectors: &mut Fixture) {
    vectors.each("blockHeaders", |entry| {
        let header = block_header(&entry["header"]);
        let written = bytes(&entry["bytes"]);
        assert_eq!(header.to_bytes().to_vec(), written);
        assert_eq!(BlockHeader::from_bytes(&written).unwrap(), header);
        assert_eq!(header.to_fields().to_vec(), frs(&entry["fields"]));
        assert_eq!(header.hash(), fr(&entry["hash"]));
        assert_eq!(postcard::from_bytes::<BlockHeader>(&postcard::to_allocvec(&header).unwrap()).unwrap(), header);
        refuses_other_lengths(&written, BlockHeader::from_bytes);
        refuses_wild_elements(&written, &[0, 36, 72, 108, 144, 180, 212, 244, 312, 376, 408], |wild| {
            BlockHeader::from_bytes(wild).is_err()
        });
    });
    vectors.each("checkpointHeaders", |entry| {
        let header = checkpoint_header(&entry["header"]);
        let written = bytes(&entry["bytes"]);
        assert_eq!(header.to_bytes().to_vec(), written);
        assert_eq!(CheckpointHeader::from_bytes(&written).unwrap(), header);
        assert_eq!(header.hash(), fr(&entry["hash"]));
        refuses_other_lengths(&written, CheckpointHeader::from_bytes);
        let elements = [0, 32, 64, 96, 128, 160, 220, 284];
        refuses_wild_elements(&written, &elements, |wild| CheckpointHeader::from_bytes(wild).is_err());
    });
    vectors.each("blockHeadersHash", |entry| assert_eq!(blocks_root(&frs(&entry["blockHashes"])), fr(&entry["out"])));
}

/// An element of 32 bytes of ones at each offset must be refused.
fn refuses_wild_elements(written: &[u8], offsets: &[usize], refused: impl Fn(&[u8]) -> bool) {
    for offset in offsets {
        let mut wild = written.to_vec();
        wild[*offset..offset + FIELD_BYTES].fill(0xff);
        assert!(refused(&wild), "an element above the modulus was accepted at {offset}");
    }
}

fn messages(vectors: &mut Fixture) {
    let derived = vectors.at("derived");
    vectors.entries("derived.l2ToL1Message", &[derived["l2ToL1Message"].clone()], |entry| {
        let message = OutboxMessage {
            sender: fr(&entry["l2Sender"]),
            version: fr(&entry["rollupVersion"]).to_u64().unwrap(),
            recipient: address(&entry["l1Recipient"]),
            chain_id: fr(&entry["chainId"]).to_u64().unwrap(),
            content: fr(&entry["content"]),
        };
        assert_eq!(message.hash(), fr(&entry["out"]));
    });
    vectors.entries("derived.l1ToL2Message", &[derived["l1ToL2Message"].clone()], |entry| {
        let message = InboxMessage {
            sender: address(&entry["senderActor"]),
            chain_id: number(&entry["senderChainId"]),
            recipient: fr(&entry["recipientActor"]),
            version: number(&entry["recipientVersion"]),
            content: fr(&entry["content"]),
            secret_hash: fr(&entry["secretHash"]),
            index: number(&entry["index"]),
        };
        assert_eq!(message.leaf(), fr(&entry["out"]));
    });
    vectors.later_part("derived (others)", derived.as_object().unwrap().len() - 2, "of transactions and contracts");
    vectors.each("inHash", |entry| {
        let messages = match entry.get("messages") {
            Some(messages) => frs(messages),
            None => (1..=number(&entry["count"])).map(Fr::from_u64).collect(),
        };
        assert_eq!(in_hash(&messages).unwrap(), fr(&entry["out"]));
    });
    let per_tx = |txs: &Value| block_out_hash(&list(txs).iter().map(|messages| tx_out_hash(&frs(messages))).collect::<Vec<_>>());
    vectors.each("outHash.tx", |entry| assert_eq!(tx_out_hash(&frs(&entry["messages"])), fr(&entry["out"])));
    vectors.each("outHash.block", |entry| assert_eq!(per_tx(&entry["messagesPerTx"]), fr(&entry["out"])));
    vectors.each("outHash.checkpoint", |entry| {
        let blocks: Vec<Fr> = list(&entry["messagesPerBlock"]).iter().map(per_tx).collect();
        assert_eq!(checkpoint_out_hash(&blocks), fr(&entry["out"]));
    });
    vectors.each("outHash.epoch", |entry| {
        assert_eq!(epoch_out_hash(&frs(&entry["checkpointOutHashes"])).unwrap(), fr(&entry["out"]));
    });
}

fn trees(vectors: &mut Fixture) {
    vectors.each("shaTrees.unbalanced", |entry| assert_eq!(tx_out_hash(&frs(&entry["leaves"])), fr(&entry["root"])));
    vectors.each("shaTrees.wonky", |entry| assert_eq!(block_out_hash(&frs(&entry["leaves"])), fr(&entry["root"])));
    vectors.each("poseidonUnbalanced", |entry| assert_eq!(blocks_root(&frs(&entry["leaves"])), fr(&entry["root"])));
    vectors.each("genesis", |entry| {
        let genesis = ChainState::genesis_with(state(&entry["state"]).partial);
        assert_eq!(genesis.state_reference(), state(&entry["state"]));
        assert_eq!(genesis.archive(), snapshot(&entry["archive"]));
        let header = BlockHeader { state: genesis.state_reference(), ..BlockHeader::default() };
        assert_eq!(header.to_bytes().to_vec(), bytes(&entry["headerBytes"]));
        assert_eq!(header.hash(), fr(&entry["headerHash"]));
        let prefilled = !list(&entry["prefilledPublicData"]).is_empty();
        assert_eq!(genesis == ChainState::genesis(), !prefilled);
    });
    let operations = vectors.at("treeOps");
    let (appends, indexed): (Vec<Value>, Vec<Value>) =
        list(&operations).iter().cloned().partition(|operation| operation["op"] == "append");
    let mut note_hashes = Frontier::new(42);
    let mut messages = Frontier::new(MESSAGE_TREE_HEIGHT);
    let mut archive = Frontier::new(ARCHIVE_HEIGHT);
    archive.append(BlockHeader { state: ChainState::genesis().state_reference(), ..BlockHeader::default() }.hash()).unwrap();
    vectors.entries("treeOps (append)", &appends, |operation| {
        let tree = match text(&operation["tree"]) {
            "NOTE_HASH_TREE" => &mut note_hashes,
            "L1_TO_L2_MESSAGE_TREE" => &mut messages,
            "ARCHIVE" => &mut archive,
            other => panic!("append to {other}"),
        };
        match operation.get("leavesRule").map(text) {
            Some("1024 zero leaves") => tree.append_padded_subtree(MESSAGE_SUBTREE_HEIGHT, &[]).unwrap(),
            Some(_) => {
                tree.append_padded_subtree(MESSAGE_SUBTREE_HEIGHT, &(1..=1024).map(Fr::from_u64).collect::<Vec<_>>()).unwrap()
            }
            None => frs(&operation["leaves"]).into_iter().for_each(|leaf| tree.append(leaf).unwrap()),
        }
        assert_eq!(tree.snapshot(), snapshot(&operation["after"]));
        let stored = postcard::to_allocvec(tree).unwrap();
        assert_eq!(&postcard::from_bytes::<Frontier>(&stored).unwrap(), tree);
    });
    vectors.later_part("treeOps (indexed)", indexed.len(), "nullifier and public data trees");
    vectors.later("nullifierDuplicates", "nullifier tree");
}

fn effects(vectors: &mut Fixture) {
    vectors.each("markers.blockEnd", |entry| {
        let marker = BlockEndMarker {
            num_txs: integer(&entry["numTxs"]).to(),
            block_number: BlockNumber::new(number(&entry["blockNumber"])),
            timestamp: number(&entry["timestamp"]),
        };
        assert_eq!(marker.to_field().unwrap(), fr(&entry["field"]));
        assert_eq!(BlockEndMarker::from_field(fr(&entry["field"])), Some(marker));
    });
    vectors.each("markers.blockEndState", |entry| {
        let state = BlockEndState {
            l1_to_l2_message_size: number(&entry["l1ToL2MessageNextAvailableLeafIndex"]),
            note_hash_size: number(&entry["noteHashNextAvailableLeafIndex"]),
            nullifier_size: number(&entry["nullifierNextAvailableLeafIndex"]),
            public_data_size: number(&entry["publicDataNextAvailableLeafIndex"]),
            total_mana_used: number(&entry["totalManaUsed"]),
        };
        assert_eq!(state.to_field().unwrap(), fr(&entry["field"]));
        assert_eq!(BlockEndState::from_field(fr(&entry["field"])), Some(state));
    });
    vectors.each("markers.checkpointEnd", |entry| {
        let fields = integer(&entry["numBlobFields"]).to();
        assert_eq!(checkpoint_end_marker(fields), fr(&entry["field"]));
        assert_eq!(parse_checkpoint_end_marker(fr(&entry["field"])), Some(fields));
    });
    vectors.each("txEffects", |entry| {
        let effect = tx_effect(&entry["txEffect"]);
        let written = bytes(&entry["bytes"]);
        assert!(effect.to_bytes() == written, "the effect is written otherwise");
        assert_eq!(TxEffect::from_bytes(&written).unwrap(), effect);
        refuses_other_lengths(&written, TxEffect::from_bytes);

        let fields = frs(&entry["blobFields"]);
        let cut = effect.to_fields().unwrap();
        assert_eq!(cut.marker, start_marker(&entry["startMarker"]));
        assert!(cut.to_fields() == fields, "the effect has other blob fields");
        let read = decode_transaction(&fields).unwrap();
        assert_eq!(TxEffect::try_from(read).unwrap(), effect);
        for length in (0..fields.len()).step_by(fields.len().div_ceil(200)) {
            assert!(decode_transaction(&fields[..length]).is_err());
        }
        assert!(decode_transaction(&[fields, vec![Fr::ZERO]].concat()).is_err());
    });
}

fn start_marker(value: &Value) -> TxStartMarker {
    TxStartMarker {
        num_blob_fields: integer(&value["numBlobFields"]).to(),
        revert_code: integer(&value["revertCode"]).to(),
        num_note_hashes: integer(&value["numNoteHashes"]).to(),
        num_nullifiers: integer(&value["numNullifiers"]).to(),
        num_l2_to_l1_messages: integer(&value["numL2ToL1Msgs"]).to(),
        num_public_data_writes: integer(&value["numPublicDataWrites"]).to(),
        num_private_logs: integer(&value["numPrivateLogs"]).to(),
        private_logs_length: integer(&value["privateLogsLength"]).to(),
        public_logs_length: integer(&value["publicLogsLength"]).to(),
        contract_class_log_length: integer(&value["contractClassLogLength"]).to(),
    }
}

fn decoding(vectors: &mut Fixture) {
    vectors.each("blobDecoding.cases", |case| {
        let fields = frs(&case["fields"]);
        let decoded = decode_checkpoint(&fields);
        assert_eq!(decoded.is_ok(), case["ok"] == true, "{}: {decoded:?}", text(&case["name"]));
        let Ok(decoded) = decoded else { return };
        assert_eq!(decoded.blocks.len(), count(&case["numBlocks"]));
        let read = usize::try_from(decoded.num_fields).unwrap();
        let written: Vec<Fr> = decoded.blocks.iter().flat_map(|block| block.to_fields().unwrap()).collect();
        assert_eq!(written, fields[..read - 1], "decoded fields are written otherwise");
        let effects: Result<Vec<TxEffect>, EffectError> =
            decoded.blocks.into_iter().flat_map(|block| block.transactions).map(TxEffect::try_from).collect();
        assert_eq!(effects.is_ok(), case["txEffectsOk"] == true, "{}: {effects:?}", text(&case["name"]));
        for length in 0..read {
            assert!(decode_checkpoint(&fields[..length]).is_err(), "{}: {length} fields were accepted", text(&case["name"]));
        }
    });
}
