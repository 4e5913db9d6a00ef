//! Stage 2, conduct: takes one request through every stage. The only module that knows them all.
//!
//! `pipeline.rs` is the whole way in one function. Not a framework: no stage is pluggable. Invariants: a
//! request leaves for the upstream only with an `Admitted`; every refusal goes through `rejection.rs`; a
//! panic on the way is a 503 and forwards nothing.

// In the order in which a request meets them.
pub mod pipeline;
pub mod settings;

pub mod head;
pub mod max_forwards;
mod noting;
pub mod path;
pub mod route;
pub mod size;

pub mod forward;
mod handshake;
mod judge;
mod oversight;
mod tunnel;
pub mod websocket;

pub mod body;
pub mod target_rule;

pub mod headers;
pub mod rejection;

pub mod rehearsal;
pub mod via;

pub mod answer;
pub mod budget;
pub mod request_id;

mod panics;
