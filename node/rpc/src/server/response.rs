//! Answers with the official server's headers.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS,
    ALLOW, CONTENT_TYPE, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde::Serialize;

use crate::envelope::{Answer, Reply};

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Methods that the official router knows; others are not implemented at all.
const KNOWN_METHODS: [Method; 7] =
    [Method::HEAD, Method::OPTIONS, Method::GET, Method::PUT, Method::PATCH, Method::POST, Method::DELETE];

/// A plain text.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response {
    with_cors(plain(status, TEXT, Body::from(text)))
}

/// A page for a browser. It is of this origin only: no CORS.
pub(super) fn page(html: &'static str) -> Response {
    plain(StatusCode::OK, HTML, Body::from(html))
}

/// Metrics in Prometheus' text format.
pub(super) fn metrics(text: String) -> Response {
    plain(StatusCode::OK, PROMETHEUS, Body::from(text))
}

/// A JSON document.
pub(crate) fn json<T: Serialize>(status: StatusCode, document: &T) -> Response {
    match serde_json::to_vec(document) {
        Ok(bytes) => with_cors(plain(status, JSON, Body::from(bytes))),
        Err(error) => {
            tracing::error!(%error, "a view cannot be written as JSON");
            text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// A JSON-RPC answer.
pub(super) fn rpc(status: StatusCode, reply: &Reply) -> Response {
    match reply.encode() {
        Ok(bytes) => with_cors(plain(status, JSON, Body::from(bytes))),
        Err(error) => {
            let fault = Answer::unattributed(-32700, format!("Unable to serialize response: {error}"));
            json(StatusCode::INTERNAL_SERVER_ERROR, &fault)
        }
    }
}

/// Unknown path.
pub(super) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "Not Found")
}

/// Known path, other method.
pub(super) fn not_allowed(method: &Method, allow: &'static str) -> Response {
    let mut response = if method == Method::OPTIONS {
        without_cors(text(StatusCode::OK, ""))
    } else if KNOWN_METHODS.contains(method) {
        text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    } else {
        text(StatusCode::NOT_IMPLEMENTED, "Not Implemented")
    };
    set(&mut response, ALLOW, HeaderValue::from_static(allow));
    response
}

/// The browser's question before a request from another origin.
pub(super) fn preflight(headers: &HeaderMap) -> Response {
    let mut response = with_cors(plain(StatusCode::NO_CONTENT, TEXT, Body::empty()));
    response.headers_mut().remove(CONTENT_TYPE);
    set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD,PUT,POST,DELETE,PATCH"));
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        set(&mut response, ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

/// No valid admin key. As on the official server this answer carries neither CORS nor version headers.
pub(super) fn unauthorized() -> Response {
    let fault = Answer::unattributed(-32000, "Unauthorized: invalid or missing API key");
    without_cors(rpc(StatusCode::UNAUTHORIZED, &Reply::Single(fault)))
}

/// The official server refuses a body before it comes to CORS.
pub(super) fn without_cors(mut response: Response) -> Response {
    response.headers_mut().remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    response
}

fn with_cors(mut response: Response) -> Response {
    set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().append(VARY, HeaderValue::from(ORIGIN));
    response
}

fn plain(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn set(response: &mut Response, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}
