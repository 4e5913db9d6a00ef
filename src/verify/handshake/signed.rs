//! A POST that is signed as events are: Slack, Zoom, Discord, Xero. Pure.
//!
//! Not verified here: whoever calls this has verified the signature, which covers the body. So nobody but the
//! sender can ask. Discord and Xero also send wrong signatures, which get the 401 that they expect.
//!
//! Slack: "url_verification event". Zoom: "Webhooks", Validate your webhook endpoint. Discord: "Interactions
//! Overview", Setting up an endpoint. Xero: "Configuring your server", Intent to receive.

use http::Method;

use super::{Answer, Asked, Fault, Handshake, Place, Shape};
use crate::verify::scheme::body::{Path, json};

impl Handshake {
    /// Answers a verified POST that is a handshake; `None` where it is an event.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn by_signed_post(&self, asked: &Asked<'_>, body: &[u8]) -> Result<Option<Answer>, Fault> {
        if self.shape != Shape::SignedPost || asked.head.method != Method::POST {
            return Ok(None);
        }
        let Some(document) = json(body) else { return Ok(None) };
        if !self.is_said(&document) {
            return Ok(None);
        }
        let challenge = match &self.challenge {
            Some(Place::Json(path)) => {
                path.text(&document).ok_or(Fault::Challenge("is missing"))?.into_owned()
            }
            _ => Vec::new(),
        };
        self.answer(asked, &challenge).map(Some)
    }

    /// Whether a JSON body says what it must.
    pub(super) fn is_said(&self, document: &serde_json::Value) -> bool {
        self.when
            .iter()
            .all(|(path, wanted)| Path::parse(path).is_some_and(|path| path.find(document) == Some(wanted)))
    }
}
