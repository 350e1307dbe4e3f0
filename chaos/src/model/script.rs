//! Histories as files: a world, the rules that are dropped, the steps, and the property that they violate.

use std::fmt;
use std::str::FromStr;

use super::action::{Action, UnknownStep};
use super::cluster::Cluster;
use super::property::{self, S1, S2, S3};
use super::protocol::Protocol;
use super::rule::{Rule, UnknownRule};
use super::world::{UnknownWorld, World};

/// A history that violates a property when some rules are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Where it plays.
    pub world: World,
    /// The rules that are dropped.
    pub without: Vec<Rule>,
    /// The property that does not hold at its end.
    pub violates: &'static str,
    /// The steps.
    pub steps: Vec<Action>,
}

/// Why a file is no history.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A line of the head is missing.
    #[error("no line {0:?}")]
    Missing(&'static str),
    /// A world that does not exist.
    #[error(transparent)]
    World(#[from] UnknownWorld),
    /// A rule that does not exist.
    #[error(transparent)]
    Rule(#[from] UnknownRule),
    /// A line that is no step.
    #[error(transparent)]
    Step(#[from] UnknownStep),
    /// A property that does not exist.
    #[error("no property is called {0:?}")]
    Property(String),
}

/// The first step that is not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {number}, {action}, is not possible")]
pub struct Impossible {
    /// Its number, from 1.
    pub number: usize,
    /// What it is.
    pub action: Action,
}

/// Takes steps from the start.
///
/// # Errors
/// [`Impossible`] at the first one that the protocol does not permit.
pub fn replay(protocol: &Protocol, steps: &[Action]) -> Result<Cluster, Impossible> {
    let mut cluster = Cluster::started();
    for (position, action) in steps.iter().enumerate() {
        cluster = protocol.step(&cluster, *action).ok_or(Impossible { number: position + 1, action: *action })?;
    }
    Ok(cluster)
}

impl Script {
    /// Plays it with the given rules dropped. `Ok(true)`: it violates its property.
    ///
    /// # Errors
    /// [`Impossible`] if a rule that is followed forbids a step.
    pub fn play(&self, without: &[Rule]) -> Result<bool, Impossible> {
        let protocol = Protocol { world: self.world, dropped: without.iter().copied().collect() };
        let end = replay(&protocol, &self.steps)?;
        Ok(!property::holds(self.violates, &protocol, &end))
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.without {
            writeln!(f, "# Dropped: {}.", rule.text())?;
        }
        writeln!(f, "world: {}", self.world.name)?;
        for rule in &self.without {
            writeln!(f, "without: {rule}")?;
        }
        writeln!(f, "violates: {}\n", self.violates)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mut world, mut violates, mut without, mut steps) = (None, None, Vec::new(), Vec::new());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once(": ") {
                Some(("world", name)) => world = Some(name.parse()?),
                Some(("without", name)) => without.push(name.parse()?),
                Some(("violates", name)) => violates = Some(property_named(name)?),
                Some(_) | None => steps.push(line.parse()?),
            }
        }
        let world = world.ok_or(ScriptError::Missing("world: ..."))?;
        let violates = violates.ok_or(ScriptError::Missing("violates: ..."))?;
        Ok(Self { world, without, violates, steps })
    }
}

fn property_named(name: &str) -> Result<&'static str, ScriptError> {
    let found = [S1, S2, S3].into_iter().find(|property| *property == name);
    found.ok_or_else(|| ScriptError::Property(name.to_owned()))
}
