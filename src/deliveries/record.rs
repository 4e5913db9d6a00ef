//! A delivery as it is stored.
//!
//! Not its form on the admin API, which writes times as text. Invariants: no field holds a secret, or a part of a
//! body; readers pass over fields that they do not know, so that a newer sidecar may add some.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::draft::{Draft, Stage};
use super::queue::Ended;
use super::sample::Diagnosis;
use crate::client::Address;
use crate::clock::UnixMillis;
use crate::keys::entry::Which;
use crate::store::writer::Writer;

/// What became of a delivery, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Verified, and the application answered, whatever it said.
    Verified,
    /// Not verified, or not allowed.
    Refused,
    /// Verified, and the application did not answer.
    UpstreamFailed,
    /// A handshake, answered by us.
    Answered,
    /// A fault of ours: nobody could judge.
    Unavailable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Verified, Self::Refused, Self::UpstreamFailed, Self::Answered, Self::Unavailable];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::Answered => "answered",
            Self::Unavailable => "unavailable",
        }
    }
}

/// One attempt on an integration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// That of the request: `Countersign-Request-Id`.
    pub id: Uuid,
    /// Of which integration.
    pub integration_id: Uuid,
    /// Its name then.
    pub integration: String,
    /// When the head of the request was there.
    pub at: UnixMillis,
    /// What became of it.
    pub outcome: Outcome,
    /// Why not, from the closed set of reasons.
    pub reason: Option<String>,
    /// The same in words.
    pub cause: Option<String>,
    /// What the client was answered.
    pub status: u16,
    /// Name of the route.
    pub route: String,
    /// The scheme.
    pub scheme: String,
    /// `current` or `previous`: the secret that verified it.
    pub secret: Option<String>,
    /// Address of the client.
    pub client: Address,
    /// Method of the request.
    pub method: String,
    /// Its path, cut short where it is long.
    pub path: String,
    /// Whether a query followed, which is not kept.
    pub has_query: bool,
    /// Names and values in order, private ones without a value.
    pub headers: Vec<(String, Option<String>)>,
    /// The body, where it was read whole.
    pub body: Option<Body>,
    /// When each step was reached.
    pub stages: Stages,
    /// Why it was refused, as far as that was looked into; `None` where the reason says it all.
    #[serde(default)]
    pub diagnosis: Option<Diagnosis>,
    /// Whether an admin had it sent, and no sender.
    #[serde(default)]
    pub test: bool,
}

/// A body, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// Bytes.
    pub size: u64,
    /// Hexadecimal; `None` where too many bodies waited for theirs.
    pub sha256: Option<String>,
}

/// When each step was reached, milliseconds from the head of the request; `None` = it was not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stages {
    /// All that the head decides was.
    pub judged: Option<f64>,
    /// The body was there.
    pub read: Option<f64>,
    /// It was verified and admitted.
    pub verified: Option<f64>,
    /// The head of the answer was there.
    pub answered: f64,
}

impl Delivery {
    /// Of a request that ended. Hashes its body. With a writer, which opens secrets, a refusal is diagnosed, which may
    /// take some milliseconds.
    #[must_use]
    pub fn of(draft: &Draft, ended: &Ended, writer: Option<&Writer>) -> Self {
        let record = &draft.entry.record;
        Self {
            id: draft.id,
            integration_id: record.meta.id,
            integration: record.name.clone(),
            at: draft.begun.wall,
            outcome: ended.outcome,
            reason: ended.reason.map(str::to_owned),
            cause: ended.cause.clone(),
            status: ended.status.as_u16(),
            route: ended.route.clone(),
            scheme: draft.entry.scheme.label().to_owned(),
            secret: ended.secret.map(|which| Which::name(which).to_owned()),
            client: draft.client,
            method: draft.method.as_str().to_owned(),
            path: draft.path.to_string(),
            has_query: draft.has_query,
            headers: draft.headers.redacted(),
            body: draft.size.map(|size| Body { size, sha256: digest(draft) }),
            stages: Stages::of(draft, ended),
            diagnosis: writer.and_then(|writer| Diagnosis::of(draft, writer)),
            test: draft.is_ours,
        }
    }
}

impl Stages {
    fn of(draft: &Draft, ended: &Ended) -> Self {
        let since = |at: std::time::Instant| {
            let micros = at.saturating_duration_since(draft.begun.monotonic).as_micros();
            // Whole microseconds: more digits than that are noise.
            f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1000.0
        };
        let stage = |stage: Stage| draft.stages.get(stage as usize).copied().flatten().map(since);
        Self {
            judged: stage(Stage::Judged),
            read: stage(Stage::Read),
            verified: stage(Stage::Verified),
            answered: since(ended.at),
        }
    }
}

fn digest(draft: &Draft) -> Option<String> {
    let mut hash = Sha256::new();
    draft.body.as_ref()?.chunks.iter().for_each(|chunk| hash.update(chunk));
    Some(HEXLOWER.encode(&hash.finalize()))
}
