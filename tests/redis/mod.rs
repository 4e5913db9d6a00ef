//! The Redis store against real servers: the contract of every store, and what is Redis's own.
//!
//! One server for everything that only reads and writes, a namespace per test; a server of its own where one
//! is killed, stopped, flushed or configured. All waits are deadlines.

mod aside;
mod captures;
mod changes;
mod chaos;
mod cluster;
mod cluster_faults;
mod commits;
mod epochs;
mod fleet;
mod flood;
mod half_open;
mod imports;
mod keks;
mod log;
mod newer;
mod outage;
mod processes;
mod records;
mod replicas;
mod resume;
mod roles;
mod rollback;
mod rotation;
mod scopes;
mod sentinel;
mod server;
pub(crate) mod sidecar;
mod sidecars;
mod strangers;
mod tls;

use crate::support::redis::{namespace, shared};
use crate::support::store_conformance::{Fresh, store_conformance};

#[expect(clippy::unused_async, reason = "other backends have to wait")]
async fn fresh() -> Fresh {
    Fresh { store: shared().store(&namespace()), keep: Box::new(()) }
}

store_conformance!(fresh);
