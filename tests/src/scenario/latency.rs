//! What a claim costs, beside what it must cost at least on this machine.

use anyhow::{Context, Result};

use crate::floor::Floor;
use crate::report::Outcome;
use crate::world::World;

/// The leader's own measurement, in seconds.
const METRIC: &str = "ollin_claim_seconds";

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("latency", &["what", "microseconds"]);
    let leader = world.settled(super::SETTLED).await?;
    let metrics = world.replica(leader)?.public().text("/metrics").await?;
    let claim = Claims::read(&metrics, METRIC).with_context(|| format!("the leader's metrics have no {METRIC}"))?;
    let floor = Floor::measure(world.directory())?;
    outcome.table.row(["claim, mean".to_owned(), claim.mean_us.to_string()]);
    if let Some(median_us) = claim.median_us {
        outcome.table.row(["claim, median".to_owned(), median_us.to_string()]);
    }
    outcome.table.row(["one fdatasync".to_owned(), floor.sync_us.to_string()]);
    outcome.table.row(["one round trip".to_owned(), floor.round_trip_us.to_string()]);
    let shown = claim.median_us.unwrap_or(claim.mean_us);
    outcome.figure("claim", format!("{shown} us of {}, floor {} us (fdatasync + round trip)", claim.count, floor.total_us()));
    outcome.check("claims were measured", claim.count > 0);
    Ok(outcome)
}

/// A summary or histogram as Prometheus text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claims {
    count: u64,
    mean_us: u64,
    median_us: Option<u64>,
}

impl Claims {
    /// Reads `name` from `metrics`; series with different labels are added up.
    fn read(metrics: &str, name: &str) -> Option<Self> {
        let sum_of = |suffix: &str| -> f64 { series(metrics, &format!("{name}{suffix}")).map(|(_, value)| value).sum() };
        let count = sum_of("_count");
        let median = series(metrics, name).find(|(labels, _)| labels.contains("quantile=\"0.5\"")).map(|(_, value)| value);
        (count > 0.0).then(|| Self {
            count: whole(count),
            mean_us: whole(sum_of("_sum") / count * 1e6),
            median_us: median.map(|s| whole(s * 1e6)),
        })
    }
}

/// Labels and values of the lines of the metric `name`.
fn series<'a>(metrics: &'a str, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
    let name = name.to_owned();
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(&name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let own = labels.is_empty() || labels.starts_with('{');
        own.then_some((labels, value.parse().ok()?))
    })
}

/// The nearest whole number at or below `value`; metrics are far below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "there is no checked conversion from f64")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_yields_count_mean_and_median() {
        let text = "# TYPE x summary\nx{quantile=\"0.5\"} 0.002\nx{quantile=\"0.99\"} 0.01\nx_sum 0.03\nx_count 10\nxy_count 5\n";
        assert_eq!(Claims::read(text, "x"), Some(Claims { count: 10, mean_us: 3000, median_us: Some(2000) }));
    }

    #[test]
    fn a_histogram_has_no_median_and_labels_are_added_up() {
        let text = "x_bucket{le=\"1\"} 4\nx_sum{a=\"1\"} 0.5\nx_sum{a=\"2\"} 0.5\nx_count{a=\"1\"} 3\nx_count{a=\"2\"} 1\n";
        assert_eq!(Claims::read(text, "x"), Some(Claims { count: 4, mean_us: 250_000, median_us: None }));
    }

    #[test]
    fn a_metric_without_samples_is_absent() {
        assert_eq!(Claims::read("x_sum 0\nx_count 0\n", "x"), None);
        assert_eq!(Claims::read("", "x"), None);
    }
}
