//! Takes typed values out of the layers and collects what is wrong with them.

use super::fault::{Expected, Fault};
use super::layer::Layers;
use super::redaction;
use super::setting::Setting;

/// Reads settings one by one; a fault does not stop the reading.
pub(crate) struct Reader<'a> {
    layers: &'a Layers,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layers: &'a Layers, faults: &'a mut Vec<Fault>) -> Self {
        Self { layers, faults }
    }

    /// A setting that must be there: set, or with a default.
    pub(crate) fn required<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Expected>) -> Option<T> {
        if self.layers.get(key).is_none() {
            let names = Setting::of(key).map(|setting| match setting.flag {
                Some(flag) => format!("{}, --{flag} or {key} in the file", setting.env),
                None => format!("{} or {key} in the file", setting.env),
            });
            let names = names.unwrap_or_else(|| key.to_owned());
            self.faults.push(Fault::plain(format!("{key} is not set, expected a value: set {names}")));
            return None;
        }
        self.optional(key, parse)
    }

    /// A setting whose absence has a meaning. A wrong value is a fault and reads as absent.
    pub(crate) fn optional<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Expected>) -> Option<T> {
        let value = self.layers.get(key)?;
        match parse(&value.text) {
            Ok(parsed) => Some(parsed),
            Err(expected) => {
                self.refuse(key, expected);
                None
            }
        }
    }

    /// Whether a setting has a value at all, right or wrong.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.layers.get(key).is_some()
    }

    /// Checks a setting whose value is not kept.
    pub(crate) fn check<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Expected>) {
        let _checked: Option<T> = self.required(key, parse);
    }

    /// Reports a value that is well formed but breaks a rule between settings.
    pub(crate) fn refuse(&mut self, key: &str, expected: Expected) {
        let Some(value) = self.layers.get(key) else {
            self.faults.push(Fault::plain(format!("{key} is not set, expected {expected}")));
            return;
        };
        let is_placeholder = value.text.starts_with('[') && value.text.ends_with(']');
        let expected = match is_placeholder {
            true => expected.remedy("this is the guide's placeholder, put your own value in its place"),
            false => expected,
        };
        let shown = redaction::show(key, &value.text);
        self.faults.push(Fault::of_value(key, &value.origin, &shown, &expected));
    }
}
