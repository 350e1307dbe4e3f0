//! Why a keystore is refused: file, field, value, rule, remedy. Never a secret.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why no keystore was loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The path leads nowhere, or the system refuses to read it.
    #[error("the keystore {} cannot be read: check KEY_STORE_DIRECTORY and the owner of the file", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory without keystore files.
    #[error("{} holds no *.json file, expected at least one keystore file", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// Files that break rules; all faults found.
    #[error("the keystore has {} fault(s){}", faults.len(), Listed(faults))]
    Invalid {
        /// In the order of files and fields; never empty.
        faults: Vec<Fault>,
    },
}

/// One rule that a file breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The field, such as `validators[0].attester[1]`; empty for the file as a whole.
    pub field: String,
    /// What is there, without anything secret.
    pub found: String,
    /// What should be there.
    pub expected: String,
    /// What to do about it; empty where the rule says it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, field, found, expected, remedy } = self;
        write!(f, "{}: ", file.display())?;
        match field.is_empty() {
            true => write!(f, "the file {found}, expected {expected}")?,
            false => write!(f, "{field} {found}, expected {expected}")?,
        }
        if remedy.is_empty() { Ok(()) } else { write!(f, ": {remedy}") }
    }
}

struct Listed<'a>(&'a [Fault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    file: PathBuf,
    field: String,
}

impl Place {
    /// The whole file.
    pub(crate) fn file(file: &Path) -> Self {
        Self { file: file.to_owned(), field: String::new() }
    }

    /// A member of this object.
    pub(crate) fn key(&self, name: &str) -> Self {
        let dot = if self.field.is_empty() { "" } else { "." };
        Self { file: self.file.clone(), field: format!("{}{dot}{name}", self.field) }
    }

    /// An element of this array.
    pub(crate) fn index(&self, index: usize) -> Self {
        Self { file: self.file.clone(), field: format!("{}[{index}]", self.field) }
    }

    /// The file it is in.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// A fault here.
    pub(crate) fn fault(&self, found: impl Into<String>, expected: impl Into<String>, remedy: impl Into<String>) -> Fault {
        let (found, expected, remedy) = (found.into(), expected.into(), remedy.into());
        Fault { file: self.file.clone(), field: self.field.clone(), found, expected, remedy }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.field, self.file.display())
    }
}
