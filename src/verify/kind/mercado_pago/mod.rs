//! Mercado Pago's webhooks: HMAC-SHA256 over a manifest of what the request has of `data.id`, `X-Request-Id` and
//! time. Pure.
//!
//! Not a signature over the body: that is not bound, only the id in the query is. Invariants: the time is always
//! signed; a part that the request has is always in the manifest, and none can hold what ends it; a parameter
//! `data.id` that occurs twice, however it is escaped, is refused.
//! Spec: Mercado Pago, "Webhooks: Validate the origin of a notification":
//! `id:[data.id];request-id:[x-request-id];ts:[ts];`, absent parts left out, the id in lower case. It gives `ts`
//! in milliseconds in its text and in seconds in some examples; the two can't be confused.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::tags::Tags;
use super::{
    About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, Times, ToSign, checked_id, hmac_key,
    read_params, target, tolerance,
};
use crate::credential::grammar::{Encoding, Line, one_line, tagged};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::mac::{Hash, Mac, MacKey};
use crate::verify::scheme::{Fields, SchemeFault, SecretFault};
use crate::verify::timestamp::Unit;

const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DATA_ID: &[u8] = b"data.id";

/// The most digits of a time in seconds. Milliseconds have had 13 since 2001.
const SECONDS_DIGITS: usize = 11;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MercadoPagoParams {
    #[serde(default = "tolerance::standard")]
    tolerance: u32,
}

/// The kind.
#[derive(Debug)]
pub(super) struct MercadoPago {
    about: About,
}

impl MercadoPago {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let MercadoPagoParams { tolerance } = read_params(params)?;
        let faults = tolerance::faults(tolerance);
        if !faults.is_empty() {
            return Err(faults);
        }
        let about = About {
            headers: vec![SIGNATURE],
            algorithm: "hmac-sha256",
            tolerance: Some(tolerance),
            binds_body: false,
            binds_target: false,
            signs_id: false,
            needs_url: false,
            whole_body: false,
            // Mercado Pago makes it.
            symmetric: false,
        };
        Ok(Arc::new(Self { about }))
    }
}

impl Kind for MercadoPago {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        Ok(Arc::new(Key(hmac_key(key)?)))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        one_line(head.headers, &[SIGNATURE]).credential("X-Signature").read(|value| read(head, value))
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let id = request.id.map_or_else(|| format!("msg_{}", request.now.0), str::to_owned);
        let id = (REQUEST_ID, HeaderValue::from_str(&id).ok()?);
        let mut headers = request.head.headers.clone();
        headers.extend([id.clone()]);
        let ts = Unit::Ms.render(request.now);
        let parts = Parts::read(&Head { headers: &headers, ..*request.head }).ok()?;
        let mut mac = MacKey::new(Hash::Sha256, key)?.begin();
        mac.update(parts.manifest(&ts).as_bytes());
        let signature = Encoding::Hex.encode(mac.finish().as_bytes());
        Some(vec![id, (SIGNATURE, HeaderValue::from_str(&format!("ts={ts},v1={signature}")).ok()?)])
    }
}

/// What the head tells.
struct Signed {
    manifest: String,
    tags: Tags,
}

fn read(head: &Head<'_>, value: &[u8]) -> Result<Evidence, CredentialFault> {
    let mut times = tagged(value, b',', b'=', b"ts");
    let ts = match (times.next(), times.next()) {
        (Some(ts), None) => std::str::from_utf8(ts).map_err(|_| CredentialFault::TimestampMissing)?,
        (None, _) => return Err(CredentialFault::TimestampMissing),
        (Some(_), Some(_)) => return Err(CredentialFault::Duplicate("the timestamp")),
    };
    let unit = if ts.len() > SECONDS_DIGITS { Unit::Ms } else { Unit::S };
    let at = unit.parse(ts.as_bytes()).ok_or(CredentialFault::TimestampMissing)?;
    let tags = Tags::read(tagged(value, b',', b'=', b"v1"), Encoding::Hex, Hash::Sha256.tag_len())
        .ok_or(CredentialFault::Malformed("the header holds no signature v1 of 64 hex digits"))?;
    let parts = Parts::read(head)?;
    let mut evidence = Evidence::new(Signed { manifest: parts.manifest(ts), tags });
    evidence.times = Times { at: Some(at), ..Times::default() };
    evidence.id = parts.request_id;
    Ok(evidence)
}

/// The parts of the manifest that may be absent.
struct Parts {
    data_id: Option<Box<str>>,
    request_id: Option<Box<str>>,
}

impl Parts {
    fn read(head: &Head<'_>) -> Result<Self, CredentialFault> {
        let mut room = Vec::new();
        let query = Fields::parse(target::query(head.target).unwrap_or_default().as_bytes(), &mut room)
            .ok_or(CredentialFault::Malformed("the query has a broken escape, or too many parameters"))?;
        let mut ids = query.pairs().iter().filter(|(name, _)| *name == DATA_ID).map(|(_, id)| id);
        let data_id = match (ids.next(), ids.next()) {
            (None, _) => None,
            (Some(id), None) => Some(part(&id.to_ascii_lowercase())?),
            (Some(_), Some(_)) => return Err(CredentialFault::Duplicate("data.id")),
        };
        let request_id = match one_line(head.headers, &[REQUEST_ID]) {
            Line::None => None,
            Line::One(id) => Some(part(id)?),
            Line::Many => return Err(CredentialFault::Duplicate("X-Request-Id")),
        };
        Ok(Self { data_id, request_id })
    }

    fn manifest(&self, ts: &str) -> String {
        let part = |name: &str, value: &Option<Box<str>>| {
            value.as_ref().map(|value| format!("{name}:{value};")).unwrap_or_default()
        };
        format!("{}{}ts:{ts};", part("id", &self.data_id), part("request-id", &self.request_id))
    }
}

/// The text of a part, which can't hold what ends it.
fn part(bytes: &[u8]) -> Result<Box<str>, CredentialFault> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    if text.contains(';') {
        return Err(CredentialFault::Malformed("an id contains what ends it in the signed bytes"));
    }
    checked_id(text)
}

#[derive(Debug)]
struct Key(MacKey);

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let signed: &Signed = evidence.data()?;
        let mut mac = self.0.begin();
        mac.update(signed.manifest.as_bytes());
        Some(Box::new(Attempt { mac, tags: signed.tags.clone() }))
    }
}

#[derive(Debug)]
struct Attempt {
    mac: Mac,
    tags: Tags,
}

impl KindAttempt for Attempt {
    fn finish(self: Box<Self>, _body: &[u8]) -> Finding {
        Finding::of(self.tags.contain(&self.mac.finish()), false)
    }
}
