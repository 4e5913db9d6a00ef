//! What the store says of a failure of Redis or of the way to it.
//!
//! Not a retry policy. Invariant: [`Fault::Lost`] is the only case in which a command may have been carried
//! out although no answer came; every other fault is an answer, and an answer of a fault means that nothing
//! was written. Texts name the server and its words, which hold no secret.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// For a redirect that is not expected, or that names no node.
const CLUSTER_HINT: &str = "store.url of a Redis Cluster is redis+cluster://, and its nodes must say where they are \
                            (cluster-announce-ip, cluster-announce-hostname)";

/// Why a command did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    /// No answer: the connection broke or the time was up.
    Lost(String),
    /// An answer that is a refusal, or that makes no sense.
    Answered(StoreError),
    /// The user may not do this.
    Denied(String),
    /// The server does not know the script, and did nothing.
    UnknownScript,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Answered(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lost(why) | Fault::Denied(why) => Self::Unavailable(why),
            Fault::Answered(error) => error,
            Fault::UnknownScript => Self::Unavailable("the server forgets scripts".to_owned()),
        }
    }
}

impl Fault {
    /// Whether the connection is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

/// Sorts the error of a command that touches `key` on the server at `place`.
pub(super) fn of_command(place: &str, key: &str, error: &RedisError) -> Fault {
    let answered = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
    if !answered {
        return Fault::Lost(format!("{place}: {}", words(error)));
    }
    let text = format!("{place}: {}", words(error));
    if error.code() == Some("NOSCRIPT") {
        return Fault::UnknownScript;
    }
    // What a script runs is judged by the same rights, and refused in other words.
    if error.code() == Some("NOPERM") || text.contains("The user executing the script can't") {
        return Fault::Denied(text);
    }
    Fault::Answered(match error.code() {
        Some("WRONGTYPE") => {
            StoreError::Damaged(format!("the key {key} is not of the type that it should be"))
        }
        Some("OOM") => StoreError::Full(format!("{text}; raise maxmemory")),
        Some("READONLY") => StoreError::Unavailable(format!("{place} is a replica: {}", words(error))),
        Some("MOVED" | "ASK") => StoreError::Unavailable(format!("{text}; {CLUSTER_HINT}")),
        Some("TRYAGAIN") => {
            StoreError::Unavailable(format!("{text}; the namespace is on its way to another node"))
        }
        // Servers before 7.0 wrap the errors of a script's commands.
        _ if text.contains("OOM command not allowed") => StoreError::Full(text),
        _ => StoreError::Unavailable(text),
    })
}

/// The error of an attempt to connect: nothing was sent that could matter.
pub(super) fn of_connect(place: &str, error: &RedisError) -> StoreError {
    let hint = match error.kind() {
        ErrorKind::AuthenticationFailed => {
            "; check the user and password of store.url or store.password_file"
        }
        ErrorKind::Server(ServerErrorKind::NoPerm) => "; see docs/redis.md for what the ACL user needs",
        _ if is_about_certificates(error) => {
            "; its certificate must be for the name in store.url, and lead to one in store.ca_file"
        }
        _ => "",
    };
    StoreError::Unavailable(format!("{place} cannot be reached: {}{hint}", words(error)))
}

/// Whether TLS failed because of what the server showed.
fn is_about_certificates(error: &RedisError) -> bool {
    // The client wraps what rustls said in an I/O error, and that in an Arc.
    let shared = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let io = shared.and_then(|shared| shared.downcast_ref::<io::Error>());
    let tls = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// What is said, on one line.
fn words(error: &RedisError) -> String {
    error.to_string().replace(['\n', '\r'], " ")
}
