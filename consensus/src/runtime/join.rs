//! Waiting for the end of a task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A task's end. Dropping it lets the task run on.
#[derive(Debug)]
pub(crate) enum JoinHandle<T> {
    Tokio(tokio::task::JoinHandle<T>),
    #[cfg(any(test, feature = "simulation"))]
    Simulated(crate::simulation::Joined<T>),
}

/// A task that ended without an output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Tokio(#[from] tokio::task::JoinError),
    #[cfg(any(test, feature = "simulation"))]
    #[error("the simulated task panicked")]
    Panicked,
}

impl JoinError {
    pub(crate) fn is_panic(&self) -> bool {
        match self {
            Self::Tokio(error) => error.is_panic(),
            #[cfg(any(test, feature = "simulation"))]
            Self::Panicked => true,
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Tokio(handle) => Pin::new(handle).poll(context).map_err(JoinError::from),
            #[cfg(any(test, feature = "simulation"))]
            Self::Simulated(joined) => Pin::new(joined).poll(context).map(|output| output.ok_or(JoinError::Panicked)),
        }
    }
}
