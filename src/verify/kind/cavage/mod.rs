//! draft-cavage HTTP signatures, and the dialects of Kong and APISIX. Pure.
//!
//! Not RFC 9421, which replaced it. Invariants: the algorithm is configured, and a request that names another
//! is refused; what must be covered is configured and includes a time; the body is bound only where the
//! signature covers `Digest` and the digest matches.
//! Spec: draft-cavage-http-signatures-12 §2.3 (signing string), RFC 3230 §4.3.2 (`Digest`);
//! Kong's and APISIX's plugins `hmac-auth`.

mod fields;
mod judge;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;

use super::digest::Expected;
use super::{About, BodyPolicy, Evidence, Kind, Params, Times, read_params, tolerance};
use crate::clock::UnixMillis;
use crate::credential::grammar::{Line, one_line, trim_ows};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::http_date;
use crate::verify::mac::Hash;
use crate::verify::scheme::SchemeFault;
use crate::verify::timestamp::Unit;
use crate::verify::verifier::{Algorithm, decode};
use fields::Parameters;

const DIGEST: &str = "digest";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Dialect {
    Cavage,
    Kong,
    Apisix,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CavageParams {
    dialect: Dialect,
    algorithm: String,
    #[serde(default)]
    key_id: Option<String>,
    required: Vec<String>,
    #[serde(default)]
    body: BodyPolicy,
    #[serde(default = "tolerance::standard")]
    tolerance: u32,
}

/// The kind.
#[derive(Debug)]
pub(super) struct Cavage {
    about: About,
    dialect: Dialect,
    algorithm: Algorithm,
    key_id: Option<String>,
    required: Vec<String>,
    body: BodyPolicy,
}

impl Cavage {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let mut params: CavageParams = read_params(params)?;
        let mut faults = tolerance::faults(params.tolerance);
        params.required.iter_mut().for_each(|name| name.make_ascii_lowercase());
        let known = algorithm(&params.algorithm);
        if known.is_none() {
            let message = "must be hmac-sha256, hmac-sha384, hmac-sha512, rsa-sha256, rsa-sha512, ecdsa-sha256 or ed25519";
            faults.push(SchemeFault::new("params.algorithm", message));
        }
        let (Some((algorithm, name)), true) = (known, faults.is_empty()) else { return Err(faults) };
        let requires = |wanted: &str| params.required.iter().any(|name| name == wanted);
        let mut headers = vec![http::header::AUTHORIZATION];
        if params.dialect == Dialect::Cavage {
            headers.insert(0, HeaderName::from_static("signature"));
        }
        let about = About {
            headers,
            algorithm: name,
            tolerance: Some(params.tolerance),
            binds_body: params.body.binds() || requires(DIGEST),
            binds_target: ["(request-target)", "@request-target", "request-line"]
                .iter()
                .any(|name| requires(name)),
            signs_id: false,
            needs_url: false,
            whole_body: false,
            symmetric: algorithm.symmetric(),
        };
        let CavageParams { dialect, key_id, required, body, .. } = params;
        Ok(Arc::new(Self { about, dialect, algorithm, key_id, required, body }))
    }

    /// The parameters' text; `Absent` where `Authorization` is of another scheme.
    fn credential<'h>(&self, head: &Head<'h>) -> Extraction<&'h str> {
        let text = |bytes| Extraction::Present(std::str::from_utf8(bytes).unwrap_or_default());
        let authorization = one_line(head.headers, &[http::header::AUTHORIZATION]);
        let own = match self.dialect {
            Dialect::Cavage => one_line(head.headers, &[HeaderName::from_static("signature")]),
            Dialect::Kong | Dialect::Apisix => Line::None,
        };
        match (own, authorization) {
            (Line::Many, _) => Extraction::Malformed(CredentialFault::Duplicate("Signature")),
            (_, Line::Many) => Extraction::Malformed(CredentialFault::Duplicate("Authorization")),
            (own, Line::One(value)) => match (own, self.strip_scheme(value)) {
                (Line::One(own), None) => text(own),
                (Line::One(_), Some(_)) => {
                    Extraction::Malformed(CredentialFault::Duplicate("the signature, in two headers,"))
                }
                (_, Some(value)) => text(value),
                (_, None) => Extraction::Absent,
            },
            (Line::One(own), Line::None) => text(own),
            (Line::None, Line::None) => Extraction::Absent,
        }
    }

    fn strip_scheme<'h>(&self, value: &'h [u8]) -> Option<&'h [u8]> {
        let name: &[u8] = if self.dialect == Dialect::Kong { b"hmac " } else { b"Signature " };
        let (start, rest) = value.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some(trim_ows(rest))
    }

    fn read(&self, head: &Head<'_>, text: &str) -> Result<Evidence, CredentialFault> {
        let malformed = CredentialFault::Malformed;
        let key_name = if self.dialect == Dialect::Kong { "username" } else { "keyId" };
        let parameters =
            fields::parameters(text, key_name).ok_or_else(|| malformed("the parameters are not read"))?;
        if self.key_id.as_deref().is_some_and(|wanted| parameters.key_id != Some(wanted)) {
            return Err(malformed("the signature is of another key id"));
        }
        let names_ours = |said: &str| said == self.about.algorithm || said == "hs2019";
        if !parameters.algorithm.is_none_or(names_ours) {
            return Err(malformed("the signature names another algorithm"));
        }
        let covers = |name: &str| parameters.headers.iter().any(|covered| covered.eq_ignore_ascii_case(name));
        if !self.required.iter().all(|name| covers(name)) {
            return Err(malformed("the signature does not cover what it must"));
        }
        let digits = parameters.signature.ok_or_else(|| malformed("there is no signature"))?;
        let signature = decode(digits).ok_or_else(|| malformed("the signature is not canonical base64"))?;
        let times = times(head, &parameters)?;
        let base = self
            .signing_string(head, &parameters)
            .ok_or_else(|| malformed("a covered header is not there"))?;
        let covered = covers(DIGEST);
        let digest = self.expected(head, covered)?;
        let mut evidence = Evidence::new(Signed { base, signature, digest, covered });
        evidence.times = times;
        Ok(evidence)
    }

    /// What the digest says. An uncovered one proves nothing; the dialects compare it nevertheless.
    fn expected(&self, head: &Head<'_>, covered: bool) -> Result<Option<Expected>, CredentialFault> {
        if !covered && self.dialect == Dialect::Cavage {
            return Ok(None);
        }
        match one_line(head.headers, &[HeaderName::from_static(DIGEST)]) {
            Line::One(value) => Expected::digest(value)
                .map(Some)
                .ok_or(CredentialFault::Malformed("Digest has no digest that is known")),
            Line::Many => Err(CredentialFault::Duplicate("Digest")),
            Line::None => Ok(None),
        }
    }

    fn signing_string(&self, head: &Head<'_>, parameters: &Parameters<'_>) -> Option<Vec<u8>> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let (method, at) = (head.method.as_str(), head.target);
        if self.dialect == Dialect::Apisix {
            lines.push(parameters.key_id?.as_bytes().to_vec());
        }
        for name in &parameters.headers {
            let lower = name.to_ascii_lowercase();
            lines.push(match (lower.as_str(), self.dialect) {
                ("(request-target)", Dialect::Cavage) => {
                    format!("(request-target): {} {at}", method.to_ascii_lowercase()).into_bytes()
                }
                ("(created)", Dialect::Cavage) => format!("(created): {}", parameters.created?).into_bytes(),
                ("(expires)", Dialect::Cavage) => format!("(expires): {}", parameters.expires?).into_bytes(),
                ("@request-target", Dialect::Kong) => {
                    format!("@request-target: {} {at}", method.to_ascii_lowercase()).into_bytes()
                }
                ("request-line", Dialect::Kong) => format!("{method} {at} HTTP/1.1").into_bytes(),
                ("@request-target", Dialect::Apisix) => format!("{method} {at}").into_bytes(),
                // APISIX writes the name as the list has it.
                (_, Dialect::Apisix) => header_line(head, name)?,
                _ => header_line(head, &lower)?,
            });
        }
        let mut base = lines.join(b"\n".as_slice());
        if self.dialect == Dialect::Apisix {
            base.push(b'\n');
        }
        Some(base)
    }
}

fn header_line(head: &Head<'_>, name: &str) -> Option<Vec<u8>> {
    let header = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let values: Vec<&[u8]> =
        head.headers.get_all(header).iter().map(|value| trim_ows(value.as_bytes())).collect();
    if values.is_empty() {
        return None;
    }
    let mut line = format!("{name}: ").into_bytes();
    line.extend_from_slice(&values.join(b", ".as_slice()));
    Some(line)
}

/// The first time that is covered: `Date`, `X-Date`, `(created)`.
fn times(head: &Head<'_>, parameters: &Parameters<'_>) -> Result<Times, CredentialFault> {
    let covers = |name: &str| parameters.headers.iter().any(|covered| covered.eq_ignore_ascii_case(name));
    let date = |name: &'static str| match one_line(head.headers, &[HeaderName::from_static(name)]) {
        Line::One(text) => http_date::parse_zoned(text).ok_or(CredentialFault::TimestampMissing),
        Line::Many => Err(CredentialFault::Duplicate("the date")),
        Line::None => Err(CredentialFault::TimestampMissing),
    };
    let seconds = |text: Option<&str>| -> Result<UnixMillis, CredentialFault> {
        text.and_then(|text| Unit::S.parse(text.as_bytes())).ok_or(CredentialFault::TimestampMissing)
    };
    let at = if covers("x-date") {
        date("x-date")?
    } else if covers("date") {
        date("date")?
    } else if covers("(created)") {
        seconds(parameters.created)?
    } else {
        return Err(CredentialFault::TimestampMissing);
    };
    let expires = if covers("(expires)") { Some(seconds(parameters.expires)?) } else { None };
    Ok(Times { at: Some(at), not_before: None, expires })
}

fn algorithm(name: &str) -> Option<(Algorithm, &'static str)> {
    Some(match name {
        "hmac-sha256" => (Algorithm::Hmac(Hash::Sha256), "hmac-sha256"),
        "hmac-sha384" => (Algorithm::Hmac(Hash::Sha384), "hmac-sha384"),
        "hmac-sha512" => (Algorithm::Hmac(Hash::Sha512), "hmac-sha512"),
        "rsa-sha256" => (Algorithm::RsaPkcs1Sha256, "rsa-sha256"),
        "rsa-sha512" => (Algorithm::RsaPkcs1Sha512, "rsa-sha512"),
        "ecdsa-sha256" => (Algorithm::EcdsaP256Der, "ecdsa-sha256"),
        "ed25519" => (Algorithm::Ed25519, "ed25519"),
        _ => return None,
    })
}

/// What the head says.
struct Signed {
    base: Vec<u8>,
    signature: Vec<u8>,
    digest: Option<Expected>,
    /// Whether the signature covers the digest.
    covered: bool,
}
