//! A machine's memory, as far as the local anchor needs it: it outlives a process, and not the machine's end.

use std::io;
use std::sync::Arc;

use ollin_guard::{Fault, planted};
use parking_lot::Mutex;

use crate::recovery::{Anchor, Promise};

/// The anchor of one machine. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct MemoryAnchor {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// How often the machine has started.
    boot: u64,
    /// In which of these lives it was written, of which Raft id, and what. It stays where the machine's memory does not: the boot
    /// alone must tell that it says nothing any more.
    record: Option<(u64, u64, Promise)>,
}

impl MemoryAnchor {
    /// The machine starts anew.
    pub fn reboot(&self) {
        self.kept.lock().boot += 1;
    }

    /// Whether it says anything in this life of the machine.
    pub fn is_written(&self) -> bool {
        let kept = self.kept.lock();
        kept.record.is_some_and(|(boot, _, _)| boot == kept.boot)
    }
}

impl Anchor for MemoryAnchor {
    fn read(&self, replica: u64) -> Option<Promise> {
        let kept = self.kept.lock();
        let believed = |boot| boot == kept.boot || planted(Fault::AnchorOfEarlierBoot);
        kept.record.filter(|(boot, written_by, _)| believed(*boot) && *written_by == replica).map(|(_, _, promise)| promise)
    }

    fn write(&self, replica: u64, promise: &Promise) -> io::Result<()> {
        let mut kept = self.kept.lock();
        kept.record = Some((kept.boot, replica, *promise));
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        self.kept.lock().record = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_outlives_a_process_and_not_the_machine() {
        let anchor = MemoryAnchor::default();
        assert_eq!(anchor.read(1), None);
        anchor.write(1, &Promise::default()).unwrap();
        let of_the_next_process = anchor.clone();
        assert!(of_the_next_process.is_written());
        assert_eq!(of_the_next_process.read(1), Some(Promise::default()));
        assert_eq!(of_the_next_process.read(2), None, "another Raft id's");
        anchor.reboot();
        assert!(!anchor.is_written());
        assert_eq!(anchor.read(1), None, "of an earlier boot");
        anchor.write(1, &Promise::default()).unwrap();
        anchor.remove().unwrap();
        assert_eq!(anchor.read(1), None);
    }
}
