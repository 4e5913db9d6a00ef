//! What became of each attempt on an integration, for admins: noted on the way of a request, written behind it.
//!
//! Not the decision (`telemetry/decision.rs`), and nothing that a request is judged by. A request on an integration leaves a
//! [`Draft`], which goes into one of two bounded queues; a thread of its own makes a [`Delivery`] of it and gives it to
//! the store. Requests with keys leave none: they are counted.
//!
//! Invariants: a request never waits, and what finds its queue full is dropped and counted; verified and refused have a
//! queue and a list each, so that a flood of refusals displaces nothing that was verified; no credential, cookie or
//! query is in a delivery, and of a body only its digest.

mod draft;
mod headers;
mod queue;
mod record;
mod sample;
mod task;

pub use draft::{Draft, Stage};
pub use queue::{Deliveries, Ended, Queues};
pub use record::{Body, Delivery, Outcome, Stages};
pub use sample::{Diagnosis, Status};
pub use task::DeliveryTask;
