//! `LOG_LEVEL` in the official syntax, as directives for `tracing_subscriber::EnvFilter`.
//!
//! Source: npm @aztec/foundation 4.1.2, `src/log/log-filters.ts`.

use super::fault::Expected;

/// Libraries that say too much at `debug` and `trace`: they stay at `info` unless named.
const LIBRARIES: [&str; 7] = ["h2", "hyper", "hyper_util", "openraft", "reqwest", "rustls", "tower"];

/// Official module names and the parts of this program that stand for them.
const MODULES: [(&str, &[&str]); 15] = [
    ("archiver", &["ollin_archiver"]),
    ("sequencer", &["ollin_sequencer"]),
    ("sequencer-client", &["ollin_sequencer", "ollin_publisher"]),
    ("publisher", &["ollin_publisher"]),
    ("validator", &["ollin_sequencer"]),
    ("ethereum", &["ollin_l1"]),
    ("l1", &["ollin_l1"]),
    ("json-rpc", &["ollin_rpc"]),
    ("rpc", &["ollin_rpc"]),
    ("node-keystore", &["ollin_keystore"]),
    ("keystore", &["ollin_keystore"]),
    ("consensus", &["ollin_consensus"]),
    ("raft", &["openraft"]),
    ("aztec-node", &["ollin"]),
    ("node", &["ollin"]),
];

/// What `LOG_LEVEL` means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFilter {
    /// Directives for `EnvFilter`.
    pub(crate) directives: String,
    /// Modules named that no part of this program stands for.
    pub(crate) unknown_modules: Vec<String>,
}

/// Reads `level;level:module,module;...`; a later filter wins.
pub(crate) fn parse(text: &str) -> Result<LogFilter, Expected> {
    let rule = || {
        Expected::rule("a level, then filters, such as info;debug:sequencer,archiver")
            .remedy("levels are silent, fatal, error, warn, info, verbose, debug, trace")
    };
    let mut parts = text.split(';').map(str::trim);
    let base = level(parts.next().unwrap_or_default()).ok_or_else(rule)?;
    let mut directives = vec![base.to_owned()];
    if matches!(base, "debug" | "trace") {
        directives.extend(LIBRARIES.iter().map(|library| format!("{library}=info")));
    }
    let mut unknown_modules = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        let (word, modules) = part.split_once(':').ok_or_else(rule)?;
        let word = level(word.trim()).ok_or_else(rule)?;
        for module in modules.split(',').map(str::trim).filter(|module| !module.is_empty()) {
            let targets = targets(module).ok_or_else(rule)?;
            if targets.is_empty() {
                unknown_modules.push(module.to_owned());
            }
            directives.extend(targets.iter().map(|target| format!("{target}={word}")));
        }
    }
    Ok(LogFilter { directives: directives.join(","), unknown_modules })
}

/// Eight official levels on six of `tracing`.
fn level(word: &str) -> Option<&'static str> {
    Some(match word {
        "silent" => "off",
        "fatal" | "error" => "error",
        "warn" => "warn",
        "info" => "info",
        "verbose" | "debug" => "debug",
        "trace" => "trace",
        _ => return None,
    })
}

/// Targets of a module; a Rust path of ours stands for itself. `None`: not a module name at all.
fn targets(module: &str) -> Option<Vec<String>> {
    if !module.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:".contains(&byte)) {
        return None;
    }
    if module.starts_with("ollin") || LIBRARIES.contains(&module) {
        return Some(vec![module.to_owned()]);
    }
    // The official node matches `sequencer` and `sequencer:publisher` alike; the part before the colon names the module.
    let head = module.split(':').next().unwrap_or(module);
    let known = MODULES.iter().find(|(name, _)| *name == head);
    Some(known.map(|(_, targets)| targets.iter().map(|&target| target.to_owned()).collect()).unwrap_or_default())
}
