//! TLS to servers and sentinels: the files, and the one provider of cryptography.
//!
//! Not the handshake, which the client of Redis does with rustls. The name in the address is what the server's
//! certificate must be for (RFC 9525), and its chain must lead to `store.ca_file`: the system's authorities do
//! not count. Invariants: files are read for each connection, so that a renewed certificate needs no restart;
//! nobody is believed without a certificate; no file's content is in an error.

use std::path::Path;

use redis::{ClientTlsConfig, TlsCertificates};

use crate::config::RedisTls;
use crate::store::StoreError;

/// Makes aws-lc what this process does TLS with: the client of Redis asks for the process's provider. One that
/// is there already is the same one, the only one in this program.
pub(super) fn use_the_provider() {
    let _was_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What the files hold now.
pub(super) fn certificates(tls: &RedisTls) -> Result<TlsCertificates, StoreError> {
    let authorities = read("store.ca_file", &tls.ca_file)?;
    let client = match &tls.client {
        Some((cert, key)) => Some(ClientTlsConfig {
            client_cert: read("store.cert_file", cert)?,
            client_key: read("store.key_file", key)?,
        }),
        None => None,
    };
    Ok(TlsCertificates { client_tls: client, root_cert: Some(authorities) })
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, StoreError> {
    let fault = |what: String| StoreError::Unavailable(format!("{option} = {}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    // An empty set of authorities would be an error without a word of this file.
    if memchr::memmem::find(&text, b"-----BEGIN ").is_none() {
        return Err(fault("it has nothing in PEM".to_owned()));
    }
    Ok(text)
}
