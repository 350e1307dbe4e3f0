//! Plays the prover: moves the rollup's proven tip without proofs.
//!
//! The official tests do it the same way: they write the storage word of the tips while mining is paused.
//! Source: npm @aztec/ethereum 4.1.2, `src/test/rollup_cheat_codes.ts` (`markAsProven`).

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use tokio::sync::Mutex;

use crate::contracts::IRollup::{self, IRollupInstance};
use crate::contracts::{tips_slot, tips_word};
use crate::control::Mining;
use crate::error::DevL1Error;
use crate::parameters::ETHEREUM_SLOT_DURATION_S;
use crate::rpc::AnvilRpc;

/// How often the head is looked at: a fifth of the time between two blocks.
const LOOK: Duration = Duration::from_millis(200);

/// Proves all checkpoints of epochs that are over, shortly after an L1 block shows them.
#[derive(Clone, Debug)]
pub(crate) struct ProvingTask {
    pub(crate) rpc: AnvilRpc,
    pub(crate) rollup: Address,
    pub(crate) mining: Arc<Mutex<Mining>>,
}

impl ProvingTask {
    /// Runs until aborted; returns only with an error.
    pub(crate) async fn run(self) -> DevL1Error {
        let mut looks = tokio::time::interval(LOOK);
        let mut seen = None;
        loop {
            looks.tick().await;
            let step = async {
                let head = self.rpc.head().await?.number;
                if seen.replace(head).is_some_and(|seen| seen != head) { self.prove_after_new_block().await } else { Ok(()) }
            };
            if let Err(error) = step.await {
                return error;
            }
        }
    }

    /// The next block is most of a second away when one has just come: no proposal can land between reading the tips and writing them.
    async fn prove_after_new_block(&self) -> Result<(), DevL1Error> {
        let mining = self.mining.lock().await;
        if *mining == Mining::Paused || self.provable().await?.is_none() {
            return Ok(());
        }
        self.rpc.request::<_, ()>("evm_setIntervalMining", (0,)).await?;
        let proved = self.prove().await;
        self.rpc.request::<_, ()>("evm_setIntervalMining", (ETHEREUM_SLOT_DURATION_S,)).await?;
        proved
    }

    async fn prove(&self) -> Result<(), DevL1Error> {
        if let Some((pending, proven)) = self.provable().await? {
            let word = tips_word(pending, proven);
            self.rpc.request::<_, bool>("anvil_setStorageAt", (self.rollup, tips_slot(), word)).await?;
            tracing::info!(%proven, %pending, "moved the proven tip");
        }
        Ok(())
    }

    /// The pending tip and the number up to which checkpoints can be proven, if that moves the proven tip.
    async fn provable(&self) -> Result<Option<(U256, U256)>, DevL1Error> {
        let rollup = self.rollup();
        let error = |call| move |source| DevL1Error::Contract { call, source: Box::new(source) };
        let tips = rollup.getTips().call().await.map_err(error("getTips"))?;
        let epoch = rollup.getCurrentEpoch().call().await.map_err(error("getCurrentEpoch"))?;
        let mut number = tips.pending;
        while number > tips.proven {
            let own = rollup.getEpochForCheckpoint(number).call().await.map_err(error("getEpochForCheckpoint"))?;
            if own < epoch {
                return Ok(Some((tips.pending, number)));
            }
            number -= U256::from(1);
        }
        Ok(None)
    }

    fn rollup(&self) -> IRollupInstance<&alloy::providers::RootProvider> {
        IRollup::new(self.rollup, self.rpc.provider())
    }
}
