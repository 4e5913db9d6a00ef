//! What several topics share. Not tests.

pub(crate) mod admin_port;
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod cut;
pub(crate) mod described;
pub(crate) mod fickle;
pub(crate) mod flood;
pub(crate) mod frames;
pub(crate) mod h2;
pub(crate) mod http;
pub(crate) mod key_set;
pub(crate) mod log;
pub(crate) mod mac;
pub(crate) mod parts;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod redis_cluster;
pub(crate) mod refusal;
pub(crate) mod rehearsal;
pub(crate) mod sentinel;
pub(crate) mod sidecar;
pub(crate) mod store_conformance;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod vectors;
pub(crate) mod watched;
