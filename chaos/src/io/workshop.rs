//! Directories in which lives are lived and images are laid out, one at a time.
//!
//! A replica's directory is marked with its inode, so an image is laid out where its life was lived, and nowhere else.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::image::Image;
use super::inspect::{Found, Inspector};
use super::journal::{Change, JournalFault, parse};
use super::life::{Place, REPLICAS, SUBJECT};
use super::told::Told;

/// The names of the watched directories in journals.
const DATA: &str = "data";
const MEMORY: &str = "memory";
/// A life that takes longer has come to a stop that its own clock does not see.
const PATIENCE: Duration = Duration::from_secs(120);

/// One place, and the programs that work in it.
pub(super) struct Workshop {
    place: Place,
    journal: PathBuf,
    program: PathBuf,
    layer: PathBuf,
    inspector: Inspector,
    _directories: [TempDir; 2],
}

/// A life that was lived under the faulty layer.
pub(super) struct Recording {
    pub(super) changes: Vec<Change>,
    /// The process's end, if it was not exit code 0.
    pub(super) died: Option<String>,
    pub(super) complained: String,
}

/// Why a campaign did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum WorkshopError {
    /// Files or processes cannot be made.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The layer wrote nothing down: it is not what it should be.
    #[error("{layer} wrote no journal: is it the library of crate ollin-faulty-disk?")]
    NoJournal {
        /// The layer.
        layer: PathBuf,
    },
}

impl Workshop {
    pub(super) fn new(program: &Path, layer: &Path) -> Result<Self, WorkshopError> {
        let failed = |path: &str| {
            let path = PathBuf::from(path);
            move |source| WorkshopError::Io { path, source }
        };
        let disk = TempDir::with_prefix("chaos-io-").map_err(failed("the directory for temporary files"))?;
        let memory = TempDir::with_prefix_in("chaos-io-", "/dev/shm").map_err(failed("/dev/shm"))?;
        let place = Place { data: disk.path().join(DATA), memory: memory.path().to_owned() };
        fs::create_dir(&place.data).map_err(failed("the directory for stores"))?;
        Ok(Self {
            journal: disk.path().join("journal"),
            inspector: Inspector::new(program.to_owned(), place.clone()),
            program: program.to_owned(),
            layer: layer.to_owned(),
            place,
            _directories: [disk, memory],
        })
    }

    /// Lives a life from its beginning. `fault` as the layer reads it.
    pub(super) fn record(&mut self, life: &[String], fault: Option<&str>) -> Result<Recording, WorkshopError> {
        for root in [&self.place.data, &self.place.memory] {
            empty(root).map_err(|source| WorkshopError::Io { path: root.clone(), source })?;
        }
        self.live(life, fault)
    }

    /// Lives on in what is there.
    pub(super) fn live(&mut self, life: &[String], fault: Option<&str>) -> Result<Recording, WorkshopError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WorkshopError::Io { path, source }
        };
        drop(fs::remove_file(&self.journal));
        let mut command = Command::new(&self.program);
        command.arg("io-life").arg("--data").arg(&self.place.data).arg("--memory").arg(&self.place.memory).args(life);
        let roots = format!("{DATA}={}:{MEMORY}={}", self.place.data.display(), self.place.memory.display());
        command.env("LD_PRELOAD", &self.layer).env("FAULTY_DISK_ROOTS", roots).env("FAULTY_DISK_JOURNAL", &self.journal);
        if let Some(fault) = fault {
            command.env("FAULTY_DISK_FAULT", fault);
        }
        let complaints = self.journal.with_file_name("complaints");
        let error_output = fs::File::create(&complaints).map_err(failed(&complaints))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(error_output);
        let mut child = command.spawn().map_err(failed(&self.program))?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed(&self.program))? {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().map_err(failed(&self.program))?;
                break child.wait().map_err(failed(&self.program))?;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let journal = match fs::read(&self.journal) {
            Ok(journal) => journal,
            Err(_) => return Err(WorkshopError::NoJournal { layer: self.layer.clone() }),
        };
        let changes = parse(&journal)?;
        let complained = fs::read_to_string(&complaints).unwrap_or_default();
        let died = (!status.success()).then(|| match status.signal() {
            Some(signal) => format!("signal {signal}"),
            None => status.to_string(),
        });
        Ok(Recording { changes, died, complained })
    }

    /// Lays out what an image holds of the subject, and of the others if `whole`. With `memory` gone there are no anchors.
    pub(super) fn lay_out(&self, image: &Image, whole: bool) -> Result<(), WorkshopError> {
        for replica in REPLICAS.into_iter().filter(|replica| whole || *replica == SUBJECT) {
            let contents = Contents { image, prefix: format!("{DATA}/{replica}/") };
            contents.replace(&self.place.store(replica))?;
            let contents = Contents { image, prefix: format!("{MEMORY}/{replica}/") };
            contents.replace(&self.place.anchor(replica))?;
        }
        let told = image.files.get(&format!("{DATA}/told")).map_or(&[][..], Vec::as_slice);
        let path = self.place.told();
        fs::write(&path, told).map_err(|source| WorkshopError::Io { path, source })
    }

    /// Opens what is laid out.
    pub(super) fn inspect(&mut self) -> Result<Found, WorkshopError> {
        self.inspector.ask().map_err(|source| WorkshopError::Io { path: self.program.clone(), source })
    }

    /// What was told up to now.
    pub(super) fn told(&self) -> Result<Vec<Told>, WorkshopError> {
        let path = self.place.told();
        match fs::read(&path) {
            Ok(text) => Ok(Told::parse_all(&text)),
            Err(source) => Err(WorkshopError::Io { path, source }),
        }
    }
}

/// What an image holds below a directory.
struct Contents<'a> {
    image: &'a Image,
    prefix: String,
}

impl Contents<'_> {
    /// Puts it in place of what is in `directory`, which stays the same directory.
    fn replace(&self, directory: &Path) -> Result<(), WorkshopError> {
        let lay = || -> io::Result<()> {
            fs::create_dir_all(directory)?;
            empty(directory)?;
            for path in self.image.directories.iter().filter_map(|path| path.strip_prefix(&self.prefix)) {
                fs::create_dir_all(directory.join(path))?;
            }
            for (path, bytes) in &self.image.files {
                if let Some(path) = path.strip_prefix(&self.prefix) {
                    fs::write(directory.join(path), bytes)?;
                }
            }
            Ok(())
        };
        lay().map_err(|source| WorkshopError::Io { path: directory.to_owned(), source })
    }
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}
