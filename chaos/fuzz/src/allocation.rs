//! What a target allocates: the most bytes that its thread holds at once.

#![allow(unsafe_code, reason = "an allocator is unsafe by its trait; this one only counts and leaves the rest to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// A request of this size is refused while a target runs: the process ends with its size rather than with the machine.
const REFUSED_BYTES: usize = 1 << 30;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `target` held at once on this thread, beyond what was held before.
pub(crate) fn peak_bytes(target: impl FnOnce()) -> usize {
    HELD.set(0);
    PEAK.set(0);
    WATCHED.set(true);
    target();
    WATCHED.set(false);
    usize::try_from(PEAK.get()).unwrap_or(0)
}

/// After a target that panicked.
pub(crate) fn stop() {
    WATCHED.set(false);
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = WATCHED.try_with(|watched| {
        if watched.get() {
            let held = HELD.get().saturating_add(bytes);
            HELD.set(held);
            PEAK.set(PEAK.get().max(held));
        }
    });
}

fn refused(bytes: usize) -> bool {
    bytes >= REFUSED_BYTES && WATCHED.try_with(Cell::get).unwrap_or(false)
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to the system's allocator with the arguments that came; what is refused is answered as the trait says, by
// a null pointer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if refused(layout.size()) {
            return std::ptr::null_mut();
        }
        count(signed(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if refused(layout.size()) {
            return std::ptr::null_mut();
        }
        count(signed(layout.size()));
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if refused(size) {
            return std::ptr::null_mut();
        }
        count(signed(size) - signed(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_counted_and_not_the_sum() {
        let peak = peak_bytes(|| {
            for _ in 0..10 {
                drop(std::hint::black_box(vec![0u8; 1000]));
            }
            let mut grown: Vec<u8> = Vec::with_capacity(10);
            grown.reserve_exact(5000);
            drop(std::hint::black_box(grown));
        });
        assert!((5000..6100).contains(&peak), "{peak} bytes");
        assert_eq!(peak_bytes(|| ()), 0);
    }
}
