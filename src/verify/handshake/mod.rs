//! Handshakes: requests by which a sender asks, when a webhook's URL is registered, whether we are who we should
//! be. Pure.
//!
//! Not on the way of an event: what is a handshake is answered here and never forwarded. The three shapes, one
//! file each: [`get`](Handshake::by_get) (a challenge in query or header), [`signed`](Handshake::by_signed_post)
//! (an event that carries the scheme's own signature), [`secret`](Handshake::offered) (the sender hands over the
//! secret that it will sign with). A scheme names its shape in `[handshake]`; an integration enables it.
//!
//! Invariants, so that an answer never helps to forge an event:
//! - what is reflected, hashed or MACed is 1 to 128 characters of letters, digits and `-_+/=` (`chars.rs`), once in
//!   the request; so an answer reflects no markup;
//! - an answer contains a MAC under the event key only where no event can be signed by it: either the text that
//!   the scheme signs has a character that a challenge can't have (Zoom: the `:` of `v0:{timestamp}:{body}`), or
//!   the body is signed as it is and a body that could be a challenge is refused whoever signed it, enabled or
//!   not ([`Spotter`]; X: an event is a JSON object). A scheme for which neither holds does not load; a built-in
//!   kind keeps the two apart itself;
//! - a request that carries a credential of the scheme is verified first: signed events, static tokens;
//! - a verify token is compared in constant time.

mod chars;
mod compile;
mod get;
mod reply;
mod secret;
mod signed;
mod spec;
#[cfg(test)]
mod tests;
pub mod vectors;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

pub use chars::Spotter;
pub use secret::Offer;
pub use spec::{ChallengeSpec, HandshakeSpec, Shape};

use super::scheme::body::Path;
use super::scheme::{Scheme, VerifyKey};
use crate::credential::Head;
use crate::secret::Secret;
use reply::Reply;

/// A checked handshake.
#[derive(Debug)]
pub struct Handshake {
    shape: Shape,
    challenge: Option<Place>,
    when: Vec<(String, Value)>,
    /// The query parameter that must be the verify token.
    token: Option<String>,
    reply: Reply,
    /// Whether a body that could be a challenge is no event.
    guards_bodies: bool,
}

/// Where the challenge is.
#[derive(Debug)]
enum Place {
    Query(String),
    Header(HeaderName),
    Json(Path),
}

/// What an integration adds to the handshake of its scheme.
#[derive(Debug, Default)]
pub struct Settings {
    /// What the sender and we know of each other besides the secret.
    pub verify_token: Option<Secret>,
}

/// What a handshake is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The head of the request.
    pub head: &'a Head<'a>,
    /// The scheme that the handshake belongs to.
    pub scheme: &'a Scheme,
    /// The integration's secret.
    pub key: &'a VerifyKey,
    /// The secret before the last rotation, while it is valid.
    pub previous: Option<&'a VerifyKey>,
    /// What else the integration knows.
    pub settings: &'a Settings,
}

/// What is sent back, with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `Content-Type`; `None` where there is no body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: String,
    /// One more header.
    pub header: Option<(HeaderName, HeaderValue)>,
}

/// Why a request that has the shape of a handshake is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The challenge is not one.
    #[error("the challenge {0}")]
    Challenge(&'static str),
    /// The verify token is another one.
    #[error("the verify token is missing or wrong")]
    Token,
    /// The scheme's static token is missing or wrong.
    #[error("the challenge lacks the credential that every request of the sender has")]
    Credential,
    /// A fault of ours: the integration lacks what the answer needs.
    #[error("the integration lacks what the answer needs")]
    Unprepared,
}

impl Handshake {
    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether the integration must have a verify token.
    #[must_use]
    pub fn needs_verify_token(&self) -> bool {
        self.token.is_some() || self.reply.has_digest()
    }

    /// Whether the public URL must be configured.
    #[must_use]
    pub fn needs_url(&self) -> bool {
        self.reply.has_digest()
    }

    /// Watches the body of an event, where a body that could be a challenge is no event.
    #[must_use]
    pub fn spotter(&self) -> Option<Spotter> {
        self.guards_bodies.then(Spotter::default)
    }

    /// The challenge as text, where it is in the domain.
    fn checked(challenge: &[u8]) -> Result<&str, Fault> {
        if !chars::fits(challenge) {
            return Err(Fault::Challenge("has characters or a length that no challenge has"));
        }
        std::str::from_utf8(challenge).map_err(|_| Fault::Challenge("is not text"))
    }
}
