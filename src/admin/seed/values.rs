//! Single values that only a seed file has, and those that it must not have.
//!
//! Invariant: no text repeats a value.

use serde_json::Value;

use crate::admin::fields::Fields;
use crate::admin::formats::{self, Checked, wrong};
use crate::admin::problem::Fault;
use crate::credential::minted::API_KEY;
use crate::keys::record::ApiKeyDigest;

/// `/allowedCidrs/0` → `allowedCidrs[0]`; what the admin API takes in the clear is a file here.
pub(super) fn member(pointer: &str) -> String {
    let pointer = match pointer {
        "/webhookSecret" => "/secretFile",
        "/handshake/verifyToken" => "/handshake/verifyTokenFile",
        pointer => pointer,
    };
    let mut path = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

/// A seed file is no place for a secret: it lies in a repository and a ConfigMap.
pub(super) fn refuse_clear(fields: &mut Fields) {
    for name in ["secret", "webhookSecret"] {
        if fields.take(name).is_some() {
            let detail = "must not stand in this file: put it into a file of its own (a mounted Secret), and name that in \
                 secretFile; what stood here should be replaced";
            fields.fault(Fault::at(format!("//{name}"), "clear", detail));
        }
    }
    if fields.take("apiKey").is_some() {
        let detail = "must not stand in this file: name its digest in apiKeyDigest, which `countersign key new \
                      --offline` prints; a key that stood here should be replaced";
        fields.fault(Fault::at("/apiKey", "clear", detail));
    }
    if fields.take("workspaceId").is_some() {
        fields.fault(Fault::at("/workspaceId", "unknown", "name the workspace instead: workspace = \"…\""));
    }
}

/// SHA-256 of an API key, 64 hex characters.
pub(super) fn digest(value: Value) -> Checked<ApiKeyDigest> {
    let text = formats::text(value)?;
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        Some(bytes) => Ok(ApiKeyDigest(bytes)),
        None if text.starts_with(API_KEY.prefix()) => wrong(
            "clear",
            "must be the digest and not the key, which should be replaced now; `countersign key new --offline` \
             prints both",
        ),
        None => wrong("format", "must be 64 hex characters, as `countersign key new --offline` prints them"),
    }
}

/// The redacted form of an API key: its first 8 characters and `...`.
pub(super) fn prefix(value: Value) -> Checked<String> {
    let text = formats::text(value)?;
    let shown = text.strip_suffix("...").and_then(|text| text.strip_prefix(API_KEY.prefix()));
    match shown {
        Some(shown) if shown.len() == 5 && shown.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(text),
        _ => wrong("format", "must be the first 8 characters of the key and \"...\": wk_1a2b3..."),
    }
}
