//! What a replica's files hold, read as its start reads them.

use std::collections::BTreeMap;

use ollin_guard::Duty;
use ollin_protocol::units::SigningRoot;

use crate::cluster_file::ClusterFile;
use crate::config::ConsensusConfig;
use crate::log::{OpenError, Opened};
use crate::raft::VoteRecord;
use crate::recovery::{Continuity, Promise, StartRefusal, continuity};
use crate::state::State;
use crate::store::{Database, StoreError};

/// What a replica would start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Whether the local anchor proves that these are the files that the last process left. Otherwise a process that starts on them
    /// is recovering.
    pub proven: bool,
    /// The term of its vote.
    pub term: u64,
    /// Term and index of its last entry.
    pub last: Option<(u64, u64)>,
    /// Chain after the last entry.
    pub chain: Option<[u8; 32]>,
    /// Every duty that its snapshot and log bind, and to which root.
    pub duties: BTreeMap<Duty, SigningRoot>,
}

/// Why files were not read.
#[derive(Debug, thiserror::Error)]
pub enum HoldingError {
    /// A replica that starts on them says so.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log and the snapshot do not fit together: a replica that starts on them halts.
    #[error("entry {index} cannot be applied")]
    Apply {
        /// Which.
        index: u64,
        /// Why.
        #[source]
        source: crate::state::ApplyError,
    },
}

impl Holding {
    /// Reads the files of a replica that is not running.
    ///
    /// # Errors
    /// [`HoldingError`]: such files are refused.
    pub fn read(config: &ConsensusConfig, cluster: &ClusterFile) -> Result<Self, HoldingError> {
        let Opened { disk, anchor } = Opened::new(config, cluster)?;
        let (database, log) = Database::open(Box::new(disk)).map_err(OpenError::from)?;
        let id = cluster.cluster_id_bytes().map_err(OpenError::from)?;
        let identity = database.identity(id, config.replica).map_err(OpenError::from)?;
        let vote: Option<VoteRecord> = database.vote().map_err(OpenError::from)?;
        let promise = Promise { vote, last: log.last_promised() };
        let raft_id = identity.map_or(config.replica.get(), |identity| identity.id);
        let anchored = anchor.and_then(|anchor| anchor.read(raft_id));
        let proven = match continuity(anchored.as_ref(), &promise, &log) {
            Continuity::Proven => true,
            Continuity::Unknown => false,
            Continuity::Broken(promised) => {
                let witness = "the anchor of this machine".to_owned();
                let refusal = StartRefusal::of(config.replica, witness, &promised, &promise);
                return Err(OpenError::from(refusal).into());
            }
        };
        let state = state(&database)?;
        let last = log.last_promised();
        Ok(Self {
            proven,
            term: promise.term(),
            last: promise.place(),
            chain: last.map(|last| *last.chain.as_bytes()),
            duties: state.guard().duties().map(|(duty, root)| (*duty, *root)).collect(),
        })
    }
}

/// Snapshot and log, all of it applied.
fn state(database: &Database) -> Result<State, HoldingError> {
    let snapshot = database.snapshot().map_err(OpenError::from)?;
    let mut state = match snapshot {
        Some(bytes) => {
            State::decode(&bytes).map_err(|source| OpenError::from(StoreError::Snapshot { source: Box::new(source) }))?
        }
        None => State::default(),
    };
    let first = state.applied().map_or(0, |applied| applied.index + 1);
    for stored in database.entries(first) {
        let entry = stored.map_err(OpenError::from)?.entry;
        let index = entry.index;
        state.apply(&entry, None).map_err(|source| HoldingError::Apply { index, source })?;
    }
    Ok(state)
}
