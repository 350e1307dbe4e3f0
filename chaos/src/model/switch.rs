//! Which rules are dropped, where, and what then goes wrong.

use super::check::{Outcome, exhaust};
use super::property::{S1, S2, S3};
use super::rule::Rule;
use super::script::Script;
use super::world::World;

/// One or two rules taken out in one world.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// The rules that are dropped.
    pub rules: &'static [Rule],
    /// The smallest world that shows why they are needed.
    pub world: World,
    /// The property that is violated then; none where another rule stands in for this one.
    pub violates: Option<&'static str>,
}

const fn breaks(rules: &'static [Rule], world: World, violates: &'static str) -> Switch {
    Switch { rules, world, violates: Some(violates) }
}

impl Switch {
    /// Every rule alone, and the pair that stands in for each other.
    pub const ALL: [Self; 25] = [
        breaks(&[Rule::WriteAhead], World::QUIET, S1),
        breaks(&[Rule::NoLeaderByMemory], World::CRASH, S3),
        Self { rules: &[Rule::ChainedContents], world: World::CRASH, violates: None },
        breaks(&[Rule::NoLeaderByMemory, Rule::ChainedContents], World::CRASH, S1),
        breaks(&[Rule::NothingFromApply], World::QUIET, S1),
        breaks(&[Rule::OutletGuard], World::QUIET, S2),
        breaks(&[Rule::SyncBeforeAck], World::CRASH, S1),
        breaks(&[Rule::RollCall], World::ONE_DISK, S1),
        breaks(&[Rule::SilentWhileAsking], World::ONE_DISK, S1),
        breaks(&[Rule::AskAllOthers], World::ONE_DISK, S1),
        breaks(&[Rule::NoVoteInTermHeard], World::ONE_DISK, S1),
        breaks(&[Rule::VoteOnlyForTheHeard], World::ONE_DISK, S1),
        breaks(&[Rule::CatchingUpIsDoubt], World::TWO_DISKS, S1),
        breaks(&[Rule::PromiseIsKept], World::ONE_DISK, S1),
        breaks(&[Rule::CloseOnDoubt], World::COLD_START, S1),
        breaks(&[Rule::CloseEndsBound], World::COLD_START, S1),
        breaks(&[Rule::DoubtPassesOn], World::TWO_DISKS, S1),
        breaks(&[Rule::DoubtIsAdopted], World::TWO_DISKS_THREE_TERMS, S1),
        breaks(&[Rule::FollowersDoubtToo], World::TWO_DISKS_THREE_TERMS, S1),
        breaks(&[Rule::ProceedIsDoubt], World::OPERATOR, S1),
        breaks(&[Rule::NotTooEarly], World::TWO_SLOTS, S1),
        breaks(&[Rule::OneLiveCopy], World::COPY, S1),
        breaks(&[Rule::DialBackAlways], World::COPY, S1),
        breaks(&[Rule::WitnessComparesLogs], World::WITNESS, S1),
        breaks(&[Rule::RecoverCloses], World::OPERATOR, S1),
    ];

    /// Searches its world.
    pub fn search(&self) -> Outcome {
        exhaust(self.world, self.rules.iter().copied().collect())
    }

    /// The names of its rules.
    pub fn name(&self) -> String {
        self.rules.iter().map(|rule| rule.name()).collect::<Vec<_>>().join("+")
    }

    /// The history that a search has found.
    pub fn script(&self, outcome: &Outcome) -> Option<Script> {
        let violation = outcome.violation.as_ref()?;
        Some(Script {
            world: self.world,
            without: self.rules.to_vec(),
            violates: violation.property,
            steps: violation.steps.clone(),
        })
    }
}
