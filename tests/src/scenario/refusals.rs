//! What must not start, and what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::child::{Recipe, run};
use crate::port;
use crate::report::Outcome;
use crate::world::{World, command};

/// How long a refused start may take.
const REFUSED_WITHIN: Duration = Duration::from_secs(60);
/// An address without a contract.
const NOWHERE: &str = "0x00000000000000000000000000000000DeaDBeef";

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("refusals", &["case", "exit", "says"]);
    bad_keystore(world, &mut outcome).await?;
    let fresh = |case: &str, change: &[(&str, String)]| stranger(world, case, change);
    refused(
        "wrong registry",
        fresh("wrong-registry", &[("REGISTRY_CONTRACT_ADDRESS", NOWHERE.into())])?,
        &[NOWHERE],
        &mut outcome,
    )
    .await?;
    let mut testnet = fresh("testnet", &[])?;
    if let Some(last) = testnet.arguments.last_mut() {
        *last = "testnet".into();
    }
    refused("network testnet", testnet, &["cannot yet execute transactions on testnet"], &mut outcome).await?;
    let member = world.replicas().last().context("no replicas")?;
    let data = member.directory().join("data").display().to_string();
    refused("a data directory in use", fresh("same-data", &[("DATA_DIRECTORY", data.clone())])?, &[&data], &mut outcome).await?;
    // The same id from a directory of its own: its cluster port is the member's.
    let mut twin = fresh("same-id", &[])?;
    twin.environment.remove("OLLIN_CLUSTER_LISTEN");
    let cluster_port = member.ports().cluster.to_string();
    refused("a replica id in use", twin, &[&cluster_port], &mut outcome).await?;
    creation(world, &mut outcome).await?;
    Ok(outcome)
}

/// A keystore without its fee recipient: file and field are named.
async fn bad_keystore(world: &World, outcome: &mut Outcome) -> Result<()> {
    let good = std::fs::read_to_string(world.directory().join("keystore.json"))?;
    let mut keystore: serde_json::Value = serde_json::from_str(&good)?;
    let validator = keystore.pointer_mut("/validators/0").and_then(|one| one.as_object_mut()).context("our own keystore")?;
    validator.remove("feeRecipient");
    let path = world.directory().join("bad-keystore.json");
    std::fs::write(&path, keystore.to_string())?;
    let path = path.display().to_string();
    let recipe = stranger(world, "bad-keystore", &[("KEY_STORE_DIRECTORY", path.clone())])?;
    refused("keystore without feeRecipient", recipe, &[&path, "feeRecipient"], outcome).await
}

/// A second creation, and one without the admin key.
async fn creation(world: &World, outcome: &mut Outcome) -> Result<()> {
    let url = world.replicas().first().context("no replicas")?.admin().url().to_owned();
    let create = vec!["cluster".to_owned(), "create".into(), "--admin-url".into(), url];
    let keyless = command("cluster create", &create, world.directory().join("create-keyless.log"))?;
    refused("creation without the admin key", keyless, &["admin key"], outcome).await?;
    let key_file = world.directory().join("admin-key").display().to_string();
    let again = [create, vec!["--api-key-file".into(), key_file]].concat();
    let again = command("cluster create", &again, world.directory().join("create-again.log"))?;
    refused("a second creation", again, &["exists"], outcome).await
}

/// The last replica's recipe, with data, ports and log of its own, so that only `change` can be what is refused.
fn stranger(world: &World, case: &str, change: &[(&str, String)]) -> Result<Recipe> {
    let member = world.replicas().last().context("no replicas")?;
    let mut recipe = member.recipe(&format!("{case}.log"));
    recipe.name = case.to_owned();
    let ports = port::free(4)?;
    let own = BTreeMap::from([
        ("DATA_DIRECTORY", world.directory().join(case).display().to_string()),
        ("AZTEC_PORT", ports[0].to_string()),
        ("AZTEC_ADMIN_PORT", ports[1].to_string()),
        ("P2P_PORT", ports[2].to_string()),
        ("OLLIN_CLUSTER_LISTEN", format!("127.0.0.1:{}", ports[3])),
    ]);
    recipe.environment.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    recipe.environment.remove("OLLIN_OUTLET_RECORD");
    recipe.environment.extend(change.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Ok(recipe)
}

async fn refused(case: &str, recipe: Recipe, words: &[&str], outcome: &mut Outcome) -> Result<()> {
    let ran = run(recipe, REFUSED_WITHIN).await;
    let (exit, output) = match &ran {
        Ok((status, output)) => (status.code().map_or_else(|| "signal".to_owned(), |code| code.to_string()), output.as_str()),
        Err(_) => ("still running".to_owned(), ""),
    };
    let lower = output.to_lowercase();
    let missing: Vec<&&str> = words.iter().filter(|word| !lower.contains(&word.to_lowercase())).collect();
    let says = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("").chars().take(100).collect();
    outcome.table.row([case.to_owned(), exit, says]);
    outcome.check(format!("{case}: refused"), ran.as_ref().is_ok_and(|(status, _)| status.code().is_some_and(|code| code != 0)));
    outcome.check(format!("{case}: the message names {words:?} (missing {missing:?})"), missing.is_empty());
    Ok(())
}
