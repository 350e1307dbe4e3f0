//! What a scenario found, and how it is printed.

use std::fmt::Write;

/// A plain table, columns padded to their widest cell.
#[derive(Clone, Debug, Default)]
pub struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these column heads.
    pub fn new(heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = std::iter::once(&self.heads).chain(&self.rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for row in std::iter::once(&self.heads).chain(&self.rows) {
            let mut line = String::new();
            for column in 0..self.heads.len() {
                let cell = row.get(column).map_or("", String::as_str);
                write!(line, "  {cell:<width$}", width = self.width(column))?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// One statement that held or did not.
#[derive(Clone, Debug)]
pub struct Check {
    /// The statement.
    pub what: String,
    /// Whether it held.
    pub passed: bool,
}

/// Everything a scenario found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario.
    pub name: String,
    /// Its statements.
    pub checks: Vec<Check>,
    /// Figures for the closing table.
    pub figures: Vec<(String, String)>,
    /// What it saw, row by row.
    pub table: Table,
}

impl Outcome {
    /// An empty outcome whose table has these column heads.
    pub fn new(name: &str, heads: &[&str]) -> Self {
        Self { name: name.to_owned(), checks: Vec::new(), figures: Vec::new(), table: Table::new(heads) }
    }

    /// Records whether `what` held.
    pub fn check(&mut self, what: impl Into<String>, passed: bool) {
        self.checks.push(Check { what: what.into(), passed });
    }

    /// Records a figure for the closing table.
    pub fn figure(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.figures.push((what.into(), value.into()));
    }

    /// How many statements held, and how many did not.
    pub fn counts(&self) -> (usize, usize) {
        let passed = self.checks.iter().filter(|check| check.passed).count();
        (passed, self.checks.len() - passed)
    }

    /// Whether all statements held and there was at least one.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.counts().1 == 0
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.table.rows.is_empty() {
            write!(f, "{}", self.table)?;
        }
        for (what, value) in &self.figures {
            writeln!(f, "  {what}: {value}")?;
        }
        for check in &self.checks {
            writeln!(f, "  {} {}", if check.passed { "ok    " } else { "FAILED" }, check.what)?;
        }
        Ok(())
    }
}

/// Prints all figures, all failures, and the totals alone on the last line. Returns whether everything held.
pub fn close(outcomes: &[Outcome]) -> bool {
    let mut table = Table::new(&["scenario", "result", "figure", "value"]);
    for outcome in outcomes {
        let result = if outcome.passed() { "passed" } else { "FAILED" };
        let mut first = [outcome.name.clone(), result.to_owned()];
        for (what, value) in &outcome.figures {
            table.row([std::mem::take(&mut first[0]), std::mem::take(&mut first[1]), what.clone(), value.clone()]);
        }
        if outcome.figures.is_empty() {
            table.row(first);
        }
    }
    println!("\nclosing table\n{table}");
    for outcome in outcomes {
        for check in outcome.checks.iter().filter(|check| !check.passed) {
            println!("FAILED {}: {}", outcome.name, check.what);
        }
    }
    let (passed, failed) = outcomes.iter().map(Outcome::counts).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("\n{passed} passed, {failed} failed");
    !outcomes.is_empty() && outcomes.iter().all(Outcome::passed)
}

/// The middle one of `numbers`, the lower of two in the middle.
pub fn median(numbers: &[u64]) -> Option<u64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_without_a_statement_has_not_passed() {
        assert!(!Outcome::new("empty", &[]).passed());
        assert!(!close(&[]));
    }

    #[test]
    fn one_false_statement_fails_the_scenario() {
        let mut outcome = Outcome::new("slots", &["slot"]);
        outcome.check("slot 4 landed", true);
        assert!(outcome.passed());
        outcome.check("slot 5 landed", false);
        assert_eq!(outcome.counts(), (1, 1));
        assert!(!outcome.passed());
        assert!(outcome.to_string().contains("FAILED slot 5 landed"));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["xyz".to_owned(), "1".to_owned()]);
        assert_eq!(table.to_string(), "  a    b\n  xyz  1\n");
    }

    #[test]
    fn the_median_of_an_even_count_is_the_lower_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[9, 1, 5, 7]), Some(5));
    }
}
