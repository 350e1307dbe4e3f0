//! `ollin duties` and `ollin attester`: asks a replica, or reads files, and shows the answer.
//!
//! Exit codes: 0 done, or nothing is wrong; 1 it could not be done (no replica answers, a file cannot be read), or its outcome is not
//! known; 2 the command line is wrong; 3 refused and nothing was changed, or a file is not valid.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use alloy_primitives::Address;
use anyhow::{Context, anyhow};
use ollin_guard::interchange::Interchange;
use ollin_protocol::units::Slot;
use ollin_rpc::view::{AttesterStanding, DutyList, ListedDuty, MissedDuties};
use ollin_rpc::{DutiesAnswer, DutiesRequest};
use serde::Serialize;

use super::offline;
use super::postgres::{self, TakenOver};
use super::verify::verify;
use crate::cli::AdminAccess;
use crate::cli::duties::{
    AddArgs, AttesterCommand, DutiesCommand, ExportArgs, ImportArgs, ListArgs, MissedArgs, ReleaseArgs, SourceArgs, UnfreezeArgs,
    VerifyArgs,
};
use crate::http::give;
use crate::refusal::{REFUSED, Refusal, exit};
use crate::status_text::duty_word;

/// `ollin duties`.
pub(crate) async fn duties(command: &DutiesCommand) -> ExitCode {
    match command {
        DutiesCommand::List(arguments) => exit(arguments.source.admin.json, list(arguments).await),
        DutiesCommand::Export(arguments) => exit(arguments.source.admin.json, export(arguments).await),
        DutiesCommand::Import(arguments) => exit(arguments.admin.json, import(arguments).await),
        DutiesCommand::Verify(arguments) => exit(arguments.json, verified(arguments).map_err(Refusal::from)),
        DutiesCommand::Missed(arguments) => exit(arguments.source.admin.json, missed(arguments).await),
    }
}

/// `ollin attester`.
pub(crate) async fn attester(command: &AttesterCommand) -> ExitCode {
    match command {
        AttesterCommand::Add(arguments) => exit(arguments.admin.json, add(arguments).await),
        AttesterCommand::Release(ReleaseArgs { attester, last_slot, admin }) => {
            let last_slot = last_slot.map(Slot::new);
            let request = DutiesRequest::ReleaseAttester { attester: *attester, last_slot };
            exit(admin.json, shown(admin, request).await)
        }
        AttesterCommand::Unfreeze(UnfreezeArgs { attester, reason, admin }) => {
            let request = DutiesRequest::Unfreeze { attester: *attester, reason: reason.clone() };
            exit(admin.json, shown(admin, request).await)
        }
    }
}

async fn list(arguments: &ListArgs) -> Result<ExitCode, Refusal> {
    let ListArgs { source: SourceArgs { admin, data_directory }, attester, slot, limit } = arguments;
    let slot = slot.map(Slot::new);
    match data_directory {
        Some(directory) => show(admin, &offline::list(directory, *attester, slot, *limit)?),
        None => shown(admin, DutiesRequest::List { attester: *attester, slot, limit: *limit }).await,
    }
}

async fn missed(arguments: &MissedArgs) -> Result<ExitCode, Refusal> {
    let SourceArgs { admin, data_directory } = &arguments.source;
    match data_directory {
        Some(directory) => show(admin, &DutiesAnswer::Missed(offline::missed(directory)?)),
        None => shown(admin, DutiesRequest::Missed {}).await,
    }
}

async fn export(arguments: &ExportArgs) -> Result<ExitCode, Refusal> {
    let ExportArgs { source: SourceArgs { admin, data_directory }, attesters, out } = arguments;
    let file = match data_directory {
        Some(directory) => offline::export(directory, attesters)?,
        None => {
            let answer = ask(admin, &DutiesRequest::Export { attesters: attesters.clone() }).await?;
            let DutiesAnswer::Exported(file) = answer else {
                return Err(anyhow!("the replica answered something else: {answer:?}").into());
            };
            file
        }
    };
    // Read it back: what is handed on must be what the other side can read.
    let interchange = Interchange::parse(file.as_bytes()).context("the exported file")?;
    let unreleased: Vec<&Address> =
        interchange.attesters().iter().filter(|(_, standing)| !standing.released).map(|(attester, _)| attester).collect();
    if !unreleased.is_empty() {
        eprintln!(
            "ollin: {} of these attesters are not released: this cluster signs on, and its file protects nobody",
            unreleased.len()
        );
        eprintln!("ollin: to move a key, release it first: ollin attester release {}", unreleased[0]);
    }
    let Some(out) = out else {
        print!("{file}");
        return Ok(ExitCode::SUCCESS);
    };
    written(out, &file, admin)
}

/// Writes an interchange file where none is, and says what is in it.
fn written(out: &Path, file: &str, admin: &AdminAccess) -> Result<ExitCode, Refusal> {
    let interchange = Interchange::parse(file.as_bytes()).context("the file to write")?;
    let mut open = fs::OpenOptions::new();
    let written = open.write(true).create_new(true).open(out).and_then(|mut opened| {
        opened.write_all(file.as_bytes())?;
        opened.sync_all()
    });
    written.with_context(|| format!("{} cannot be written", out.display()))?;
    let (duties, stop_line) = (interchange.duties().len(), interchange.stop_line());
    if admin.json {
        println!("{}", serde_json::json!({ "file": out, "duties": duties, "stop_line": stop_line }));
    } else {
        println!("{duties} duties of {} attesters, stop line {stop_line}: {}", interchange.attesters().len(), out.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(arguments: &ImportArgs) -> Result<ExitCode, Refusal> {
    let ImportArgs { file, accept, admin, .. } = arguments;
    let text = match file {
        Some(file) => fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?,
        None => taken_over(arguments).await?,
    };
    if let Some(out) = &arguments.out {
        return written(out, &text, admin);
    }
    let accept = accept.iter().map(ToString::to_string).collect();
    shown(admin, DutiesRequest::Import { file: text, accept }).await
}

/// The official signers' table as an interchange file, after their rights were taken away. That stays so whatever comes next: the command
/// can be given again.
async fn taken_over(arguments: &ImportArgs) -> Result<String, Refusal> {
    let (Some(url), Some(chain_id)) = (&arguments.from_postgres, arguments.l1_chain_id) else {
        return Err(anyhow!("expected an interchange file, or --from-postgres with --l1-chain-id").into());
    };
    let TakenOver { table, writers } = postgres::take_over(url, arguments.rollup).await?;
    let writers = if writers.is_empty() { "nobody had any".to_owned() } else { writers.join(", ") };
    eprintln!("ollin: the right to write validator_duties is taken away ({writers}): the official signers sign nothing any more");
    let (file, unproven) = table.interchange(chain_id).map_err(|fault| {
        let fault = anyhow::Error::new(fault);
        Refusal::of(
            "postgres",
            format!("the table is not one that official signers wrote: {fault:#}. Their rights stay taken away"),
        )
    })?;
    if unproven > 0 {
        eprintln!(
            "ollin: {unproven} rows prove no root by their signature: up to the stop line {} nothing new is signed",
            file.stop_line()
        );
    }
    Ok(file.to_json())
}

async fn add(arguments: &AddArgs) -> Result<ExitCode, Refusal> {
    let AddArgs { attester, after, admin } = arguments;
    let after = after.as_deref().map(|file| stop_line(file, attester)).transpose()?;
    shown(admin, DutiesRequest::AddAttester { attester: *attester, after }).await
}

/// The stop line of one attester in a file. It counts only if the attester was released.
fn stop_line(file: &Path, attester: &Address) -> Result<Slot, Refusal> {
    let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let refused = |message: String| Refusal::of("file", message);
    let interchange = Interchange::parse(&bytes);
    let interchange = interchange.map_err(|fault| refused(format!("{}: {:#}", file.display(), anyhow::Error::new(fault))))?;
    match interchange.attesters().get(attester) {
        None => Err(refused(format!("{} does not list attester {attester}", file.display()))),
        Some(standing) if !standing.released => Err(refused(format!(
            "attester {attester} was not released by the cluster that wrote {}: release it there",
            file.display()
        ))),
        Some(standing) => Ok(standing.stop_line),
    }
}

fn verified(arguments: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let verified = verify(&arguments.paths, arguments.head.as_ref())?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&verified)?);
    } else {
        print!("{}", verified.text());
    }
    Ok(if verified.valid { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

/// Asks and shows the answer.
async fn shown(admin: &AdminAccess, request: DutiesRequest) -> Result<ExitCode, Refusal> {
    show(admin, &ask(admin, &request).await?)
}

fn show(admin: &AdminAccess, answer: &DutiesAnswer) -> Result<ExitCode, Refusal> {
    if admin.json {
        println!("{}", inner(answer)?);
    } else {
        print!("{}", text(answer));
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(admin: &AdminAccess, request: &DutiesRequest) -> Result<DutiesAnswer, Refusal> {
    give(admin, "/duties", request, "refused").await
}

/// The answer's document without the name of its kind.
fn inner(answer: &DutiesAnswer) -> anyhow::Result<String> {
    fn pretty(value: &impl Serialize) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(value)?)
    }
    match answer {
        DutiesAnswer::List(list) => pretty(list),
        DutiesAnswer::Exported(file) => Ok(file.clone()),
        DutiesAnswer::Imported(imported) => pretty(imported),
        DutiesAnswer::Missed(missed) => pretty(missed),
        DutiesAnswer::Added(moved) | DutiesAnswer::Released(moved) | DutiesAnswer::Unfrozen(moved) => pretty(moved),
    }
}

fn text(answer: &DutiesAnswer) -> String {
    match answer {
        DutiesAnswer::List(list) => list_text(list),
        DutiesAnswer::Exported(file) => file.clone(),
        DutiesAnswer::Missed(missed) => missed_text(missed),
        DutiesAnswer::Imported(imported) => {
            let mut text = format!(
                "{} duties of {} attesters taken over, stop line {}: nothing is signed at or below it\n",
                imported.duties,
                imported.attesters.len(),
                imported.stop_line
            );
            for attester in &imported.unlisted {
                text += &format!("attester {attester} is not in the file: is it new?\n");
            }
            text + "now create the cluster: ollin cluster create, at the same replica\n"
        }
        DutiesAnswer::Added(moved) => {
            format!("attester {} added: its first slot is after {}\n", moved.attester, moved.slot)
        }
        DutiesAnswer::Unfrozen(moved) => {
            format!(
                "attester {} unfrozen: its first slot is after {}, and up to there nothing is signed\n",
                moved.attester, moved.slot
            )
        }
        DutiesAnswer::Released(moved) => {
            let (attester, slot) = (moved.attester, moved.slot);
            format!(
                "attester {attester} released: this cluster never signs for it after slot {slot}\n\
                 hand its file over: ollin duties export --attester {attester} --out {attester}.json\n"
            )
        }
    }
}

fn list_text(list: &DutyList) -> String {
    let mut text = String::new();
    let slot = |slot: Option<Slot>| slot.map_or("-".to_owned(), |slot| slot.to_string());
    let _ = writeln!(text, "cluster {} as replica {} has applied it: {}", list.cluster_id, list.replica, list.phase);
    if let (Some(chain_id), Some(rollup)) = (list.chain_id, list.rollup) {
        let _ = writeln!(text, "rollup {rollup} on chain {chain_id}");
    }
    let _ = writeln!(text, "floor {}, watermark {}, closed {}", slot(list.floor), slot(list.watermark), slot(list.closed));
    let _ = writeln!(text, "audit {} records, head {}", list.audit.records, list.audit.hash);
    for attester in &list.attesters {
        let _ = writeln!(text, "attester {}{}", attester.address, standing(attester));
    }
    let _ = writeln!(text, "{} duties{}", list.total, if list.total > list.duties.len() { ", the newest are" } else { "" });
    for duty in &list.duties {
        let _ = writeln!(text, "  {}", line(duty));
    }
    text
}

fn standing(attester: &AttesterStanding) -> String {
    let mut text = String::new();
    if let Some(floor) = attester.floor {
        text += &format!(", since slot {floor}");
    }
    if let Some(last_slot) = attester.released {
        text += &format!(", released after slot {last_slot}");
    }
    if let Some(duty) = &attester.frozen {
        let seen = attester.seen.as_ref().map_or(String::new(), |seen| format!(" ({seen})"));
        text += &format!(", FROZEN: its key has signed elsewhere, {}{seen}", line(duty));
    }
    if let Some(thawed) = attester.thawed {
        text += &format!(", nothing up to slot {thawed}: it was frozen");
    }
    if attester.key == Some(false) && attester.released.is_none() {
        text += ", NO KEY in this replica's keystore";
    }
    text
}

fn line(duty: &ListedDuty) -> String {
    let index = duty.index.map_or(String::new(), |index| format!(" {index}"));
    let root = duty.root.map_or("(not over)".to_owned(), |root| root.to_string());
    format!("slot {} {}{index} of {} {root}", duty.slot, duty_word(duty.kind), duty.attester)
}

fn missed_text(missed: &MissedDuties) -> String {
    let (Some(since), Some(until)) = (missed.since, missed.until) else {
        return format!("replica {} has not judged a slot yet\n", missed.replica);
    };
    let mut text =
        format!("{} missed in slots {since} to {until}, as replica {} saw them\n", missed.missed.len(), missed.replica);
    for duty in &missed.missed {
        let reason = serde_json::to_value(duty.reason).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
        let whose = match duty.attesters.as_slice() {
            [one] => one.to_string(),
            several => format!("{} attesters", several.len()),
        };
        let _ = writeln!(text, "  slot {} {} of {whose}: {reason}: {}", duty.slot, duty_word(duty.kind), duty.detail);
    }
    text
}
