//! Stands between a program and its files (`LD_PRELOAD`): writes down every change of the watched directories, and makes one of
//! them fail.
//!
//! - `FAULTY_DISK_ROOTS`: watched directories, `NAME=PATH`, separated by colons. Elsewhere nothing changes.
//! - `FAULTY_DISK_JOURNAL`: the file that every change is appended to; `journal.rs` has its format.
//! - `FAULTY_DISK_FAULT`: `PREFIX:OPERATION:FILE:NUMBER:FAULT`, the one call that fails: the NUMBERth (from 0) of its operation and
//!   kind of file below PREFIX (`NAME/directory/`).
//!
//! Every call is made and written down under one lock, so that the journal has the order in which the files changed. What goes past
//! the C library's symbols is not seen: `stdio` streams (RocksDB's own text log), and memory maps, through which nothing is written.
//! Calls are made by number, never by the symbols that are replaced here.

mod calls;
mod fault;
mod journal;
mod kind;
mod layer;
