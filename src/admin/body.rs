//! Reading a JSON body strictly.
//!
//! Not its fields (`fields.rs`). Invariants: never more than [`LIMIT`] bytes are kept; a body is taken only
//! as `application/json` without a content coding; an object that names one member twice is refused at every
//! depth (RFC 8259 §4 leaves their meaning open, and two readers must not differ about a change); depth is
//! bounded by serde_json (128); what was read is zeroed, here and in `fields.rs`.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::fields::Fields;
use super::problem::Problem;

/// Bytes of a body. A record with full lists has a few kilobytes.
pub(super) const LIMIT: usize = 64 << 10;
/// Bytes of a body over the limit that are read and dropped, so that its sender gets to read the refusal.
const DRAIN_LIMIT: usize = 16 << 20;
/// How long a body may take to arrive.
const TIME: Duration = Duration::from_secs(30);

/// The fields of a body that must be there.
pub(super) struct Required(pub(super) Fields);

/// The fields of a body that may be left out.
pub(super) struct Optional(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for Required {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        match read(request).await? {
            Some((value, digest)) => Ok(Self(Fields::of_body(value, digest)?)),
            None => Err(Problem::malformed("the body is empty; send a JSON object")),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Optional {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        Ok(Self(match read(request).await? {
            Some((value, digest)) => Fields::of_body(value, digest)?,
            None => Fields::of(Value::Object(Map::new()))?,
        }))
    }
}

/// The value of a body, and the body's SHA-256.
async fn read(request: Request) -> Result<Option<(Value, [u8; 32])>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = tokio::time::timeout(TIME, collect(body)).await.map_err(|_| Problem::too_slow())??;
    if bytes.is_empty() {
        return Ok(None);
    }
    check_media_type(&parts.headers)?;
    match strict(&bytes) {
        Ok(value) => Ok(Some((value, Sha256::digest(&bytes[..]).into()))),
        // Only the place: what stands there may be part of a secret.
        Err(error) => {
            let what = if error.is_data() { "an object names one member twice" } else { "it is not JSON" };
            let detail = format!("{what}, at line {} column {}", error.line(), error.column());
            Err(Problem::malformed(detail))
        }
    }
}

/// Reads JSON none of whose objects names a member twice; such a one is an error of the category `Data`.
pub(super) fn strict(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Strict>(bytes).map(|Strict(value)| value)
}

/// The body's bytes, which may hold a secret: zeroed when they have been read, and no copy is left by growing.
async fn collect(mut body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut over = said > LIMIT;
    let mut kept = Zeroizing::new(Vec::with_capacity(said.min(LIMIT)));
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::malformed("the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        over |= seen > LIMIT;
        if seen > DRAIN_LIMIT {
            break;
        }
        if !over {
            if kept.capacity() - kept.len() < data.len() {
                let mut larger = Zeroizing::new(Vec::with_capacity(2 * (kept.len() + data.len())));
                larger.extend_from_slice(&kept);
                kept = larger;
            }
            kept.extend_from_slice(&data);
        }
    }
    if over { Err(Problem::too_large(LIMIT)) } else { Ok(kept) }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = match (types.next().and_then(|value| value.to_str().ok()), types.next()) {
        (Some(value), None) => value.split(';').next().unwrap_or_default().trim(),
        _ => return Err(Problem::media_type("send exactly one Content-Type: application/json")),
    };
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::media_type("send Content-Type: application/json"));
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(Problem::media_type("send the body without Content-Encoding"));
    }
    Ok(())
}

/// A JSON value none of whose objects names a member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate"));
            }
        }
        Ok(Value::Object(object))
    }
}
