//! Amazon SNS over HTTP: RSA over some fields of the JSON body. Pure.
//!
//! Not a subscriber: nothing is confirmed and no certificate is fetched; that of SNS is configured. Invariants: the
//! topics are configured with it, because SNS signs for every AWS account with the same key; the body is not bound, for
//! only some fields are signed; headers that repeat a signed field must agree with it, because applications look at
//! them first.
//! Spec: SNS Developer Guide, "Verifying the signatures of Amazon SNS messages".

mod message;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;

use super::{
    About, Evidence, Finding, Kind, KindAttempt, KindKey, Params, Times, checked_id, read_params, tolerance,
};
use crate::credential::grammar::{Line, one_line};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::pem;
use crate::verify::scheme::{SchemeFault, SecretFault};
use crate::verify::verifier::{Algorithm, Verifier, decode};
use message::{Message, Version};

/// What SNS repeats of the body in headers.
const REPEATED: [(&str, &str); 3] = [
    ("x-amz-sns-message-type", "Type"),
    ("x-amz-sns-message-id", "MessageId"),
    ("x-amz-sns-topic-arn", "TopicArn"),
];
/// SNS tries for at most an hour to deliver what it signed once, plus the time that the tries take
/// ("Amazon SNS message delivery retries").
const DEFAULT_TOLERANCE: u32 = 2 * 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnsParams {
    #[serde(default)]
    any_topic: bool,
    #[serde(default)]
    sha1: Sha1,
    #[serde(default = "default_tolerance")]
    tolerance: u32,
}

/// Whether messages of version 1 are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sha1 {
    /// They are: SNS signs with it unless the topic's `SignatureVersion` is 2.
    #[default]
    Allowed,
    /// They are not.
    Refused,
}

fn default_tolerance() -> u32 {
    DEFAULT_TOLERANCE
}

/// The kind.
#[derive(Debug)]
pub(super) struct Sns {
    about: About,
    /// Whether topics need not be configured.
    any_topic: bool,
    sha1: Sha1,
}

impl Sns {
    /// Checks the parameters.
    pub(super) fn build(params: &Params) -> Result<Arc<dyn Kind>, Vec<SchemeFault>> {
        let params: SnsParams = read_params(params)?;
        let faults = tolerance::faults(params.tolerance);
        if !faults.is_empty() {
            return Err(faults);
        }
        let about = About {
            headers: Vec::new(),
            algorithm: "rsa-pkcs1-sha256, -sha1",
            tolerance: Some(params.tolerance),
            binds_body: false,
            binds_target: false,
            signs_id: true,
            needs_url: false,
            whole_body: true,
            symmetric: false,
        };
        Ok(Arc::new(Self { about, any_topic: params.any_topic, sha1: params.sha1 }))
    }
}

impl Kind for Sns {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        let fault = SecretFault::Encoding(
            "the ARNs of the topics, each on a line of its own, and a certificate in PEM below them",
        );
        let (topics, certificate) = pem::below_lines(key).ok_or(fault)?;
        if !topics.iter().all(|topic| topic.starts_with("arn:")) || (topics.is_empty() && !self.any_topic) {
            return Err(fault);
        }
        let verifier = |algorithm| Verifier::new(algorithm, certificate.as_bytes()).map_err(|_| fault);
        let sha1 = match self.sha1 {
            Sha1::Allowed => Some(verifier(Algorithm::RsaPkcs1Sha1)?),
            Sha1::Refused => None,
        };
        Ok(Arc::new(Key(Arc::new(Keyed {
            topics: topics.into_iter().map(str::to_owned).collect(),
            sha1,
            sha256: verifier(Algorithm::RsaPkcs1Sha256)?,
        }))))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let mut repeated: Repeated = [None, None, None];
        for ((header, _), place) in REPEATED.into_iter().zip(&mut repeated) {
            match one_line(head.headers, &[HeaderName::from_static(header)]) {
                Line::None => {}
                Line::One(value) => *place = Some(value.to_vec()),
                Line::Many => return Extraction::Malformed(CredentialFault::Duplicate("a header of SNS")),
            }
        }
        Extraction::Present(Evidence::new(repeated))
    }
}

/// The values of [`REPEATED`].
type Repeated = [Option<Vec<u8>>; 3];

#[derive(Debug)]
struct Key(Arc<Keyed>);

#[derive(Debug)]
struct Keyed {
    /// Topics that a message may be of; any where there are none.
    topics: Vec<String>,
    /// For version 1, where that is let in.
    sha1: Option<Verifier>,
    sha256: Verifier,
}

impl KindKey for Key {
    fn begin(&self, _head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let repeated: &Repeated = evidence.data()?;
        Some(Box::new(Attempt { key: Arc::clone(&self.0), repeated: repeated.clone() }))
    }
}

#[derive(Debug)]
struct Attempt {
    key: Arc<Keyed>,
    repeated: Repeated,
}

impl KindAttempt for Attempt {
    fn finish(self: Box<Self>, body: &[u8]) -> Finding {
        self.conclude(body).unwrap_or_else(Finding::refused)
    }
}

impl Attempt {
    fn conclude(&self, body: &[u8]) -> Option<Finding> {
        let message = Message::read(body)?;
        for ((_, field), said) in REPEATED.into_iter().zip(&self.repeated) {
            if said.as_deref().is_some_and(|said| message.text(field).map(str::as_bytes) != Some(said)) {
                return None;
            }
        }
        let topics = &self.key.topics;
        let topic = message.text("TopicArn")?;
        if !topics.is_empty() && !topics.iter().any(|allowed| allowed == topic) {
            return None;
        }
        let verifier = match message.version()? {
            Version::One => self.key.sha1.as_ref()?,
            Version::Two => &self.key.sha256,
        };
        let signature = decode(message.text("Signature")?)?;
        let mut finding = Finding::of(verifier.verify(message.signed()?.as_bytes(), &signature), false);
        finding.times = Times { at: Some(message.time()?), ..Times::default() };
        finding.id = Some(checked_id(message.text("MessageId")?).ok()?);
        Some(finding)
    }
}
