//! An unsigned POST with the secret that the sender will sign with: Asana, Notion. Pure.
//!
//! Not the keeping of it. Whoever comes first while an integration waits for its secret is believed: that is what
//! these senders offer, so the wait is short, once, and recorded. Invariant: what could not be a secret (16 to
//! 128 characters) is refused.
//!
//! Asana: "Webhooks guide", The webhook handshake. Notion: "Webhooks", Verifying the subscription.

use http::{HeaderValue, Method};

use super::reply::Reply;
use super::{Answer, Fault, Handshake, Place, Shape};
use crate::credential::{Extraction, Head};
use crate::secret::Secret;
use crate::verify::scheme::Scheme;
use crate::verify::scheme::body::json;

/// Characters of a secret at least.
const SHORTEST: usize = 16;

/// A secret that a sender offers, and the answer once it is kept.
#[derive(Debug)]
pub struct Offer {
    /// The secret.
    pub secret: Secret,
    /// What is answered when it is kept, not before.
    pub answer: Answer,
}

impl Handshake {
    /// Whether a request may offer a secret: an unsigned POST, with the header where the secret is in one.
    #[must_use]
    pub fn may_offer(&self, scheme: &Scheme, head: &Head<'_>) -> bool {
        let in_place = match &self.challenge {
            Some(Place::Header(name)) => head.headers.contains_key(name),
            _ => true,
        };
        self.shape == Shape::Secret
            && head.method == Method::POST
            && in_place
            && matches!(scheme.extract(head), Extraction::Absent)
    }

    /// The secret that a request offers; `None` where it offers none.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn offered(&self, scheme: &Scheme, head: &Head<'_>, body: &[u8]) -> Result<Option<Offer>, Fault> {
        if !self.may_offer(scheme, head) {
            return Ok(None);
        }
        let offered = match &self.challenge {
            Some(Place::Json(path)) => {
                let Some(document) = json(body).filter(|document| self.is_said(document)) else {
                    return Ok(None);
                };
                let Some(offered) = path.text(&document) else { return Ok(None) };
                offered.into_owned()
            }
            _ => match self.in_head(head)? {
                Some(offered) => offered,
                None => return Ok(None),
            },
        };
        let text = Self::checked(&offered)?;
        let secret = Secret::from_text(text);
        if text.len() < SHORTEST || !scheme.secret_len(&secret).is_ok_and(|length| length >= SHORTEST) {
            return Err(Fault::Challenge("is too short for a secret"));
        }
        let header = match &self.reply {
            Reply::Header(name) => {
                let mut value = HeaderValue::from_str(text).map_err(|_| Fault::Challenge("is not text"))?;
                value.set_sensitive(true);
                Some((name.clone(), value))
            }
            _ => None,
        };
        Ok(Some(Offer { secret, answer: Answer { content_type: None, body: String::new(), header } }))
    }
}
