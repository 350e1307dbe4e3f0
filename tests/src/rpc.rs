//! A JSON-RPC client and plain GET requests, for development L1, replicas and the official follower alike.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// One HTTP endpoint.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: String,
    key: Option<String>,
    client: reqwest::Client,
}

impl Rpc {
    /// A client for `url` (without a path) whose every request ends within two seconds.
    ///
    /// # Errors
    /// When no TLS provider was installed.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build().context("HTTP client")?;
        Ok(Self { url: url.into().trim_end_matches('/').to_owned(), key: None, client })
    }

    /// The same with an admin key in `x-api-key`.
    pub fn with_key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The same client, with its key, for another endpoint.
    pub fn at(&self, url: impl Into<String>) -> Self {
        Self { url: url.into().trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// Where it points.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls `method` and decodes its result.
    ///
    /// # Errors
    /// Transport faults, an error answer (quoted), a result of another shape.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self.client.post(&self.url).json(&body);
        let mut answer: Value =
            self.keyed(request).send().await.with_context(|| format!("{method} at {}", self.url))?.json().await?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            bail!("{method} at {}: {error}", self.url);
        }
        let result = answer.get_mut("result").map(Value::take).unwrap_or_default();
        serde_json::from_value(result).with_context(|| format!("result of {method} at {}", self.url))
    }

    /// GETs `path` and decodes its JSON.
    ///
    /// # Errors
    /// Transport faults, a status other than 2xx, other JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let text = self.text(path).await?;
        serde_json::from_str(&text).with_context(|| format!("GET {path} at {}", self.url))
    }

    /// GETs `path` as text.
    ///
    /// # Errors
    /// Transport faults, a status other than 2xx.
    pub async fn text(&self, path: &str) -> Result<String> {
        let answer = self.keyed(self.client.get(format!("{}{path}", self.url))).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    fn keyed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.key {
            Some(key) => request.header("x-api-key", key),
            None => request,
        }
    }
}

/// A quantity as L1 nodes write it.
pub fn quantity(number: u64) -> Value {
    Value::String(format!("{number:#x}"))
}
