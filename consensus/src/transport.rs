//! Between replicas: HTTP/2 over mutual TLS, one length-limited frame per request (safety rule R24).
//!
//! The CA's signature on a certificate opens the connection and nothing more. A frame is served only if the certificate's
//! fingerprint is the one that the membership records for the replica that the frame names as its sender; a client accepts only
//! the certificate that the membership records for the replica that it dials.

mod book;
mod client;
mod frame;
#[cfg(test)]
mod fuzz;
mod greeter;
mod network;
mod peers;
mod plausible;
mod server;
mod tls;
mod tls_wire;
mod wire;

pub(crate) use book::SetBy;
pub(crate) use client::{Answered, CallError, Client, NoTestimony, testimony};
#[cfg(test)]
pub(crate) use frame::VoteAsked;
pub(crate) use frame::{Refused, Request, Response};
pub(crate) use greeter::greet;
pub(crate) use network::Network;
pub(crate) use peers::{Self_, Shared};
pub use server::Server;
pub(crate) use server::{Order, Sources};
pub use tls::Fingerprint;
pub use tls::TlsError;
pub(crate) use tls::{TlsIdentity, fingerprint, server_name};
pub(crate) use tls_wire::TlsWire;
pub use wire::{Freight, Lane, Parcel, Serving, Wire, WireError};
