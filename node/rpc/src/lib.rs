//! The HTTP face of a replica: JSON-RPC as the official node speaks it, `/status`, `/metrics`, `/cluster/status`, the admin port.
//!
//! The crate stands alone: it owns the shapes it serves ([`view`]) and reads them from `watch` channels that the binary fills.
//! It decides nothing about duties and reaches no key.
//!
//! Invariants:
//! - answers, status codes and headers equal those of the official 4.1.2 server for the methods served here; a method of the
//!   official list that is not served yet is `Method not found`, never an invented value;
//! - no signing root and no secret is part of a view; endpoints, addresses of replicas and error texts leave only by the admin
//!   port (safety R25);
//! - every request is bounded: body size, batch size, time to arrive, connections at once.
//!
//! Sources: npm @aztec/foundation 4.1.2, `src/json-rpc/server/safe_json_rpc_server.ts`, `src/json-rpc/server/api_key_auth.ts`;
//! npm @aztec/aztec 4.1.2, `src/cli/admin_api_key_store.ts`; npm @aztec/stdlib 4.1.2, `src/versioning/versioning.ts`.

mod admin;
mod admin_api;
mod admin_key;
mod duties;
mod envelope;
#[cfg(test)]
mod fuzz;
mod limit;
mod listener;
mod node_api;
mod order;
mod server;
pub mod view;

pub use admin::{
    AdminCommand, ClusterCreated, CommandRefused, CommandReply, CreateOrder, MemberChange, MembersChanged, RulesUpgraded,
};
pub use admin_key::{AdminKey, AdminKeyError, AdminKeySource, KeyHash};
pub use duties::{DutiesAnswer, DutiesRequest};
pub use limit::Limits;
pub use order::{LeadershipOrder, OrderDone};
pub use server::{AdminViews, NodeDescription, Views, serve_admin, serve_public};
