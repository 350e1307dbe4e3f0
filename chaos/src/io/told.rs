//! What a life tells while it goes on: lines of a file in the watched directory, so that the journal has them in their place.

use std::collections::BTreeMap;
use std::fmt;

use alloy_primitives::B256;
use ollin_guard::Duty;
use ollin_protocol::units::{SigningRoot, Slot};

use crate::simulation::payload::{KINDS, duty};

/// One thing told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A claim was granted, to whoever led.
    Granted(Grant),
    /// The sync number `sync` of the replica under test begins to take so long that it may not act.
    Delayed {
        /// When it begins to.
        from_ms: u64,
        /// When it is over.
        to_ms: u64,
    },
    /// The life is over.
    Ended(Ended),
}

/// A granted claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number among the life's claims.
    pub number: u64,
    /// The root.
    pub root: SigningRoot,
    /// The leader's term.
    pub term: u64,
    /// Whether the replica under test led.
    pub own: bool,
    /// Whether no quorum was possible without the replica under test.
    pub needed: bool,
    /// When, since the life began.
    pub at_ms: u64,
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It came to its end.
    Done,
    /// The replica halted, was not opened, or ended its process, and said why.
    Stopped {
        /// `halted`, `refused` or `fatal`.
        how: String,
        /// The message.
        message: String,
    },
    /// Something did not come about in time.
    Stuck {
        /// What.
        message: String,
    },
    /// A task panicked.
    Panicked {
        /// What it said.
        message: String,
    },
}

/// The duty of a life's claim.
pub fn claimed(number: u64) -> Duty {
    let kinds = u64::try_from(KINDS.len()).unwrap_or(1);
    let kind = KINDS[usize::try_from(number % kinds).unwrap_or(0)];
    duty(kind, Slot::new(super::life::FLOOR.get() + 1 + number / kinds))
}

impl Told {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers = || rest.split(' ').map(|part| part.parse::<u64>().ok());
        Some(match word {
            "granted" => {
                let (root, rest) = rest.split_once(' ')?;
                let root = SigningRoot::new(root.parse::<B256>().ok()?);
                let numbers: Vec<u64> = rest.split(' ').map(|part| part.parse().ok()).collect::<Option<_>>()?;
                let [number, term, own, needed, at_ms] = numbers[..] else { return None };
                Self::Granted(Grant { number, root, term, own: own == 1, needed: needed == 1, at_ms })
            }
            "delayed" => {
                let mut numbers = numbers();
                Self::Delayed { from_ms: numbers.next()??, to_ms: numbers.next()?? }
            }
            "done" => Self::Ended(Ended::Done),
            "stuck" => Self::Ended(Ended::Stuck { message: rest.to_owned() }),
            "panicked" => Self::Ended(Ended::Panicked { message: rest.to_owned() }),
            how @ ("halted" | "refused" | "fatal") => {
                Self::Ended(Ended::Stopped { how: how.to_owned(), message: rest.to_owned() })
            }
            _ => return None,
        })
    }

    /// Every whole line of a file.
    pub fn parse_all(text: &[u8]) -> Vec<Self> {
        let text = String::from_utf8_lossy(text);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter_map(Self::parse).collect()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(Grant { number, root, term, own, needed, at_ms }) => {
                let (own, needed) = (u8::from(*own), u8::from(*needed));
                write!(f, "granted {} {number} {term} {own} {needed} {at_ms}", root.get())
            }
            Self::Delayed { from_ms, to_ms } => write!(f, "delayed {from_ms} {to_ms}"),
            Self::Ended(Ended::Done) => f.write_str("done"),
            Self::Ended(Ended::Stuck { message }) => write!(f, "stuck {}", one_line(message)),
            Self::Ended(Ended::Panicked { message }) => write!(f, "panicked {}", one_line(message)),
            Self::Ended(Ended::Stopped { how, message }) => write!(f, "{how} {}", one_line(message)),
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

/// The granted claims, by duty.
pub fn grants(told: &[Told]) -> BTreeMap<Duty, Grant> {
    let granted = told.iter().filter_map(|told| match told {
        Told::Granted(grant) => Some((claimed(grant.number), grant.clone())),
        Told::Delayed { .. } | Told::Ended(_) => None,
    });
    granted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_back_and_a_line_that_was_cut_is_not() {
        let grant =
            Grant { number: 7, root: SigningRoot::new(B256::repeat_byte(3)), term: 4, own: true, needed: false, at_ms: 9 };
        let all = [
            Told::Granted(grant),
            Told::Delayed { from_ms: 1, to_ms: 2 },
            Told::Ended(Ended::Done),
            Told::Ended(Ended::Stopped { how: "fatal".to_owned(), message: "cannot sync: x".to_owned() }),
        ];
        let text: String = all.iter().map(|told| format!("{told}\n")).collect();
        assert_eq!(Told::parse_all(format!("{text}granted 0x").as_bytes()), all);
        assert_eq!(Told::parse("nonsense 1"), None);
    }

    #[test]
    fn every_claim_of_a_life_has_a_duty_of_its_own() {
        let duties: std::collections::BTreeSet<Duty> = (0..100).map(claimed).collect();
        assert_eq!(duties.len(), 100);
    }
}
