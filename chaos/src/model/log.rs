//! The replicated log of the model, and what applying it yields.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Entries that a log of the model can hold.
pub const LOG_MAX: usize = 7;

/// Slots of the model: 1 and 2.
pub const SLOT_COUNT: usize = 2;

/// One of the model's slots, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

/// One of the two payloads that may be claimed for a slot's duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payload {
    /// The first that is claimed in a slot.
    X,
    /// Another one.
    Y,
}

/// What an entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// The first entry of a leader: it commits all before it.
    Barrier,
    /// Binds the slot's duty to the payload, if it is unbound and not closed.
    Claim(Slot, Payload),
    /// Ends every slot up to this one: nothing there is granted any more, bound or not.
    Close(Slot),
}

/// An entry with the term of the leader that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The term.
    pub term: u8,
    /// What it asks for.
    pub command: Command,
}

/// Term and index of an entry; the default is that of an empty log. Ordered as Raft compares logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Term.
    pub term: u8,
    /// Index, from 1.
    pub index: u8,
}

/// A log of at most [`LOG_MAX`] entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log {
    entries: [Option<Entry>; LOG_MAX],
}

/// What the applied entries bind and close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    bound: [Option<Payload>; SLOT_COUNT],
    /// The highest slot that is closed.
    pub closed: Option<Slot>,
}

impl Slot {
    /// The first slot.
    pub const FIRST: Self = Self(1);

    /// The slots up to this one.
    pub fn up_to(self) -> impl Iterator<Item = Self> {
        (1..=self.0).map(Self)
    }

    /// The slot after it, if the model has one.
    pub fn next(self) -> Option<Self> {
        (usize::from(self.0) < SLOT_COUNT).then(|| Self(self.0 + 1))
    }

    /// Its position in arrays.
    pub fn position(self) -> usize {
        usize::from(self.0) - 1
    }

    /// Reads a slot number.
    pub fn parse(text: &str) -> Option<Self> {
        let number: u8 = text.parse().ok()?;
        (1..=SLOT_COUNT).contains(&usize::from(number)).then_some(Self(number))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One word instead of some twenty: the checker hashes every state.
impl Hash for Log {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let packed = self.entries.iter().flatten().fold(1_u64, |packed, entry| packed << 8 | u64::from(entry.code()));
        state.write_u64(packed);
    }
}

impl Entry {
    /// A different number for each entry.
    fn code(self) -> u8 {
        let kind = match self.command {
            Command::Barrier => 0,
            Command::Claim(slot, payload) => 2 + (payload as u8) + 2 * slot.0,
            Command::Close(slot) => 8 + slot.0,
        };
        self.term << 4 | kind
    }
}

impl Log {
    /// Number of entries.
    pub fn len(&self) -> u8 {
        self.entries.iter().take_while(|entry| entry.is_some()).fold(0, |count, _| count + 1)
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.entries[0].is_none()
    }

    /// Whether it can take one more.
    pub fn has_room(&self) -> bool {
        self.entries[LOG_MAX - 1].is_none()
    }

    /// The entry at an index, from 1.
    pub fn get(&self, index: u8) -> Option<Entry> {
        self.entries.get(usize::from(index).checked_sub(1)?).copied().flatten()
    }

    /// The entries up to an index.
    pub fn up_to(&self, index: u8) -> impl Iterator<Item = Entry> {
        self.entries.into_iter().take(usize::from(index)).flatten()
    }

    /// Term and index of the last entry.
    pub fn last(&self) -> LogId {
        let index = self.len();
        self.get(index).map_or_else(LogId::default, |entry| LogId { term: entry.term, index })
    }

    /// Adds an entry; a full log stays as it is ([`Log::has_room`]).
    pub fn push(&mut self, entry: Entry) {
        if let Some(free) = self.entries.iter_mut().find(|entry| entry.is_none()) {
            *free = Some(entry);
        }
    }

    /// Cuts all entries after an index.
    pub fn truncate(&mut self, index: u8) {
        for entry in &mut self.entries[usize::from(index)..] {
            *entry = None;
        }
    }

    /// The highest index at which both hold an entry of one term: what Raft takes for a common beginning.
    pub fn common(&self, other: &Self) -> u8 {
        let shorter = self.len().min(other.len());
        let same = |index: &u8| self.get(*index).map(|entry| entry.term) == other.get(*index).map(|entry| entry.term);
        (1..=shorter).rev().find(same).unwrap_or(0)
    }

    /// Whether both hold the same bytes up to an index.
    pub fn agrees(&self, other: &Self, index: u8) -> bool {
        self.up_to(index).eq(other.up_to(index))
    }

    /// Applies the entries up to an index.
    pub fn apply(&self, index: u8) -> Applied {
        let mut applied = Applied::default();
        for entry in self.up_to(index) {
            match entry.command {
                Command::Barrier => {}
                Command::Claim(slot, payload) => applied.claim(slot, payload),
                Command::Close(slot) => applied.closed = applied.closed.max(Some(slot)),
            }
        }
        applied
    }
}

impl Applied {
    fn claim(&mut self, slot: Slot, payload: Payload) {
        if self.closed < Some(slot) {
            self.bound[slot.position()].get_or_insert(payload);
        }
    }

    /// What a slot's duty is bound to.
    pub fn bound(&self, slot: Slot) -> Option<Payload> {
        self.bound[slot.position()]
    }
}
