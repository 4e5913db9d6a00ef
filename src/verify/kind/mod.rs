//! Built-in kinds: senders whose signatures data cannot describe, one file each. Pure.
//!
//! Not a second engine: a scheme says `kind = "<name>"`, with the kind's own table `[params]`, and is a
//! [`Scheme`](super::scheme::Scheme) like any other; the rest of the code does not know which it has.
//! Invariants: a kind does no I/O and knows no clock, so it states times ([`Times`]) and never judges them;
//! keys and certificates are configured, never fetched; what it lacks is a refusal; every comparison of a
//! secret value is in constant time.
//!
//! To add a kind: a file here with a type that is a [`Kind`], and a line in [`build`]. One request runs
//! [`Kind::extract`] on the head; then, for each key that may have signed it, [`KindKey::begin`],
//! [`KindAttempt::update`] for every chunk of the body and [`KindAttempt::finish`].

mod braintree;
mod cavage;
mod contentful;
mod digest;
mod ebay;
#[cfg(test)]
pub(crate) mod example;
mod jwt;
mod mercado_pago;
mod paypal;
mod plivo;
mod rfc9421;
mod sigv4;
mod sns;
mod tags;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tolerance;
pub mod vectors;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use subtle::Choice;

use super::mac::{Hash, MacKey};
use super::scheme::{SchemeFault, SecretFault};
use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction, Head};

/// The table `[params]` of a scheme, as written.
pub type Params = Map<String, Value>;

/// The names that `kind` may have, for messages.
pub const NAMES: &[&str] = &[
    "braintree",
    "cavage",
    "contentful",
    "ebay",
    "jwt",
    "mercado-pago",
    "paypal",
    "plivo-v3",
    "rfc9421",
    "sigv4",
    "sns",
];

/// The kind with this name, with its parameters checked.
///
/// # Errors
/// Every fault: an unknown name, or parameters that the kind can't use (paths begin with `params`).
pub fn build(name: &str, params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
    match name {
        #[cfg(test)]
        "example" => example::Example::build(params),
        "braintree" => braintree::Braintree::build(params),
        "cavage" => cavage::Cavage::build(params),
        "jwt" => jwt::Jwt::build(params),
        "contentful" => contentful::Contentful::build(params),
        "mercado-pago" => mercado_pago::MercadoPago::build(params),
        "plivo-v3" => plivo::Plivo::build(params),
        "ebay" => ebay::Ebay::build(params),
        "paypal" => paypal::PayPal::build(params),
        "rfc9421" => rfc9421::Rfc9421::build(params),
        "sigv4" => sigv4::SigV4::build(params),
        "sns" => sns::Sns::build(params),
        _ => {
            let known = NAMES.join(", ");
            Err(vec![SchemeFault::new("kind", format!("`{name}` is no built-in kind ({known})"))])
        }
    }
}

/// Reads the parameters of a kind into its own struct, which should deny unknown fields.
///
/// # Errors
/// One fault, at `params`.
pub fn read_params<P: DeserializeOwned>(params: &Params) -> Result<P, Vec<SchemeFault>> {
    P::deserialize(Value::Object(params.clone()))
        .map_err(|error| vec![SchemeFault::new("params", error.to_string())])
}

/// Whether a body that the signature does not cover is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BodyPolicy {
    /// Only an empty one.
    #[default]
    Required,
    /// Any; the application is told that it is not bound.
    Optional,
}

impl BodyPolicy {
    /// Whether every body that is let in is bound.
    fn binds(self) -> bool {
        self == Self::Required
    }
}

/// A key of HMAC-SHA256.
fn hmac_key(secret: &[u8]) -> Result<MacKey, SecretFault> {
    MacKey::new(Hash::Sha256, secret).ok_or(SecretFault::Empty)
}

/// A message id of 1 to 255 visible characters.
fn checked_id(text: &str) -> Result<Box<str>, CredentialFault> {
    if text.is_empty() || text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CredentialFault::Malformed("the id is not 1 to 255 visible ASCII characters"));
    }
    Ok(text.into())
}

/// One built-in kind with its parameters.
pub trait Kind: fmt::Debug + Send + Sync {
    /// What it is, whatever the request.
    fn about(&self) -> &About;

    /// Prepares a key: the secret after `strip`, `decode` and the like of the scheme's `[secret]`, never
    /// empty. For an asymmetric kind it is the public key or certificate.
    ///
    /// # Errors
    /// Where the key can't be used.
    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault>;

    /// Reads the head. *Absent* only where nothing says that the request was signed in this way. A kind
    /// whose signature is in the body answers `Present` and fails at the end where there is none.
    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence>;

    /// Whether its keys make something of a handshake's challenge; see [`KindKey::answer_challenge`].
    fn answers_challenges(&self) -> bool {
        false
    }

    /// The headers that a sender would add, for samples and tests; `None` where the kind can't sign.
    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let _ = (key, request);
        None
    }
}

/// What is known of a kind without a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Headers that carry the credential: removed before forwarding. The first is the one that is shown.
    pub headers: Vec<HeaderName>,
    /// Name of the algorithm, for people.
    pub algorithm: &'static str,
    /// Window of a signed time in seconds, where one is judged ([`Times::at`]).
    pub tolerance: Option<u32>,
    /// Whether every signature that verifies covers the whole body. Where only some do, `false`, and
    /// [`Finding::binds_body`] tells for the request.
    pub binds_body: bool,
    /// Whether every signature covers target or URL.
    pub binds_target: bool,
    /// Whether every signature covers a message id.
    pub signs_id: bool,
    /// Whether the public URL must be configured.
    pub needs_url: bool,
    /// Whether [`KindAttempt::finish`] needs the body in one piece. Else it gets an empty
    /// slice.
    pub whole_body: bool,
    /// Whether the key is a secret that Countersign may generate.
    pub symmetric: bool,
}

/// A key, ready to verify with; shared by all requests.
pub trait KindKey: fmt::Debug + Send + Sync {
    /// Begins to verify one request; `None` refuses it.
    fn begin(&self, head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>>;

    /// What the key makes of a handshake's challenge: `{mac}` of the scheme's `[handshake]`. `None` where the
    /// challenge is none that the sender makes. Anybody may ask: the kind must refuse every event whose signed
    /// bytes it would answer here.
    fn answer_challenge(&self, challenge: &str) -> Option<String> {
        let _ = challenge;
        None
    }
}

/// One key tried on one request.
pub trait KindAttempt: fmt::Debug + Send {
    /// Absorbs the next bytes of the body, as they arrived.
    fn update(&mut self, chunk: &[u8]) {
        let _ = chunk;
    }

    /// The verdict. `body` is the whole body where [`About::whole_body`] asks for it, else empty.
    fn finish(self: Box<Self>, body: &[u8]) -> Finding;
}

/// Times that the signature covers, to be judged against the clock by `verify/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// When it was signed: at most the tolerance from now, either way.
    pub at: Option<UnixMillis>,
    /// Not good before (a JWT's `nbf`, less what leeway the kind grants).
    pub not_before: Option<UnixMillis>,
    /// Not good from then on (a JWT's `exp`, plus leeway).
    pub expires: Option<UnixMillis>,
}

/// What the head of a request holds for a kind.
pub struct Evidence {
    /// Times that are known from the head.
    pub times: Times,
    /// The message id, 1 to 255 visible characters, where one is signed.
    pub id: Option<Box<str>>,
    data: Box<dyn Any + Send + Sync>,
}

impl Evidence {
    /// Wraps what the kind read; [`KindKey::begin`] gets it back.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(data: T) -> Self {
        Self { times: Times::default(), id: None, data: Box::new(data) }
    }

    /// What was wrapped; `None` where it is of another type.
    #[must_use]
    pub fn data<T: Any>(&self) -> Option<&T> {
        self.data.downcast_ref()
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence").field("times", &self.times).field("id", &self.id).finish_non_exhaustive()
    }
}

/// What an attempt found, once the body was there.
#[derive(Debug)]
pub struct Finding {
    /// Whether the signature holds.
    pub matched: Choice,
    /// Times that only the body tells; the others were in [`Evidence`].
    pub times: Times,
    /// The message id, where only the body tells it.
    pub id: Option<Box<str>>,
    /// Whether this request's signature covers its whole body.
    pub binds_body: bool,
}

impl Finding {
    /// Nothing holds.
    #[must_use]
    pub fn refused() -> Self {
        Self { matched: Choice::from(0), times: Times::default(), id: None, binds_body: false }
    }

    /// A verdict without times or ids of its own.
    #[must_use]
    pub fn of(matched: Choice, binds_body: bool) -> Self {
        Self { matched, binds_body, ..Self::refused() }
    }
}

/// A request that [`Kind::sign`] signs.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'r> {
    /// Its head, without the signature.
    pub head: &'r Head<'r>,
    /// Its whole body.
    pub body: &'r [u8],
    /// The time of signing.
    pub now: UnixMillis,
    /// The message id to use, where one is given.
    pub id: Option<&'r str>,
}
