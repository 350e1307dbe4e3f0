//! The layers of settings, merged: for each key the strongest value and where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use super::fault::Fault;
use super::setting::{SETTINGS, Setting};
use super::{Environment, StartRequest};

/// A configuration file larger than this is not one.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(&'static str),
    Environment(&'static str),
    File(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Environment(name) => f.write_str(name),
            Self::File(path) => f.write_str(path),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as text, with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sourced {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// The strongest value of every setting that has one.
#[derive(Debug, Default)]
pub(crate) struct Layers(BTreeMap<&'static str, Sourced>);

impl Layers {
    /// Merges flags over environment over file over defaults. An empty environment value counts as not set: compose files write
    /// `NAME=${NAME}` for what is absent.
    pub(crate) fn gather(request: &StartRequest, environment: &Environment, faults: &mut Vec<Fault>) -> Self {
        let named = environment.get("OLLIN_CONFIG").filter(|path| !path.is_empty()).map(Path::new);
        let file = request.file.as_deref().or(named);
        let from_file = file.map(|path| read_file(path, faults)).unwrap_or_default();
        let strongest = |setting: &'static Setting| {
            let flag = setting.flag.and_then(|flag| {
                let text = request.flags.get(setting.key)?.to_owned();
                Some(Sourced { text, origin: Origin::Flag(flag) })
            });
            let environment = || {
                let text = environment.get(setting.env).filter(|text| !text.trim().is_empty())?.trim().to_owned();
                Some(Sourced { text, origin: Origin::Environment(setting.env) })
            };
            let default = || Some(Sourced { text: setting.default?.to_owned(), origin: Origin::Default });
            let value = flag.or_else(environment).or_else(|| from_file.get(setting.key).cloned()).or_else(default)?;
            Some((setting.key, value))
        };
        Self(SETTINGS.iter().filter_map(strongest).collect())
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Sourced> {
        self.0.get(key)
    }
}

fn read_file(path: &Path, faults: &mut Vec<Fault>) -> BTreeMap<&'static str, Sourced> {
    let mut values = BTreeMap::new();
    match load(path) {
        Ok(table) => flatten(path, "", &table, &mut values, faults),
        Err(fault) => faults.push(fault),
    }
    values
}

fn load(path: &Path) -> Result<toml::Table, Fault> {
    let failed =
        |error: std::io::Error| Fault::plain(format!("the configuration file {} cannot be read: {error}", path.display()));
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(Fault::plain(format!(
            "the configuration file {} has {length} bytes, expected at most {FILE_BYTES_MAX}",
            path.display()
        )));
    }
    parse(path, &fs::read_to_string(path).map_err(failed)?)
}

fn parse(path: &Path, text: &str) -> Result<toml::Table, Fault> {
    toml::from_str(text).map_err(|error| {
        // The parser's own text quotes the line, which may hold a secret.
        let line = error.span().map_or(0, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        Fault::plain(format!("the configuration file {} is not TOML at line {line}: {}", path.display(), error.message()))
    })
}

/// Tables become dotted keys; a key that no setting bears is a fault.
fn flatten(
    path: &Path,
    prefix: &str,
    table: &toml::Table,
    values: &mut BTreeMap<&'static str, Sourced>,
    faults: &mut Vec<Fault>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if let (toml::Value::Table(inner), true) = (value, is_section(&key)) {
            flatten(path, &key, inner, values, faults);
            continue;
        }
        let Some(setting) = Setting::of(&key) else {
            faults.push(Fault::plain(format!("{}: {key} is not a setting{}", path.display(), suggestion(&key))));
            continue;
        };
        match as_text(value) {
            Some(text) => {
                values.insert(setting.key, Sourced { text, origin: Origin::File(path.display().to_string()) });
            }
            None => faults.push(Fault::plain(format!(
                "{}: {key} is a {}, expected a string, a whole number, a boolean or an array of strings",
                path.display(),
                value.type_str()
            ))),
        }
    }
}

fn is_section(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.trim().to_owned()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// A hint for a key that has the right last word under the wrong section, or is an environment name.
fn suggestion(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let near = SETTINGS.iter().find(|setting| setting.key.rsplit('.').next() == Some(last) || setting.env == last);
    near.map(|setting| format!(": write {}", setting.key)).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod fuzz {
    use super::*;

    /// What a file of these contents sets, or its faults.
    pub(in crate::config) fn read_text(text: &str) -> (BTreeMap<&'static str, Sourced>, Vec<Fault>) {
        let (path, mut values, mut faults) = (Path::new("ollin.toml"), BTreeMap::new(), Vec::new());
        match parse(path, text) {
            Ok(table) => flatten(path, "", &table, &mut values, &mut faults),
            Err(fault) => faults.push(fault),
        }
        (values, faults)
    }
}
