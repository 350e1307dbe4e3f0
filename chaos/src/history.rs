//! Everything that left the cluster's processes in a run, read from their outlet records.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::emission::{Emission, Origin};
use crate::line::{Line, LineFault};

/// The emissions of all replicas over all their restarts: files by name, lines in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What left.
    pub emissions: Vec<Emission>,
    /// Last lines that a killed process did not finish; nothing left for them.
    pub torn_lines: usize,
}

/// Why records cannot be judged. A record that is not read whole proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds something besides files.
    #[error("{} is not a file: an outlet directory holds records only", path.display())]
    NotAFile {
        /// What it is.
        path: PathBuf,
    },
    /// Not one line was recorded.
    #[error("{} holds no outlet line: nothing to judge", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A line that is not the unfinished last one is no outlet line.
    #[error("{file}:{line} is not a whole outlet line")]
    Line {
        /// File name.
        file: Arc<str>,
        /// Line in it, from 1.
        line: usize,
        /// What is wrong with it.
        source: LineFault,
    },
    /// The chain facts are not of their format.
    #[error("{} holds no chain facts", path.display())]
    ChainFacts {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl History {
    /// Reads every file of a directory.
    ///
    /// # Errors
    /// [`ReadError`] if anything in it is not a complete outlet record, or there is none.
    pub fn read(directory: &Path) -> Result<Self, ReadError> {
        let mut history = Self::default();
        for path in files_of(directory)? {
            let bytes = fs::read(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            history.add_record(&name, &bytes)?;
        }
        if history.emissions.is_empty() {
            return Err(ReadError::Empty { path: directory.to_path_buf() });
        }
        Ok(history)
    }

    /// Adds one file's lines. A line that ends with the file instead of a line feed, and is no outlet line, was torn by a kill:
    /// it is counted. Anywhere else it is an error.
    ///
    /// # Errors
    /// [`ReadError::Line`] for the first line that is not whole.
    pub fn add_record(&mut self, file: &str, bytes: &[u8]) -> Result<(), ReadError> {
        let file: Arc<str> = file.into();
        for (position, bytes) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let line = position + 1;
            let (content, finished) = match bytes.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (bytes, false),
            };
            match Line::parse(content) {
                Ok(Line { time_ms, replica, emitted }) => {
                    let origin = Origin { file: Arc::clone(&file), line, time_ms, replica };
                    self.emissions.push(Emission { origin, emitted });
                }
                Err(_) if !finished => self.torn_lines += 1,
                Err(source) => return Err(ReadError::Line { file, line, source }),
            }
        }
        Ok(())
    }
}

/// The directory's files, by name.
fn files_of(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let fault = |source| ReadError::Io { path: directory.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if !path.is_file() {
            return Err(ReadError::NotAFile { path });
        }
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}
