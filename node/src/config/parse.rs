//! From text to types, one function a form.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::Address;
use ollin_consensus::{Supported, TimerProfile};
use reqwest::Url;

use super::fault::Expected;

/// Endpoints in one list.
const URLS_MAX: usize = 16;

/// A path; not empty.
pub(crate) fn path(text: &str) -> Result<PathBuf, Expected> {
    let is_placeholder = text.starts_with('[') && text.ends_with(']');
    if text.is_empty() || is_placeholder { Err(Expected::rule("a path")) } else { Ok(PathBuf::from(text)) }
}

/// The folder of failpoints, in a build that has them.
pub(crate) fn failpoints(text: &str) -> Result<PathBuf, Expected> {
    if cfg!(feature = "failpoints") {
        return path(text);
    }
    Err(Expected::rule("nothing").remedy("this build has no failpoints, unset it"))
}

/// The name of a planted fault, in a build that has them.
pub(crate) fn planted(text: &str) -> Result<ollin_consensus::Fault, Expected> {
    if !cfg!(feature = "failpoints") {
        return Err(Expected::rule("nothing").remedy("this build has no planted faults, unset it"));
    }
    let fault = ollin_consensus::Fault::ALL.iter().find(|fault| fault.name() == text);
    fault.copied().ok_or_else(|| Expected::rule("a fault of `chaos museum --list`"))
}

/// Whether the next version of the rules is supported, in a build that knows it.
pub(crate) fn next_rules(text: &str) -> Result<Supported, Expected> {
    match switch(text)? {
        false => Ok(Supported::RELEASED),
        true if Supported::BUILD != Supported::RELEASED => Ok(Supported::BUILD),
        true => Err(Expected::rule("nothing").remedy("this build knows no further version of the rules, unset it")),
    }
}

/// `true`, `TRUE`, `1` or their opposites. The official node reads anything else as false; here it is a fault.
pub(crate) fn switch(text: &str) -> Result<bool, Expected> {
    match text {
        "1" | "true" | "TRUE" => Ok(true),
        "0" | "false" | "FALSE" => Ok(false),
        _ => Err(Expected::rule("true or false")),
    }
}

/// A whole number in a range. The official node cuts fractions and reads garbage as the default; here both are faults.
pub(crate) fn number(min: u64, max: u64) -> impl Fn(&str) -> Result<u64, Expected> {
    move |text| {
        let in_range = text.parse().ok().filter(|number| (min..=max).contains(number));
        in_range.ok_or_else(|| match max {
            u64::MAX => Expected::rule(format!("a whole number, at least {min}")),
            _ => Expected::rule(format!("a whole number from {min} to {max}")),
        })
    }
}

/// The name of a set of Raft's timers.
pub(crate) fn timer_profile(text: &str) -> Result<TimerProfile, Expected> {
    TimerProfile::named(text).ok_or_else(|| Expected::rule("one-region or multi-region"))
}

/// Whole milliseconds in a range.
pub(crate) fn milliseconds(min: u64, max: u64) -> impl Fn(&str) -> Result<Duration, Expected> {
    move |text| number(min, max)(text).map(Duration::from_millis)
}

/// Whole seconds in a range.
pub(crate) fn seconds(min: u64, max: u64) -> impl Fn(&str) -> Result<Duration, Expected> {
    move |text| number(min, max)(text).map(Duration::from_secs)
}

/// A TCP or UDP port.
pub(crate) fn port(text: &str) -> Result<u16, Expected> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| Expected::rule("a port from 1 to 65535"))
}

/// An IP address.
pub(crate) fn ip(text: &str) -> Result<IpAddr, Expected> {
    text.parse().map_err(|_| Expected::rule("an IPv4 or IPv6 address"))
}

/// The address at which others reach this host: not one that means "any" or "this host".
pub(crate) fn external_ip(text: &str) -> Result<IpAddr, Expected> {
    let address = ip(text)?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(Expected::rule("the address at which others reach this host"));
    }
    Ok(address)
}

/// `ip:port`.
pub(crate) fn socket(text: &str) -> Result<SocketAddr, Expected> {
    let address: Result<SocketAddr, _> = text.parse();
    address.ok().filter(|address| address.port() != 0).ok_or_else(|| Expected::rule("an address and port such as 0.0.0.0:7000"))
}

/// An L1 address; a mixed-case one must carry its EIP-55 checksum.
pub(crate) fn address(text: &str) -> Result<Address, Expected> {
    let rule = || Expected::rule("0x and 40 hex digits");
    let digits = text.strip_prefix("0x").ok_or_else(rule)?;
    let address: Address = text.parse().map_err(|_| rule())?;
    let is_one_case =
        !digits.bytes().any(|byte| byte.is_ascii_uppercase()) || !digits.bytes().any(|byte| byte.is_ascii_lowercase());
    if is_one_case || Address::parse_checksummed(text, None).is_ok() {
        return Ok(address);
    }
    Err(Expected::rule("an address with a right checksum (EIP-55)").remedy("check it, or write it in lower case"))
}

/// A comma list of `http` or `https` URLs.
pub(crate) fn urls(text: &str) -> Result<Vec<Url>, Expected> {
    let rule = || Expected::rule("http or https URLs, separated by commas");
    let urls: Option<Vec<Url>> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(http_url).collect();
    let urls = urls.ok_or_else(rule)?;
    let has_twin = urls.iter().enumerate().any(|(index, url)| urls[..index].contains(url));
    match urls.len() {
        0 => Err(rule()),
        1..=URLS_MAX if has_twin => {
            Err(Expected::rule("each URL once").remedy("a second copy of an endpoint is no second endpoint"))
        }
        1..=URLS_MAX => Ok(urls),
        _ => Err(Expected::rule(format!("at most {URLS_MAX} URLs"))),
    }
}

fn http_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A rollup version; `canonical` follows the registry.
pub(crate) fn rollup_version(text: &str) -> Result<Option<u64>, Expected> {
    match text {
        "canonical" => Ok(None),
        _ => number(0, u64::MAX)(text).map(Some).map_err(|_| Expected::rule("a whole number or `canonical`")),
    }
}

/// Bytes, written as `1mb`, `512kb` or a number (units of 1024, as the official server's body parser has them).
pub(crate) fn byte_size(text: &str) -> Result<usize, Expected> {
    let rule = || Expected::rule("a size from 1kb to 64mb, such as 1mb");
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = match lower.find(|character: char| !character.is_ascii_digit()) {
        Some(end) => lower.split_at(end),
        None => (lower.as_str(), "b"),
    };
    let factor = match unit.trim() {
        "b" => 1_usize,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        _ => return Err(rule()),
    };
    let bytes = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    bytes.filter(|bytes| (1 << 10..=64 << 20).contains(bytes)).ok_or_else(rule)
}
