//! From the head of a request to the credential of a scheme. Pure.
//!
//! Not verification: nothing here knows a key. Invariants: absent means that no signature header is there;
//! a second line of any header that is read is a refusal; at most [`MAX_CANDIDATES`] signatures are taken,
//! each of exactly the length of its MAC; the text of time and id is kept as received, for that was signed.

use std::fmt;

use smallvec::SmallVec;

use super::template::Part;
use super::{Form, Scheme, TimestampPlace};
use crate::clock::UnixMillis;
use crate::credential::grammar::{DECODE_BUFFER, Line, one_line, tagged};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::mac::Tag;

/// Signatures that one request may offer. Senders in a rotation send two or three.
pub const MAX_CANDIDATES: usize = 16;
/// The longest message id. A UUID has 36 characters.
const LONGEST_ID: usize = 255;

/// What a request offers as proof, as its scheme reads it. Owns its bytes.
pub struct SignatureCredential {
    /// One in place, as nearly every request has one: this type is moved on every request's way.
    pub(super) tags: SmallVec<[Tag; 1]>,
    pub(super) timestamp: Option<SignedTime>,
    pub(super) id: Option<MessageId>,
}

/// A time and the text that was signed.
pub(super) struct SignedTime {
    at: UnixMillis,
    pub(super) text: SmallVec<[u8; 24]>,
}

impl SignedTime {
    pub(super) fn new(at: UnixMillis, text: &[u8]) -> Self {
        Self { at, text: SmallVec::from_slice(text) }
    }
}

/// Visible ASCII.
pub(super) struct MessageId(pub(super) SmallVec<[u8; 40]>);

impl SignatureCredential {
    /// The time that the signature covers, if it covers one.
    #[must_use]
    pub fn timestamp(&self) -> Option<UnixMillis> {
        self.timestamp.as_ref().map(|signed| signed.at)
    }

    /// The message id that the signature covers, if it covers one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_ref().and_then(|id| std::str::from_utf8(&id.0).ok())
    }

    /// How many signatures are offered.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.tags.len()
    }
}

impl fmt::Debug for SignatureCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCredential")
            .field("candidates", &self.tags.len())
            .field("timestamp", &self.timestamp())
            .field("id", &self.id())
            .finish()
    }
}

impl Scheme {
    /// Reads what a request offers as proof.
    #[must_use]
    pub fn extract(&self, head: &Head<'_>) -> Extraction<SignatureCredential> {
        let value = match one_line(head.headers, &self.reader.headers) {
            Line::None => return Extraction::Absent,
            Line::Many => {
                return Extraction::Malformed(CredentialFault::Duplicate("the signature header"));
            }
            Line::One(value) => value,
        };
        match self.read(value, head) {
            Ok(credential) => Extraction::Present(credential),
            Err(fault) => Extraction::Malformed(fault),
        }
    }

    fn read(&self, value: &[u8], head: &Head<'_>) -> Result<SignatureCredential, CredentialFault> {
        self.check_signed_headers(head)?;
        Ok(SignatureCredential {
            tags: self.tags(value)?,
            timestamp: self.time(value, head)?,
            id: self.message_id(head)?,
        })
    }

    fn tags(&self, value: &[u8]) -> Result<SmallVec<[Tag; 1]>, CredentialFault> {
        let mut tags = SmallVec::new();
        let mut seen = 0;
        let mut take = |candidate: &[u8]| {
            seen += 1;
            if seen <= MAX_CANDIDATES {
                tags.extend(self.tag(candidate));
            }
        };
        match &self.reader.form {
            Form::Plain { prefix, optional } => match value.strip_prefix(prefix.as_bytes()) {
                Some(candidate) => take(candidate),
                None if *optional => take(value),
                None => {}
            },
            Form::List { separator, tag_separator, tag } => {
                tagged(value, *separator, *tag_separator, tag.as_bytes()).for_each(take);
            }
        }
        if seen > MAX_CANDIDATES {
            return Err(CredentialFault::Malformed("there are more signatures than 16"));
        }
        if tags.is_empty() {
            return Err(CredentialFault::Malformed("the signature header holds no signature of this scheme"));
        }
        Ok(tags)
    }

    /// One candidate; `None` where it can't be a signature, which does not spoil the others.
    fn tag(&self, candidate: &[u8]) -> Option<Tag> {
        let Some(hash) = self.spec.algorithm.hash() else {
            return if candidate.is_empty() { None } else { Some(Tag::of_token(candidate)) };
        };
        let mut buffer = [0; DECODE_BUFFER];
        let bytes = self.spec.encoding?.decode(candidate, hash.tag_len(), &mut buffer)?;
        Tag::new(bytes)
    }

    fn time(&self, value: &[u8], head: &Head<'_>) -> Result<Option<SignedTime>, CredentialFault> {
        let Some(source) = &self.timestamp else { return Ok(None) };
        let line = match &source.place {
            TimestampPlace::Header(names) => one_line(head.headers, names),
            TimestampPlace::Field(field) => self.field(value, field),
        };
        let text = match line {
            Line::None => return Err(CredentialFault::TimestampMissing),
            Line::Many => return Err(CredentialFault::Duplicate("the timestamp")),
            Line::One(text) => text,
        };
        let at = source.unit.parse(text).ok_or(CredentialFault::TimestampMissing)?;
        Ok(Some(SignedTime::new(at, text)))
    }

    fn field<'v>(&self, value: &'v [u8], field: &'v str) -> Line<'v> {
        let Form::List { separator, tag_separator, .. } = &self.reader.form else { return Line::None };
        let mut items = tagged(value, *separator, *tag_separator, field.as_bytes());
        match (items.next(), items.next()) {
            (None, _) => Line::None,
            (Some(text), None) => Line::One(text),
            (Some(_), Some(_)) => Line::Many,
        }
    }

    fn message_id(&self, head: &Head<'_>) -> Result<Option<MessageId>, CredentialFault> {
        if self.id.is_empty() {
            return Ok(None);
        }
        let text = match one_line(head.headers, &self.id) {
            Line::None => return Err(CredentialFault::Malformed("the id header is missing")),
            Line::Many => return Err(CredentialFault::Duplicate("the id header")),
            Line::One(text) => text,
        };
        if text.is_empty() || text.len() > LONGEST_ID || !text.iter().all(u8::is_ascii_graphic) {
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
