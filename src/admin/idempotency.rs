//! `Idempotency-Key`: a change that is asked for twice is made once, and answered twice.
//!
//! Spec: draft-ietf-httpapi-idempotency-key-header; the key is opaque here, and a request that meets its own first one
//! under way waits for it and gets the same answer, where the draft has 409. Not the store's part
//! (`store/answered.rs`). Invariants: an answer is repeated only to the same admin, for the same method, path and body,
//! within ten minutes; what is kept is sealed as a whole, because it holds secrets; only a change that was made is kept,
//! so a refused request is judged anew; who asks, and whether they may, is settled before an answer is looked for.

use axum::response::{IntoResponse, Response};
use http::header::{ETAG, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::change::not_sealed;
use super::problem::Problem;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::store::answered::{AnswerId, Answered};
use crate::store::writer::{Actor, Writer};

/// The header of a request.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Characters of a key.
const LONGEST: usize = 255;

/// The key of a request, if it has one.
///
/// # Errors
/// 400 where it has several, or one that is empty, too long, or not of visible ASCII characters.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut lines = headers.get_all(KEY).iter();
    let (Some(line), more) = (lines.next(), lines.next()) else { return Ok(None) };
    let is_key = (1..=LONGEST).contains(&line.len()) && line.as_bytes().iter().all(u8::is_ascii_graphic);
    match line.to_str() {
        Ok(key) if is_key && more.is_none() => Ok(Some(key.to_owned())),
        _ => Err(Problem::malformed("send one Idempotency-Key, of 1 to 255 visible ASCII characters")),
    }
}

/// A request that may be sent again.
pub(super) struct Once {
    id: AnswerId,
    fingerprint: [u8; 32],
}

/// An answer to a create or a rotation.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    status: u16,
    location: Option<String>,
    revision: u64,
    /// JSON, with secrets.
    body: String,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

/// What is kept of it.
#[derive(Serialize, Deserialize)]
struct Kept {
    fingerprint: [u8; 32],
    answer: Answer,
}

impl Once {
    /// The request of this admin with this key.
    pub(super) fn of(actor: &Actor, key: &str, method: &str, path: &str, body: &[u8; 32]) -> Self {
        Self {
            id: AnswerId(digest(&[actor.identity().as_bytes(), key.as_bytes()])),
            fingerprint: digest(&[method.as_bytes(), path.as_bytes(), body]),
        }
    }

    /// The answer that was given to it before.
    ///
    /// # Errors
    /// 422 where the key was used for another request; 503 where that cannot be told.
    pub(super) async fn repeated(&self, writer: &Writer) -> Result<Option<Response>, Problem> {
        let sealed =
            writer.store().answered(self.id, writer.now()).await.map_err(|error| unreadable(&error))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = writer.open_answer(self.id, &sealed).map_err(not_sealed)?;
        let kept: Kept = serde_json::from_slice(opened.expose())
            .map_err(|_| Problem::unavailable("the answer that is kept for this key cannot be read"))?;
        if kept.fingerprint != self.fingerprint {
            return Err(Problem::key_used());
        }
        let mut response = kept.answer.into_response();
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(response))
    }

    /// The answer, to be stored with its change.
    pub(super) fn kept(&self, writer: &Writer, answer: Answer) -> Result<(Answered, Answer), Problem> {
        let kept = Kept { fingerprint: self.fingerprint, answer };
        let bytes = Zeroizing::new(serde_json::to_vec(&kept).map_err(|_| unshown())?);
        let sealed = writer.seal_answer(self.id, &Secret::new(bytes.to_vec())).map_err(not_sealed)?;
        Ok((sealed, kept.answer))
    }
}

impl Answer {
    /// A record at this revision.
    pub(super) fn shown(revision: u64, body: impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(&body).map_err(|_| unshown())?;
        Ok(Self { status: StatusCode::OK.as_u16(), location: None, revision, body })
    }

    /// The same, of one that was just made at `path`.
    pub(super) fn created(path: String, revision: u64, body: impl Serialize) -> Result<Self, Problem> {
        let mut answer = Self::shown(revision, body)?;
        (answer.status, answer.location) = (StatusCode::CREATED.as_u16(), Some(path));
        Ok(answer)
    }
}

impl IntoResponse for Answer {
    fn into_response(mut self) -> Response {
        let json = [(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, json, std::mem::take(&mut self.body)).into_response();
        let tag = format!("\"{}\"", self.revision);
        for (name, value) in [(ETAG, Some(&tag)), (LOCATION, self.location.as_ref())] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// 503: it was made, and cannot be shown.
pub(super) fn unshown() -> Problem {
    Problem::unavailable("the record cannot be shown")
}

fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(%error, "it cannot be told whether a change was made before");
    Problem::unavailable(
        "it cannot be told whether this change was made already; try again with the same Idempotency-Key",
    )
}

/// A digest of the parts, each preceded by its length.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}
