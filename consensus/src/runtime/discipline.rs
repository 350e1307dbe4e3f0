//! A test over this crate's own text: time, tasks, randomness and the order of things come from the runtime only, or a simulated run
//! could not be repeated from its seed.

use std::path::{Path, PathBuf};

/// What must not be written, and what takes its place.
const BANNED: [(&str, &str); 11] = [
    ("Instant::now", "runtime::now"),
    ("SystemTime::now", "an argument: only the edge of a process reads the wall clock"),
    (".elapsed()", "runtime::elapsed"),
    ("tokio::spawn", "runtime::spawn"),
    ("task::spawn", "runtime::spawn"),
    ("tokio::time", "runtime::{sleep, sleep_until, timeout, timeout_at}"),
    ("thread::sleep", "runtime::sleep"),
    ("rand::", "runtime::random"),
    ("HashMap", "BTreeMap: its order is the same in every run"),
    ("HashSet", "BTreeSet: its order is the same in every run"),
    ("DefaultHasher", "an order that every run has"),
];

/// Where the real world is let in, and why it may be.
const EXEMPT: [(&str, &str); 9] = [
    ("runtime.rs", "is the runtime"),
    ("runtime/", "is the runtime"),
    ("simulation/", "is the other runtime"),
    ("transport/tls_wire/", "sockets: a simulated replica has another wire"),
    ("failpoint.rs", "holds a real process where a scenario wants it"),
    ("leadership/watchdog.rs", "watches real disks from a thread that no executor can hold up"),
    ("leadership/measure.rs", "times a real disk, once, before anything runs"),
    ("certificates.rs", "makes keys, on an operator's machine"),
    ("discard.rs", "names a directory, for an operator"),
];

/// Lines that read openraft's own clock, which is the runtime's.
const OF_OPENRAFT: [&str; 1] = ["acknowledged.elapsed() < self.lease"];

/// Every line of `text` that breaks the discipline, with its number.
fn faults(text: &str) -> Vec<String> {
    // Tests at the end of a file may use what they like.
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let mut faults = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if OF_OPENRAFT.iter().any(|known| code.contains(known)) {
            continue;
        }
        for (banned, instead) in BANNED.iter().filter(|(banned, _)| code.contains(banned)) {
            faults.push(format!("{}: {banned}: use {instead}", index + 1));
        }
        if code.contains("select! {") && lines.get(index + 1).is_none_or(|next| next.trim() != "biased;") {
            faults.push(format!("{}: select! without biased;: tokio would draw the branch", index + 1));
        }
    }
    faults
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_but_the_runtime_asks_for_time_tasks_or_chance() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&root, &mut all);
    assert!(all.len() > 50, "{} files", all.len());
    let mut broken = Vec::new();
    for path in all {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let is_test = name.ends_with("tests.rs") || name.contains("tests/");
        if !is_test && !EXEMPT.iter().any(|(exempt, _)| name.starts_with(exempt)) {
            broken.extend(faults(&std::fs::read_to_string(&path).unwrap()).into_iter().map(|fault| format!("{name}:{fault}")));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn each_breach_is_found_and_tests_and_comments_are_left_alone() {
    for (banned, _) in BANNED {
        assert_eq!(faults(&format!("let a = 1;\nlet b = {banned}();\n")).len(), 1, "{banned}");
        assert_eq!(faults(&format!("// {banned}\n#[cfg(test)]\nmod tests {{\n{banned}\n}}\n")), Vec::<String>::new());
    }
    assert_eq!(faults("tokio::select! {\n    a = b => {}\n}\n").len(), 1);
    assert_eq!(faults("tokio::select! {\n    biased;\n    a = b => {}\n}\n"), Vec::<String>::new());
}
