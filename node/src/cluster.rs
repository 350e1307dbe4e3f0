//! `ollin cluster certificates`: the keys and certificates of a new cluster's replicas.

use anyhow::Context;
use ollin_consensus::certificates;

use crate::cli::CertificatesArgs;

/// Makes a certificate authority and one certificate per replica, and says what goes where.
///
/// # Errors
/// If the directory holds a cluster already or cannot be written.
pub(crate) fn certificates(arguments: &CertificatesArgs) -> anyhow::Result<()> {
    let out = &arguments.out;
    let made = certificates::create(out, &arguments.replicas)
        .with_context(|| format!("certificates for {} replicas in {}", arguments.replicas.len(), out.display()))?;
    println!("cluster {}", made.cluster_id);
    for replica in &made.replicas {
        let directory = out.join(format!("replica-{}", replica.id));
        println!("replica {} at {}: copy {} to it, as OLLIN_CLUSTER_DIRECTORY", replica.id, replica.address, directory.display());
    }
    println!("keep {} off the replicas: with it anyone joins the cluster", out.join("ca-key.pem").display());
    Ok(())
}
