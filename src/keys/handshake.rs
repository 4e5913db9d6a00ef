//! What an integration's record holds of handshakes: settings, and where its secret came from.
//!
//! Not a handshake's rules (`verify/handshake`). Invariant: no field holds a secret in the clear.

use serde::{Deserialize, Serialize};

use super::record::Sealed;
use crate::clock::UnixMillis;

/// What an integration adds to the handshake of its scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandshakeSettings {
    /// The verify token, where the scheme asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_token: Option<Sealed>,
    /// Where the sender hands over the secret: until when it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
}

/// When a secret was handed over, and whether it was shown since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    /// Wall time.
    pub at: UnixMillis,
    /// Whether an admin has seen it.
    pub revealed: bool,
}

/// How long an integration waits for its secret, and how long a captured one may be shown, in seconds: time to
/// click through a sender's console, and no more.
pub const HANDSHAKE_WINDOW_SECONDS: i64 = 3600;

impl Captured {
    /// Until when the secret may be shown; `None` where it was.
    #[must_use]
    pub fn reveal_until(&self) -> Option<UnixMillis> {
        (!self.revealed).then(|| self.at.plus_seconds(HANDSHAKE_WINDOW_SECONDS))
    }
}
