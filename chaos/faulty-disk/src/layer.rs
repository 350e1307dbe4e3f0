//! The watched directories, the open files in them, and the journal.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::fault::{Effect, Fault};
use crate::journal::Record;

/// The layer of this process; it has none where the environment does not ask for it.
pub(crate) struct Layer {
    /// Names, and paths with a slash at their end.
    roots: Vec<(String, String)>,
    journal: i32,
    fault: Option<Fault>,
    state: Mutex<State>,
}

/// The files that are open now, and how often the call has come that is to fail.
#[derive(Default)]
pub(crate) struct State {
    files: BTreeMap<i32, OpenFile>,
    seen: u64,
}

#[derive(Clone)]
pub(crate) struct OpenFile {
    pub(crate) path: String,
    pub(crate) appends: bool,
}

impl Layer {
    /// The process's own, made at the first call.
    pub(crate) fn get() -> Option<&'static Self> {
        static LAYER: OnceLock<Option<Layer>> = OnceLock::new();
        LAYER.get_or_init(Self::from_environment).as_ref()
    }

    fn from_environment() -> Option<Self> {
        let roots = std::env::var("FAULTY_DISK_ROOTS").ok()?;
        let root = |text: &str| {
            let (name, path) = text.split_once('=')?;
            Some((name.to_owned(), format!("{}/", path.trim_end_matches('/'))))
        };
        let roots = roots.split(':').map(root).collect::<Option<Vec<_>>>()?;
        let journal = CString::new(std::env::var("FAULTY_DISK_JOURNAL").ok()?).ok()?;
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: the path is a C string that outlives the call.
        let journal = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, journal.as_ptr(), flags, 0o644) };
        let fault = std::env::var("FAULTY_DISK_FAULT").ok();
        let fault = match &fault {
            // A fault that cannot be read would be none, and the run would prove nothing.
            Some(text) => Some(Fault::parse(text)?),
            None => None,
        };
        Some(Self { roots, journal: i32::try_from(journal).ok().filter(|fd| *fd >= 0)?, fault, state: Mutex::default() })
    }

    /// `NAME/below/it`, if the path lies in a watched directory; `NAME` for that one itself.
    pub(crate) fn watched(&self, path: &str) -> Option<String> {
        let name = |(name, root): &(String, String)| match path.strip_prefix(root.as_str()) {
            Some(below) => Some(format!("{name}/{below}")),
            None => root.strip_suffix('/').is_some_and(|root| root == path).then(|| name.clone()),
        };
        self.roots.iter().find_map(name)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to happen to this call; it counts as one.
    pub(crate) fn effect(&self, state: &mut State, operation: &str, path: &str) -> Option<Effect> {
        let fault = self.fault.as_ref().filter(|fault| fault.concerns(operation, path))?;
        let number = state.seen;
        state.seen += 1;
        fault.is_at(number).then_some(fault.effect)
    }

    pub(crate) fn write_down(&self, record: &Record<'_>) {
        let mut bytes = record.encode();
        while !bytes.is_empty() {
            // SAFETY: pointer and length are those of a living vector.
            let written = unsafe { libc::syscall(libc::SYS_write, self.journal, bytes.as_ptr(), bytes.len()) };
            let Some(written) = usize::try_from(written).ok().filter(|written| *written > 0) else {
                // Without its journal a run proves nothing.
                std::process::abort();
            };
            bytes.drain(..written);
        }
    }
}

impl State {
    pub(crate) fn opened(&mut self, fd: i32, file: OpenFile) {
        self.files.insert(fd, file);
    }

    pub(crate) fn closed(&mut self, fd: i32) {
        self.files.remove(&fd);
    }

    pub(crate) fn file(&self, fd: i32) -> Option<OpenFile> {
        self.files.get(&fd).cloned()
    }

    /// Open files keep their contents under another name.
    pub(crate) fn renamed(&mut self, from: &str, to: &str) {
        self.unlinked(to);
        for file in self.files.values_mut().filter(|file| file.path == from) {
            to.clone_into(&mut file.path);
        }
    }

    /// What is written to a file without a name is nobody's any more.
    pub(crate) fn unlinked(&mut self, path: &str) {
        self.files.retain(|_, file| file.path != path);
    }
}
