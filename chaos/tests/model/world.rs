//! Every state of every short world.

use std::time::Duration;

use ollin_chaos::model::{Rule, Switch, World, exhaust};

/// Twenty times what an idle machine needs: the states are counted, not the seconds, but a test ends.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn no_state_of_any_short_world_breaks_a_property_and_in_each_something_is_signed() {
    for world in World::SHORT {
        let outcome = exhaust(world, Default::default());
        println!("model: {world}: {} states, depth {}, {:?}", outcome.states, outcome.depth, outcome.elapsed);
        if let Some(violation) = outcome.violation {
            panic!("{world}: {} does not hold after {:?}", violation.property, violation.steps);
        }
        assert!(outcome.signed, "{world}: nothing is ever signed");
        assert!(outcome.elapsed < LIMIT, "{world}: {:?}", outcome.elapsed);
    }
}

#[test]
fn the_chain_of_contents_alone_can_be_missed_only_while_no_leader_leads_by_memory() {
    let expected = |rules: &[Rule]| Switch::ALL.into_iter().find(|switch| switch.rules == rules);
    let chain = expected(&[Rule::ChainedContents]).unwrap();
    assert!(chain.search().violation.is_none());
    assert_eq!(chain.violates, None);
}

#[test]
fn every_rule_can_be_dropped_by_a_switch() {
    for rule in Rule::ALL {
        assert!(Switch::ALL.iter().any(|switch| switch.rules == [rule]), "{rule}");
        assert_eq!(rule.name().parse(), Ok(rule));
    }
}
