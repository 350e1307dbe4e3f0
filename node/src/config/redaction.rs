//! Values as they may be shown.

use reqwest::Url;

use super::setting::{Secrecy, Setting};

/// Longer texts are cut.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// A setting's value, without what may be secret in it.
pub(crate) fn show(key: &str, text: &str) -> String {
    match Setting::of(key).map_or(Secrecy::Hidden, |setting| setting.secrecy) {
        Secrecy::Open => cut(text),
        Secrecy::Urls => text.split(',').map(|part| url(part.trim())).collect::<Vec<_>>().join(","),
        Secrecy::Hidden => length(text),
    }
}

/// Scheme, host and port; `<hidden>` stands for everything else.
pub(crate) fn url(text: &str) -> String {
    // The guide's placeholders are no secret, and showing them helps.
    if (text.starts_with('[') || text.ends_with(']')) && !text.contains("//") && !text.contains('@') {
        return cut(text);
    }
    let Ok(parsed) = Url::parse(text) else { return length(text) };
    let Some(host) = parsed.host_str() else { return length(text) };
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    let bare =
        parsed.username().is_empty() && parsed.password().is_none() && parsed.query().is_none() && parsed.fragment().is_none();
    let rest = if bare && parsed.path() == "/" { "" } else { "/<hidden>" };
    format!("{}://{host}{port}{rest}", parsed.scheme())
}

fn length(text: &str) -> String {
    format!("<{} characters>", text.chars().count())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None if text.is_empty() => "empty".into(),
        None => text.to_owned(),
    }
}
