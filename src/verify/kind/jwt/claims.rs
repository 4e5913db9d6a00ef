//! What a token says: its times, its id, and the digest of the body. Pure.
//!
//! Not a clock: times are stated, and judged elsewhere. Invariants: a time is whole seconds since 1970, a claim
//! of another type than its own is a refusal and never ignored; nothing here is believed before the signature
//! was judged.
//! Spec: RFC 7519 §4.1.

use serde_json::{Map, Value};

use super::Rules;
use crate::clock::UnixMillis;
use crate::credential::CredentialFault;
use crate::credential::grammar::DECODE_BUFFER;
use crate::verify::kind::digest::Expected;
use crate::verify::kind::{Times, checked_id};

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// The latest time: beyond it, milliseconds would not fit.
const LATEST: u64 = 9_999_999_999_999;

/// What was read.
pub(super) struct Told {
    pub(super) times: Times,
    pub(super) id: Option<Box<str>>,
    /// The digest that the body must have.
    pub(super) digest: Option<Expected>,
}

impl Rules {
    /// Reads the claims, and compares those whose value is configured.
    pub(super) fn read(&self, claims: &Claims) -> Result<Told, CredentialFault> {
        let malformed = CredentialFault::Malformed;
        if self.required.iter().any(|name| claims.get(name).is_none_or(Value::is_null)) {
            return Err(malformed("the token lacks a claim that it must have"));
        }
        let is = |name: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| says(claims, name, |said| said == wanted))
        };
        if !is("iss", &self.issuer) {
            return Err(malformed("the token is of another issuer"));
        }
        if !is("aud", &self.audience) {
            return Err(malformed("the token is for another audience"));
        }
        let leeway = self.leeway * 1000;
        let times = Times {
            at: if self.issued {
                Some(time(claims, "iat")?.ok_or(CredentialFault::TimestampMissing)?)
            } else {
                None
            },
            not_before: time(claims, "nbf")?.map(|from| UnixMillis(from.0 - leeway)),
            expires: time(claims, "exp")?.map(|until| UnixMillis(until.0 + leeway)),
        };
        let id = match claims.get(&self.id_claim) {
            None => None,
            Some(Value::String(text)) => Some(checked_id(text)?),
            Some(_) => return Err(malformed("the token's id is not a text")),
        };
        Ok(Told { times, id, digest: self.digest(claims)? })
    }

    fn digest(&self, claims: &Claims) -> Result<Option<Expected>, CredentialFault> {
        let fault = CredentialFault::Malformed("the claim with the body's digest is none");
        let Some(value) = self.body.claim.as_ref().and_then(|name| claims.get(name)) else { return Ok(None) };
        let text = value.as_str().ok_or(fault)?;
        let mut buffer = [0; DECODE_BUFFER];
        let length = self.body.hash.tag_len();
        let bytes = self.body.encoding.decode(text.as_bytes(), length, &mut buffer).ok_or(fault)?;
        Expected::one(self.body.hash, bytes).map(Some).ok_or(fault)
    }
}

/// Whether a claim is a text that fits, or a list with one; so `aud` is written.
pub(super) fn says(claims: &Claims, name: &str, fits: impl Fn(&str) -> bool) -> bool {
    match claims.get(name) {
        Some(Value::String(text)) => fits(text),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).any(fits),
        _ => false,
    }
}

fn time(claims: &Claims, name: &str) -> Result<Option<UnixMillis>, CredentialFault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_u64().filter(|seconds| *seconds <= LATEST);
    let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    let seconds = seconds.ok_or(CredentialFault::Malformed("a time of the token is not whole seconds"))?;
    Ok(Some(UnixMillis(seconds * 1000)))
}
