//! From the head of a request to the credential of a scheme. Pure.
//!
//! Not verification: nothing here knows a key. Invariants: absent means that no signature header is there;
//! a second line of any header that is read is a refusal; at most [`MAX_CANDIDATES`] signatures are taken,
//! each of exactly the length of its MAC; the text of time and id is kept as received, for that was signed.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::candidates::Candidates;
use super::form::query_value;
use super::template::Part;
use super::{IdPlace, Place, Scheme, TimestampPlace};
use crate::clock::UnixMillis;
use crate::credential::grammar::{Line, one_line};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::kind::{Evidence, Times};
use crate::verify::mac::Tag;

/// Signatures that one request may offer. Senders in a rotation send two or three.
pub const MAX_CANDIDATES: usize = 16;
/// The longest message id. A UUID has 36 characters.
const LONGEST_ID: usize = 255;

/// What a request offers as proof, as its scheme reads it. Owns its bytes.
pub struct SignatureCredential {
    /// One in place, as nearly every request has one: this type is moved on every request's way.
    pub(super) tags: SmallVec<[Tag; 1]>,
    /// Of public keys, whose length varies.
    pub(super) signatures: Vec<Vec<u8>>,
    pub(super) timestamp: Option<SignedTime>,
    pub(super) id: Option<MessageId>,
    /// What a built-in kind read.
    pub(super) evidence: Option<Evidence>,
}

/// A time and the text that was signed.
pub(super) struct SignedTime {
    at: Option<UnixMillis>,
    pub(super) text: SmallVec<[u8; 24]>,
}

impl SignedTime {
    pub(super) fn new(at: Option<UnixMillis>, text: &[u8]) -> Self {
        Self { at, text: SmallVec::from_slice(text) }
    }
}

/// Visible ASCII.
pub(super) struct MessageId(pub(super) SmallVec<[u8; 40]>);

impl SignatureCredential {
    fn of_kind(evidence: Evidence) -> Self {
        Self {
            tags: SmallVec::new(),
            signatures: Vec::new(),
            timestamp: None,
            id: None,
            evidence: Some(evidence),
        }
    }

    /// The time that the signature covers, if it covers one.
    #[must_use]
    pub fn timestamp(&self) -> Option<UnixMillis> {
        self.times().at
    }

    /// Every time that the signature covers and the head tells.
    #[must_use]
    pub fn times(&self) -> Times {
        match &self.evidence {
            Some(evidence) => evidence.times,
            None => Times { at: self.timestamp.as_ref().and_then(|signed| signed.at), ..Times::default() },
        }
    }

    /// The message id that the signature covers, if it covers one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.evidence {
            Some(evidence) => evidence.id.as_deref(),
            None => self.id.as_ref().and_then(|id| std::str::from_utf8(&id.0).ok()),
        }
    }

    /// How many signatures are offered.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.tags.len() + self.signatures.len()
    }
}

impl fmt::Debug for SignatureCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCredential")
            .field("candidates", &self.candidates())
            .field("timestamp", &self.timestamp())
            .field("id", &self.id())
            .finish()
    }
}

impl Scheme {
    /// Reads what a request offers as proof.
    #[must_use]
    pub fn extract(&self, head: &Head<'_>) -> Extraction<SignatureCredential> {
        if let Some(kind) = &self.kind {
            return kind.extract(head).map(SignatureCredential::of_kind);
        }
        let value = match self.carrier(head) {
            Ok(None) => return Extraction::Absent,
            Ok(Some(value)) => value,
            Err(fault) => return Extraction::Malformed(fault),
        };
        match self.read(&value, head) {
            Ok(credential) => Extraction::Present(credential),
            Err(fault) => Extraction::Malformed(fault),
        }
    }

    /// The text that carries signatures, where the head has it; `None` where there is none.
    fn carrier<'h>(&self, head: &Head<'h>) -> Result<Option<Cow<'h, [u8]>>, CredentialFault> {
        match &self.reader.place {
            Place::Header => match one_line(head.headers, &self.reader.headers) {
                Line::None => Ok(None),
                Line::One(value) => Ok(Some(Cow::Borrowed(value))),
                Line::Many => Err(CredentialFault::Duplicate("the signature header")),
            },
            Place::EachHeader => {
                let any = self.reader.headers.iter().any(|name| head.headers.contains_key(name));
                Ok(any.then_some(Cow::Borrowed(b"".as_slice())))
            }
            Place::Query(name) => {
                let (_, query) = head.target.split_once('?').unwrap_or_default();
                let is_named = |pair: &&str| pair.split('=').next() == Some(name);
                match query.split('&').filter(is_named).count() {
                    0 => Ok(None),
                    1 => query_value(head.target, name)
                        .map(|value| Some(Cow::Owned(value)))
                        .ok_or(CredentialFault::Malformed("the signature in the query has a broken escape")),
                    _ => Err(CredentialFault::Duplicate("the signature in the query")),
                }
            }
            Place::Json(_) | Place::Form(_) => Ok(Some(Cow::Borrowed(b"".as_slice()))),
        }
    }

    fn read(&self, value: &[u8], head: &Head<'_>) -> Result<SignatureCredential, CredentialFault> {
        self.check_signed_headers(head)?;
        self.check_required(head)?;
        let mut candidates = Candidates::default();
        match &self.reader.place {
            Place::Json(_) | Place::Form(_) => {}
            Place::Header | Place::Query(_) => {
                candidates.read(self, value);
                candidates = candidates.checked()?;
            }
            Place::EachHeader => {
                for name in &self.reader.headers {
                    match one_line(head.headers, std::slice::from_ref(name)) {
                        Line::None => {}
                        Line::One(value) => candidates.read(self, value),
                        Line::Many => return Err(CredentialFault::Duplicate("a signature header")),
                    }
                }
                candidates = candidates.checked()?;
            }
        }
        Ok(SignatureCredential {
            tags: candidates.tags,
            signatures: candidates.signatures,
            timestamp: self.time(value, head)?,
            id: self.message_id(head)?,
            evidence: None,
        })
    }

    /// Headers that must have certain values.
    fn check_required(&self, head: &Head<'_>) -> Result<(), CredentialFault> {
        let holds = |(name, value): &(http::HeaderName, String)| {
            one_line(head.headers, std::slice::from_ref(name)) == Line::One(value.as_bytes())
        };
        if self.require.iter().all(holds) {
            return Ok(());
        }
        Err(CredentialFault::Malformed("a header does not have the value that the scheme requires"))
    }

    fn time(&self, value: &[u8], head: &Head<'_>) -> Result<Option<SignedTime>, CredentialFault> {
        let Some(source) = &self.timestamp else { return Ok(None) };
        let line = match &source.place {
            TimestampPlace::Header(names) => one_line(head.headers, names),
            TimestampPlace::Field(field) => self.reader.form.field(value, field),
            TimestampPlace::Json(_) | TimestampPlace::Form(_) => return Ok(None),
        };
        let text = match line {
            Line::None => return Err(CredentialFault::TimestampMissing),
            Line::Many => return Err(CredentialFault::Duplicate("the timestamp")),
            Line::One(text) => text,
        };
        let at = source.unit.parse(text).ok_or(CredentialFault::TimestampMissing)?;
        Ok(Some(SignedTime::new(source.enforce.then_some(at), text)))
    }

    fn message_id(&self, head: &Head<'_>) -> Result<Option<MessageId>, CredentialFault> {
        let IdPlace::Headers(names) = &self.id else { return Ok(None) };
        if names.is_empty() {
            return Ok(None);
        }
        let text = match one_line(head.headers, names) {
            Line::None => return Err(CredentialFault::Malformed("the id header is missing")),
            Line::Many => return Err(CredentialFault::Duplicate("the id header")),
            Line::One(text) => text,
        };
        if message_id(text).is_none() {
            return Err(CredentialFault::Malformed("the id is not 1 to 255 visible ASCII characters"));
        }
        let boundary = self.template.as_ref().and_then(|template| template.id_boundary());
        if boundary.is_some_and(|end| text.windows(end.len()).any(|window| window == end)) {
            return Err(CredentialFault::Malformed("the id contains what ends it in the signed bytes"));
        }
        Ok(Some(MessageId(SmallVec::from_slice(text))))
    }

    /// Headers and the URL that are part of the signed bytes must be there, once.
    fn check_signed_headers(&self, head: &Head<'_>) -> Result<(), CredentialFault> {
        let Some(template) = &self.template else { return Ok(()) };
        let target = head.target.as_bytes();
        if template.target_boundary().is_some_and(|end| target.windows(end.len()).any(|window| window == end))
        {
            return Err(CredentialFault::Malformed("the target contains what ends it in the signed bytes"));
        }
        for part in template.parts() {
            match part {
                Part::Header(name) => match one_line(head.headers, std::slice::from_ref(name)) {
                    Line::One(_) => {}
                    Line::None => return Err(CredentialFault::Malformed("a signed header is missing")),
                    Line::Many => return Err(CredentialFault::Duplicate("a signed header")),
                },
                Part::Url if head.url.is_none() => {
                    return Err(CredentialFault::Malformed(
                        "the scheme signs the URL and none is configured",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The text of an id: 1 to 255 visible ASCII characters.
pub(super) fn message_id(text: &[u8]) -> Option<&str> {
    let fits = !text.is_empty() && text.len() <= LONGEST_ID && text.iter().all(u8::is_ascii_graphic);
    if fits { std::str::from_utf8(text).ok() } else { None }
}
