//! An official 4.1.2 node without sequencer and p2p: it knows only L1 and the blob store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::B256;
use anyhow::{Context, Result, bail};
use ollin_dev_l1::Description;
use serde_json::{Value, json};

use crate::child::{Child, Recipe};
use crate::port;
use crate::rpc::Rpc;
use crate::wait::until;

/// How long the official node may take from its start to its first answer (11-20 s on two idle cores).
const READY: Duration = Duration::from_secs(180);

/// What the follower says of one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowedBlock {
    /// Height.
    pub number: u64,
    /// Archive root after it.
    pub archive: B256,
}

/// A running official follower.
#[derive(Debug)]
pub struct Follower {
    child: Child,
    rpc: Rpc,
}

impl Follower {
    /// Starts one with an empty data directory under `directory`; `wrapper` is what `deploy/setup/official-node` printed.
    ///
    /// # Errors
    /// When it cannot be started or does not answer in time.
    pub async fn start(wrapper: &Path, facts: &Description, directory: &Path) -> Result<Self> {
        let directory = directory.join("follower");
        std::fs::create_dir_all(&directory)?;
        let ports = port::free(3)?;
        let recipe = Recipe {
            name: "official follower".into(),
            program: wrapper.to_owned(),
            arguments: ["start", "--node", "--archiver", "--network", "local"].into_iter().map(Into::into).collect(),
            environment: environment(facts, &ports, &directory),
            log: directory.join("log"),
        };
        let mut follower = Self { child: Child::start(recipe)?, rpc: Rpc::new(format!("http://127.0.0.1:{}", ports[0]))? };
        follower.wait_ready().await?;
        Ok(follower)
    }

    /// Height of the follower's checkpointed tip.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn height(&self) -> Result<u64> {
        let tips: Value = self.rpc.call("node_getL2Tips", json!([])).await?;
        tips.pointer("/checkpointed/block/number").and_then(Value::as_u64).context("tips without a checkpointed block")
    }

    /// Waits until its checkpointed tip has reached `height`.
    ///
    /// # Errors
    /// When it has not within `patience`.
    pub async fn reached(&self, height: u64, patience: Duration) -> Result<()> {
        let look = || async { self.height().await.ok().filter(|own| *own >= height).map(|_| ()) };
        let waited = until(format!("follower at height {height}"), patience, look).await;
        waited.map_err(|fault| anyhow::Error::new(fault).context(self.child.tail(15)))
    }

    /// Its block at `number`.
    ///
    /// # Errors
    /// When it has none.
    pub async fn block(&self, number: u64) -> Result<FollowedBlock> {
        read_block(&self.rpc.call("node_getBlock", json!([number])).await?)
    }

    /// Height of its block with the hash `hash`, or `None` if it has no such block.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn height_of(&self, hash: B256) -> Result<Option<u64>> {
        let block: Value = self.rpc.call("node_getBlockByHash", json!([hash])).await?;
        if block.is_null() { Ok(None) } else { Ok(Some(read_block(&block)?.number)) }
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let Self { child, rpc } = self;
        let look = || {
            let ended = child.ended();
            let rpc = rpc.clone();
            async move {
                if ended.is_some() {
                    return Some(false);
                }
                rpc.call::<bool>("node_isReady", json!([])).await.ok().filter(|ready| *ready)
            }
        };
        let ready = until("the official follower is ready", READY, look).await;
        match ready {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the official follower ended:\n{}", child.tail(20)),
            Err(fault) => Err(anyhow::Error::new(fault).context(child.tail(20))),
        }
    }
}

/// The wrapper that runs the official node, from the environment that `tests/run` sets.
///
/// # Errors
/// When it is not set: a missing peer is a failure.
pub fn wrapper() -> Result<PathBuf> {
    let path =
        std::env::var_os("OLLIN_OFFICIAL_NODE").context("OLLIN_OFFICIAL_NODE is not set: see deploy/setup/official-node")?;
    Ok(PathBuf::from(path))
}

/// Settings as found to work: see `docs` of the official node and `deploy/setup/official-node`.
fn environment(facts: &Description, ports: &[u16], directory: &Path) -> BTreeMap<String, String> {
    let pairs = [
        ("ETHEREUM_HOSTS", facts.rpc_url.to_string()),
        ("L1_CHAIN_ID", facts.chain_id.to_string()),
        ("REGISTRY_CONTRACT_ADDRESS", facts.registry.to_string()),
        ("AZTEC_SLOT_DURATION", facts.slot_duration.to_string()),
        ("AZTEC_EPOCH_DURATION", facts.epoch_duration.to_string()),
        ("AZTEC_TARGET_COMMITTEE_SIZE", facts.committee_size.to_string()),
        ("ETHEREUM_SLOT_DURATION", facts.ethereum_slot_duration.to_string()),
        ("PROVER_REAL_PROOFS", "false".to_owned()),
        ("P2P_ENABLED", "false".to_owned()),
        ("AZTEC_PORT", ports[0].to_string()),
        ("AZTEC_ADMIN_PORT", ports[1].to_string()),
        ("P2P_PORT", ports[2].to_string()),
        ("AZTEC_DISABLE_ADMIN_API_KEY", "true".to_owned()),
        ("DATA_DIRECTORY", directory.join("data").display().to_string()),
        ("BLOB_FILE_STORE_URLS", facts.blob_url.to_string()),
        ("SYNC_MODE", "full".to_owned()),
        ("ENABLE_VERSION_CHECK", "false".to_owned()),
        ("LOG_LEVEL", "info".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read_block(block: &Value) -> Result<FollowedBlock> {
    let number =
        block.pointer("/header/globalVariables/blockNumber").and_then(Value::as_u64).context("a block without a number")?;
    let archive = block.pointer("/archive/root").cloned().context("a block without an archive root")?;
    Ok(FollowedBlock { number, archive: serde_json::from_value(archive)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_as_the_official_node_writes_it() {
        let root = B256::repeat_byte(4);
        let block =
            json!({"archive": {"root": root, "nextAvailableLeafIndex": 2}, "header": {"globalVariables": {"blockNumber": 1}}});
        assert_eq!(read_block(&block).unwrap(), FollowedBlock { number: 1, archive: root });
        assert!(read_block(&json!({"archive": {"root": root}})).is_err());
    }
}
