//! Quantiles of what was measured.

use crate::order::Timed;

/// One measurement of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    /// With the signature, where there is one.
    pub(crate) total_p50_us: u64,
    pub(crate) per_second: u64,
}

impl Figures {
    /// `None` if nothing was measured.
    pub(crate) fn of(timed: &Timed) -> Option<Self> {
        let mut claims = timed.claim_us.clone();
        let mut totals = timed.total_us.clone();
        claims.sort_unstable();
        totals.sort_unstable();
        let count = u64::try_from(claims.len()).ok()?;
        Some(Self {
            p50_us: quantile(&claims, 500)?,
            p99_us: quantile(&claims, 990)?,
            p999_us: quantile(&claims, 999)?,
            total_p50_us: quantile(&totals, 500)?,
            per_second: count.saturating_mul(1_000_000).checked_div(timed.elapsed_us)?,
        })
    }

    /// Each figure's median over rounds. `None` without rounds.
    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |pick: fn(&Self) -> u64| median(rounds.iter().map(pick).collect());
        Some(Self {
            p50_us: of(|one| one.p50_us)?,
            p99_us: of(|one| one.p99_us)?,
            p999_us: of(|one| one.p999_us)?,
            total_p50_us: of(|one| one.total_p50_us)?,
            per_second: of(|one| one.per_second)?,
        })
    }
}

/// The value below which so many of a thousand lie.
fn quantile(sorted: &[u32], permille: usize) -> Option<u64> {
    let at = sorted.len().checked_mul(permille)?.checked_div(1000)?.min(sorted.len().checked_sub(1)?);
    sorted.get(at).map(|value| u64::from(*value))
}

/// The middle one. `None` of nothing.
pub(crate) fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_of_the_sorted_calls_and_the_rate_of_all() {
        let claim_us: Vec<u32> = (0..1000).rev().collect();
        let timed = Timed { total_us: claim_us.iter().map(|us| us + 10).collect(), claim_us, elapsed_us: 500_000 };
        let figures = Figures::of(&timed).unwrap();
        assert_eq!((figures.p50_us, figures.p99_us, figures.p999_us), (500, 990, 999));
        assert_eq!((figures.total_p50_us, figures.per_second), (510, 2000));
        assert!(Figures::of(&Timed::default()).is_none());
    }

    #[test]
    fn the_median_of_rounds_is_taken_figure_by_figure() {
        let round = |p50_us, per_second| Figures { p50_us, p99_us: 1, p999_us: 1, total_p50_us: 1, per_second };
        let median = Figures::median(&[round(3, 10), round(1, 30), round(2, 20)]).unwrap();
        assert_eq!((median.p50_us, median.per_second), (2, 20));
        assert!(Figures::median(&[]).is_none());
    }
}
