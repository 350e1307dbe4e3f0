//! What an operator asks about leadership, on its way to the replica that can do it.

use std::time::Duration;

use ollin_protocol::units::ReplicaId;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::Leadership;
use crate::log::SigningLog;
use crate::transport::{CallError, Lane, Refused, Request, Response};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// The leader hands over; `None`: to the best voter there is.
    Transfer {
        /// To whom.
        to: Option<ReplicaId>,
    },
    /// The replica that is asked does not want to lead any more, or does again.
    Drain {
        /// Whether a drain is taken back.
        undo: bool,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done {
        /// Who leads now, if anybody is known to.
        leader: Option<ReplicaId>,
        /// The replica was drained and leads all the same, for no other one could.
        still_leads: bool,
        /// For a person: what was done, and what is left to be known.
        message: String,
    },
    /// Nothing was done.
    Refused {
        /// For programs.
        code: String,
        /// For a person.
        message: String,
    },
}

/// An ask with the place for its answer.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub ask: Ask,
    /// Answered once.
    pub reply: oneshot::Sender<Answer>,
}

/// Why an ask has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The other replica does not answer.
    #[error("replica {replica} does not answer: {reason}")]
    Unreachable {
        /// Which.
        replica: ReplicaId,
        /// What happened.
        reason: String,
    },
    /// Nobody takes asks at that replica: it is starting or stopping.
    #[error("replica {replica} takes no commands now: it is starting or stopping")]
    NotServing {
        /// Which.
        replica: ReplicaId,
    },
}

impl SigningLog {
    /// The asks of other replicas' operators, to be answered by whoever leads this replica. `None` if they were taken before.
    pub fn asks(&self) -> Option<mpsc::Receiver<Asked>> {
        self.inner().shared.leadership.inner.asks_taken.lock().take()
    }

    /// Passes an ask on to another replica and waits for its answer.
    ///
    /// # Errors
    /// [`AskError`]; what was asked may have been done all the same.
    pub async fn ask(&self, to: ReplicaId, ask: Ask, wait: Duration) -> Result<Answer, AskError> {
        let unknown = || AskError::Unreachable { replica: to, reason: "no member bears the name".to_owned() };
        let id = self.inner().shared.id(to).ok_or_else(unknown)?;
        match self.inner().client.call(id, Lane::Heartbeat, Request::Ask(ask), wait).await {
            Ok(Response::Answer(answer)) => Ok(answer),
            Ok(_) => Err(AskError::Unreachable { replica: to, reason: "an answer of another kind".to_owned() }),
            Err(CallError::Refused { refused: Refused::NotServing { .. } | Refused::Halted { .. }, .. }) => {
                Err(AskError::NotServing { replica: to })
            }
            Err(error) => Err(AskError::Unreachable { replica: to, reason: error.to_string() }),
        }
    }
}

impl Leadership {
    /// Hands an ask that came over the network to whoever leads this replica.
    pub(crate) async fn serve(&self, ask: Ask) -> Result<Answer, Refused> {
        let busy = || Refused::NotServing { reason: "no commands are taken now".to_owned() };
        let (reply, answer) = oneshot::channel();
        self.inner.asks.try_send(Asked { ask, reply }).map_err(|_| busy())?;
        answer.await.map_err(|_| busy())
    }
}
