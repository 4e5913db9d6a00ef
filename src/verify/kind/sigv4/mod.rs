//! AWS Signature Version 4 in the `Authorization` header. Pure.
//!
//! Not presigned URLs, not SigV4A and not bodies signed chunk by chunk: those are refused. Invariants: the hash that
//! is signed is that of the body that arrived, unless the parameters let unsigned bodies in; the credential's date is
//! that of the signed time; a session token is signed, or the request is refused.
//! Spec: AWS IAM User Guide, "Create a signed AWS API request"; S3 API Reference, "Authenticating Requests".

mod canonical;
mod judge;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;

use super::{About, BodyPolicy, Evidence, Kind, Params, Times, read_params, tolerance};
use crate::clock::UnixMillis;
use crate::credential::grammar::{DECODE_BUFFER, Encoding, Line, one_line, trim_ows};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::http_date;
use crate::verify::mac::Tag;
use crate::verify::scheme::SchemeFault;
use crate::verify::timestamp::Unit;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What ends a credential's scope.
const TERMINATOR: &str = "aws4_request";
const DATE: &str = "x-amz-date";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const SECURITY_TOKEN: &str = "x-amz-security-token";
/// What a sender says instead of the hash of a body that it does not sign.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// AWS itself refuses what was signed more than 15 minutes ago.
const DEFAULT_TOLERANCE: u32 = 900;

/// How often the path is percent-encoded in what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encode {
    /// The path is signed as it is sent: S3.
    Once,
    /// It is encoded once more: every other service.
    #[default]
    Twice,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigV4Params {
    #[serde(default)]
    access_key_id: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    service: Option<String>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    path: Encode,
    #[serde(default)]
    body: BodyPolicy,
    #[serde(default = "default_tolerance")]
    tolerance: u32,
}

fn default_tolerance() -> u32 {
    DEFAULT_TOLERANCE
}

/// The kind.
#[derive(Debug)]
pub(super) struct SigV4 {
    about: About,
    access_key_id: Option<String>,
    region: Option<String>,
    service: Option<String>,
    /// Headers that must be signed, in lower case; `host` among them.
    required: Vec<String>,
    path: Encode,
    body: BodyPolicy,
}

impl SigV4 {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let params: SigV4Params = read_params(params)?;
        let mut faults = tolerance::faults(params.tolerance);
        let mut required = vec!["host".to_owned()];
        for name in &params.required {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) => required.push(name.as_str().to_owned()),
                Err(_) => {
                    faults.push(SchemeFault::new("params.required", format!("`{name}` is no header")));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        required.sort_unstable();
        required.dedup();
        let about = About {
            headers: vec![http::header::AUTHORIZATION, HeaderName::from_static(SECURITY_TOKEN)],
            algorithm: "hmac-sha256",
            tolerance: Some(params.tolerance),
            binds_body: params.body.binds(),
            binds_target: true,
            signs_id: false,
            needs_url: false,
            whole_body: false,
            symmetric: true,
        };
        let SigV4Params { access_key_id, region, service, path, body, .. } = params;
        Ok(Arc::new(Self { about, access_key_id, region, service, required, path, body }))
    }

    fn read(&self, head: &Head<'_>, text: &[u8]) -> Result<Evidence, CredentialFault> {
        let malformed = CredentialFault::Malformed;
        let text = std::str::from_utf8(text).map_err(|_| malformed("the parameters are not text"))?;
        let parameters = Parameters::read(text)
            .ok_or_else(|| malformed("not Credential, SignedHeaders and Signature, each of them once"))?;
        let scope = Scope::read(parameters.credential).ok_or_else(|| {
            malformed("the credential is not <key id>/<date>/<region>/<service>/aws4_request")
        })?;
        let fits =
            |wanted: &Option<String>, said: &str| wanted.as_deref().is_none_or(|wanted| wanted == said);
        if !fits(&self.access_key_id, scope.key_id) {
            return Err(malformed("the signature is of another access key id"));
        }
        if !fits(&self.region, scope.region) || !fits(&self.service, scope.service) {
            return Err(malformed("the signature is for another region or service"));
        }
        let mut buffer = [0; DECODE_BUFFER];
        let tag = Encoding::Hex
            .decode(parameters.signature.as_bytes(), 32, &mut buffer)
            .and_then(Tag::new)
            .ok_or_else(|| malformed("the signature is not 64 hex digits"))?;

        let signed: Vec<&str> = parameters.signed_headers.split(';').collect();
        if !signed.is_sorted_by(|one, next| one < next) {
            return Err(malformed("the signed headers are not sorted"));
        }
        let covers = |name: &str| signed.contains(&name);
        let has_token = head.headers.contains_key(SECURITY_TOKEN);
        if !self.required.iter().all(|name| covers(name)) || (has_token && !covers(SECURITY_TOKEN)) {
            return Err(malformed("the signature does not cover what it must"));
        }
        for single in [CONTENT_SHA256, SECURITY_TOKEN] {
            if one_line(head.headers, &[HeaderName::from_static(single)]) == Line::Many {
                return Err(CredentialFault::Duplicate("an x-amz header"));
            }
        }
        let at = time(head)?;
        let stamp = basic(at);
        if stamp.split_once('T').is_none_or(|(date, _)| date != scope.date) {
            return Err(malformed("the credential's date is not that of the request"));
        }
        let claimed = self.claimed(head)?;
        let request = canonical::request(head, &signed, self.path).ok_or_else(|| {
            malformed("a signed header is not there, or the query has broken escapes, `+` or `;`")
        })?;
        let scope = [scope.date, scope.region, scope.service].map(str::to_owned);
        let mut evidence = Evidence::new(Signed { request, stamp, scope, claimed, tag });
        evidence.times = Times { at: Some(at), ..Times::default() };
        Ok(evidence)
    }

    /// What the request says of its body.
    fn claimed(&self, head: &Head<'_>) -> Result<Claimed, CredentialFault> {
        match one_line(head.headers, &[HeaderName::from_static(CONTENT_SHA256)]) {
            Line::One(text) if text == UNSIGNED.as_bytes() && !self.body.binds() => Ok(Claimed::Unsigned),
            Line::One(text) if text.len() == 64 => Ok(Claimed::Hash(text.to_vec())),
            Line::One(_) => Err(CredentialFault::Malformed("x-amz-content-sha256 is not the hash of a body")),
            Line::None | Line::Many => Ok(Claimed::Nothing),
        }
    }
}

/// What is signed, but for the body.
struct Signed {
    request: Vec<u8>,
    /// The time, as `20150830T123600Z`.
    stamp: String,
    /// Date, region and service.
    scope: [String; 3],
    claimed: Claimed,
    tag: Tag,
}

/// What `x-amz-content-sha256` says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Claimed {
    Nothing,
    /// Digits that the hash of the body must equal.
    Hash(Vec<u8>),
    /// The body is not signed.
    Unsigned,
}

/// The three parameters of the header.
struct Parameters<'t> {
    credential: &'t str,
    signed_headers: &'t str,
    signature: &'t str,
}

impl<'t> Parameters<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for item in text.split(',') {
            let (name, value) = item.trim_matches([' ', '\t']).split_once('=')?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self { credential: credential?, signed_headers: signed_headers?, signature: signature? })
    }
}

/// What a credential says of the key.
struct Scope<'t> {
    key_id: &'t str,
    date: &'t str,
    region: &'t str,
    service: &'t str,
}

impl<'t> Scope<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let mut parts = text.split('/');
        let scope = Self {
            key_id: parts.next()?,
            date: parts.next()?,
            region: parts.next()?,
            service: parts.next()?,
        };
        (parts.next() == Some(TERMINATOR) && parts.next().is_none()).then_some(scope)
    }
}

/// The time that is signed: that of `X-Amz-Date`, else that of `Date`.
fn time(head: &Head<'_>) -> Result<UnixMillis, CredentialFault> {
    let time = match one_line(head.headers, &[HeaderName::from_static(DATE)]) {
        Line::One(text) => read_basic(text),
        Line::None => match one_line(head.headers, &[http::header::DATE]) {
            Line::One(text) => http_date::parse_zoned(text).or_else(|| read_basic(text)),
            Line::Many => return Err(CredentialFault::Duplicate("the date")),
            Line::None => None,
        },
        Line::Many => return Err(CredentialFault::Duplicate("the date")),
    };
    time.ok_or(CredentialFault::TimestampMissing)
}

/// Reads `20150830T123600Z`.
fn read_basic(text: &[u8]) -> Option<UnixMillis> {
    let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = *text else { return None };
    let extended =
        [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'];
    Unit::Rfc3339.parse(&extended)
}

/// Writes a time as `read_basic` reads it.
fn basic(at: UnixMillis) -> String {
    Unit::Rfc3339.render(at).replace(['-', ':'], "")
}

/// The value after the name of the algorithm; *absent* where `Authorization` is of another scheme.
fn authorization<'h>(head: &Head<'h>) -> Extraction<&'h [u8]> {
    let value = match one_line(head.headers, &[http::header::AUTHORIZATION]) {
        Line::None => return Extraction::Absent,
        Line::Many => return Extraction::Malformed(CredentialFault::Duplicate("Authorization")),
        Line::One(value) => value,
    };
    match value.strip_prefix(ALGORITHM.as_bytes()) {
        Some([b' ', rest @ ..]) => Extraction::Present(trim_ows(rest)),
        _ if value.starts_with(b"AWS4-") => {
            Extraction::Malformed(CredentialFault::Malformed("the algorithm is not AWS4-HMAC-SHA256"))
        }
        _ => Extraction::Absent,
    }
}
