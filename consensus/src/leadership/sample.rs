//! The latest measurements of one thing.

use std::collections::VecDeque;
use std::time::Duration;

/// So many are kept.
const KEPT: usize = 32;

/// The latest measurements, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(VecDeque<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, sample: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// `None` before the first.
    pub(crate) fn median(&self) -> Option<Duration> {
        let mut sorted: Vec<_> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_latest_ones() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), None);
        (0..100).for_each(|number| samples.add(Duration::from_millis(number)));
        assert_eq!(samples.median(), Some(Duration::from_millis(84)));
    }
}
