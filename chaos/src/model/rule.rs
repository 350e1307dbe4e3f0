//! The rules that can be taken out of the model, one by one.

use std::fmt;
use std::str::FromStr;

/// One rule of `safety.md`, or a part of one, that the model follows unless it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Sign only what is committed and applied.
    WriteAhead,
    /// A started process does not lead by memory (R1).
    NoLeaderByMemory,
    /// Contents are compared, not only terms and indices (R2).
    ChainedContents,
    /// A grant needs the own applied state to bind what was asked (R3).
    NothingFromApply,
    /// A follower passes on only what it has applied (R4).
    OutletGuard,
    /// What is acknowledged is on the disk (R5).
    SyncBeforeAck,
    /// A started process without proof of continuity asks the others before it takes part (R6).
    RollCall,
    /// While it asks it acknowledges nothing (R6).
    SilentWhileAsking,
    /// It waits for all others of three, not for one (R6).
    AskAllOthers,
    /// It raises its term to the highest heard and votes for nobody in it (R6).
    NoVoteInTermHeard,
    /// Until it holds the highest last entry heard it votes only for a candidate that does (R6).
    VoteOnlyForTheHeard,
    /// Until then it answers others as one that may have forgotten (R6).
    CatchingUpIsDoubt,
    /// What it owes after the roll call survives its next restart (R6).
    PromiseIsKept,
    /// Where the roll call cannot exclude a gap, a slot is closed before anything is granted (R7).
    CloseOnDoubt,
    /// Closing a slot also ends what is bound in it (R7).
    CloseEndsBound,
    /// A doubt passes to whoever asks the doubtful (R7).
    DoubtPassesOn,
    /// Whoever counts on the vote or acknowledgement of a doubtful one doubts itself, and remembers (R7).
    DoubtIsAdopted,
    /// Whoever votes for or follows a doubtful one doubts too (R7).
    FollowersDoubtToo,
    /// `proceed-without` counts as a doubt (R6, R7).
    ProceedIsDoubt,
    /// Nothing is claimed for a slot that has not begun (R7).
    NotTooEarly,
    /// Only the process at the address of an id counts as that id (R8).
    OneLiveCopy,
    /// Each new connection is dialled back, not only a vote request (R8).
    DialBackAlways,
    /// A witness compares logs before it votes (R11).
    WitnessComparesLogs,
    /// A cluster made from a survivor closes what had begun (R12).
    RecoverCloses,
}

/// A set of rules that are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dropped(u32);

impl Rule {
    /// Every rule, in the order of `safety.md`.
    pub const ALL: [Self; 24] = [
        Self::WriteAhead,
        Self::NoLeaderByMemory,
        Self::ChainedContents,
        Self::NothingFromApply,
        Self::OutletGuard,
        Self::SyncBeforeAck,
        Self::RollCall,
        Self::SilentWhileAsking,
        Self::AskAllOthers,
        Self::NoVoteInTermHeard,
        Self::VoteOnlyForTheHeard,
        Self::CatchingUpIsDoubt,
        Self::PromiseIsKept,
        Self::CloseOnDoubt,
        Self::CloseEndsBound,
        Self::DoubtPassesOn,
        Self::DoubtIsAdopted,
        Self::FollowersDoubtToo,
        Self::ProceedIsDoubt,
        Self::NotTooEarly,
        Self::OneLiveCopy,
        Self::DialBackAlways,
        Self::WitnessComparesLogs,
        Self::RecoverCloses,
    ];

    /// Its name on the command line and in histories.
    pub fn name(self) -> &'static str {
        match self {
            Self::WriteAhead => "s2-write-ahead",
            Self::NoLeaderByMemory => "r1-no-leader-by-memory",
            Self::ChainedContents => "r2-chained-contents",
            Self::NothingFromApply => "r3-nothing-from-apply",
            Self::OutletGuard => "r4-outlet-guard",
            Self::SyncBeforeAck => "r5-sync-before-ack",
            Self::RollCall => "r6-roll-call",
            Self::SilentWhileAsking => "r6-silent-while-asking",
            Self::AskAllOthers => "r6-ask-all-others",
            Self::NoVoteInTermHeard => "r6-no-vote-in-term-heard",
            Self::VoteOnlyForTheHeard => "r6-vote-only-for-the-heard",
            Self::CatchingUpIsDoubt => "r6-catching-up-is-doubt",
            Self::PromiseIsKept => "r6-promise-is-kept",
            Self::CloseOnDoubt => "r7-close-on-doubt",
            Self::CloseEndsBound => "r7-close-ends-bound",
            Self::DoubtPassesOn => "r7-doubt-passes-on",
            Self::DoubtIsAdopted => "r7-doubt-is-adopted",
            Self::FollowersDoubtToo => "r7-followers-doubt-too",
            Self::ProceedIsDoubt => "r7-proceed-is-doubt",
            Self::NotTooEarly => "r7-not-too-early",
            Self::OneLiveCopy => "r8-one-live-copy",
            Self::DialBackAlways => "r8-dial-back-always",
            Self::WitnessComparesLogs => "r11-witness-compares-logs",
            Self::RecoverCloses => "r12-recover-closes",
        }
    }

    /// What it says.
    pub fn text(self) -> &'static str {
        match self {
            Self::WriteAhead => "Sign only what is committed and applied",
            Self::NoLeaderByMemory => "A started process does not lead by memory (R1)",
            Self::ChainedContents => "Contents are compared, not only terms and indices (R2)",
            Self::NothingFromApply => "A grant needs the own applied state to bind what was asked (R3)",
            Self::OutletGuard => "A follower passes on only what it has applied (R4)",
            Self::SyncBeforeAck => "What is acknowledged is on the disk (R5)",
            Self::RollCall => "A started process without proof of continuity asks the others before it takes part (R6)",
            Self::SilentWhileAsking => "While it asks it acknowledges nothing (R6)",
            Self::AskAllOthers => "It waits for all others of three, not for one (R6)",
            Self::NoVoteInTermHeard => "It raises its term to the highest heard and votes for nobody in it (R6)",
            Self::VoteOnlyForTheHeard => {
                "Until it holds the highest last entry heard it votes only for a candidate that does (R6)"
            }
            Self::CatchingUpIsDoubt => "Until then it answers others as one that may have forgotten (R6)",
            Self::PromiseIsKept => "What it owes after the roll call survives its next restart (R6)",
            Self::CloseOnDoubt => "Where the roll call cannot exclude a gap, a slot is closed before anything is granted (R7)",
            Self::CloseEndsBound => "Closing a slot also ends what is bound in it (R7)",
            Self::DoubtPassesOn => "A doubt passes to whoever asks the doubtful (R7)",
            Self::DoubtIsAdopted => {
                "Whoever counts on the vote or acknowledgement of a doubtful one doubts itself, and remembers (R7)"
            }
            Self::FollowersDoubtToo => "Whoever votes for or follows a doubtful one doubts too (R7)",
            Self::ProceedIsDoubt => "`proceed-without` counts as a doubt (R6, R7)",
            Self::NotTooEarly => "Nothing is claimed for a slot that has not begun (R7)",
            Self::OneLiveCopy => "Only the process at the address of an id counts as that id (R8)",
            Self::DialBackAlways => "Each new connection is dialled back, not only a vote request (R8)",
            Self::WitnessComparesLogs => "A witness compares logs before it votes (R11)",
            Self::RecoverCloses => "A cluster made from a survivor closes what had begun (R12)",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No rule has this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule is called {0:?}")]
pub struct UnknownRule(pub String);

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|rule| rule.name() == text);
        found.ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

impl Dropped {
    /// Whether a rule is followed.
    pub fn keeps(self, rule: Rule) -> bool {
        self.0 & (1 << rule as u32) == 0
    }
}

impl FromIterator<Rule> for Dropped {
    fn from_iter<T: IntoIterator<Item = Rule>>(rules: T) -> Self {
        Self(rules.into_iter().fold(0, |set, rule| set | 1 << rule as u32))
    }
}
