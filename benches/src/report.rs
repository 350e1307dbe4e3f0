//! Figures as a page: tables between markers of `docs/benchmarks.md`, and plots beside it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What one question was answered.
pub(crate) struct Section {
    name: &'static str,
    text: String,
    plots: Vec<(&'static str, String)>,
}

impl Section {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, text: String::new(), plots: Vec::new() }
    }

    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// The head of a table.
    pub(crate) fn head<const N: usize>(&mut self, cells: [&str; N]) {
        self.line("");
        self.row(cells.map(str::to_owned));
        self.line(format!("|{}", "---|".repeat(N)));
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.line(format!("| {} |", cells.join(" | ")));
    }

    /// A plot, in a file of that name beside the page.
    pub(crate) fn plot(&mut self, file: &'static str, svg: String) {
        self.plots.push((file, svg));
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Puts the section between its markers in `benchmarks.md` below `docs`, and its plots beside.
    pub(crate) fn write(&self, docs: &Path) -> Result<()> {
        let path = docs.join("benchmarks.md");
        let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        fs::write(&path, replaced(&page, self.name, &self.text)?)?;
        for (file, svg) in &self.plots {
            fs::write(docs.join(file), svg)?;
        }
        Ok(())
    }
}

fn replaced(page: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let no_marker = || format!("benchmarks.md has no markers of {name}");
    let (before, rest) = page.split_once(&begin).with_context(no_marker)?;
    let (_, after) = rest.split_once(&end).with_context(no_marker)?;
    Ok(format!("{before}{begin}{text}{end}{after}"))
}

/// Microseconds as milliseconds with as many digits as they deserve.
pub(crate) fn ms(micros: u64) -> String {
    let (whole, rest) = (micros / 1000, micros % 1000);
    match whole {
        0..10 => format!("{whole}.{:02}", rest / 10),
        10..100 => format!("{whole}.{}", rest / 100),
        _ => whole.to_string(),
    }
}

/// One number in terms of another, to two digits.
pub(crate) fn ratio(number: u64, of: u64) -> String {
    match number.saturating_mul(100).checked_div(of) {
        Some(hundredths) if hundredths < 1000 => format!("{}.{:02}", hundredths / 100, hundredths % 100),
        Some(hundredths) => (hundredths / 100).to_string(),
        None => "-".to_owned(),
    }
}

/// Whether a goal was reached.
pub(crate) fn met(reached: bool) -> String {
    if reached { "met" } else { "**missed**" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_what_was_between_its_markers() {
        let page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n";
        assert_eq!(replaced(page, "x", "new\n").unwrap(), "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n");
        assert!(replaced(page, "y", "new\n").is_err());
    }

    #[test]
    fn figures_have_two_or_three_digits() {
        assert_eq!([ms(5), ms(1234), ms(45_678), ms(345_678)], ["0.00", "1.23", "45.6", "345"]);
        assert_eq!([ratio(3, 2), ratio(45, 1), ratio(1, 0)], ["1.50", "45", "-"]);
    }
}
