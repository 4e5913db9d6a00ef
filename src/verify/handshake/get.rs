//! A GET with a challenge in query or header: Meta, X, Okta, Dropbox, Braintree, eBay. Pure.
//!
//! What nobody signs, so that anybody may ask: what is done with the challenge is bounded in `mod.rs`. Where the
//! sender shows a static token with every request (Okta), it must be there and right.
//!
//! Meta: "Webhooks: Getting Started", Validating Verification Requests. X: "V2 Webhooks: CRC". Okta: "Event
//! hooks", One-time verification request. Dropbox: "Webhooks", The verification request. eBay: "Marketplace
//! account deletion", Subscribing.

use http::Method;
use subtle::{Choice, ConstantTimeEq};

use super::{Answer, Asked, Fault, Handshake, Place, Shape};
use crate::credential::grammar::{Line, one_line};
use crate::credential::{Extraction, Head};
use crate::verify::mac::Tag;
use crate::verify::scheme::VerifyKey;
use crate::verify::scheme::form::query_value;

impl Handshake {
    /// Answers a challenge by GET; `None` where the request is none.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn by_get(&self, asked: &Asked<'_>) -> Result<Option<Answer>, Fault> {
        let head = asked.head;
        if self.shape != Shape::Get || head.method != Method::GET || !self.is_meant(head) {
            return Ok(None);
        }
        let Some(challenge) = self.in_head(head)? else { return Ok(None) };
        if asked.scheme.is_token() {
            let right = shows_token(asked, asked.key)
                | asked.previous.map_or_else(|| Choice::from(0), |previous| shows_token(asked, previous));
            if !bool::from(right) {
                return Err(Fault::Credential);
            }
        }
        self.check_verify_token(asked)?;
        self.answer(asked, &challenge).map(Some)
    }

    /// Whether the query says what it must.
    fn is_meant(&self, head: &Head<'_>) -> bool {
        self.when.iter().all(|(name, wanted)| {
            query_value(head.target, name).is_some_and(|value| Some(value.as_slice()) == text_of(wanted))
        })
    }

    /// The challenge that the head has; `None` where it has none.
    pub(super) fn in_head(&self, head: &Head<'_>) -> Result<Option<Vec<u8>>, Fault> {
        match &self.challenge {
            Some(Place::Query(name)) => match occurrences(head.target, name) {
                0 => Ok(None),
                1 => query_value(head.target, name).map(Some).ok_or(Fault::Challenge("has a broken escape")),
                _ => Err(Fault::Challenge("occurs more than once")),
            },
            Some(Place::Header(name)) => match one_line(head.headers, std::slice::from_ref(name)) {
                Line::None => Ok(None),
                Line::One(value) => Ok(Some(value.to_vec())),
                Line::Many => Err(Fault::Challenge("occurs more than once")),
            },
            Some(Place::Json(_)) | None => Ok(None),
        }
    }

    fn check_verify_token(&self, asked: &Asked<'_>) -> Result<(), Fault> {
        let Some(name) = &self.token else { return Ok(()) };
        let known = asked.settings.verify_token.as_ref().ok_or(Fault::Unprepared)?;
        let shown = query_value(asked.head.target, name).ok_or(Fault::Token)?;
        // Digests compare in the same time, whatever the lengths.
        let same = Tag::of_token(known.expose()).ct_eq(&Tag::of_token(&shown));
        if bool::from(same) { Ok(()) } else { Err(Fault::Token) }
    }
}

/// Whether the request shows the scheme's static token.
fn shows_token(asked: &Asked<'_>, key: &VerifyKey) -> Choice {
    match asked.scheme.extract(asked.head) {
        Extraction::Present(credential) => {
            asked.scheme.begin(key, asked.head, &credential).finish(asked.scheme, &credential, b"").matched
        }
        Extraction::Absent | Extraction::Malformed(_) => Choice::from(0),
    }
}

fn text_of(wanted: &serde_json::Value) -> Option<&[u8]> {
    wanted.as_str().map(str::as_bytes)
}

/// How often a parameter is in the query.
fn occurrences(target: &str, name: &str) -> usize {
    let (_, query) = target.split_once('?').unwrap_or_default();
    query.split('&').filter(|pair| pair.split('=').next() == Some(name)).count()
}
