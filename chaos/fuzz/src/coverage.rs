//! Which edges of our code an execution took.
//!
//! A build by `chaos/fuzz/run` has a counter for each edge (`-C passes=sancov-module`, inline 8-bit counters; on stable Rust), and
//! its start-up code hands the counters over here. Any other build has none: then runs are blind.

#![allow(unsafe_code, reason = "the counters are memory that instrumented code writes to; only this file touches them")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

/// The counters of each linked part, as its constructor announced them.
static PARTS: Mutex<Vec<&'static [AtomicU8]>> = Mutex::new(Vec::new());

/// Called by the constructors of instrumented code, before `main`.
///
/// # Safety
/// `start..end` are counters that live as long as the process, which is what the compiler promises.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *const AtomicU8, end: *const AtomicU8) {
    let count = usize::try_from(unsafe { end.offset_from(start) }).unwrap_or(0);
    let part = unsafe { std::slice::from_raw_parts(start, count) };
    if let Ok(mut parts) = PARTS.lock()
        && !parts.iter().any(|known| known.as_ptr() == start)
    {
        parts.push(part);
    }
}

/// Announced beside the counters, with the addresses of the edges; not needed.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(_start: *const usize, _end: *const usize) {}

/// What has been seen so far: for each counter the classes of counts that occurred.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    parts: Vec<&'static [AtomicU8]>,
    seen: Vec<u8>,
    features: usize,
}

impl Coverage {
    pub(crate) fn new() -> Self {
        let parts = PARTS.lock().map(|parts| parts.clone()).unwrap_or_default();
        let count = parts.iter().map(|part| part.len()).sum();
        Self { parts, seen: vec![0; count], features: 0 }
    }

    /// Whether there are counters at all.
    pub(crate) fn exists(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Pairs of edge and class seen so far.
    pub(crate) fn features(&self) -> usize {
        self.features
    }

    /// Before an execution.
    pub(crate) fn reset(&self) {
        for counter in self.parts.iter().flat_map(|part| part.iter()) {
            if counter.load(Ordering::Relaxed) != 0 {
                counter.store(0, Ordering::Relaxed);
            }
        }
    }

    /// After an execution: how much of it was new.
    pub(crate) fn take(&mut self) -> usize {
        let mut new = 0;
        for (counter, seen) in self.parts.iter().flat_map(|part| part.iter()).zip(&mut self.seen) {
            let class = class(counter.load(Ordering::Relaxed));
            if class & !*seen != 0 {
                *seen |= class;
                new += 1;
            }
        }
        self.features += new;
        new
    }
}

/// Counts that differ by an order of magnitude are different things; one bit for each class.
const fn class(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}
