use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use alloy_primitives::B256;
use tempfile::TempDir;

use crate::run::*;

fn written(run: &Run) -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    fs::create_dir(directory.path().join("outlets")).expect("a writable directory");
    for (position, (name, _)) in run.files.iter().enumerate() {
        fs::write(directory.path().join("outlets").join(name), run.text_of(position)).expect("a writable directory");
    }
    fs::write(directory.path().join("chain.json"), serde_json::to_vec(&run.facts).expect("facts are JSON"))
        .expect("a writable directory");
    directory
}

fn chaos_judge(directory: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.arg("judge").arg("--outlets").arg(directory.join("outlets")).arg("--chain").arg(directory.join("chain.json"));
    command.args(more).output().expect("the binary runs")
}

#[test]
fn the_binary_ends_with_0_on_a_clean_run_and_with_1_on_a_violation() {
    let clean = written(&Run::clean());
    let output = chaos_judge(clean.path(), &["--wake", "1:150:400"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let twice = written(&Run::clean().with(2, signature(2, 250, "attestation", B256::repeat_byte(9))));
    let output = chaos_judge(twice.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("S1: attestation of 0x"), "{output:?}");
    assert_eq!(chaos_judge(clean.path(), &["--wake", "2:235"]).status.code(), Some(1), "the bump was new");
}

#[test]
fn evidence_that_cannot_be_read_is_no_clean_run() {
    let empty = written(&Run { files: vec![], ..Run::clean() });
    assert_eq!(chaos_judge(empty.path(), &[]).status.code(), Some(2), "nothing recorded");

    let garbled = written(&Run::clean());
    fs::write(garbled.path().join("outlets/replica-3.jsonl"), "{\"outlet\":\n").unwrap();
    assert_eq!(chaos_judge(garbled.path(), &[]).status.code(), Some(2), "a torn line in the middle");

    let nested = written(&Run::clean());
    fs::create_dir(nested.path().join("outlets/more")).unwrap();
    assert_eq!(chaos_judge(nested.path(), &[]).status.code(), Some(2), "records may hide in a directory");

    let factless = written(&Run::clean());
    fs::write(factless.path().join("chain.json"), "{}").unwrap();
    assert_eq!(chaos_judge(factless.path(), &[]).status.code(), Some(2), "no chain facts");
}
