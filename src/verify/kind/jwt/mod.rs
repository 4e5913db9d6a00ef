//! JSON Web Tokens with a configured key: the token is in a header, in the query, or is the body. Pure.
//!
//! Not OAuth or OpenID: no key, no discovery document and no list of revoked tokens is fetched, and nothing of
//! the token's header but `alg` and `crit` is looked at, so that no token chooses its key (`kid`, `jku`, `x5c`).
//! Invariants: the algorithms are configured, and a token that names another, or `none`, is refused, as is one
//! with `crit`; a token has one spelling (canonical base64url, no member twice); a claim that binds body or
//! address must equal what arrived wherever it is there; times are stated here and judged in `verify/`.
//! Spec: RFC 7515 (§3.1 compact serialization, §4.1.11 `crit`, §5.2 validation), RFC 7519 (§4.1 claims),
//! RFC 7518 §3 (algorithms), RFC 8725 (best current practice), RFC 7517 (keys).
//!
//! The files: `params` (what may be configured) → `token` (text → header, claims, signature) → `claims` (what a
//! token says → times, id, digest) → `address` (the claim that binds the URL) → `judge` (the way of a request)
//! → `sign` (samples); `jwk` reads keys.

mod address;
mod claims;
mod judge;
mod jwk;
mod params;
mod sign;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use http::HeaderName;

use super::{About, BodyPolicy, Kind, Params};
use crate::credential::grammar::Encoding;
use crate::verify::mac::Hash;
use crate::verify::scheme::SchemeFault;
use address::AddressRule;
use token::Algorithm;

/// The kind.
#[derive(Debug)]
pub(super) struct Jwt {
    about: About,
    rules: Arc<Rules>,
}

impl Jwt {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let (about, rules) = params::check(params)?;
        Ok(Arc::new(Self { about, rules: Arc::new(rules) }))
    }
}

/// What is expected of a token.
#[derive(Debug)]
struct Rules {
    place: Place,
    /// One, or several HMACs.
    algorithms: Vec<Algorithm>,
    issuer: Option<String>,
    audience: Option<String>,
    body: BodyRule,
    address: Option<AddressRule>,
    /// Claims that must be there.
    required: Vec<String>,
    id_claim: String,
    /// Whether `iat` is demanded and judged.
    issued: bool,
    /// Seconds granted on `nbf` and `exp`.
    leeway: i64,
}

/// Where the token is.
#[derive(Debug)]
enum Place {
    /// In a header, in the query, or in either of them.
    Head { header: Option<Carrier>, query: Option<String> },
    /// It is the body.
    Body,
}

/// A header with a token.
#[derive(Debug)]
struct Carrier {
    name: HeaderName,
    /// What stands before the token: `Bearer `.
    prefix: String,
}

/// How the body is bound where the token is not the body itself.
#[derive(Debug)]
struct BodyRule {
    /// The claim with its digest.
    claim: Option<String>,
    hash: Hash,
    encoding: Encoding,
    policy: BodyPolicy,
}
