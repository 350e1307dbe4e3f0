//! Fees of attempts at one nonce: each at least twice every earlier recorded one, so that the newest wins in any pool.

use ollin_consensus::{Fault, Fees, planted};

/// What L1 asks for at its head, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// Base fee of the head.
    pub base_fee_wei: u128,
    /// Base fee for blobs.
    pub blob_base_fee_wei: u128,
    /// Tip that gets a transaction into the next blocks.
    pub priority_fee_wei: u128,
}

/// The most an operator pays, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeCaps {
    /// `L1_GAS_PRICE_MAX`, 2,000 gwei by default.
    pub max_fee_wei: u128,
    /// `L1_BLOB_FEE_PER_GAS_MAX`, 3,000 gwei by default.
    pub max_blob_fee_wei: u128,
}

impl Default for FeeCaps {
    fn default() -> Self {
        Self { max_fee_wei: 2_000 * GWEI, max_blob_fee_wei: 3_000 * GWEI }
    }
}

/// The next attempt would cost more than the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the next attempt at this nonce needs {needed_wei} wei per gas ({what}), the cap is {cap_wei}")]
pub struct AboveCap {
    /// Which of the two caps.
    pub what: &'static str,
    /// What rule R20 or the market asks for.
    pub needed_wei: u128,
    /// The configured cap.
    pub cap_wei: u128,
}

const GWEI: u128 = 1_000_000_000;

/// Fees of the next attempt at a nonce, given all earlier recorded ones there (none: the first attempt).
///
/// A first attempt stands two doublings of L1's base fee (about six full blocks); tips are raised by a fifth as the official node
/// does. Source of the percentages: npm @aztec/ethereum 4.1.2, `src/l1_tx_utils/config.ts`.
///
/// # Errors
/// [`AboveCap`]: nothing may be recorded then.
pub fn next_fees(market: &Market, earlier: &[Fees], caps: &FeeCaps) -> Result<Fees, AboveCap> {
    let tip = market.priority_fee_wei.saturating_mul(6) / 5;
    let highest = |of: fn(&Fees) -> u128| {
        earlier.iter().map(of).max().unwrap_or(0).saturating_mul(if planted(Fault::FeesNotDoubled) { 1 } else { 2 })
    };
    let max_priority_fee_per_gas = tip.max(1).max(highest(|fees| fees.max_priority_fee_per_gas));
    let wanted = market.base_fee_wei.saturating_mul(2).saturating_add(max_priority_fee_per_gas);
    let max_fee_per_gas = wanted.max(highest(|fees| fees.max_fee_per_gas));
    let max_fee_per_blob_gas = market.blob_base_fee_wei.saturating_mul(2).max(1).max(highest(|fees| fees.max_fee_per_blob_gas));
    if max_fee_per_gas > caps.max_fee_wei {
        return Err(AboveCap { what: "gas", needed_wei: max_fee_per_gas, cap_wei: caps.max_fee_wei });
    }
    if max_fee_per_blob_gas > caps.max_blob_fee_wei {
        return Err(AboveCap { what: "blob gas", needed_wei: max_fee_per_blob_gas, cap_wei: caps.max_blob_fee_wei });
    }
    Ok(Fees { max_priority_fee_per_gas, max_fee_per_gas, max_fee_per_blob_gas })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKET: Market = Market { base_fee_wei: 100, blob_base_fee_wei: 3, priority_fee_wei: 10 };

    #[test]
    fn a_first_attempt_follows_the_market() {
        let fees = next_fees(&MARKET, &[], &FeeCaps::default()).unwrap();
        assert_eq!(fees, Fees { max_priority_fee_per_gas: 12, max_fee_per_gas: 212, max_fee_per_blob_gas: 6 });
    }

    #[test]
    fn each_fee_is_twice_every_earlier_one_sent_or_not() {
        let earlier = [
            Fees { max_priority_fee_per_gas: 50, max_fee_per_gas: 400, max_fee_per_blob_gas: 6 },
            Fees { max_priority_fee_per_gas: 20, max_fee_per_gas: 900, max_fee_per_blob_gas: 40 },
        ];
        let fees = next_fees(&MARKET, &earlier, &FeeCaps::default()).unwrap();
        assert_eq!(fees, Fees { max_priority_fee_per_gas: 100, max_fee_per_gas: 1800, max_fee_per_blob_gas: 80 });
    }

    #[test]
    fn a_market_that_rose_fourfold_is_met_by_one_bump() {
        let first = next_fees(&MARKET, &[], &FeeCaps::default()).unwrap();
        let risen = Market { base_fee_wei: 400, ..MARKET };
        assert!(first.max_fee_per_gas < 400);
        assert!(next_fees(&risen, &[first], &FeeCaps::default()).unwrap().max_fee_per_gas >= 800);
    }

    #[test]
    fn a_fee_above_the_cap_is_refused_and_never_clipped() {
        let earlier = [Fees { max_priority_fee_per_gas: 1, max_fee_per_gas: 1_500 * GWEI, max_fee_per_blob_gas: 1 }];
        let refused = next_fees(&MARKET, &earlier, &FeeCaps::default()).unwrap_err();
        assert_eq!(refused, AboveCap { what: "gas", needed_wei: 3_000 * GWEI, cap_wei: 2_000 * GWEI });
    }
}
