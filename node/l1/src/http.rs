//! HTTP exchanges: bodies of bounded size, errors that show no URL.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};

/// Why an HTTP peer gave no usable answer. Its text holds no URL: that may carry credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("no answer within {waited_ms} ms")]
    Timeout { waited_ms: u128 },
    #[error("{reason}")]
    Transport { reason: String },
    #[error("HTTP {status}")]
    Status { status: u16 },
    #[error("HTTP {status} without a JSON-RPC answer")]
    NoJsonRpc { status: u16 },
    #[error("rate limited (JSON-RPC error {code})")]
    RateLimited { code: i64 },
    #[error("body of more than {limit} bytes")]
    TooLarge { limit: usize },
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport { reason: describe(&error) }
    }
}

/// The innermost cause of a failed exchange.
fn describe(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    cause.map_or_else(|| "HTTP request failed".to_owned(), ToString::to_string)
}

/// Runs an exchange for at most `limit`.
pub(crate) async fn within<T>(limit: Duration, exchange: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
    let answer = tokio::time::timeout(limit, exchange).await;
    answer.unwrap_or(Err(HttpError::Timeout { waited_ms: limit.as_millis() }))
}

/// Reads a body of at most `limit` bytes. A peer that sends more is cut off, whatever length it announced.
pub(crate) async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, HttpError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(HttpError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body of a successful answer; `None` on 404.
pub(crate) async fn fetch(request: RequestBuilder, limit: usize) -> Result<Option<Vec<u8>>, HttpError> {
    let response = request.send().await?;
    match response.status() {
        reqwest::StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => read_body(response, limit).await.map(Some),
        status => Err(HttpError::Status { status: status.as_u16() }),
    }
}
