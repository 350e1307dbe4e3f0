//! A headless Chromium, driven through chromedriver (WebDriver over HTTP).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::child::{Child, Recipe};
use crate::port;
use crate::wait::until;

/// How long the driver and the browser may take to start.
const UP: Duration = Duration::from_secs(60);

/// One window with one page. It ends with the harness.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
}

impl Browser {
    /// Starts chromedriver and Chromium, profile and log under `directory`.
    ///
    /// # Errors
    /// When one of them is not installed (Debian: `chromium`, `chromium-driver`) or does not come up.
    pub async fn start(directory: &Path) -> Result<Self> {
        let port = port::free(1)?.remove(0);
        let recipe = Recipe {
            name: "chromedriver".into(),
            program: installed("chromedriver")?,
            arguments: vec![format!("--port={port}").into()],
            environment: BTreeMap::new(),
            log: directory.join("chromedriver.log"),
        };
        let driver = Child::start(recipe)?;
        let client = reqwest::Client::builder().timeout(UP).no_proxy().build().context("HTTP client")?;
        let url = format!("http://127.0.0.1:{port}");
        let ready = || async { client.get(format!("{url}/status")).send().await.ok() };
        until("chromedriver", UP, ready).await.with_context(|| driver.tail(5))?;
        let wanted = capabilities(&installed("chromium")?, &directory.join("chromium"));
        let made: Value = answer(client.post(format!("{url}/session")).json(&wanted)).await.with_context(|| driver.tail(5))?;
        let id = made.get("sessionId").and_then(Value::as_str).context("chromedriver named no session")?;
        Ok(Self { session: format!("{url}/session/{id}"), driver, client })
    }

    /// Opens `url` and waits until it is loaded.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        let _: Value = self.post("url", &json!({ "url": url })).await?;
        Ok(())
    }

    /// Runs the body of a JavaScript function in the page and decodes what it returns.
    ///
    /// # Errors
    /// When it throws, or returns another shape.
    pub async fn run<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        self.post("execute/sync", &json!({ "script": script, "args": [] })).await.with_context(|| script.to_owned())
    }

    /// What the page wrote to the console, what it was refused included, since the last call.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn console(&self) -> Result<Vec<String>> {
        let lines: Vec<Value> = self.post("se/log", &json!({ "type": "browser" })).await?;
        Ok(lines.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// The window as PNG.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let text: String = answer(self.client.get(format!("{}/screenshot", self.session))).await?;
        BASE64_STANDARD.decode(text).context("the screenshot")
    }

    /// Ends browser and driver.
    ///
    /// # Errors
    /// When the driver cannot be ended.
    pub async fn stop(mut self) -> Result<()> {
        let _: Value = answer(self.client.delete(&self.session)).await?;
        self.driver.terminate(Duration::from_secs(5)).await?;
        Ok(())
    }

    async fn post<T: DeserializeOwned>(&self, command: &str, body: &Value) -> Result<T> {
        answer(self.client.post(format!("{}/{command}", self.session)).json(body)).await
    }
}

/// The `value` of a WebDriver answer; an error in it is quoted.
async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T> {
    let mut body: Value = request.send().await.context("chromedriver")?.json().await.context("chromedriver")?;
    let value = body.get_mut("value").map(Value::take).unwrap_or_default();
    if let Some(error) = value.get("error").and_then(Value::as_str) {
        anyhow::bail!("{error}: {}", value["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default());
    }
    serde_json::from_value(value).context("chromedriver's answer")
}

/// Chromium has no sandbox for root. Told by pipe, it ends when the driver does.
fn capabilities(chromium: &Path, profile: &Path) -> Value {
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--remote-debugging-pipe",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--window-size=1000,1100",
        &format!("--user-data-dir={}", profile.display()),
    ];
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": { "binary": chromium, "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    } } })
}

fn installed(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file());
    found.with_context(|| format!("{program} is not on PATH: install Debian's chromium and chromium-driver"))
}
