//! Planted faults: each switches off one rule, so that the bug museum (`chaos museum`) can show what catches it.
//!
//! Without the cargo feature `planted`, which no release has, [`planted`] is `false` at compile time and every switch vanishes. With
//! it, `$OLLIN_PLANTED` names the one fault of the process. It lies in the lowest crate that has rules, so that all can ask.

/// Declares the faults: a sentence, a variant and a name each.
macro_rules! faults {
    ($(#[doc = $what:literal] $variant:ident = $name:literal,)*) => {
        /// A rule that is broken on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $what] $variant,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What `$OLLIN_PLANTED` calls it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What the program does wrong under it.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what.trim_ascii(),)* }
            }
        }
    };
}

faults! {
    /// another root than the bound one is granted
    ConflictGranted = "conflict-granted",
    /// a conflict does not hand back the bound payload
    ConflictWithoutPayload = "conflict-without-payload",
    /// a later claim of the same root replaces its payload
    PayloadReplaced = "payload-replaced",
    /// new roots are bound at or below the floor
    NoFloor = "no-floor",
    /// the floor can be lowered
    FloorFalls = "floor-falls",
    /// what is bound in a closed slot is still granted
    ClosedStaysClaimable = "closed-stays-claimable",
    /// a watermark is applied as L1 asks for it, beyond what was bound
    WatermarkFromLyingL1 = "watermark-from-lying-l1",
    /// claims below the watermark, whose records are gone, are decided anew
    GrantBelowWatermark = "grant-below-watermark",
    /// claims are granted before the log is opened
    GrantWhileSealed = "grant-while-sealed",
    /// records are imported into an open log
    ImportAfterOpen = "import-after-open",
    /// of an import in conflict with itself the first records are taken
    ImportInPart = "import-in-part",
    /// opening lowers the stop line of an import
    OpenLowersStopLine = "open-lowers-stop-line",
    /// an attester that is added later has no floor of its own
    AddedWithoutFloor = "added-without-floor",
    /// a released attester's last slot can be moved
    ReleaseRevoked = "release-revoked",
    /// a released attester is granted duties after its last slot
    GrantAfterRelease = "grant-after-release",
    /// a signature that is not ours freezes nothing
    EvidenceIgnored = "evidence-ignored",
    /// a frozen attester is granted what was bound before
    FrozenStaysClaimable = "frozen-stays-claimable",
    /// an attester that was unfrozen is granted what lies below its answer
    ThawedStaysClaimable = "thawed-stays-claimable",
    /// an answer to evidence takes the slot of the evidence for safe
    AnsweredTooLow = "answered-too-low",
    /// a snapshot is read whatever its checksum and its spelling say
    SnapshotUnchecked = "snapshot-unchecked",
    /// claims of one entry are decided in the order of a hash map
    MapOrderInApply = "map-order-in-apply",
    /// the wall clock decides about a claim
    WallClockInRule = "wall-clock-in-rule",

    /// a restarted process leads on by the vote on its disk, without an election
    LeaderByMemory = "leader-by-memory",
    /// a leader acts before what was committed before its term is applied
    ActsBeforeBarrier = "acts-before-barrier",
    /// replicas do not compare the contents of their logs
    ContentsNotCompared = "contents-not-compared",
    /// a stored entry is read without verifying its hash
    EntryUnverified = "entry-unverified",
    /// a log whose entries do not continue each other is opened
    ChainBreakUnnoticed = "chain-break-unnoticed",
    /// an entry is applied to a state that another history led to
    AppliedOnOtherHistory = "applied-on-other-history",
    /// an entry is applied a second time
    AppliedTwice = "applied-twice",
    /// a command that this version does not know is passed over
    UnknownCommandSkipped = "unknown-command-skipped",
    /// rules of a version that this program does not support are taken for its own
    UnknownVersionApplied = "unknown-version-applied",
    /// the version of the rules is raised as soon as the leader supports it
    UpgradeOfSome = "upgrade-of-some",
    /// a snapshot of another history is installed
    SnapshotOfOtherHistory = "snapshot-of-other-history",
    /// stored values are read whatever their checksum says
    SealUnchecked = "seal-unchecked",
    /// entries are acknowledged without a sync
    SyncSkipped = "sync-skipped",
    /// a vote is given without a sync
    VoteNotSynced = "vote-not-synced",
    /// a failed sync counts as done
    FailedSyncIgnored = "failed-sync-ignored",
    /// RocksDB opens a damaged write-ahead log up to the damage
    PointInTimeWal = "point-in-time-wal",

    /// a claim that is known to be bound is granted without a claim of this process
    GrantFromReplay = "grant-from-replay",
    /// a verdict is believed without a look at the own applied state
    GrantFromVerdict = "grant-from-verdict",
    /// a waiter takes whatever is applied at its index for its answer
    WaiterByIndex = "waiter-by-index",
    /// an unknown outcome counts as a grant
    SigningOnUnknown = "signing-on-unknown",
    /// claims are admitted for any slot of the future
    ClaimTooEarly = "claim-too-early",
    /// a replica that does not act permits recorded attempts to be sent
    AttemptByFollower = "attempt-by-follower",

    /// a started process takes part at once
    NoRollCall = "no-roll-call",
    /// the roll call is content with a quorum
    RollCallOfQuorum = "roll-call-of-quorum",
    /// a process that takes part again may vote in the term that it heard of
    TermNotRaised = "term-not-raised",
    /// the highest entry that was heard of is not awaited
    EntryNotAwaited = "entry-not-awaited",
    /// a replica that is behind what it heard of votes for a shorter log
    ShortLogVotedFor = "short-log-voted-for",
    /// a replica campaigns although its log is behind what it heard of
    CampaignWhileBehind = "campaign-while-behind",
    /// a recovering process votes and acknowledges
    AnswersWhileRecovering = "answers-while-recovering",
    /// the anchor is written while something is owed after a roll call
    AnchorWhileOwed = "anchor-while-owed",
    /// a store that is older than its anchor is taken for the one that was left
    RollbackBelieved = "rollback-believed",
    /// an anchor proves continuity across a restart of the machine
    AnchorOfEarlierBoot = "anchor-of-earlier-boot",
    /// what others have seen of a replica's promises is ignored
    HeardPromiseIgnored = "heard-promise-ignored",
    /// an emptied store counts as one that was never used
    WipedIsFresh = "wiped-is-fresh",
    /// a Raft id is given a second time
    IdGivenTwice = "id-given-twice",
    /// a second store takes a Raft id
    IdTakenTwice = "id-taken-twice",

    /// several gaps in memory at once are no reason to close slots
    NoDoubt = "no-doubt",
    /// whom an operator excused leaves no doubt
    ExcusedWithoutDoubt = "excused-without-doubt",
    /// demands for a closing are taken for settled
    DemandsForgotten = "demands-forgotten",
    /// frames do not carry the demands for a closing
    DoubtNotSent = "doubt-not-sent",
    /// demands for a closing in others' frames are not taken over
    DoubtNotAdopted = "doubt-not-adopted",
    /// a replica that knows of a demand calls its own memory whole
    DoubtHidden = "doubt-hidden",
    /// a claim that was under way when a closing was demanded is granted
    GrantBeforeClosing = "grant-before-closing",
    /// slots are closed by a clock that was last read long ago
    ClosesByOldClock = "closes-by-old-clock",
    /// a closing leaves out what other replicas' clocks admitted
    ClosesTooLow = "closes-too-low",
    /// a cluster is created with floor 0
    CreationWithoutFloor = "creation-without-floor",
    /// a cluster is created without listening for its keys
    CreationUnlistened = "creation-unlistened",
    /// a cluster is created although a replica does not answer
    CreationOfSome = "creation-of-some",
    /// a cluster that was made from a survivor takes its memory for whole
    RecoveredWithoutClosing = "recovered-without-closing",
    /// a survivor goes on although a quorum of its cluster answers
    RecoveredBesideQuorum = "recovered-beside-quorum",
    /// that its cluster was retired does not stop a replica
    RetiredIgnored = "retired-ignored",
    /// clock and L1 may differ by any time
    ClockAgainstL1 = "clock-against-l1",

    /// a second process under one id is served while the first lives
    SecondProcessServed = "second-process-served",
    /// nobody is dialled back
    NoDialBack = "no-dial-back",
    /// only candidates are dialled back, not leaders
    DialBackOfVotesOnly = "dial-back-of-votes-only",
    /// a process that was paused is believed after another one has taken its place
    PausedProcessServed = "paused-process-served",
    /// a copy of a data directory is not told from the original
    CopyUnnoticed = "copy-unnoticed",
    /// two processes may use one data directory
    DirectoryShared = "directory-shared",
    /// a witness that is elected acts
    WitnessActs = "witness-acts",
    /// witnesses may be a majority
    WitnessMajority = "witness-majority",
    /// a change of the members begins before the last one is committed
    TwoChangesAtOnce = "two-changes-at-once",
    /// a learner that lags becomes a voter
    LaggingPromoted = "lagging-promoted",
    /// a frame is served whatever certificate its sender shows
    StrangerServed = "stranger-served",
    /// a frame for another cluster is served
    OtherClusterServed = "other-cluster-served",
    /// any certificate of the CA is spoken to
    CertificateNotPinned = "certificate-not-pinned",
    /// an append with a hole in its entries is served
    HoleServed = "hole-served",
    /// a root is shown before its slot is over
    RootShownEarly = "root-shown-early",

    /// an old bundle of ours in a new call on L1 counts as evidence
    OldBundleAsEvidence = "old-bundle-as-evidence",

    /// an attempt need not outbid one that was recorded and never sent
    AttemptBelowUnsent = "attempt-below-unsent",
    /// an attempt is recorded for a slot before that of an earlier one
    PastSlotAttempt = "past-slot-attempt",
    /// a nonce that held blobs is replaced by a transaction without
    BlobsDropped = "blobs-dropped",
    /// any nonce that L1 shows is used
    NonceFromL1 = "nonce-from-l1",
    /// a foreign transaction at our nonce changes nothing
    ForeignSpendIgnored = "foreign-spend-ignored",
    /// an attempt that was mined is forgotten before it is final
    OutcomeTakenAsFinal = "outcome-taken-as-final",
    /// a bundle is recorded that no claim has bound
    UnboundBundle = "unbound-bundle",
    /// a transaction is sent after its slot
    PastSlotSent = "past-slot-sent",
    /// an attempt of an earlier slot is sent again
    OldAttemptResent = "old-attempt-resent",
    /// the next attempt's fees need not be twice the last one's
    FeesNotDoubled = "fees-not-doubled",
    /// a cancellation of blobs holds none
    CancellationWithoutBlob = "cancellation-without-blob",
    /// a transaction may go to any contract
    AnyTarget = "any-target",
    /// another bundle than the recorded one is signed for L1
    OtherBundleSent = "other-bundle-sent",
    /// a signature leaves although its line could not be recorded
    OutletUnrecorded = "outlet-unrecorded",
    /// a signature is used that recovers to another address
    SignerUnchecked = "signer-unchecked",
    /// a vote for another chain or rollup is signed
    VoteOfOtherChain = "vote-of-other-chain",

    /// a claimed checkpoint is sent without executing it again
    ResumeWithoutReexecution = "resume-without-reexecution",
    /// what the log binds is not adopted
    ConflictWithoutAdoption = "conflict-without-adoption",
    /// after an unknown outcome another payload is built
    DraftForgotten = "draft-forgotten",
    /// attestations are bundled without recovering their signers
    BundleUnchecked = "bundle-unchecked",
}

/// Whether `fault` is planted in this process. Never, without the feature.
#[cfg(not(feature = "planted"))]
pub const fn planted(_fault: Fault) -> bool {
    false
}

/// Whether `fault` is planted in this process.
///
/// # Panics
/// If `$OLLIN_PLANTED` is set to a name that no fault bears: a run under it would prove nothing.
#[cfg(feature = "planted")]
pub fn planted(fault: Fault) -> bool {
    environment::planted() == Some(fault)
}

/// The claims of one entry, in its order; under [`Fault::MapOrderInApply`] in that of a hash map.
pub(crate) fn in_order<T>(items: &[T]) -> Vec<&T> {
    if planted(Fault::MapOrderInApply) {
        return items.iter().enumerate().collect::<std::collections::HashMap<_, _>>().into_values().collect();
    }
    items.iter().collect()
}

/// What no rule may ask: for [`Fault::WallClockInRule`].
pub(crate) fn clock_is_odd() -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_micros() % 2 == 1
}

#[cfg(feature = "planted")]
mod environment {
    use std::sync::OnceLock;

    use super::Fault;

    /// Read once: within a process nothing changes it.
    pub(super) fn planted() -> Option<Fault> {
        static PLANTED: OnceLock<Option<Fault>> = OnceLock::new();
        *PLANTED.get_or_init(|| {
            let name = std::env::var_os("OLLIN_PLANTED").filter(|name| !name.is_empty())?;
            let fault = Fault::ALL.iter().find(|fault| fault.name() == name);
            assert!(fault.is_some(), "OLLIN_PLANTED is {name:?}, and no fault has that name");
            let fault = *fault?;
            eprintln!("a fault is planted in this process ({}): {}", fault.name(), fault.what());
            Some(fault)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Fault;

    #[test]
    fn no_two_faults_share_a_name() {
        let names: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
    }
}
