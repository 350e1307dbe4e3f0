//! `ollin cluster recover --from-survivor`: on the host of the last replica of a cluster whose quorum is lost for good, while it does not
//! run. Exit codes: 0 done, 1 a file cannot be read, 3 refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use ollin_consensus::audit::file::AuditCheck;
use ollin_consensus::{Confirmed, ConsensusConfig, Recovered, default_anchor_directory, recover_from_survivor};
use serde_json::json;

use crate::cli::RecoverArgs;
use crate::duties::verify::audit_of;
use crate::refusal::{Refusal, exit};

/// Makes the survivor a cluster of its own, and says what is to be done next.
pub(crate) async fn run(arguments: &RecoverArgs) -> ExitCode {
    let recovered = recover(arguments).await.map(|recovered| {
        if arguments.json {
            println!("{}", as_json(&recovered));
        } else {
            print!("{}", in_words(&recovered, arguments));
        }
        ExitCode::SUCCESS
    });
    exit(arguments.json, recovered)
}

async fn recover(arguments: &RecoverArgs) -> Result<Recovered, Refusal> {
    let RecoverArgs { from_survivor, replica, data_directory, cluster_directory, confirm_lost, .. } = arguments;
    debug_assert!(*from_survivor, "there is no other way, and the command line requires it");
    // It listens nowhere.
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let store = data_directory.join("consensus");
    let mut config = ConsensusConfig::new(store, cluster_directory.clone(), *replica, nowhere);
    config.anchor_directory = arguments.anchor_directory.clone().or_else(default_anchor_directory);
    let audit = audit(arguments)?;
    let confirmed = Confirmed { lost: confirm_lost.iter().copied().collect(), audit_ahead: arguments.accept_audit_ahead };
    let recovered = recover_from_survivor(&config, &confirmed, audit.as_ref()).await;
    recovered.map_err(|error| Refusal::of(error.code(), format!("{:#}", anyhow::Error::new(error))))
}

/// The audit files beside the store, if there are any.
fn audit(arguments: &RecoverArgs) -> Result<Option<AuditCheck>, Refusal> {
    let directory = arguments.data_directory.join("audit");
    audit_of(&directory)?.map_err(|fault| {
        let what = format!("the audit in {} is not valid: {fault}. Recover from another replica", directory.display());
        Refusal::of("audit", what)
    })
}

fn as_json(recovered: &Recovered) -> serde_json::Value {
    let Recovered { replica, raft_id, cluster_id, retired, lost, last_log, uncommitted, attesters, .. } = recovered;
    let Recovered { highest_slot, audit, already, .. } = recovered;
    let attesters: Vec<_> = attesters
        .iter()
        .map(|(attester, standing)| json!({ "attester": attester, "released": standing.released, "frozen": standing.frozen.is_some() }))
        .collect();
    json!({
        "done": "recovered", "replica": replica, "raft_id": raft_id, "cluster_id": cluster_id, "retired": retired, "lost": lost,
        "last_log": last_log.get(), "uncommitted": uncommitted, "highest_slot": highest_slot, "audit": audit, "already": already,
        "attesters": attesters,
    })
}

fn in_words(recovered: &Recovered, arguments: &RecoverArgs) -> String {
    let Recovered { replica, raft_id, cluster_id, retired, uncommitted, attesters, audit, already, .. } = recovered;
    let file = arguments.cluster_directory.join("cluster.json").display().to_string();
    let mut text = format!(
        "cluster {retired} is retired; replica {replica} (Raft id {raft_id}) is the only member of cluster {cluster_id}\n"
    );
    if *already {
        text += "an earlier call had done it; cluster.json was still the old one\n";
    }
    text += &format!("its log ends at entry {}, its audit at {audit}\n", recovered.last_log.get());
    if *uncommitted > 0 {
        text += &format!("the last {uncommitted} entries before that were not known to be committed; they count from here on\n");
    }
    for (attester, standing) in attesters {
        let released = standing.released.map(|slot| format!("released after slot {slot}"));
        let frozen = standing.frozen.map(|_| "frozen: its key signs elsewhere".to_owned());
        let standing = released.or(frozen).unwrap_or_else(|| "signs".to_owned());
        text += &format!("attester {attester}: {standing}\n");
    }
    text +=
        "check the attesters first: what the lost replicas alone knew of releases and of keys that sign elsewhere is forgotten\n";
    text += &format!(
        "start it: it closes the slots that have begun, and signs the next ones, alone. {file} has the new cluster's id:\n"
    );
    text += "copy it to where ca-key.pem is and to every other host, and take two replicas in (`ollin cluster add`, `promote`)\n";
    text += "keep the lost replicas down: without meeting a member of the new cluster they do not know that theirs was retired\n";
    text
}
