//! Countersign: a reverse-proxy sidecar that forwards only requests that prove who sent them.
//!
//! ```text
//!  listener ─► proxy ──────► keys ────────► credential ─► verify ─► guard ─► upstream ─► response
//!   accept     route, limits  Locator →      extract by    Authentic  Admitted  forward     stream back
//!              (head only)    Candidates     each          (pure)     once-only
//!                             (memory)       candidate's
//!                                            scheme (pure)
//!                  └──────────── every refusal: proxy::rejection, the one map cause → status ───────────┘
//! ```
//!
//! The modules are declared in the order in which a request meets them. A passed check is a type with a
//! private constructor that the next stage takes by value; `upstream` takes an `Admitted` and nothing else.

// 1. Accept connections.
pub mod listener;

// 2. Conduct one request through the stages below.
pub mod proxy;

// 3. Look up who it could be, in memory.
pub mod keys;

// 4. Extract the credential from the head (pure).
pub mod credential;

// 5. Verify it (pure).
pub mod verify;

// 6. Admit it.
pub mod guard;

// 7. Forward it.
pub mod upstream;

// What is noted on the way, and written behind it.
pub mod deliveries;

// Where records live, and the ports beside the traffic.
pub mod admin;
pub mod ops;
pub mod store;

// What holds it together.
pub mod app;
pub mod cli;
pub mod config;
pub mod telemetry;

// Small things that every stage uses.
pub mod client;
pub mod clock;
pub mod drain;
mod frames;
mod gather;
pub mod harden;
pub mod readiness;
pub mod secret;
pub mod tls;

// The vectors judge what is pure, so `tests/run --mutants` counts them among the unit tests; else they run with the
// behaviour tests.
#[cfg(all(test, mutation))]
extern crate self as countersign;
#[cfg(all(test, mutation))]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]
#[path = "../tests/support"]
mod support {
    pub(crate) mod vectors;
}
#[cfg(all(test, mutation))]
#[allow(clippy::indexing_slicing, reason = "tests")]
#[path = "../tests/vectors.rs"]
mod vectors;
