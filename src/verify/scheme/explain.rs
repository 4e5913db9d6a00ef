//! What a scheme signs and expects of one request, for people who look for a fault. Pure.
//!
//! Not on the way of a request, and nothing that the proxy may tell a client: an expected signature is what a
//! forger wants. Invariant: a token has no signature to show, for it is the secret itself.

use http::HeaderName;

use super::extract::SignatureCredential;
use super::key::{Keyed, VerifyKey};
use super::spec::Algorithm;
use super::template::{Facts, Part, render};
use super::whole::Whole;
use super::{IdPlace, Scheme, TimestampPlace};
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::mac::Tag;

impl Scheme {
    /// The bytes that the signature covers; `None` where nothing is signed or the request lacks a part.
    #[must_use]
    pub fn signed_bytes(
        &self,
        head: &Head<'_>,
        credential: &SignatureCredential,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        let template = self.template.as_ref()?;
        if self.whole {
            let nothing =
                Keyed::Token { digest: Box::new(Tag::of_token(b"")), token: Secret::new(Vec::new()) };
            return Whole::begin(self, &nothing, head, credential)?.first_message(self, body);
        }
        let facts = Facts::of(head, credential, Some(b"{secret}"));
        let mut signed = Vec::new();
        render(&template.before, &facts, |bytes| signed.extend_from_slice(bytes))?;
        if template.body {
            signed.extend_from_slice(body);
        }
        render(&template.after, &facts, |bytes| signed.extend_from_slice(bytes))?;
        Some(signed)
    }

    /// The signature that one key makes, as the sender would write it; `None` for a token.
    #[must_use]
    pub fn expected_signature(
        &self,
        key: &VerifyKey,
        head: &Head<'_>,
        credential: &SignatureCredential,
        body: &[u8],
    ) -> Option<String> {
        let encoding = self.spec.encoding?;
        let mut attempt = self.begin(key, head, credential);
        attempt.update(body);
        Some(encoding.encode(attempt.tag(self, body)?.as_bytes()))
    }

    /// The signatures that were read, in the same form; none for a token.
    #[must_use]
    pub fn received_signatures(&self, credential: &SignatureCredential) -> Vec<String> {
        let encode = |encoding: crate::credential::grammar::Encoding| {
            let tags = credential.tags.iter().map(move |tag| encoding.encode(tag.as_bytes()));
            tags.chain(credential.signatures.iter().map(move |bytes| encoding.encode(bytes))).collect()
        };
        self.spec.encoding.map(encode).unwrap_or_default()
    }

    /// Whether the header carries the secret itself.
    #[must_use]
    pub fn is_token(&self) -> bool {
        self.spec.algorithm == Algorithm::Token
    }

    /// Whether anything of the URL or the target is signed.
    #[must_use]
    pub fn signs_address(&self) -> bool {
        if let Some(about) = self.about() {
            return about.binds_target;
        }
        [Part::Url, Part::Target, Part::Path, Part::Query].iter().any(|part| self.signs(part))
    }

    /// The headers whose values are part of the signed bytes, in their order.
    pub fn signed_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.template.iter().flat_map(|template| template.parts()).filter_map(|part| match part {
            Part::Header(name) => Some(name),
            _ => None,
        })
    }

    /// Every header that is read, with all aliases: of the signature, the time, the id and the signed ones.
    #[must_use]
    pub fn read_headers(&self) -> Vec<&HeaderName> {
        let mut names: Vec<&HeaderName> = self.reader.headers.iter().collect();
        if let Some(TimestampPlace::Header(time)) = self.timestamp.as_ref().map(|source| &source.place) {
            names.extend(time);
        }
        if let IdPlace::Headers(ids) = &self.id {
            names.extend(ids);
        }
        names.extend(self.require.iter().map(|(name, _)| name));
        names.extend(self.signed_headers());
        names
    }
}
