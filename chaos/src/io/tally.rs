//! What became of the faults, as one table.

use std::collections::BTreeMap;
use std::fmt;

use super::judge::Verdict;
use super::life::Role;

/// Violations that are shown; the others are counted.
const SHOWN: usize = 20;

/// Faults and their outcomes.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: BTreeMap<(Role, String), Row>,
    violations: Vec<String>,
    /// What refusals said, without numbers and places, and how often.
    messages: BTreeMap<String, u64>,
    /// Points of each role's life.
    points: BTreeMap<Role, usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    faults: u64,
    goes_on: u64,
    asks: u64,
    asks_for_more: u64,
    refuses: u64,
    violations: u64,
}

/// One fault that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) role: Role,
    pub(super) fault: String,
    /// Where, and how to make it again.
    pub(super) place: String,
    pub(super) verdict: Verdict,
}

impl Tally {
    /// How many violations there are.
    pub fn violations(&self) -> usize {
        self.violations.len()
    }

    pub(super) fn points(&mut self, role: Role, points: usize) {
        self.points.insert(role, points);
    }

    pub(super) fn add(&mut self, made: Made) {
        let Made { role, fault, place, verdict } = made;
        let row = self.rows.entry((role, fault.clone())).or_default();
        row.faults += 1;
        match verdict {
            Verdict::GoesOn => row.goes_on += 1,
            Verdict::Asks => row.asks += 1,
            Verdict::AsksForMore => row.asks_for_more += 1,
            Verdict::Refuses { message } => {
                row.refuses += 1;
                *self.messages.entry(without_values(&message)).or_default() += 1;
            }
            Verdict::Violation { reason } => {
                row.violations += 1;
                self.violations.push(format!("{} {fault} {place}: {reason}", role.name()));
            }
        }
    }
}

/// Paths and numbers differ from run to run.
fn without_values(message: &str) -> String {
    let words = message.split(' ').map(|word| if word.contains('/') { "PATH" } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    let mut short = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' if short.ends_with('N') => {}
            '0'..='9' => short.push('N'),
            letter => short.push(letter),
        }
    }
    short
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (role, points) in &self.points {
            writeln!(f, "{}: {points} IO points", role.name())?;
        }
        writeln!(
            f,
            "{:<11} {:<22} {:>7} {:>8} {:>7} {:>8} {:>8} {:>11}",
            "role", "fault", "faults", "goes on", "asks", "cut,asks", "refuses", "violations"
        )?;
        let mut sum = Row::default();
        for ((role, fault), row) in &self.rows {
            let Row { faults, goes_on, asks, asks_for_more, refuses, violations } = row;
            let role = role.name();
            writeln!(
                f,
                "{role:<11} {fault:<22} {faults:>7} {goes_on:>8} {asks:>7} {asks_for_more:>8} {refuses:>8} {violations:>11}"
            )?;
            sum.faults += faults;
            sum.violations += violations;
        }
        for (message, count) in &self.messages {
            writeln!(f, "{count:>7} x {message}")?;
        }
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "VIOLATION {violation}")?;
        }
        write!(f, "{} faults, {} violations", sum.faults, sum.violations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_places_and_numbers_are_one() {
        let one = without_values("cannot open the store in /tmp/x/raft: entry 12 of 300");
        assert_eq!(one, "cannot open the store in PATH entry N of N");
    }

    #[test]
    fn a_violation_is_counted_and_shown() {
        let mut tally = Tally::default();
        let made = |verdict| Made { role: Role::Leader, fault: "torn".to_owned(), place: "at 3".to_owned(), verdict };
        tally.add(made(Verdict::GoesOn));
        assert_eq!(tally.violations(), 0);
        tally.add(made(Verdict::Violation { reason: "lost".to_owned() }));
        assert_eq!(tally.violations(), 1);
        assert!(tally.to_string().contains("VIOLATION leader torn at 3: lost"));
    }
}
