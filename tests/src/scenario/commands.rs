//! Every command of an operator, by a table: its help, what it prints with `--json` when it is carried out and when it is refused, and
//! the exit code of the refusal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::child::run;
use crate::clock::now_ms;
use crate::report::Outcome;
use crate::world::{World, command};

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(60);
/// Exit code of a refusal.
const REFUSED: i32 = 3;
/// How often a command may meet a leader that leads no more.
const MOVED: usize = 5;
/// An address that nobody holds the key of.
const NOBODY: &str = "0x00000000000000000000000000000000000000ff";

/// Where a command goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// To an admin port.
    Replica,
    /// Nowhere: it reads and writes files.
    Files,
}

/// One command.
struct Case {
    words: Vec<String>,
    at: At,
    /// What its help must say, beside `--json`.
    help: &'static str,
    /// Arguments with which it is carried out, and a field of the answer. Absent where other scenarios carry it out.
    done: Option<(Vec<String>, &'static str)>,
    /// Arguments with which it is refused, and the refusal's code; none where the answer itself says what is not valid. Absent where
    /// another scenario has it refused.
    refused: Option<(Vec<String>, Option<&'static str>)>,
}

pub(super) async fn play(world: &mut World) -> Result<Outcome> {
    let mut outcome = Outcome::new("commands", &["command", "help", "done", "refused"]);
    let leader = world.settled(super::SETTLED).await?;
    let created = world.created();
    outcome.check(format!("cluster create --json says what it made: {created}"), created.pointer("/cluster_id").is_some());
    for case in table(world, leader)? {
        let name = case.words.join(" ");
        let helped = help(world, &case, &mut outcome).await?;
        let done = match &case.done {
            Some((arguments, field)) => {
                let (exit, answer) = ask(world, leader, &case, arguments).await?;
                outcome.check(
                    format!("{name}: exit {exit}, {field} in {}", brief(&answer)),
                    exit == 0 && answer.get(field).is_some(),
                );
                format!("{exit}, {field}")
            }
            None => String::new(),
        };
        let Some((arguments, code)) = &case.refused else {
            outcome.table.row([name, helped.to_string(), done, String::new()]);
            continue;
        };
        let (mut exit, mut answer) = ask(world, leader, &case, arguments).await?;
        // Leadership may have moved, on a slow machine.
        for _ in 0..MOVED {
            if answer.pointer("/error/code").is_none_or(|code| code != "not_leader") {
                break;
            }
            let (leader, _) = world.acting(None, super::SETTLED).await?;
            (exit, answer) = ask(world, leader, &case, arguments).await?;
        }
        let found = answer.pointer("/error/code").and_then(Value::as_str);
        let says = answer.pointer("/error/message").and_then(Value::as_str).is_some_and(|message| message.len() > 10);
        let held = exit == REFUSED && found == *code && (says || code.is_none());
        let found = found.unwrap_or("not valid").to_owned();
        outcome.check(format!("{name}: refused with {exit}, {found}: {}", brief(&answer)), held);
        outcome.table.row([name, helped.to_string(), done, format!("{exit}, {found}")]);
    }
    offline(world, leader, &mut outcome).await?;
    Ok(outcome)
}

fn table(world: &World, leader: u64) -> Result<Vec<Case>> {
    let follower = world.replicas().iter().map(crate::replica::Replica::id).find(|id| *id != leader).context("no follower")?;
    let (leader, follower) = (leader.to_string(), follower.to_string());
    let file = world.cluster_file().display().to_string();
    let made = world.directory().join("made").display().to_string();
    let garbage = world.directory().join("garbage.json");
    std::fs::write(&garbage, "{\"format\": \"ollin-interchange\"}")?;
    let garbage = garbage.display().to_string();
    let exported = world.directory().join("all-duties.json").display().to_string();
    let data = world.replica(leader.parse()?)?.directory().join("data").display().to_string();
    let attester = world.facts().validators.first().context("no attesters")?.address.to_string();
    let certificates_of_leader =
        world.replica(leader.parse()?)?.variable("OLLIN_CLUSTER_DIRECTORY").context("none is set")?.to_owned();
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let list = |arguments: &[&str]| -> Vec<String> { arguments.iter().map(|word| (*word).to_owned()).collect() };
    let case = |name: &str, at, help, done: Option<(&[&str], &'static str)>, refused: (&[&str], &'static str)| Case {
        words: words(name),
        at,
        help,
        done: done.map(|(arguments, field)| (list(arguments), field)),
        refused: (refused != (&[], "")).then(|| (list(refused.0), (!refused.1.is_empty()).then_some(refused.1))),
    };
    let replica = ["--replica", "1=127.0.0.1:7001"];
    let certificates = [&["--out", made.as_str()], replica.as_slice()].concat();
    Ok(vec![
        case(
            "cluster certificates",
            At::Files,
            "certificates",
            Some((&certificates, "cluster_id")),
            (&certificates, "certificates"),
        ),
        case("cluster create", At::Replica, "once", None, (&[], "exists")),
        case(
            "cluster add",
            At::Replica,
            "learner",
            Some((&[&follower, "--cluster-file", &file], "already")),
            (&["99", "--cluster-file", &file], "cluster_file"),
        ),
        case("cluster promote", At::Replica, "voter", Some((&[&follower], "already")), (&["99"], "unknown_replica")),
        case("cluster demote", At::Replica, "learner", None, (&["99"], "unknown_replica")),
        case("cluster remove", At::Replica, "for good", None, (&["99"], "unknown_replica")),
        case("cluster replace", At::Replica, "in one change", None, (&[&leader, &follower], "voter")),
        case("cluster heal", At::Replica, "new Raft id", None, (&[&follower, "--timeout", "0"], "alive")),
        case(
            "cluster transfer",
            At::Replica,
            "leadership",
            Some((&["--to", &leader], "leader")),
            (&["--to", "99"], "unknown_replica"),
        ),
        case(
            "cluster drain",
            At::Replica,
            "away from",
            Some((&["--replica", &follower, "--undo"], "message")),
            (&["--replica", "99"], "unreachable"),
        ),
        case("cluster proceed-without", At::Replica, "is down", None, (&[&follower], "not_waiting")),
        // That no member knows a newer version is an answer.
        case("cluster upgrade", At::Replica, "next one", Some((&[], "already")), (&[], "")),
        case(
            "cluster recover",
            At::Files,
            "as a new cluster",
            None,
            (
                &[
                    "--from-survivor",
                    "--replica",
                    &leader,
                    "--data-directory",
                    &data,
                    "--cluster-directory",
                    &certificates_of_leader,
                ],
                "running",
            ),
        ),
        case("cluster discard", At::Files, "aside", None, (&["--data-directory", &data, "--confirm", &leader], "discard")),
        case(
            "duties list",
            At::Replica,
            "bound duties",
            Some((&["--limit", "3"], "duties")),
            (&["--data-directory", &data], "running"),
        ),
        case(
            "duties export",
            At::Replica,
            "stop line",
            Some((&["--out", &exported], "stop_line")),
            (&["--attester", NOBODY], "export"),
        ),
        case("duties import", At::Replica, "before this cluster is created", None, (&[&garbage], "file")),
        case("duties missed", At::Replica, "reason", Some((&[], "missed")), (&["--data-directory", &data], "running")),
        case("duties verify", At::Files, "offline", Some((&[&data], "valid")), (&[&garbage], "")),
        case("attester add", At::Replica, "from the next slot on", None, (&[NOBODY], "no_key")),
        case("attester unfreeze", At::Replica, "audit", None, (&[&attester, "--reason", "none"], "rejected")),
        case("attester release", At::Replica, "irrevocably", None, (&[&attester, "--last-slot", "1"], "rejected")),
    ])
}

/// `ollin ... --help`.
async fn help(world: &World, case: &Case, outcome: &mut Outcome) -> Result<bool> {
    let name = case.words.join(" ");
    let arguments = [case.words.clone(), vec!["--help".to_owned()]].concat();
    let (status, said) = run(command(&name, &arguments, world.directory().join("help.log"))?, COMMAND).await?;
    let held = status.success() && said.contains(case.help) && said.contains("--json") && said.contains("Usage");
    outcome.check(format!("{name} --help speaks of {:?} and of --json", case.help), held);
    Ok(held)
}

/// Runs a command with `--json`; returns its exit code and the one object that it printed.
async fn ask(world: &World, at: u64, case: &Case, arguments: &[String]) -> Result<(i32, Value)> {
    let mut words = [case.words.as_slice(), arguments, &["--json".to_owned()]].concat();
    if case.at == At::Replica && !arguments.iter().any(|word| word == "--data-directory") {
        let key = world.directory().join("admin-key").display().to_string();
        words.extend(["--admin-url".to_owned(), world.replica(at)?.admin().url().to_owned(), "--api-key-file".to_owned(), key]);
    }
    let name = case.words.join(" ");
    // Of its own: a log is added to.
    let log = world.directory().join(format!("{}-{}.log", case.words.join("-"), now_ms()));
    let (status, output) = run(command(&name, &words, log)?, COMMAND).await?;
    // What it says on standard error stands before it or after it.
    let values = |text| serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let starts = output.match_indices('{').map(|(start, _)| start);
    let json = starts.filter_map(|start| values(&output[start..]).find_map(Result::ok)).find(Value::is_object);
    Ok((status.code().unwrap_or(-1), json.with_context(|| format!("{name}: no JSON in {output:?}"))?))
}

/// A stopped replica's directory answers what its admin port did, and is not changed by it.
async fn offline(world: &mut World, leader: u64, outcome: &mut Outcome) -> Result<()> {
    let follower = world.replicas().iter().map(crate::replica::Replica::id).find(|id| *id != leader).context("no follower")?;
    world.kill(follower)?;
    let data = world.replica(follower)?.directory().join("data");
    let before = contents(&data)?;
    let at = data.display().to_string();
    let from = ["--data-directory".to_owned(), at];
    let case = |name: &str| Case {
        words: name.split_whitespace().map(str::to_owned).collect(),
        at: At::Files,
        help: "",
        done: None,
        refused: None,
    };
    let (exit, list) = ask(world, leader, &case("duties list"), &from).await?;
    let bound = list.pointer("/total").and_then(Value::as_u64);
    outcome.check(format!("a stopped replica's duties are listed: exit {exit}, {bound:?}"), exit == 0 && bound > Some(0));
    let (_, live) = ask(world, leader, &Case { at: At::Replica, ..case("duties list") }, &[]).await?;
    let of_cluster = |list: &Value| list.pointer("/cluster_id").cloned();
    outcome.check("of the same cluster", of_cluster(&list).is_some() && of_cluster(&list) == of_cluster(&live));
    let (exit, file) = ask(world, leader, &case("duties export"), &from).await?;
    let line = file.pointer("/stop_line").and_then(Value::as_u64);
    let highest = list.pointer("/duties/0/slot").and_then(Value::as_u64);
    outcome.check(
        format!("they are exported, stop line {line:?}, highest slot {highest:?}: exit {exit}"),
        exit == 0 && line.is_some() && line >= highest,
    );
    let (exit, missed) = ask(world, leader, &case("duties missed"), &from).await?;
    outcome.check(format!("what it missed is shown: exit {exit}"), exit == 0 && missed.get("missed").is_some());
    let (exit, verified) = ask(world, leader, &case("duties verify"), &from[1..]).await?;
    outcome.check(format!("its audit is verified: exit {exit}"), exit == 0 && verified.get("valid") == Some(&Value::Bool(true)));
    outcome.check("reading has changed nothing in its directory", contents(&data)? == before);
    world.restart(follower).await
}

/// Every file below a directory, with its bytes.
fn contents(directory: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = std::fs::read(&path)?;
                found.insert(path, bytes);
            }
        }
    }
    Ok(found)
}

fn brief(answer: &Value) -> String {
    answer.to_string().chars().take(120).collect()
}
