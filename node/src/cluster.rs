//! `ollin cluster certificates`: keys and certificates of replicas.

use anyhow::Context;
use ollin_consensus::MemberKind;
use ollin_consensus::certificates::{self, NewReplica};
use ollin_protocol::units::ReplicaId;

use crate::cli::CertificatesArgs;

/// Makes a certificate authority and one certificate per replica, and says what goes where.
///
/// # Errors
/// If the directory holds a cluster already or cannot be written.
pub(crate) fn certificates(arguments: &CertificatesArgs) -> anyhow::Result<()> {
    let out = &arguments.out;
    let of_kind = |kind, listed: &[(ReplicaId, String)]| -> Vec<NewReplica> {
        let new = |(replica, address): &(ReplicaId, String)| NewReplica { replica: *replica, address: address.clone(), kind };
        listed.iter().map(new).collect()
    };
    let full = of_kind(MemberKind::Full, &arguments.replicas);
    let new = [full, of_kind(MemberKind::Witness, &arguments.witnesses)].concat();
    let make = if arguments.extend { certificates::extend } else { certificates::create };
    let made = make(out, &new).with_context(|| format!("certificates for {} replicas in {}", new.len(), out.display()))?;
    println!("cluster {}", made.cluster_id);
    for replica in made.replicas.iter().filter(|listed| new.iter().any(|new| new.replica == listed.id)) {
        let directory = out.join(format!("replica-{}", replica.id));
        println!("replica {} at {}: copy {} to it, as OLLIN_CLUSTER_DIRECTORY", replica.id, replica.address, directory.display());
    }
    println!("keep {} off the replicas: with it anyone joins the cluster", out.join("ca-key.pem").display());
    Ok(())
}
