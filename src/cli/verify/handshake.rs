//! Handshake vectors: the answer must be the one that the sender expects.
//!
//! Not the proxy: no integration has to enable anything, and a secret that is handed over is not kept. Invariant:
//! what is signed is verified before it is answered, as live.

use serde::Deserialize;
use serde_json::Value;

use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::handshake::{Answer, Asked, Settings, Shape};
use crate::verify::offline::{Captured, Terms, judge};

/// What a vector knows besides its request and secret.
#[derive(Deserialize)]
pub(super) struct Known {
    #[serde(default)]
    verify_token: Option<String>,
    #[serde(default)]
    expect_response: Option<Expected>,
    /// The secret that must be taken from the request.
    #[serde(default)]
    expect_secret: Option<String>,
}

/// The answer that the sender expects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    status: u16,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    json: Option<Value>,
    /// The only header besides those that every answer has.
    #[serde(default)]
    header: Option<(String, String)>,
}

impl Known {
    /// Answers a vector; `None` where it is refused, or no handshake.
    ///
    /// # Errors
    /// Where the secret is unfit.
    pub(super) fn answer(&self, terms: &Terms<'_>, request: &Captured<'_>) -> Result<Option<Answer>, String> {
        let Some(handshake) = terms.scheme.handshake() else { return Ok(None) };
        if handshake.shape() == Shape::Secret {
            let offer = handshake.offered(terms.scheme, &request.head, request.body);
            let offer = offer.ok().flatten();
            let taken = |secret: &Secret| match &self.expect_secret {
                Some(expected) => secret.ct_eq(expected.as_bytes()),
                None => true,
            };
            return Ok(offer.filter(|offer| taken(&offer.secret)).map(|offer| offer.answer));
        }
        let secret = terms.secrets.first().ok_or("it has no secret")?;
        let key = terms.scheme.prepare(secret).map_err(|fault| fault.to_string())?;
        let settings = Settings { verify_token: self.verify_token.as_deref().map(Secret::from_text) };
        let head: &Head<'_> = &request.head;
        let asked = Asked { head, scheme: terms.scheme, key: &key, previous: None, settings: &settings };
        if handshake.shape() == Shape::Get {
            return Ok(handshake.by_get(&asked).ok().flatten());
        }
        if judge(terms, request).is_err() {
            return Ok(None);
        }
        Ok(handshake.by_signed_post(&asked, request.body).ok().flatten())
    }

    /// Whether the answer is the expected one.
    pub(super) fn accepts(&self, answer: &Answer) -> bool {
        let Some(expected) = &self.expect_response else { return false };
        let header = match (&expected.header, &answer.header) {
            (None, None) => true,
            (Some((name, value)), Some((sent, content))) => {
                sent.as_str().eq_ignore_ascii_case(name) && content.as_bytes() == value.as_bytes()
            }
            _ => false,
        };
        let body = match (&expected.text, &expected.json) {
            (Some(text), None) => answer.content_type == Some("text/plain") && answer.body == *text,
            (None, Some(json)) => {
                answer.content_type == Some("application/json")
                    && serde_json::from_str::<Value>(&answer.body).is_ok_and(|sent| sent == *json)
            }
            (None, None) => answer.content_type.is_none() && answer.body.is_empty(),
            (Some(_), Some(_)) => false,
        };
        expected.status == 200 && header && body
    }
}
