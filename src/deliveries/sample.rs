//! A refused request that is diagnosed: what of it is kept for that, and which ones are.
//!
//! Not the diagnosis (`verify/diagnosis/`). Invariants: at most one a second of an integration and [`MOST`] of all, so that
//! nobody can make us work by being refused; the answer has not waited; a sample is memory only, and ends with its
//! diagnosis.

use http::{HeaderMap, Method};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use uuid::Uuid;

use super::draft::Draft;
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::keys::record::{Kind, RecordKey};
use crate::secret::Secret;
use crate::store::writer::Writer;
use crate::verify::diagnosis::{Case, Finding, diagnose};
use crate::verify::offline::{Captured, Terms};

/// Diagnoses a second, in all.
const MOST: usize = 5;
/// Bytes of a body that is looked at.
const LARGEST: u64 = 64 << 10;

/// What a refused delivery says of why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// Whether it was looked into.
    pub status: Status,
    /// What would explain it.
    pub findings: Vec<Finding>,
}

/// Whether a refusal was looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It was.
    #[serde(rename = "made")]
    Made,
    /// There were too many at once.
    #[serde(rename = "not sampled")]
    NotSampled,
}

/// What is kept of a refused request until it is diagnosed.
#[derive(Debug)]
pub(super) enum Sample {
    /// It is not to be.
    Passed,
    /// All that the head says.
    Taken(Box<Taken>),
}

#[derive(Debug)]
pub(super) struct Taken {
    method: Method,
    target: String,
    url: Option<String>,
    headers: HeaderMap,
}

/// Says which refusals are looked into.
#[derive(Debug, Default)]
pub(super) struct Sampler(Mutex<(i64, SmallVec<[Uuid; MOST]>)>);

impl Sampler {
    /// A sample of this request, if its integration and the second have room for one.
    pub(super) fn sample(&self, integration: Uuid, now: UnixMillis, head: &Head<'_>) -> Sample {
        let mut sampled = self.0.lock();
        let second = now.seconds();
        if sampled.0 != second {
            *sampled = (second, SmallVec::new());
        }
        if sampled.1.len() >= MOST || sampled.1.contains(&integration) {
            return Sample::Passed;
        }
        sampled.1.push(integration);
        drop(sampled);
        Sample::Taken(Box::new(Taken {
            method: head.method.clone(),
            target: head.target.to_owned(),
            url: head.url.map(str::to_owned),
            headers: head.headers.clone(),
        }))
    }
}

impl Diagnosis {
    /// Of a draft with a sample. Opens the integration's secrets for as long as it takes.
    pub(super) fn of(draft: &Draft, writer: &Writer) -> Option<Self> {
        let taken = match draft.sample.as_ref()? {
            Sample::Passed => return Some(Self { status: Status::NotSampled, findings: Vec::new() }),
            Sample::Taken(taken) => taken,
        };
        let (entry, now) = (&draft.entry, draft.begun.wall);
        let key = RecordKey { kind: Kind::Integration, id: entry.record.meta.id };
        let opened = |sealed| writer.open(key, sealed).ok();
        let mut secrets: Vec<Secret> = opened(&entry.record.secret).into_iter().collect();
        let previous = entry.record.previous.as_ref();
        let former = previous.and_then(|previous| Some((opened(&previous.secret)?, previous.until)));
        let expired = former.as_ref().filter(|(_, until)| now >= *until);
        if let Some((secret, _)) = former.as_ref().filter(|(_, until)| now < *until) {
            secrets.push(secret.clone());
        }
        let whole = draft.size.is_some_and(|size| size <= LARGEST);
        let body = draft.body.as_ref().filter(|_| whole).and_then(|body| match body.chunks.as_slice() {
            [] => Some(&[][..]),
            [only] => Some(&**only),
            _ => None,
        });
        let url = taken.url.as_deref();
        let head = Head { method: &taken.method, target: &taken.target, headers: &taken.headers, url };
        let case = Case {
            terms: Terms {
                scheme: &entry.scheme,
                secrets: &secrets,
                now,
                tolerance_seconds: entry.record.tolerance_seconds,
            },
            request: Captured { head, body: body.unwrap_or_default() },
            has_body: body.is_some(),
            expired: expired.map(|(secret, until)| (secret, *until)),
        };
        Some(Self { status: Status::Made, findings: diagnose(&case) })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use uuid::Uuid;

    use super::{MOST, Sample, Sampler};
    use crate::clock::UnixMillis;
    use crate::credential::Head;

    #[test]
    fn a_second_has_room_for_one_of_an_integration_and_a_few_of_all() {
        let (sampler, headers) = (Sampler::default(), HeaderMap::new());
        let head = Head { method: &Method::POST, target: "/", headers: &headers, url: None };
        let taken = |integration: u128, millis| {
            let sample = sampler.sample(Uuid::from_u128(integration), UnixMillis(millis), &head);
            matches!(sample, Sample::Taken(_))
        };
        assert!(taken(1, 1000) && !taken(1, 1999) && taken(2, 1500));
        assert!(taken(1, 2000), "the next second");
        let many: u128 = 1000;
        let all = (0..many).filter(|integration| taken(*integration, 3000)).count();
        assert_eq!(all, MOST);
    }
}
