//! `ollin duties list | export | missed --data-directory`: what a stopped replica's directory holds. Nothing is written there.

use std::collections::BTreeSet;
use std::path::Path;

use alloy_primitives::Address;
use anyhow::anyhow;
use ollin_consensus::{DirectoryError, OfflineError, OfflineLog};
use ollin_protocol::units::Slot;
use ollin_rpc::DutiesAnswer;
use ollin_rpc::view::MissedDuties;

use super::list::Held;
use super::missed::read_missed;
use crate::refusal::Refusal;

/// The newest duties of the directory's replica.
pub(super) fn list(
    data_directory: &Path,
    attester: Option<Address>,
    slot: Option<Slot>,
    limit: usize,
) -> Result<DutiesAnswer, Refusal> {
    let log = read(data_directory)?;
    let guard = log.state().guard();
    let held = Held {
        cluster_id: log.cluster_id(),
        replica: log.replica(),
        phase: guard.phase().to_string(),
        binding: guard.binding(),
        floor: guard.floor(),
        watermark: guard.watermark(),
        closed: guard.closed(),
        audit: log.state().audit().head(),
        attesters: guard.attesters().map(|(address, state)| (*address, *state)).collect(),
        duties: guard.duties().map(|(duty, root)| (*duty, *root)).collect(),
    };
    // Whoever reads the directory reads the roots, too.
    Ok(DutiesAnswer::List(held.list((attester, slot, limit), |_| None, |_| true)))
}

/// The interchange file of what the directory's replica knows to be committed.
pub(super) fn export(data_directory: &Path, attesters: &[Address]) -> Result<String, Refusal> {
    let log = read(data_directory)?;
    let only: BTreeSet<Address> = attesters.iter().copied().collect();
    let interchange = log.export((!only.is_empty()).then_some(&only));
    let interchange = interchange.map_err(|error| Refusal::of("export", error.to_string()))?;
    eprintln!("ollin: this is what replica {} held when it stopped: what others signed after that is not in it", log.replica());
    Ok(interchange.to_json())
}

/// What the directory's replica has recorded as missed.
pub(super) fn missed(data_directory: &Path) -> Result<MissedDuties, Refusal> {
    let replica = read(data_directory)?.replica();
    Ok(read_missed(data_directory, replica)?)
}

fn read(data_directory: &Path) -> Result<OfflineLog, Refusal> {
    let directory = data_directory.join("consensus");
    if !directory.is_dir() {
        let what = format!("{} holds no signing log: expected a replica's DATA_DIRECTORY", data_directory.display());
        return Err(anyhow!(what).into());
    }
    let log = OfflineLog::read(&directory).map_err(|error| {
        if matches!(error, OfflineError::Directory(DirectoryError::InUse { .. })) {
            return Refusal::of("running", format!("{error}: the replica runs. Ask it at its admin port, or stop it first"));
        }
        anyhow::Error::new(error).context(format!("reading {}", directory.display())).into()
    })?;
    if log.uncommitted() > 0 {
        eprintln!("ollin: {} entries may or may not be committed, and are left out: a running replica knows", log.uncommitted());
    }
    Ok(log)
}
