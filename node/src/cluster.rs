//! `ollin cluster certificates`: keys and certificates of replicas.

use std::path::PathBuf;
use std::process::ExitCode;

use ollin_consensus::MemberKind;
use ollin_consensus::certificates::{self, NewReplica};
use ollin_protocol::units::ReplicaId;
use serde::Serialize;

use crate::cli::CertificatesArgs;
use crate::refusal::{Refusal, exit};

/// A replica whose certificate was made.
#[derive(Debug, Serialize)]
struct Made {
    replica: ReplicaId,
    address: String,
    fingerprint: String,
    witness: bool,
    directory: PathBuf,
}

/// Makes a certificate authority and one certificate per replica, and says what goes where. Refused if the directory holds a cluster
/// already, or, to extend one, if it does not.
pub(crate) fn certificates(arguments: &CertificatesArgs) -> ExitCode {
    exit(arguments.json, made(arguments).map(|()| ExitCode::SUCCESS))
}

fn made(arguments: &CertificatesArgs) -> Result<(), Refusal> {
    let out = &arguments.out;
    let of_kind = |kind, listed: &[(ReplicaId, String)]| -> Vec<NewReplica> {
        let new = |(replica, address): &(ReplicaId, String)| NewReplica { replica: *replica, address: address.clone(), kind };
        listed.iter().map(new).collect()
    };
    let full = of_kind(MemberKind::Full, &arguments.replicas);
    let new = [full, of_kind(MemberKind::Witness, &arguments.witnesses)].concat();
    let make = if arguments.extend { certificates::extend } else { certificates::create };
    let made = make(out, &new).map_err(|error| {
        let what = format!("no certificates for {} replicas in {}", new.len(), out.display());
        Refusal::of("certificates", format!("{:#}", anyhow::Error::new(error).context(what)))
    })?;
    let replicas: Vec<Made> = made
        .replicas
        .iter()
        .filter(|listed| new.iter().any(|new| new.replica == listed.id))
        .map(|listed| Made {
            replica: listed.id,
            address: listed.address.clone(),
            fingerprint: listed.fingerprint.clone(),
            witness: listed.kind == MemberKind::Witness,
            directory: out.join(format!("replica-{}", listed.id)),
        })
        .collect();
    let ca_key = out.join("ca-key.pem");
    if arguments.json {
        println!("{}", serde_json::json!({ "cluster_id": made.cluster_id, "replicas": replicas, "ca_key": ca_key }));
        return Ok(());
    }
    println!("cluster {}", made.cluster_id);
    for Made { replica, address, directory, .. } in replicas {
        println!("replica {replica} at {address}: copy {} to it, as OLLIN_CLUSTER_DIRECTORY", directory.display());
    }
    println!("keep {} off the replicas: with it anyone joins the cluster", ca_key.display());
    Ok(())
}
