//! The switch that stops a replica for good: once halted, it grants nothing and answers nobody.

use std::sync::Arc;

use tokio::sync::watch;

/// Why a replica stopped, seen by all its parts. The first reason stays.
#[derive(Clone, Debug)]
pub(crate) struct Halt {
    reason: Arc<watch::Sender<Option<String>>>,
}

impl Halt {
    pub(crate) fn new() -> Self {
        Self { reason: Arc::new(watch::Sender::new(None)) }
    }

    /// Stops the replica.
    pub(crate) fn halt(&self, reason: String) {
        let first = self.reason.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason.clone());
            }
            first
        });
        if first {
            tracing::error!(reason, "replica halted: it grants nothing from here on");
        }
    }

    /// Why it stopped, if it did.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.borrow().clone()
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.reason.borrow().is_some()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<String>> {
        self.reason.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let halt = Halt::new();
        assert!(!halt.is_halted());
        halt.halt("first".to_owned());
        halt.halt("second".to_owned());
        assert_eq!(halt.reason().as_deref(), Some("first"));
    }
}
