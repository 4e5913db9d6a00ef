//! The table `[handshake]` of a scheme, as written. Pure.
//!
//! Not checked beyond its types; see `compile.rs`. Spec: `config/schemes/README.md`.

use serde::{Deserialize, Serialize};

use crate::verify::kind::Params;

/// A handshake as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeSpec {
    /// Which request it is.
    pub shape: Shape,
    /// Where the challenge is; absent where the answer needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeSpec>,
    /// What else the request must say: query parameters (`get`), or values in the JSON body.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub when: Params,
    /// The query parameter that must be the integration's verify token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The answer's body, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The answer's body, as members of a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Params>,
    /// The answer's header that has the challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Which request a handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// A GET with a challenge in query or header.
    Get,
    /// A POST that is signed as events are.
    SignedPost,
    /// An unsigned POST with the secret that the sender will sign with.
    Secret,
}

/// Where the challenge is: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeSpec {
    /// In a parameter of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// In a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// At a path of the JSON body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
}
