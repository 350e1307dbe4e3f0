//! Large integers in JSON as decimal strings, as the official server writes them.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes `"123"`.
pub(crate) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads `"123"`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
