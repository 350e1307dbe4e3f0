//! Waiting for a condition, with a deadline.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// What did not come true in time.
#[derive(Debug)]
pub struct NotInTime {
    what: String,
    waited: Duration,
}

impl std::fmt::Display for NotInTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} did not happen within {:.1} s", self.what, self.waited.as_secs_f64())
    }
}

impl std::error::Error for NotInTime {}

/// Polls `look` until it yields a value.
///
/// # Errors
/// [`NotInTime`], naming `what`, once `patience` has passed.
pub async fn until<T, F, Fut>(what: impl Into<String>, patience: Duration, mut look: F) -> Result<T, NotInTime>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(value) = look().await {
            return Ok(value);
        }
        if start.elapsed() >= patience {
            return Err(NotInTime { what: what.into(), waited: start.elapsed() });
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_never_holds_ends_at_the_deadline_and_is_named() {
        let fault = until("the moon", Duration::from_millis(30), || async { None::<()> }).await.unwrap_err();
        assert!(fault.to_string().starts_with("the moon did not happen within"), "{fault}");
    }

    #[tokio::test]
    async fn a_condition_that_holds_later_is_seen() {
        let mut looks = 0;
        let seen = until("a third look", Duration::from_secs(5), || {
            looks += 1;
            let look = looks;
            async move { (look == 3).then_some(look) }
        });
        assert_eq!(seen.await.unwrap(), 3);
    }
}
