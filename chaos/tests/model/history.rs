//! The kept histories: each violates its property without the rule, and is not possible with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ollin_chaos::model::{Script, ScriptError, Switch};

fn kept() -> BTreeMap<String, Script> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let script = fs::read_to_string(&path).unwrap().parse::<Script>();
        (name.clone(), script.unwrap_or_else(|error| panic!("{name}: {error}")))
    };
    fs::read_dir(directory).unwrap().map(read).collect()
}

#[test]
fn every_switch_that_breaks_something_has_its_history() {
    let histories = kept();
    for switch in Switch::ALL {
        let history = histories.get(&switch.name()).map(|script| (script.without.as_slice(), script.violates));
        assert_eq!(history, switch.violates.map(|violates| (switch.rules, violates)), "{}", switch.name());
    }
}

#[test]
fn a_history_violates_its_property_without_its_rules_and_is_not_possible_with_any_of_them() {
    let histories = kept();
    assert!(!histories.is_empty());
    for (name, script) in histories {
        assert_eq!(script.play(&script.without), Ok(true), "{name}");
        for kept in &script.without {
            let others: Vec<_> = script.without.iter().copied().filter(|rule| rule != kept).collect();
            let played = script.play(&others);
            assert_ne!(played, Ok(true), "{name}: {kept} does not prevent it");
            println!(
                "{name}: with {kept}: {}",
                played.map_or_else(|error| error.to_string(), |_| "nothing is violated".to_owned())
            );
        }
    }
}

#[test]
fn a_history_is_written_as_it_is_read() {
    for (name, script) in kept() {
        assert_eq!(script.to_string().parse(), Ok(script), "{name}");
    }
}

#[test]
fn a_file_that_is_no_history_is_refused() {
    let read = |text: &str| text.parse::<Script>().unwrap_err();
    assert_eq!(read("violates: S1 one root\n"), ScriptError::Missing("world: ..."));
    assert_eq!(read("world: quiet\n"), ScriptError::Missing("violates: ..."));
    for (line, fault) in [
        ("world: loud", "no world is called \"loud\""),
        ("without: r99", "no rule is called \"r99\""),
        ("violates: S9", "no property is called \"S9\""),
        ("claim A slot 3 X", "\"claim A slot 3 X\" is no step"),
        ("vote A2", "\"vote A2\" is no step"),
    ] {
        assert_eq!(read(&format!("world: quiet\nviolates: S1 one root\n{line}\n")).to_string(), fault);
    }
}
