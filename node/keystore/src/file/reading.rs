//! What comes to light while files are read.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Warning, is_open_to_others};
use crate::fault::{Fault, Place};

/// Faults and warnings so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
}

impl Reading {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Keeps a value, or the fault in its place.
    pub(super) fn keep<T>(&mut self, outcome: Result<T, Fault>) -> Option<T> {
        outcome.map_err(|fault| self.fault(fault)).ok()
    }

    pub(super) fn warn(&mut self, code: &'static str, message: String) {
        let warning = Warning { code, message };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn warn_about_mode(&mut self, file: &Path, metadata: &Metadata) {
        if is_open_to_others(metadata) {
            let mode = metadata.permissions().mode() & 0o777;
            let name = file.display();
            self.warn("keystore_mode", format!("{name} has mode {mode:o}, others can read it: run chmod 600 {name}"));
        }
    }

    pub(super) fn warn_unused(&mut self, place: &Place, reason: &str) {
        self.warn("keystore_unused", format!("{place} is not used: {reason}"));
    }
}
