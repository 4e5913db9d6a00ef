//! What operators see: logs, metrics, and one record of each decision.
//!
//! Not an audit trail (that is committed with each change, see `store/writer.rs`). Invariants: labels come
//! from closed sets; no key, path or message of a client is a label; nothing here can fail a request.

pub mod decision;
mod describe;
pub mod log;
pub mod metrics;
pub mod reason;
pub mod tls;
