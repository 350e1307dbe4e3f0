//! One file per invariant: pure functions from evidence to violations.

mod no_news_after_wake;
mod one_attempt;
mod one_root;
mod write_ahead;

pub use no_news_after_wake::no_news_after_wake;
pub use one_attempt::{claimed_checkpoints, one_attempt};
pub use one_root::one_root;
pub use write_ahead::write_ahead;
