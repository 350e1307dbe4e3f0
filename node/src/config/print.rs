//! The settings in force, as a TOML file with secrets hidden.

use std::fmt::Write;

use super::layer::{Layers, Sourced};
use super::redaction;
use super::setting::{Form, SETTINGS, Setting};

/// One line a setting, by section, each with its origin.
pub(crate) fn render(layers: &Layers) -> String {
    let mut text = String::from("# Settings in force. Hidden parts are marked <hidden>; the file cannot be used with them.\n");
    let mut section = "";
    for setting in SETTINGS {
        let (own, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if own != section {
            section = own;
            append(&mut text, format_args!("\n[{section}]\n"));
        }
        match layers.get(setting.key) {
            Some(value) => append(&mut text, format_args!("{name} = {} # {}\n", literal(setting, value), value.origin)),
            None => append(&mut text, format_args!("# {name} is not set ({})\n", setting.env)),
        }
    }
    text
}

fn literal(setting: &Setting, value: &Sourced) -> String {
    let shown = redaction::show(setting.key, &value.text);
    match setting.form {
        Form::Number if value.text.parse::<u64>().is_ok() => shown,
        Form::Switch if matches!(value.text.as_str(), "1" | "true" | "TRUE") => "true".into(),
        Form::Switch => "false".into(),
        Form::List => {
            let items: Vec<_> = shown.split(',').map(|item| toml::Value::from(item).to_string()).collect();
            format!("[{}]", items.join(", "))
        }
        Form::Text | Form::Number => toml::Value::from(shown).to_string(),
    }
}

fn append(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes every write");
}
