//! Runs the checker over all states of a world.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::action::Action;
use super::cluster::Cluster;
use super::property;
use super::protocol::Protocol;
use super::rule::Dropped;
use super::script::replay;
use super::world::World;

use super::property::{S1, S2, S3};

const SIGNED: &str = "something is signed";

/// What one run found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Different states.
    pub states: usize,
    /// Steps to the farthest.
    pub depth: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// The first violation, and the way to it.
    pub violation: Option<Violation>,
    /// Whether a claim was granted anywhere: a model in which nothing happens is safe.
    pub signed: bool,
}

/// A property that does not hold, and a shortest way to where it does not.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which one.
    pub property: &'static str,
    /// The steps.
    pub steps: Vec<Action>,
}

/// The protocol up to the names of B and C, which nothing tells apart but a witness.
struct Search {
    protocol: Protocol,
    actions: Vec<Action>,
}

impl Search {
    fn canonical(&self, cluster: Cluster) -> Cluster {
        if self.protocol.world.witness { cluster } else { cluster.min(cluster.swapped()) }
    }

    /// The steps that were really taken, from those between canonical states.
    fn named(&self, steps: Vec<Action>) -> Vec<Action> {
        let mut cluster = Cluster::started();
        let mut named = Vec::new();
        for step in steps {
            let action = if self.canonical(cluster) == cluster { step } else { step.swapped() };
            if let Some(next) = self.protocol.step(&cluster, action) {
                cluster = next;
                named.push(action);
            }
        }
        named
    }
}

impl Model for Search {
    type State = Cluster;
    type Action = Action;

    fn init_states(&self) -> Vec<Cluster> {
        vec![self.canonical(Cluster::started())]
    }

    fn actions(&self, _: &Cluster, actions: &mut Vec<Action>) {
        actions.extend_from_slice(&self.actions);
    }

    fn next_state(&self, cluster: &Cluster, action: Action) -> Option<Cluster> {
        Some(self.canonical(self.protocol.step(cluster, action)?))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(S1, |_, cluster| property::one_root(cluster)),
            Property::always(S2, |_, cluster| property::write_ahead(cluster)),
            Property::always(S3, |search: &Self, cluster| property::no_forgetting(&search.protocol, cluster)),
            Property::sometimes(SIGNED, |_, cluster| property::something_is_signed(cluster)),
        ]
    }
}

/// Visits every state of a world, breadth first, until S1 is violated; S2 or S3 only count where S1 holds everywhere.
pub fn exhaust(world: World, dropped: Dropped) -> Outcome {
    let started = Instant::now();
    let first = HasDiscoveries::AnyOf([S1].into());
    let protocol = Protocol { world, dropped };
    let checker = Search { protocol, actions: protocol.all_actions() }.checker().finish_when(first).spawn_bfs().join();
    let mut discoveries = checker.discoveries();
    let violation = [S1, S2, S3].into_iter().find_map(|property| {
        let steps = checker.model().named(discoveries.remove(property)?.into_actions());
        Some(Violation { property, steps: shorten(protocol, property, steps) })
    });
    Outcome {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        elapsed: started.elapsed(),
        violation,
        signed: discoveries.contains_key(SIGNED),
    }
}

/// Leaves out every step without which the same property is violated.
fn shorten(protocol: Protocol, property: &'static str, mut steps: Vec<Action>) -> Vec<Action> {
    for position in (0..steps.len()).rev() {
        let mut fewer = steps.clone();
        fewer.remove(position);
        if replay(&protocol, &fewer).is_ok_and(|end| !property::holds(property, &protocol, &end)) {
            steps = fewer;
        }
    }
    steps
}
