//! One HTTP endpoint and what is known of its health.

use std::time::Duration;

use ollin_protocol::units::L1BlockNumber;
use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

/// Pause before a failed endpoint is probed for the first time; doubled at each further failure.
const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// Longest pause between probes of a failed endpoint.
const BACK_OFF_LONGEST: Duration = Duration::from_secs(30);
/// How many blocks an endpoint's head may be behind the best one before it is passed over.
pub(crate) const LAG_BLOCKS: u64 = 4;

/// What the status page shows of an endpoint. Holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EndpointStatus {
    /// Scheme, host and port; user, path and query are left out.
    pub url_redacted: String,
    /// Answers, and is not behind the others.
    pub healthy: bool,
    /// Why it is passed over, or the last failure.
    pub last_error: Option<String>,
    /// Its head when it was last probed.
    pub head: Option<L1BlockNumber>,
}

/// Head of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndpointHead {
    pub(crate) number: u64,
    pub(crate) timestamp: u64,
}

/// Health of one endpoint. Time is an argument.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    probe_at: Option<Instant>,
    last_error: Option<String>,
    head: Option<EndpointHead>,
}

impl Health {
    /// The endpoint answered a request. Returns whether it had been down.
    pub(crate) fn answered(&mut self) -> bool {
        let was_down = self.is_down();
        self.failures = 0;
        self.probe_at = None;
        was_down
    }

    /// The endpoint failed at `now`. Returns whether it had been up.
    pub(crate) fn failed(&mut self, reason: String, now: Instant) -> bool {
        let was_up = !self.is_down();
        let doublings = self.failures.min(5);
        self.failures = self.failures.saturating_add(1);
        self.probe_at = Some(now + BACK_OFF_LONGEST.min(BACK_OFF_FIRST.saturating_mul(1 << doublings)));
        self.last_error = Some(reason);
        was_up
    }

    /// Its head is known.
    pub(crate) fn observed(&mut self, head: EndpointHead) {
        self.head = Some(head);
    }

    /// Failed, and no probe has succeeded since.
    pub(crate) fn is_down(&self) -> bool {
        self.failures > 0
    }

    /// Up, or its back-off is over.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.probe_at.is_none_or(|at| at <= now)
    }

    pub(crate) fn head(&self) -> Option<EndpointHead> {
        self.head
    }
}

/// How far behind the best head an endpoint is, if that is too far.
///
/// `slot_duration` is the rollup's slot in seconds: an endpoint a whole slot behind shows a state that proposers have left.
pub(crate) fn lag(head: EndpointHead, best: EndpointHead, slot_duration: Option<u64>) -> Option<u64> {
    let blocks = best.number.saturating_sub(head.number);
    let seconds = best.timestamp.saturating_sub(head.timestamp);
    let slot_behind = slot_duration.is_some_and(|slot| seconds > slot);
    (blocks > LAG_BLOCKS || (slot_behind && blocks > 0)).then_some(blocks)
}

/// An endpoint: where it is, and its health. The lock is held for a field access at a time, never across an await.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) redacted: String,
    pub(crate) health: Mutex<Health>,
}

impl Endpoint {
    pub(crate) fn new(url: Url) -> Self {
        let redacted = redact(&url);
        Self { url, redacted, health: Mutex::default() }
    }

    pub(crate) fn status(&self, best: Option<EndpointHead>, slot_duration: Option<u64>) -> EndpointStatus {
        let health = self.health.lock();
        let behind = health.head.zip(best).and_then(|(head, best)| lag(head, best, slot_duration));
        EndpointStatus {
            url_redacted: self.redacted.clone(),
            healthy: !health.is_down() && behind.is_none(),
            last_error: match behind {
                Some(blocks) if !health.is_down() => Some(format!("{blocks} blocks behind the best endpoint")),
                Some(_) | None => health.last_error.clone(),
            },
            head: health.head.map(|head| L1BlockNumber::new(head.number)),
        }
    }
}

/// Scheme, host and port of a URL. Providers put keys in the user part, the path and the query.
pub(crate) fn redact(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let rest = if url.path().len() > 1 || url.query().is_some() { "/..." } else { "" };
    format!("{}://{host}{port}{rest}", url.scheme())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_url_shows_neither_user_nor_path_nor_query() {
        let url = Url::parse("https://user:secret@l1.example.org:8545/v3/0123secret?key=secret").unwrap();
        assert_eq!(redact(&url), "https://l1.example.org:8545/...");
        assert_eq!(redact(&Url::parse("http://127.0.0.1:8545").unwrap()), "http://127.0.0.1:8545");
    }

    #[test]
    fn back_off_doubles_up_to_its_limit_and_ends_with_an_answer() {
        let start = Instant::now();
        let mut health = Health::default();
        assert!(health.failed("refused".into(), start), "it had been up");
        assert!(!health.is_due(start + Duration::from_millis(999)));
        assert!(health.is_due(start + Duration::from_secs(1)));
        for _ in 0..40 {
            assert!(!health.failed("refused".into(), start), "it had been down");
        }
        assert!(!health.is_due(start + Duration::from_secs(29)));
        assert!(health.is_due(start + Duration::from_secs(30)));
        assert!(health.answered());
        assert!(!health.is_down() && health.is_due(start));
    }

    #[test]
    fn an_endpoint_lags_by_blocks_or_by_a_slot_of_time() {
        let best = EndpointHead { number: 100, timestamp: 1_000 };
        let at = |number, timestamp| EndpointHead { number, timestamp };
        assert_eq!(lag(at(96, 996), best, Some(6)), None);
        assert_eq!(lag(at(95, 995), best, Some(6)), Some(5));
        assert_eq!(lag(at(99, 988), best, Some(6)), Some(1), "one block, but twelve seconds old");
        assert_eq!(lag(at(100, 1_000), best, None), None);
        assert_eq!(lag(at(101, 1_012), best, Some(6)), None, "ahead of the best is no lag");
    }
}
