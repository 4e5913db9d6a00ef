//! The other direction: the headers that a sender of this scheme would add. For samples and tests. Pure.
//!
//! Not on the way of a request, and not how requests are countersigned. Invariant: what it makes verifies
//! under the same scheme, key and time, or it makes nothing.

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::extract::{MessageId, SignatureCredential, SignedTime};
use super::key::{Keyed, VerifyKey};
use super::{Form, IdPlace, Scheme, TimestampPlace};
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::verify::kind::ToSign;

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
        if let (Some(kind), Keyed::Kind { secret, .. }) = (&self.kind, &key.0) {
            let body = body.concat();
            return kind.sign(secret.expose(), &ToSign { head, body: &body, now, id });
        }
        let mut headers = Vec::new();
        let mut field = None;
        let time = self.timestamp.as_ref().map(|source| source.unit.render(now));
        match self.timestamp.as_ref().map(|source| &source.place) {
            Some(TimestampPlace::Header(names)) => {
                headers.push((names.first()?.clone(), HeaderValue::from_str(time.as_deref()?).ok()?));
            }
            Some(TimestampPlace::Field(name)) => match self.reader.form {
                Form::Items { .. } => field = time.clone(),
                _ => field = Some(format!("{name}={}", time.as_deref()?)),
            },
            Some(TimestampPlace::Json(_) | TimestampPlace::Form(_)) | None => {}
        }
        let ids = match &self.id {
            IdPlace::Headers(names) => names.as_slice(),
            IdPlace::Json(_) | IdPlace::Form(_) => &[],
        };
        let id = ids.first().map(|name| (name, id.map_or_else(|| format!("msg_{}", now.0), str::to_owned)));
        if let Some((name, id)) = &id {
            headers.push(((*name).clone(), HeaderValue::from_str(id).ok()?));
        }

        let credential = SignatureCredential {
            tags: SmallVec::new(),
            signatures: Vec::new(),
            timestamp: time.map(|text| SignedTime::new(Some(now), text.as_bytes())),
            id: id.map(|(_, id)| MessageId(SmallVec::from_slice(id.as_bytes()))),
            evidence: None,
        };
        let mut attempt = self.begin(key, head, &credential);
        for chunk in body {
            attempt.update(chunk);
        }
        let whole = if self.whole { body.concat() } else { Vec::new() };
        let tag = attempt.tag(self, &whole)?;
        let signature = match (&key.0, self.spec.encoding) {
            (Keyed::Token { token, .. }, None) => token.expose_text()?.to_owned(),
            (Keyed::Mac { .. } | Keyed::Several(_), Some(encoding)) => encoding.encode(tag.as_bytes()),
            _ => return None,
        };
        let mut value = format!("{}{signature}", self.prefix);
        match (field, &self.reader.form) {
            (Some(field), Form::List { separator, .. }) => {
                value = format!("{field}{}{value}", char::from(*separator));
            }
            (field, Form::Items { prefix, separator, first }) => {
                let mut items = vec![field.unwrap_or_else(|| "0".to_owned())];
                items.resize(*first, "0".to_owned());
                items.push(signature);
                value = format!("{prefix}{}", items.join(&char::from(*separator).to_string()));
            }
            _ => {}
        }
        headers.extend(
            self.require
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), HeaderValue::from_str(value).ok()?))),
        );
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        headers.push((self.reader.headers.first()?.clone(), value));
        Some(headers)
    }
}
