//! The model of the signing log: every state of the short worlds, and the kept histories.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod history;
mod world;
