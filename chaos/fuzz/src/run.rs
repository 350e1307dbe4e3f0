//! A target's run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::allocation;
use crate::corpus;
use crate::coverage::Coverage;
use crate::mutation::mutate;
use crate::random::Random;
use crate::settings::Settings;

/// Of a short run. Whichever comes first: the inputs are the same on every machine, how many of them fit into the time is not.
const EXECUTIONS: u64 = 20_000;
const TIME: Duration = Duration::from_millis(1000);
/// Also on a machine that is busy with something else.
const LEAST_EXECUTIONS: u64 = 100;
/// No decoder takes nearly that long, however slow the machine.
const TOO_LONG: Duration = Duration::from_secs(20);
/// Serde reserves up to 1 MiB for a list whose announced length it cannot know to be true, once for each level of nesting.
const FREE_BYTES: usize = 4 << 20;
/// Of the inputs that are tried to say a failure with fewer bytes.
const SHORTER_TRIES: usize = 300;

/// A decoder's run: where it starts from, and how much it may use.
#[derive(Debug)]
pub struct Fuzz {
    target: &'static str,
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    longest: usize,
    free_bytes: usize,
    bytes_per_byte: usize,
}

/// What a target did with an input.
enum Done {
    Held,
    Panicked(String),
}

impl Fuzz {
    /// A run of the target of this name: it names its folder in `chaos/corpus`, if it has one.
    pub fn new(target: &'static str) -> Self {
        Self { target, seeds: Vec::new(), words: Vec::new(), longest: 16 << 10, free_bytes: FREE_BYTES, bytes_per_byte: 64 }
    }

    /// Inputs to start from, as real encoders write them.
    #[must_use]
    pub fn seeds(mut self, seeds: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.seeds.extend(seeds);
        self
    }

    /// Pieces that mean something to the decoder: names of fields, selectors.
    #[must_use]
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| word.as_bytes().to_vec()));
        self
    }

    /// The longest input that is tried; 16 KiB otherwise.
    #[must_use]
    pub const fn longest(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// How many bytes the target may hold at once whatever its input; 4 MiB otherwise.
    #[must_use]
    pub const fn free_bytes(mut self, bytes: usize) -> Self {
        self.free_bytes = bytes;
        self
    }

    /// How many bytes beside that it may hold for each byte of input; 64 otherwise.
    #[must_use]
    pub const fn bytes_per_byte(mut self, bytes: usize) -> Self {
        self.bytes_per_byte = bytes;
        self
    }

    /// Calls `target` with the seeds, the committed inputs and mutants of both.
    ///
    /// # Panics
    /// If the target does, holds too much memory or takes too long, with the input.
    pub fn run(self, target: impl Fn(&[u8])) {
        let settings = Settings::read();
        if !settings.wants(self.target) {
            return;
        }
        let mut pool = self.start(&settings);
        let mut coverage = Coverage::new();
        let began = Instant::now();
        for input in &pool {
            self.execute(&target, input, &settings, &mut coverage, "start");
        }
        let mut executions = 0;
        while !over(&settings, executions, began.elapsed()) {
            let mut random = Random::new(settings.seed, executions);
            let mut input = random.pick(&pool).cloned().unwrap_or_default();
            mutate(&mut random, &mut input, &pool, &self.words, self.longest);
            executions += 1;
            let new = self.execute(&target, &input, &settings, &mut coverage, &executions.to_string());
            if new > 0 && coverage.exists() {
                self.keep(&settings, &input);
                pool.push(input);
            }
        }
        let (seed, seconds, inputs, features) = (settings.seed, began.elapsed().as_secs_f64(), pool.len(), coverage.features());
        println!(
            "fuzz: {} {executions} executions, {seconds:.1} s, seed {seed}, {inputs} inputs, {features} features",
            self.target
        );
    }

    /// Without the inputs that lead nowhere new, if that can be seen: the shorter ones are preferred.
    fn start(&self, settings: &Settings) -> Vec<Vec<u8>> {
        let mut pool = self.seeds.clone();
        pool.extend(corpus::committed(self.target));
        if let Some(folder) = &settings.corpus {
            pool.extend(corpus::read(&folder.join(self.target)));
        }
        pool.retain(|input| input.len() <= self.longest);
        assert!(!pool.is_empty(), "{} starts from nothing", self.target);
        pool
    }

    /// How much of the code was new; panics if a property does not hold.
    fn execute(
        &self,
        target: &impl Fn(&[u8]),
        input: &[u8],
        settings: &Settings,
        coverage: &mut Coverage,
        number: &str,
    ) -> usize {
        if let Some(trace) = &settings.trace {
            std::fs::write(trace, input).expect("the trace can be written");
        }
        coverage.reset();
        if let Done::Panicked(first) = self.judge(target, input) {
            let short = self.shorter(target, input);
            let folder = std::env::temp_dir().join("ollin-fuzz").join(self.target);
            let place = corpus::write(&folder, &short).map_or_else(|error| error.to_string(), |path| path.display().to_string());
            panic!(
                "{}: {first}\nexecution {number} of seed {}; {} bytes in {place}: {}",
                self.target,
                settings.seed,
                short.len(),
                shown(&short)
            );
        }
        coverage.take()
    }

    fn judge(&self, target: &impl Fn(&[u8]), input: &[u8]) -> Done {
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| allocation::peak_bytes(|| target(input))));
        allocation::stop();
        let most = self.free_bytes + self.bytes_per_byte * input.len();
        match done {
            Err(panic) => Done::Panicked(message(panic.as_ref())),
            Ok(peak) if peak > most => {
                Done::Panicked(format!("held {peak} bytes for an input of {}, at most {most} expected", input.len()))
            }
            Ok(_) if began.elapsed() > TOO_LONG => Done::Panicked(format!("took {:?}", began.elapsed())),
            Ok(_) => Done::Held,
        }
    }

    /// The same failure, or another one, with fewer bytes.
    fn shorter(&self, target: &impl Fn(&[u8]), input: &[u8]) -> Vec<u8> {
        let mut best = input.to_vec();
        let (mut piece, mut tries) = (best.len() / 2, 0);
        while piece > 0 && tries < SHORTER_TRIES {
            let mut at = 0;
            while at < best.len() && tries < SHORTER_TRIES {
                let mut candidate = best.clone();
                candidate.drain(at..(at + piece).min(best.len()));
                tries += 1;
                if matches!(self.judge(target, &candidate), Done::Panicked(_)) { best = candidate } else { at += piece }
            }
            piece /= 2;
        }
        best
    }

    fn keep(&self, settings: &Settings, input: &[u8]) {
        if let Some(folder) = &settings.corpus {
            corpus::write(&folder.join(self.target), input).expect("the corpus can be written");
        }
    }
}

fn over(settings: &Settings, executions: u64, elapsed: Duration) -> bool {
    let short = || executions >= EXECUTIONS || (elapsed >= TIME && executions >= LEAST_EXECUTIONS);
    settings.time.map_or_else(short, |time| elapsed >= time)
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked").to_owned()
}

fn shown(input: &[u8]) -> String {
    const SHOWN: usize = 512;
    match std::str::from_utf8(input) {
        Ok(text) if text.chars().all(|letter| !letter.is_control() || letter == '\n') => text.chars().take(SHOWN).collect(),
        Ok(_) | Err(_) => input.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(fuzz: Fuzz, target: impl Fn(&[u8])) -> String {
        let panic = catch_unwind(AssertUnwindSafe(|| fuzz.run(target))).unwrap_err();
        message(panic.as_ref())
    }

    #[test]
    fn a_decoder_that_believes_a_length_is_found_and_its_input_shortened() {
        let fuzz = Fuzz::new("test-length").seeds([b"\x00\x00\x00\x04abcd and more behind it".to_vec()]);
        let found = failure(fuzz, |bytes| {
            let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return };
            let _ = rest[..usize::try_from(u32::from_be_bytes(*length)).unwrap()].to_vec();
        });
        assert!(found.contains("out of range") && found.contains("4 bytes in "), "{found}");
    }

    #[test]
    fn a_decoder_that_reserves_what_is_announced_is_found() {
        let fuzz = Fuzz::new("test-reserve").seeds([b"\x00\x00\x00\x04abcd".to_vec()]);
        let found = failure(fuzz, |bytes| {
            let Some((length, _)) = bytes.split_first_chunk::<4>() else { return };
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap().min(100 << 20);
            drop(std::hint::black_box(Vec::<u8>::with_capacity(length)));
        });
        assert!(found.contains("bytes for an input of"), "{found}");
    }

    #[test]
    fn a_decoder_that_reads_another_spelling_is_found() {
        let found = failure(Fuzz::new("test-spelling").seeds([b"17".to_vec()]), |bytes| {
            let Some(number) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<u64>().ok()) else { return };
            assert_eq!(number.to_string().as_bytes(), bytes);
        });
        assert!(found.contains("execution"), "{found}");
    }

    #[test]
    fn a_target_that_holds_is_run_to_the_end() {
        Fuzz::new("test-holds").seeds([vec![1, 2, 3]]).run(|bytes| assert!(bytes.len() <= 16 << 10));
    }
}
