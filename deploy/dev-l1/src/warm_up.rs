//! A first blob transaction, so that nobody waits for anvil's own first one.

use alloy::consensus::{BlobTransactionSidecar, SignableTransaction, TxEip4844, TxEip4844WithSidecar};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip4844::{Blob, Bytes48};
use alloy::primitives::{B256, hex};
use alloy::providers::Provider;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;

use crate::account::Account;
use crate::error::DevL1Error;
use crate::rpc::AnvilRpc;

/// Commitment to, and proof of, a blob of zeros: the point at infinity, compressed.
const INFINITY: Bytes48 = {
    let mut point = [0; 48];
    point[0] = 0xc0;
    alloy::primitives::FixedBytes(point)
};
/// Far above what an idle development chain asks for, wei per gas.
const FEE_WEI: u128 = 100_000_000_000;

/// Sends one blob of zeros from the deployer to itself. Anvil loads its KZG set-up for the first blob it sees and answers nobody
/// meanwhile (seconds); a real L1 node is always past that.
pub(crate) async fn send_first_blob(rpc: &AnvilRpc, chain_id: u64) -> Result<(), DevL1Error> {
    let deployer = Account::at(Account::DEPLOYER)?;
    let constant = |_| DevL1Error::Constant { what: "deployer's key" };
    let signer = PrivateKeySigner::from_bytes(&deployer.private_key).map_err(constant)?;
    let nonce = rpc.provider().get_transaction_count(deployer.address).await;
    let nonce = nonce.map_err(|source| DevL1Error::Rpc { method: "eth_getTransactionCount", source: Box::new(source) })?;
    let sidecar = BlobTransactionSidecar::new(vec![Blob::ZERO], vec![INFINITY], vec![INFINITY]);
    let transaction = TxEip4844 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: FEE_WEI,
        max_priority_fee_per_gas: FEE_WEI,
        to: deployer.address,
        blob_versioned_hashes: sidecar.versioned_hashes().collect(),
        max_fee_per_blob_gas: FEE_WEI,
        ..TxEip4844::default()
    };
    let unsigned = TxEip4844WithSidecar { tx: transaction, sidecar };
    let signature =
        signer.sign_hash_sync(&unsigned.signature_hash()).map_err(|_| DevL1Error::Constant { what: "deployer's key" })?;
    let raw = unsigned.into_signed(signature).encoded_2718();
    rpc.request::<_, B256>("eth_sendRawTransaction", (hex::encode_prefixed(raw),)).await?;
    Ok(())
}
