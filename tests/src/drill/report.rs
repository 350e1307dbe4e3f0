//! What drills found, in one table.

use crate::report::{Table, median};

/// One drill in one world: one history.
#[derive(Clone, Debug)]
pub struct Report {
    /// The drill.
    pub name: String,
    /// Faults that were done.
    pub faults: usize,
    /// What the oracles found.
    pub violations: Vec<String>,
    /// Rounds after which the cluster did not come back, and why.
    pub stuck: Vec<String>,
    /// Milliseconds from a leader's fault to the next leader.
    pub takeovers_ms: Vec<u64>,
    /// Slots over its time, and those of them that are on L1.
    pub slots: (u64, u64),
    /// How long it took.
    pub seconds: u64,
}

impl Report {
    /// Whether nothing was violated, every round ended well, and there was at least one.
    pub fn passed(&self) -> bool {
        self.faults > 0 && self.violations.is_empty() && self.stuck.is_empty()
    }
}

/// Prints one row for each drill, what failed, and the totals alone on the last line. Returns whether everything held.
pub fn close(reports: &[Report]) -> bool {
    let heads = ["fault", "faults", "histories", "violations", "not back", "bound 3/N", "to next leader, ms", "slots", "s"];
    let mut table = Table::new(&heads);
    for of_one in reports.chunk_by(|one, next| one.name == next.name) {
        table.row(row(of_one));
    }
    println!("\nclosing table\n{table}");
    for report in reports {
        for fault in report.violations.iter().chain(&report.stuck) {
            println!("FAILED {}: {fault}", report.name);
        }
    }
    let failed = reports.iter().filter(|report| !report.passed()).count();
    println!("\n{} passed, {failed} failed", reports.len() - failed);
    !reports.is_empty() && failed == 0
}

fn row(of_one: &[Report]) -> Vec<String> {
    let sum = |count: fn(&Report) -> usize| of_one.iter().map(count).sum::<usize>();
    let (faults, violations) = (sum(|one| one.faults), sum(|one| one.violations.len()));
    let takeovers: Vec<u64> = of_one.iter().flat_map(|one| one.takeovers_ms.iter().copied()).collect();
    let worst = takeovers.iter().max();
    let slots = of_one.iter().fold((0, 0), |sum, one| (sum.0 + one.slots.0, sum.1 + one.slots.1));
    vec![
        of_one.first().map_or_else(String::new, |one| one.name.clone()),
        faults.to_string(),
        of_one.len().to_string(),
        violations.to_string(),
        sum(|one| one.stuck.len()).to_string(),
        bound(faults, violations),
        median(&takeovers).zip(worst).map_or_else(|| "-".to_owned(), |(middle, worst)| format!("{middle}, worst {worst}")),
        format!("{} of {}", slots.1, slots.0),
        of_one.iter().map(|one| one.seconds).sum::<u64>().to_string(),
    ]
}

/// The rule of three: after N faults without a violation, the chance of one is below 3/N with a confidence of 95 %.
fn bound(faults: usize, violations: usize) -> String {
    match (u32::try_from(faults), violations) {
        (Ok(1..), 0) => format!("{:.3}", (3.0 / f64::from(u32::try_from(faults).unwrap_or(u32::MAX))).min(1.0)),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(faults: usize) -> Report {
        let name = "leader-kill".to_owned();
        Report { name, faults, violations: vec![], stuck: vec![], takeovers_ms: vec![90, 70], slots: (3, 2), seconds: 5 }
    }

    #[test]
    fn histories_of_one_drill_are_one_row_with_the_rule_of_three() {
        let row = row(&[report(100), report(200)]);
        assert_eq!(row, ["leader-kill", "300", "2", "0", "0", "0.010", "70, worst 90", "4 of 6", "10"]);
    }

    #[test]
    fn a_violation_leaves_no_bound_and_a_drill_without_a_fault_has_not_passed() {
        let broken = Report { violations: vec!["two roots".to_owned()], ..report(100) };
        assert_eq!(row(std::slice::from_ref(&broken))[5], "-");
        assert!(!broken.passed() && !report(0).passed() && report(1).passed());
        assert!(!Report { stuck: vec!["nobody took over".to_owned()], ..report(1) }.passed());
        assert!(!close(&[]));
    }
}
