//! What a request asks for, and its body within bounds.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use super::response;
use crate::limit::Limits;

/// Content types that the official body parser reads as JSON.
///
/// Source: npm koa-bodyparser 4.4, `index.js`.
const JSON_TYPES: [&str; 5] = [
    "application/json",
    "application/json-patch+json",
    "application/vnd.api+json",
    "application/csp-report",
    "application/scim+json",
];

/// A place on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    JsonRpc,
    Status,
    Metrics,
    ClusterStatus,
    ClusterPage,
    ClusterCreate,
    Duties,
    ClusterLeadership,
    ClusterMembers,
    ClusterUpgrade,
}

impl Route {
    pub(super) const PUBLIC: &'static [Self] =
        &[Self::JsonRpc, Self::Status, Self::Metrics, Self::ClusterStatus, Self::ClusterPage];
    pub(super) const ADMIN: &'static [Self] = &[
        Self::JsonRpc,
        Self::Status,
        Self::Metrics,
        Self::ClusterStatus,
        Self::ClusterPage,
        Self::ClusterCreate,
        Self::ClusterLeadership,
        Self::Duties,
        Self::ClusterMembers,
        Self::ClusterUpgrade,
    ];

    /// The route of a request, or the answer to one that has none: not found, not allowed, or about CORS.
    pub(super) fn of(request: &Request, served: &[Self]) -> Result<Self, Box<Response>> {
        let (method, headers) = (request.method(), request.headers());
        if method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return Err(Box::new(response::preflight(headers)));
        }
        let Some(route) = Self::at(request.uri().path()).filter(|route| served.contains(route)) else {
            return Err(Box::new(response::not_found()));
        };
        if route.methods().contains(method) {
            return Ok(route);
        }
        Err(Box::new(response::not_allowed(method, route.allow())))
    }

    /// `GET /status` asks for no key.
    pub(super) fn is_open(request: &Request) -> bool {
        request.method() == Method::GET && request.uri().path() == "/status"
    }

    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::JsonRpc,
            "/status" | "/status/" => Self::Status,
            "/metrics" | "/metrics/" => Self::Metrics,
            "/cluster/status" | "/cluster/status/" => Self::ClusterStatus,
            "/cluster" | "/cluster/" => Self::ClusterPage,
            "/cluster/create" | "/cluster/create/" => Self::ClusterCreate,
            "/duties" | "/duties/" => Self::Duties,
            "/cluster/leadership" | "/cluster/leadership/" => Self::ClusterLeadership,
            "/cluster/members" | "/cluster/members/" => Self::ClusterMembers,
            "/cluster/upgrade" | "/cluster/upgrade/" => Self::ClusterUpgrade,
            _ => return None,
        })
    }

    fn methods(self) -> &'static [Method] {
        match self {
            Self::JsonRpc
            | Self::ClusterCreate
            | Self::ClusterLeadership
            | Self::Duties
            | Self::ClusterMembers
            | Self::ClusterUpgrade => &[Method::POST],
            Self::Status | Self::Metrics | Self::ClusterStatus | Self::ClusterPage => &[Method::HEAD, Method::GET],
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::JsonRpc
            | Self::ClusterCreate
            | Self::ClusterLeadership
            | Self::Duties
            | Self::ClusterMembers
            | Self::ClusterUpgrade => "POST",
            Self::Status | Self::Metrics | Self::ClusterStatus | Self::ClusterPage => "HEAD, GET",
        }
    }
}

/// Why a body has no meaning.
#[derive(Debug)]
pub(crate) enum BodyRefusal {
    /// Not JSON, or JSON that is neither object nor array.
    Malformed(String),
    /// Too large, too slow, encoded in a way not read here, or cut.
    Unread(String),
}

/// Reads and decodes the body. `None`: its content type is not JSON, or it is empty.
pub(crate) async fn read_body(request: Request<Body>, limits: &Limits) -> Result<Option<Value>, BodyRefusal> {
    if !is_json(request.headers()) {
        return Ok(None);
    }
    if let Some(encoding) = request.headers().get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let encoding = encoding.to_str().unwrap_or("?");
        return Err(BodyRefusal::Unread(format!("Unsupported Content-Encoding: {encoding}")));
    }
    let collected = timeout(limits.body_timeout, collect(request.into_body(), limits.body_bytes)).await;
    let bytes = collected.unwrap_or_else(|_| Err(BodyRefusal::Unread("request body timed out".into())))?;
    // Bytes that are not UTF-8 become U+FFFD, as in JavaScript.
    decode(&String::from_utf8_lossy(&bytes))
}

/// Keeps at most `limit` bytes. What comes after is read and dropped for a while, so that the refusal reaches a client that is
/// still writing.
async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, BodyRefusal> {
    let mut bytes = Vec::new();
    let mut surplus = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyRefusal::Unread(error.to_string()))?;
        let Some(chunk) = frame.data_ref() else { continue };
        if surplus == 0 && bytes.len().saturating_add(chunk.len()) <= limit {
            bytes.extend_from_slice(chunk);
            continue;
        }
        surplus = surplus.saturating_add(chunk.len());
        if surplus > limit {
            break;
        }
    }
    if surplus == 0 { Ok(bytes) } else { Err(BodyRefusal::Unread("request entity too large".into())) }
}

pub(crate) fn decode(text: &str) -> Result<Option<Value>, BodyRefusal> {
    if text.is_empty() {
        return Ok(None);
    }
    // The body parser is strict: it looks at the first character before it parses.
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(['{', '[']) {
        return Err(BodyRefusal::Malformed("invalid JSON, only supports object and array".into()));
    }
    serde_json::from_str(text).map(Some).map_err(|error| BodyRefusal::Malformed(error.to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    JSON_TYPES.contains(&essence.as_str())
}
