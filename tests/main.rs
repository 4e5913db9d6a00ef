//! One binary for every behaviour, by topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops; clippy.toml exempts test functions but not their helpers"
)]

mod admin;
mod api_key;
mod audit;
mod availability;
mod binary;
mod canary;
mod config;
mod crash;
mod deliveries;
mod deploy;
mod differential;
mod drain;
mod full_disk;
mod handshakes;
mod hostile;
mod http2;
mod integrations;
mod keys;
mod layering;
mod lifecycle;
mod limits;
mod listener;
mod offline;
mod ops;
mod pool;
mod real_apps;
mod redis;
mod reload;
mod seeding;
mod senders;
mod signatures;
mod store;
mod streams;
mod support;
mod tls;
mod transfer;
mod upstream;
mod uses;
mod vectors;
mod wycheproof;
