//! Commands that ask a running replica over HTTP.

use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ollin_rpc::view::ClusterStatus;
use ollin_rpc::{ClusterCreated, CommandRefused, CreateOrder};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::{AdminAccess, CreateArgs, StatusArgs};
use crate::health::Health;
use crate::refusal::{Refusal, exit};
use crate::status_text::{self, Ink};

/// How long a replica may take to show its status.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the replica itself waits for the outcome of an order.
const ORDER_TIMEOUT: Duration = Duration::from_secs(200);

/// Pause between two looks of `ollin status --watch`.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// `ollin status`: once, or with `--watch` until it is interrupted. The exit code says how the cluster is.
///
/// # Errors
/// If the replica cannot be reached or answers with something else than its status; a watch shows that and goes on.
pub(crate) async fn status(arguments: &StatusArgs) -> anyhow::Result<ExitCode> {
    if !arguments.watch {
        let status = fetch(arguments).await?;
        print!("{}", shown(&status, arguments)?);
        return Ok(ExitCode::from(Health::of(&status).exit_code()));
    }
    let mut tick = tokio::time::interval(WATCH_EVERY);
    let clear = if stdout().is_terminal() { "\u{1b}[2J\u{1b}[H" } else { "" };
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted.map(|()| ExitCode::SUCCESS)?),
            _ = tick.tick() => {}
        }
        let text = match fetch(arguments).await {
            Ok(status) => shown(&status, arguments)?,
            Err(error) => format!("{error:#}\n"),
        };
        print!("{clear}{text}");
        stdout().flush()?;
    }
}

async fn fetch(arguments: &StatusArgs) -> anyhow::Result<ClusterStatus> {
    let url = arguments.url.join("/cluster/status").context("the URL of the replica")?;
    fetch_status(&url, arguments.api_key_file.as_deref()).await
}

/// The status that a replica shows.
pub(crate) async fn fetch_status(url: &Url, api_key_file: Option<&Path>) -> anyhow::Result<ClusterStatus> {
    let request = with_key(Client::new().get(url.clone()), api_key_file)?.timeout(STATUS_TIMEOUT);
    let response = send(request, url).await?;
    response.json().await.with_context(|| format!("the answer of {url} is no cluster status"))
}

fn shown(status: &ClusterStatus, arguments: &StatusArgs) -> anyhow::Result<String> {
    if arguments.json {
        return Ok(format!("{}\n", serde_json::to_string_pretty(status)?));
    }
    let can_colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let ink = if can_colour { Ink::Colour } else { Ink::Plain };
    Ok(status_text::render(status, &Health::of(status), ink))
}

/// `ollin cluster create`.
pub(crate) async fn create_cluster(arguments: &CreateArgs) -> ExitCode {
    exit(arguments.admin.json, created(arguments).await.map(|()| ExitCode::SUCCESS))
}

async fn created(arguments: &CreateArgs) -> Result<(), Refusal> {
    let order = CreateOrder { listen_slots: arguments.listen, accept: arguments.accept.clone() };
    let created: ClusterCreated = give(&arguments.admin, "/cluster/create", &order, "no cluster was created").await?;
    if arguments.admin.json {
        println!("{}", serde_json::to_string_pretty(&created).context("the answer as JSON")?);
        return Ok(());
    }
    println!("cluster {} is created", created.cluster_id);
    println!("floor: slot {} (nothing is signed at or below it)", created.floor);
    for attester in &created.attesters {
        println!("attester {attester}");
    }
    Ok(())
}

/// Gives an order to a replica's admin port. `undone` is said before the reason of a refusal.
pub(crate) async fn give<T: DeserializeOwned>(
    admin: &AdminAccess,
    path: &str,
    order: &impl Serialize,
    undone: &str,
) -> Result<T, Refusal> {
    let url = admin.admin_url.join(path).context("the admin URL of the replica")?;
    let request = with_key(Client::new().post(url.clone()), admin.api_key_file.as_deref())?;
    let response = send_any(request.json(order).timeout(ORDER_TIMEOUT), &url).await?;
    let status = response.status();
    let text = response.text().await.with_context(|| format!("the answer of {url}"))?;
    if status == StatusCode::OK {
        let done = serde_json::from_str(&text).with_context(|| format!("the answer of {url}, is it an admin port? {text}"));
        return Ok(done?);
    }
    match serde_json::from_str::<CommandRefused>(&text) {
        Ok(refused) => Err(Refusal::of(refused.code, format!("{undone}: {}", refused.message))),
        Err(_) => Err(anyhow!("{url} answered {status}: {text}").into()),
    }
}

pub(crate) fn with_key(request: RequestBuilder, file: Option<&Path>) -> anyhow::Result<RequestBuilder> {
    let Some(file) = file else { return Ok(request) };
    let key = fs::read_to_string(file).with_context(|| format!("the admin key in {}", file.display()))?;
    Ok(request.header("x-api-key", key.trim()))
}

async fn send(request: RequestBuilder, url: &Url) -> anyhow::Result<Response> {
    let response = send_any(request, url).await?;
    if !response.status().is_success() {
        bail!("{url} answered {}: {}", response.status(), response.text().await.unwrap_or_default());
    }
    Ok(response)
}

pub(crate) async fn send_any(request: RequestBuilder, url: &Url) -> anyhow::Result<Response> {
    let response =
        request.send().await.with_context(|| format!("no replica answers at {url}: is it running, and is this its port?"))?;
    if response.status() == StatusCode::UNAUTHORIZED {
        bail!("{url} asks for the admin key: give it with --api-key-file (the replica showed it once, at its first start)");
    }
    Ok(response)
}
