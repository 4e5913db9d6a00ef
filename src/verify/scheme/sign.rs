//! The other direction: the headers that a sender of this scheme would add. For samples and tests. Pure.
//!
//! Not on the way of a request, and not how requests are countersigned. Invariant: what it makes verifies
//! under the same scheme, key and time, or it makes nothing.

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::extract::{MessageId, SignatureCredential, SignedTime};
use super::key::{Keyed, VerifyKey};
use super::{Form, Scheme, TimestampPlace};
use crate::clock::UnixMillis;
use crate::credential::Head;

impl Scheme {
    /// Signs a request as of `now`. Without an `id`, a scheme that signs one gets one made of the time.
    ///
    /// Empty where the request lacks something that is signed (a header, the URL), or the key belongs to
    /// another scheme.
    #[must_use]
    pub fn sign(
        &self,
        key: &VerifyKey,
        head: &Head<'_>,
        body: &[&[u8]],
        now: UnixMillis,
        id: Option<&str>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        self.try_sign(key, head, body, now, id).unwrap_or_default()
    }

    fn try_sign(
        &self,
        key: &VerifyKey,
        head: &Head<'_>,
        body: &[&[u8]],
        now: UnixMillis,
        id: Option<&str>,
    ) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        let mut field = None;
        let time = self.timestamp.as_ref().map(|source| source.unit.render(now));
        match self.timestamp.as_ref().map(|source| &source.place) {
            Some(TimestampPlace::Header(names)) => {
                headers.push((names.first()?.clone(), HeaderValue::from_str(time.as_deref()?).ok()?));
            }
            Some(TimestampPlace::Field(name)) => field = Some(format!("{name}={}", time.as_deref()?)),
            None => {}
        }
        let id =
            self.id.first().map(|name| (name, id.map_or_else(|| format!("msg_{}", now.0), str::to_owned)));
        if let Some((name, id)) = &id {
            headers.push(((*name).clone(), HeaderValue::from_str(id).ok()?));
        }

        let credential = SignatureCredential {
            tags: SmallVec::new(),
            timestamp: time.map(|text| SignedTime::new(now, text.as_bytes())),
            id: id.map(|(_, id)| MessageId(SmallVec::from_slice(id.as_bytes()))),
        };
        let mut attempt = self.begin(key, head, &credential);
        for chunk in body {
            attempt.update(chunk);
        }
        let tag = attempt.tag()?;
        let signature = match (&key.0, self.spec.encoding) {
            (Keyed::Token { token, .. }, None) => token.expose_text()?.to_owned(),
            (Keyed::Mac(_), Some(encoding)) => encoding.encode(tag.as_bytes()),
            _ => return None,
        };
        let mut value = format!("{}{signature}", self.prefix);
        if let (Some(field), Form::List { separator, .. }) = (field, &self.reader.form) {
            value = format!("{field}{}{value}", char::from(*separator));
        }
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        headers.push((self.reader.headers.first()?.clone(), value));
        Some(headers)
    }
}
