//! Rounds of the same measurements, so that each is compared with what was measured beside it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::fleet::Fleet;
use crate::floor::Floor;
use crate::order::{Load, Timed};
use crate::report::{Section, ms};
use crate::sample::Figures;

/// Figures by subject and number of callers, and the floors.
#[derive(Default)]
pub(crate) struct Rounds {
    figures: BTreeMap<(String, usize), Vec<Figures>>,
    floors: Vec<Floor>,
    /// In the order in which they came.
    subjects: Vec<String>,
}

impl Rounds {
    pub(crate) fn floor(&mut self, floor: Floor) {
        self.floors.push(floor);
    }

    pub(crate) fn add(&mut self, subject: &str, callers: usize, timed: &Timed) -> Result<()> {
        let figures = Figures::of(timed).with_context(|| format!("{subject}: nothing was measured with {callers} callers"))?;
        self.figures.entry((subject.to_owned(), callers)).or_default().push(figures);
        if !self.subjects.iter().any(|known| known == subject) {
            self.subjects.push(subject.to_owned());
        }
        Ok(())
    }

    pub(crate) fn median(&self, subject: &str, callers: usize) -> Option<Figures> {
        Figures::median(self.figures.get(&(subject.to_owned(), callers))?)
    }

    pub(crate) fn median_floor(&self) -> Result<Floor> {
        Floor::median(&self.floors).context("no floor was measured")
    }

    /// The rows of a table of eight columns; `what` goes before the subject.
    pub(crate) fn rows(&self, what: &str, section: &mut Section) {
        for subject in &self.subjects {
            for ((_, callers), rounds) in self.figures.iter().filter(|((of, _), _)| of == subject) {
                let Some(figures) = Figures::median(rounds) else { continue };
                section.row([
                    format!("{what}{subject}"),
                    callers.to_string(),
                    ms(figures.p50_us),
                    ms(figures.p99_us),
                    ms(figures.p999_us),
                    ms(figures.total_p50_us),
                    figures.per_second.to_string(),
                ]);
            }
        }
    }

    pub(crate) fn head(section: &mut Section) {
        section.head(["", "callers", "claim p50, ms", "p99", "p99.9", "with signature, p50", "duties a second"]);
    }
}

/// A load on the leader of a cluster.
pub(crate) fn load(fleet: &mut Fleet, load: Load) -> Result<Timed> {
    let leader = fleet.settled()?;
    fleet.load(leader, load)
}
