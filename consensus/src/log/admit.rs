//! Which Raft id this process has: its store's, or one that the log gives to a new store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use ollin_protocol::units::ReplicaId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::OpenError;
use crate::admission::{self, Admission, AdmissionRefusal, Enlistment, Testimony};
use crate::halt::Halt;
use crate::membership::{EnlistRefusal, Member};
use crate::rules::Supported;
use crate::runtime;
use crate::store::{Database, Identity};
use crate::transport::{Client, Lane, Request, Response, Wire, testimony};

/// How long a replica has to say what it knows of our certificate.
const WAIT: Duration = Duration::from_secs(2);
/// How long the log has to let a new store take its id.
const ENLIST: Duration = Duration::from_secs(20);
/// Pause between two rounds of asking.
const EVERY: Duration = Duration::from_millis(500);

/// Who this process is, and whom it knows before its own log says so.
pub(super) struct Admitted {
    pub(super) identity: Identity,
    /// The members by Raft id.
    pub(super) members: BTreeMap<u64, Member>,
    /// The entry that made them the members, as a member says who has applied it: the own log has to come as far.
    pub(super) set_by: Option<(u64, u64)>,
    /// Whether the store knows its id; until it does the process takes no part.
    pub(super) has_id: bool,
    pub(super) refusal: Option<AdmissionRefusal>,
}

/// Finds out which id the store has or may take. `listed`: the members of `cluster.json`.
pub(super) async fn admit(
    database: &Database,
    wire: &dyn Wire,
    (cluster, name): ([u8; 16], ReplicaId),
    listed: BTreeMap<u64, Member>,
) -> Result<Admitted, OpenError> {
    let known = database.membership()?.map(|stored| stored.membership.members);
    let identity = database.identity(cluster, name)?;
    if let (Some(identity), Some(members)) = (identity, known) {
        return Ok(Admitted { identity, members, set_by: None, has_id: true, refusal: None });
    }
    let testimonies = ask(wire, name, &listed).await;
    let of_this_cluster = testimonies.iter().filter(|one| one.cluster == cluster && !one.members.is_empty());
    let latest = of_this_cluster.max_by_key(|one| one.set_by);
    let (members, set_by) = latest.map_or((&listed, None), |one| (&one.members, one.set_by));
    let members = members.clone();
    if let Some(identity) = identity {
        return Ok(Admitted { identity, members, set_by, has_id: true, refusal: None });
    }
    let unnamed = Identity { cluster, name, id: name.get(), token: None, enlisted: true };
    Ok(match admission::decide((cluster, name), &testimonies) {
        Admission::Join { id } => {
            let identity = Identity { id, token: Some(admission::new_token()), enlisted: false, ..unnamed };
            database.adopt(&identity)?;
            tracing::info!(id, "this replica was added: its new store takes the Raft id");
            Admitted { identity, members, set_by, has_id: true, refusal: None }
        }
        Admission::Fresh => Admitted { identity: unnamed, members, set_by, has_id: false, refusal: None },
        Admission::Refused(refusal) => Admitted { identity: unnamed, members, set_by, has_id: false, refusal: Some(refusal) },
    })
}

async fn ask(wire: &dyn Wire, name: ReplicaId, listed: &BTreeMap<u64, Member>) -> Vec<Testimony> {
    let others = listed.values().filter(|member| member.name != name);
    let answers = join_all(others.map(|member| testimony(wire, member, WAIT))).await;
    answers.into_iter().flatten().collect()
}

/// Has the log say that the id is this store's, once. A crash before the answer is made good at the next start.
pub(super) async fn enlist(
    database: &Arc<Database>,
    client: &Client,
    admitted: &Admitted,
    rules: Supported,
) -> Result<Option<AdmissionRefusal>, OpenError> {
    let Identity { id, token: Some(token), enlisted: false, name, .. } = admitted.identity else {
        return Ok(None);
    };
    let deadline = runtime::now() + ENLIST;
    let mut reason = "no member answers".to_owned();
    while runtime::now() < deadline {
        for peer in admitted.members.iter().filter(|(_, member)| member.name != name).map(|(peer, _)| *peer) {
            match client.call(peer, Lane::Heartbeat, Request::Enlist { token, rules }, WAIT).await {
                Ok(Response::Enlist(Ok(()))) => {
                    database.adopt(&Identity { enlisted: true, ..admitted.identity })?;
                    return Ok(None);
                }
                Ok(Response::Enlist(Err(EnlistRefusal::Taken { .. } | EnlistRefusal::NotReserved { .. }))) => {
                    return Ok(Some(AdmissionRefusal::Taken { replica: name, id }));
                }
                Ok(Response::Enlist(Err(EnlistRefusal::Rules { version, supported }))) => {
                    return Ok(Some(AdmissionRefusal::Rules { replica: name, version, supported }));
                }
                Ok(_) => reason = format!("an answer of another kind from Raft id {peer}"),
                Err(error) => reason = error.to_string(),
            }
        }
        runtime::sleep(EVERY).await;
    }
    Err(OpenError::NotEnlisted { replica: name, id, reason })
}

/// Goes on asking for a store without an id: it may be added, or others may turn out to hold the cluster's log.
pub(super) struct Applicant {
    pub(super) wire: Arc<dyn Wire>,
    pub(super) cluster: [u8; 16],
    pub(super) name: ReplicaId,
    pub(super) listed: BTreeMap<u64, Member>,
    pub(super) enlistment: Enlistment,
    pub(super) halt: Halt,
    /// Set when there is an id to take: the process must start anew for it.
    pub(super) admitted: watch::Sender<bool>,
    pub(super) stop: CancellationToken,
}

impl Applicant {
    pub(super) async fn run(self) {
        while !self.enlistment.is_done() {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = runtime::sleep(EVERY) => {}
            }
            match admission::decide((self.cluster, self.name), &ask(self.wire.as_ref(), self.name, &self.listed).await) {
                // In the creation of a cluster the others have a log a moment earlier.
                _ if self.enlistment.is_done() => return,
                Admission::Fresh => {}
                Admission::Refused(refusal) => self.halt.halt(refusal.to_string()),
                Admission::Join { id } => {
                    tracing::info!(id, "this replica was added: it starts anew under its Raft id");
                    self.admitted.send_replace(true);
                    return;
                }
            }
        }
    }
}
