//! The replaced symbols.
//!
//! `open` is variadic in C; the mode is passed as a plain argument in the same register on the platforms that Linux has, so it is
//! declared as one.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};

use libc::{iovec, mode_t, off_t, size_t, ssize_t};

use crate::fault::Effect;
use crate::journal::Record;
use crate::layer::{Layer, OpenFile};

/// A change of names: what it is, where, and which error keeps it from happening.
struct Change {
    operation: &'static str,
    path: Option<String>,
    target: Option<String>,
}

fn fail(error: c_int) -> c_int {
    // SAFETY: the location is this thread's own.
    unsafe { *libc::__errno_location() = error };
    -1
}

fn int(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

fn size(result: c_long) -> ssize_t {
    ssize_t::try_from(result).unwrap_or(-1)
}

/// # Safety
/// `path` is a C string.
unsafe fn watched(path: *const c_char) -> Option<String> {
    if path.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    let path = unsafe { CStr::from_ptr(path) };
    Layer::get()?.watched(path.to_str().ok()?)
}

/// Makes a change of names, unless it is the one that fails.
fn change(change: Change, call: impl FnOnce() -> c_long, after: impl FnOnce(&mut crate::layer::State, &str)) -> c_int {
    let Change { operation, path, target } = change;
    let (Some(layer), Some(path)) = (Layer::get(), path) else { return int(call()) };
    let mut state = layer.lock();
    let effect = layer.effect(&mut state, operation, &path);
    let result = match effect {
        Some(Effect::Fail(error) | Effect::Torn(error)) => c_long::from(fail(error)),
        Some(Effect::Short) | None => call(),
    };
    // What failed by itself, such as the making of a directory that is there, is no change.
    if result >= 0 || effect.is_some() {
        let target = target.as_deref();
        layer.write_down(&Record { done: result >= 0, operation, path: &path, number: 0, bytes: &[], target });
    }
    if result >= 0 {
        after(&mut state, &path);
    }
    int(result)
}

/// # Safety
/// As `open`.
unsafe fn open_file(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's own.
    let call = || unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, mode) };
    // SAFETY: promised by the caller.
    let (Some(layer), Some(name)) = (Layer::get(), unsafe { watched(path) }) else { return int(call()) };
    let mut state = layer.lock();
    // SAFETY: as above.
    let existed = unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path, libc::F_OK) } == 0;
    let operation = match (existed, flags & libc::O_CREAT != 0, flags & libc::O_TRUNC != 0) {
        (false, true, _) => Some("create"),
        (true, _, true) => Some("truncate"),
        (true, _, false) | (false, false, _) => None,
    };
    let effect = operation.and_then(|operation| layer.effect(&mut state, operation, &name));
    let fd = match effect {
        Some(Effect::Fail(error) | Effect::Torn(error)) => fail(error),
        Some(Effect::Short) | None => int(call()),
    };
    if let Some(operation) = operation.filter(|_| fd >= 0 || effect.is_some()) {
        layer.write_down(&Record { done: fd >= 0, operation, path: &name, number: 0, bytes: &[], target: None });
    }
    if fd >= 0 {
        state.opened(fd, OpenFile { path: name, appends: flags & libc::O_APPEND != 0 });
    }
    fd
}

/// # Safety
/// `buffer` holds `count` bytes.
unsafe fn write_file(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    place: Option<off_t>,
    call: impl FnOnce(size_t) -> c_long,
) -> ssize_t {
    let Some(layer) = Layer::get() else { return size(call(count)) };
    let mut state = layer.lock();
    let Some(file) = state.file(fd) else {
        drop(state);
        return size(call(count));
    };
    let offset = match place {
        Some(offset) => offset,
        // SAFETY: plain numbers.
        None => unsafe {
            let whence = if file.appends { libc::SEEK_END } else { libc::SEEK_CUR };
            libc::syscall(libc::SYS_lseek, fd, 0, whence)
        },
    };
    let effect = layer.effect(&mut state, "write", &file.path);
    let (length, error) = match effect {
        None => (count, None),
        Some(Effect::Fail(error)) => (0, Some(error)),
        Some(Effect::Torn(error)) => (count / 2, Some(error)),
        Some(Effect::Short) => (count.div_ceil(2), None),
    };
    let written = if length > 0 { call(length) } else { 0 };
    let done = usize::try_from(written).unwrap_or(0);
    // SAFETY: no more than `count` bytes were written.
    let bytes = if done == 0 { &[] } else { unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), done) } };
    let number = u64::try_from(offset).unwrap_or(0);
    let record =
        Record { done: error.is_none() && written >= 0, operation: "write", path: &file.path, number, bytes, target: None };
    if count > 0 {
        layer.write_down(&record);
    }
    match error {
        Some(error) => size(c_long::from(fail(error))),
        None => size(written),
    }
}

fn sync_file(fd: c_int, call: c_long) -> c_int {
    // SAFETY: plain numbers.
    of_file(fd, "sync", 0, || unsafe { libc::syscall(call, fd) })
}

/// A call about a whole file.
fn of_file(fd: c_int, operation: &'static str, number: off_t, call: impl FnOnce() -> c_long) -> c_int {
    let Some(layer) = Layer::get() else { return int(call()) };
    let mut state = layer.lock();
    let Some(file) = state.file(fd) else {
        drop(state);
        return int(call());
    };
    let effect = layer.effect(&mut state, operation, &file.path);
    let result = match effect {
        Some(Effect::Fail(error) | Effect::Torn(error)) => fail(error),
        Some(Effect::Short) | None => int(call()),
    };
    let number = u64::try_from(number).unwrap_or(0);
    layer.write_down(&Record { done: result >= 0, operation, path: &file.path, number, bytes: &[], target: None });
    result
}

/// `open(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: promised by the caller.
    unsafe { open_file(path, flags, mode) }
}

/// `open(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: promised by the caller.
    unsafe { open_file(path, flags, mode) }
}

/// `close(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn close(fd: c_int) -> c_int {
    // Before the number can be given to another file.
    if let Some(layer) = Layer::get() {
        layer.lock().closed(fd);
    }
    // SAFETY: a plain number.
    int(unsafe { libc::syscall(libc::SYS_close, fd) })
}

/// `write(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: promised by the caller.
    unsafe { write_file(fd, buffer, count, None, |count| libc::syscall(libc::SYS_write, fd, buffer, count)) }
}

/// `writev(2)`; to a watched file it writes the first part that is not empty, as it may.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let is_watched = Layer::get().is_some_and(|layer| layer.lock().file(fd).is_some());
    let count_parts = usize::try_from(count).unwrap_or(0);
    if !is_watched || count_parts == 0 {
        // SAFETY: promised by the caller.
        return size(unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) });
    }
    // SAFETY: promised by the caller.
    let parts = unsafe { std::slice::from_raw_parts(parts, count_parts) };
    match parts.iter().find(|part| part.iov_len > 0) {
        // SAFETY: promised by the caller.
        Some(part) => unsafe { write(fd, part.iov_base, part.iov_len) },
        None => 0,
    }
}

/// # Safety
/// As `pwrite`.
unsafe fn write_at(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: promised by the caller.
    unsafe { write_file(fd, buffer, count, Some(offset), |count| libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset)) }
}

/// `pwrite(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: promised by the caller.
    unsafe { write_at(fd, buffer, count, offset) }
}

/// `pwrite(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite64(fd: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: promised by the caller.
    unsafe { write_at(fd, buffer, count, offset) }
}

/// `fsync(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fsync(fd: c_int) -> c_int {
    sync_file(fd, libc::SYS_fsync)
}

/// `fdatasync(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync_file(fd, libc::SYS_fdatasync)
}

/// `ftruncate(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    // SAFETY: plain numbers.
    of_file(fd, "truncate", length, || unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) })
}

/// `ftruncate(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    ftruncate(fd, length)
}

/// `fallocate(2)`, written down as a change that none can see: RocksDB keeps the size.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    // SAFETY: plain numbers.
    of_file(fd, "allocate", length, || unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) })
}

/// `fallocate(2)`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn fallocate64(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    fallocate(fd, mode, offset, length)
}

/// `rename(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: promised by the caller.
    let (path, target) = unsafe { (watched(from), watched(to)) };
    let new_name = target.clone().unwrap_or_default();
    // SAFETY: promised by the caller.
    let call = || unsafe { libc::syscall(libc::SYS_renameat, libc::AT_FDCWD, from, libc::AT_FDCWD, to) };
    change(Change { operation: "rename", path, target }, call, |state, path| state.renamed(path, &new_name))
}

/// `unlink(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: promised by the caller.
    let call = || unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) };
    // SAFETY: promised by the caller.
    let path = unsafe { watched(path) };
    change(Change { operation: "unlink", path, target: None }, call, |state, path| state.unlinked(path))
}

/// `mkdir(2)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: promised by the caller.
    let call = || unsafe { libc::syscall(libc::SYS_mkdirat, libc::AT_FDCWD, path, mode) };
    // SAFETY: promised by the caller.
    let path = unsafe { watched(path) };
    change(Change { operation: "mkdir", path, target: None }, call, |_, _| {})
}

/// `link(2)`: no watched program makes one, and the reader of the journal knows none.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn link(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: promised by the caller.
    if unsafe { watched(from).is_some() || watched(to).is_some() } {
        return fail(libc::EPERM);
    }
    // SAFETY: promised by the caller.
    int(unsafe { libc::syscall(libc::SYS_linkat, libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0) })
}
