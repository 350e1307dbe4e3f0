//! `GET /cluster` in a browser: it renders, and follows a failover without being loaded again.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::strike::TAKEOVER;
use crate::browser::Browser;
use crate::report::Outcome;
use crate::wait::until;
use crate::world::World;

/// How long the page may take to show what its replica knows.
const SHOWN: Duration = Duration::from_secs(15);
/// Ids in the first cells of the rows, the leader's id, and the text of the elements with an id.
const READ: &str = "
    const text = id => document.getElementById(id).textContent;
    const rows = [...document.querySelectorAll('#members tr')];
    const idOf = row => Number.parseInt(row.cells[0].textContent, 10);
    const leading = rows.find(row => row.cells[1].textContent === 'leader');
    const landed = [...document.querySelectorAll('.slot.landed')];
    return {
        ids: rows.map(idOf), leader: leading ? idOf(leading) : null,
        landed: landed.map(box => Number.parseInt(box.firstChild.textContent, 10)),
        led: landed.filter(box => /by \\d/.test(box.textContent)).length,
        health: text('health'), failover: text('failover'), changes: text('changes'), warnings: text('warnings'),
        facts: text('facts'), cluster: text('cluster'),
    };";
/// Every resource that the page has loaded since it was opened.
const RESOURCES: &str = "return performance.getEntriesByType('resource').map(entry => entry.name);";

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let browser = Browser::start(world.directory()).await?;
    let mut outcome = Outcome::new("page", &[]);
    let leader = world.settled(super::SETTLED).await?;
    let viewer = world.replicas().iter().find(|replica| replica.id() != leader).context("a cluster of one")?;
    let url = viewer.public().url().to_owned();
    browser.open(&format!("{url}/cluster")).await?;
    renders(world, &browser, leader, &mut outcome).await?;

    browser.run::<Value>("window.loadedOnce = 'yes'; performance.setResourceTimingBufferSize(100000); return null;").await?;
    let before = until("a landed slot on the page", SHOWN, || newest(&browser)).await?;
    let killed_ms = world.kill(leader)?;
    let (successor, _) = world.acting(Some(leader), TAKEOVER).await?;
    follows(&browser, leader, successor, &mut outcome).await?;
    outcome.figure("kill to the new leader on the page", format!("{} ms", crate::clock::now_ms().saturating_sub(killed_ms)));
    let patience = world.clock().slots(3);
    let next = || async { newest(&browser).await.filter(|slot| *slot > before) };
    outcome.check("the page shows a slot that landed after the kill", until("a later slot", patience, next).await.is_ok());
    nothing_else(&browser, &url, &mut outcome).await?;

    // The leader knows most: who does not answer, who is how far behind.
    let leader_url = world.replica(successor)?.public().url().to_owned();
    browser.open(&format!("{leader_url}/cluster")).await?;
    let silent = format!("degraded: replica {leader} does not answer");
    let told = || async { page(&browser).await.filter(|page| page["health"] == silent) };
    outcome.check(format!("the new leader's page says: {silent}"), until(silent.clone(), SHOWN, told).await.is_ok());
    world.restart(leader).await?;
    goes_stale(world, &browser, successor, &mut outcome).await?;
    keep_screenshot(&browser).await?;
    browser.stop().await?;
    Ok(outcome)
}

async fn page(browser: &Browser) -> Option<Value> {
    browser.run(READ).await.ok()
}

async fn newest(browser: &Browser) -> Option<u64> {
    page(browser).await?["landed"].as_array()?.iter().filter_map(Value::as_u64).max()
}

/// Everything that the status holds is there, and nothing that only the admin port shows.
async fn renders(world: &World, browser: &Browser, leader: u64, outcome: &mut Outcome) -> Result<()> {
    let complete = || async {
        let shown = page(browser).await?;
        (shown["leader"] == leader && shown["led"].as_u64() > Some(0)).then_some(shown)
    };
    let shown = until("the page shows the leader, and landed slots with who led them", SHOWN, complete).await?;
    outcome.check("three replicas are shown", shown["ids"] == serde_json::json!([1, 2, 3]));
    outcome.check(format!("replica {leader} is shown as leader, landed slots with who led them"), true);
    outcome.check("it says that the cluster is healthy", shown["health"] == "healthy");
    outcome.check("it shows no warning", shown["warnings"] == "none");
    let facts = shown["facts"].as_str().unwrap_or_default();
    let names = ["term", "log applied", "floor", "L1 head", "checkpointed", "proven"];
    outcome.check(format!("it shows {names:?}"), names.iter().all(|name| facts.contains(name)));
    let cluster_ports: Vec<String> = world.replicas().iter().map(|replica| replica.ports().cluster.to_string()).collect();
    let text: String = browser.run("return document.body.innerText;").await?;
    outcome.check("addresses are for the admin port only", !cluster_ports.iter().any(|port| text.contains(port)));
    Ok(())
}

async fn follows(browser: &Browser, old: u64, new: u64, outcome: &mut Outcome) -> Result<()> {
    let from_to = format!("replica {old} to replica {new}");
    let seen = || async {
        let shown = page(browser).await?;
        let told = shown["failover"].as_str()?.contains(&from_to);
        let watched = shown["changes"].as_str()?.contains(&format!("replica {new} leads"));
        (shown["leader"] == new && told && watched).then_some(())
    };
    let followed = until("the failover on the page", TAKEOVER, seen).await;
    outcome.check(format!("the page shows the failover, {from_to}"), followed.is_ok());
    let once: Option<String> = browser.run("return window.loadedOnce ?? null;").await?;
    let loads: u64 = browser.run("return performance.getEntriesByType('navigation').length;").await?;
    outcome.check("it was not loaded again", once.as_deref() == Some("yes") && loads == 1);
    Ok(())
}

/// The page is self-contained, and the browser found nothing to complain about.
async fn nothing_else(browser: &Browser, url: &str, outcome: &mut Outcome) -> Result<()> {
    let resources: Vec<String> = browser.run(RESOURCES).await?;
    let status = format!("{url}/cluster/status");
    let others: Vec<_> = resources.iter().filter(|name| **name != status && !name.starts_with("data:")).collect();
    outcome.check(
        format!("it asked for its status, {} times, and for nothing else {others:?}", resources.len()),
        resources.contains(&status) && others.is_empty(),
    );
    let console = browser.console().await?;
    outcome.check(format!("the console is empty {console:?}"), console.is_empty());
    Ok(())
}

/// A page whose replica is gone says so, and recovers with it.
async fn goes_stale(world: &mut World, browser: &Browser, shown: u64, outcome: &mut Outcome) -> Result<()> {
    world.kill(shown)?;
    let stale = || async {
        page(browser).await.filter(|page| page["health"].as_str().is_some_and(|text| text.contains("does not answer")))
    };
    outcome.check("a page whose replica is gone says so", until("a stale page", SHOWN, stale).await.is_ok());
    world.acting(Some(shown), TAKEOVER).await?;
    world.restart(shown).await?;
    let back = || async { page(browser).await.filter(|page| page["health"] == "healthy") };
    outcome.check("and goes on when it is back", until("the page goes on", SHOWN, back).await.is_ok());
    Ok(())
}

/// `OLLIN_SCREENSHOT` names a file for the picture in docs/.
async fn keep_screenshot(browser: &Browser) -> Result<()> {
    let picture = browser.screenshot().await?;
    if let Some(path) = std::env::var_os("OLLIN_SCREENSHOT") {
        std::fs::write(&path, picture).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
