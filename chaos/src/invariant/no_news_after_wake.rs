//! A replica that wakes from a pause repeats at most what somebody has emitted before.

use crate::{Emission, Emitted, History, Violation, Wake};

/// Checks every line of the woken replica in the window: its duty and root, or its transaction, must have left before, from
/// whichever replica.
pub fn no_news_after_wake(history: &History, wake: Wake) -> Vec<Violation> {
    let window = wake.woke_at_ms..=wake.until_ms.unwrap_or(u64::MAX);
    let after = history
        .emissions
        .iter()
        .filter(|emission| emission.origin.replica == wake.replica && window.contains(&emission.origin.time_ms));
    after
        .filter(|emission| {
            !history.emissions.iter().any(|before| before.origin.precedes(&emission.origin) && same(before, emission))
        })
        .map(|emission| Violation::NewAfterWake { origin: emission.origin.clone(), emitted: emission.emitted })
        .collect()
}

fn same(before: &Emission, after: &Emission) -> bool {
    match (&before.emitted, &after.emitted) {
        (Emitted::Signature(before), Emitted::Signature(after)) => (before.key, before.root) == (after.key, after.root),
        (Emitted::Transaction(before), Emitted::Transaction(after)) => before.hash == after.hash,
        (Emitted::Signature(_), Emitted::Transaction(_)) | (Emitted::Transaction(_), Emitted::Signature(_)) => false,
    }
}
