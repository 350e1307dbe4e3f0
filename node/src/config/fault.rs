//! What is wrong with a setting: key, value, rule, remedy.

use std::fmt;

use super::layer::Origin;

/// Every fault of one configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) struct ConfigError {
    /// In the order of the settings; never empty.
    pub(crate) faults: Vec<Fault>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(f, "the configuration has {count} {}", if count == 1 { "fault" } else { "faults" })?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
    }
}

/// One fault, in words for the operator. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(String);

impl Fault {
    /// A fault that is not about one value.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// `key (origin) is value, expected rule`.
    pub(crate) fn of_value(key: &str, origin: &Origin, shown: &str, expected: &Expected) -> Self {
        Self(format!("{key} ({origin}) is {shown}, expected {expected}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule that a value broke, with a remedy where one can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    rule: String,
    remedy: Option<String>,
}

impl Expected {
    pub(crate) fn rule(rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), remedy: None }
    }

    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, ": {remedy}"))
    }
}
