//! Signatures made without the code under test: RFC 2104 straight from the `hmac` crate, or by `openssl`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// HMAC-SHA-256 over the parts in a row, as lower-case hex.
pub(crate) fn hmac_hex(secret: &str, parts: &[&[u8]]) -> String {
    hex(&hmac(secret.as_bytes(), parts))
}

/// HMAC-SHA-256 over the parts in a row.
pub(crate) fn hmac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// SHA-256 as lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
