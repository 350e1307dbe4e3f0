//! Remembers which block hash our replicas named at each height.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::B256;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::rpc::Rpc;

/// How often every replica is asked: many times in the life of a tip.
const PERIOD: Duration = Duration::from_millis(500);

/// Asks for the tips of all replicas as long as it lives. Our nodes serve no old blocks, so hashes are kept as they appear.
#[derive(Debug)]
pub struct TipWatch {
    hashes: Arc<Mutex<BTreeMap<u64, B256>>>,
    /// Dropped with the watch, which ends them.
    tasks: JoinSet<()>,
}

impl TipWatch {
    /// Watches `replicas` by their public ports.
    pub fn start(replicas: Vec<Rpc>) -> Self {
        let mut started = Self { hashes: Arc::default(), tasks: JoinSet::new() };
        started.also(replicas);
        started
    }

    /// Watches `replicas` too: those of another cluster may be the only ones up while a block is the tip.
    pub fn also(&mut self, replicas: Vec<Rpc>) {
        self.tasks.spawn(watch(replicas, Arc::clone(&self.hashes)));
    }

    /// Hash by height of every block that a replica has named as checkpointed, in its latest version.
    pub fn hashes(&self) -> BTreeMap<u64, B256> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn watch(replicas: Vec<Rpc>, hashes: Arc<Mutex<BTreeMap<u64, B256>>>) {
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut asked = JoinSet::new();
        for replica in replicas.clone() {
            asked.spawn(async move { replica.call::<Value>("node_getL2Tips", json!([])).await.ok() });
        }
        // A replica that is down or stopped answers nothing.
        for (number, hash) in asked.join_all().await.iter().flatten().filter_map(checkpointed) {
            hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(number, hash);
        }
    }
}

/// Height and hash of the checkpointed tip; genesis is nobody's checkpoint.
fn checkpointed(tips: &Value) -> Option<(u64, B256)> {
    let block = tips.pointer("/checkpointed/block")?;
    let number = block.get("number")?.as_u64().filter(|number| *number > 0)?;
    Some((number, serde_json::from_value(block.get("hash")?.clone()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpointed_tip_is_read_and_genesis_is_none() {
        let hash = B256::repeat_byte(3);
        let tips = |number: u64| json!({"checkpointed": {"block": {"number": number, "hash": hash}}});
        assert_eq!(checkpointed(&tips(4)), Some((4, hash)));
        assert_eq!(checkpointed(&tips(0)), None);
        assert_eq!(checkpointed(&json!({})), None);
    }
}
