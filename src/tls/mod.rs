//! TLS: PEM files become what rustls runs by, and are followed while the process runs.
//!
//! Not the handshakes: those are made where connections are (`listener`, `admin`, `upstream`, `cli`). One provider of
//! cryptography, aws-lc; TLS 1.2 and 1.3 (RFC 5246, RFC 8446); no early data, for it can be replayed (RFC 8446 §8).
//! Invariants: a file that is faulty never replaces what was good (`followed`); a private key is in memory only as long
//! as rustls reads it and where rustls keeps it, and no file's content is in an error; nobody is believed without a
//! certificate that leads to a configured authority.
//!
//! `files` reads → `pair` makes certificates with keys, and knows when they expire → `server`, `client` make what
//! rustls takes → `followed` keeps it in force.

mod by_name;
mod client;
mod files;
mod followed;
mod pair;
mod server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use client::{ClientFiles, ClientTls, DialError, dial};
pub use files::{MaterialFault, PairFiles};
pub use followed::{Change, Expiry, Follow, Followed, POLL};
pub use server::{ClientAuth, HTTP_1, HTTP_2, HTTP_2_AND_1, ServerFiles, ServerTls};

/// Versions of TLS that are spoken, everywhere.
const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// The one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
