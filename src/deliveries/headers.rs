//! The headers of a request as a delivery keeps them: names all, values where they are no secret.
//!
//! Invariant: a value goes where its header carried the credential, or where its name sounds as if it carried another.

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName};

/// Headers that are kept; more are not worth reading.
const MOST: usize = 64;
/// Bytes of a value that are kept.
const LONGEST: usize = 256;
/// Whatever has one of these in its name is hidden.
const PRIVATE: [&str; 16] = [
    "auth", "token", "secret", "sign", "hmac", "cookie", "key", "pass", "cred", "session", "jwt", "assert",
    "digest", "otp", "csrf", "cert",
];

/// The headers of one request.
#[derive(Debug, Default)]
pub(super) struct Headers {
    names: Vec<(HeaderName, Option<usize>)>,
    /// The values one after the other; the ends are in `names`.
    values: Vec<u8>,
}

impl Headers {
    /// Copies what may be looked at later. The values of `credentials` are not even copied.
    pub(super) fn of(headers: &HeaderMap, credentials: &[HeaderName]) -> Self {
        let count = headers.len().min(MOST);
        let mut noted =
            Self { names: Vec::with_capacity(count), values: Vec::with_capacity(count.saturating_mul(24)) };
        for (name, value) in headers.iter().take(MOST) {
            let hidden = *name == AUTHORIZATION
                || *name == COOKIE
                || *name == PROXY_AUTHORIZATION
                || credentials.contains(name);
            let end = (!hidden).then(|| {
                noted.values.extend(value.as_bytes().iter().take(LONGEST));
                noted.values.len()
            });
            noted.names.push((name.clone(), end));
        }
        noted
    }

    /// Names and values, those of private headers without.
    pub(super) fn redacted(&self) -> Vec<(String, Option<String>)> {
        let mut begin = 0;
        let mut all = Vec::with_capacity(self.names.len());
        for (name, end) in &self.names {
            let value = end.map(|end| {
                let value = self.values.get(begin..end).unwrap_or_default();
                begin = end;
                String::from_utf8_lossy(value).into_owned()
            });
            all.push((name.as_str().to_owned(), value.filter(|_| !is_private(name.as_str()))));
        }
        all
    }
}

/// Whether a header of this name may carry a credential.
pub(super) fn is_private(name: &str) -> bool {
    PRIVATE.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::Headers;

    #[test]
    fn values_that_may_be_secret_are_hidden() {
        let mut headers = HeaderMap::new();
        let shown = ["content-type", "user-agent", "x-github-event", "x-slack-request-timestamp", "host"];
        let hidden = [
            "authorization",
            "cookie",
            "x-api-key",
            "x-acme",
            "x-gitlab-token",
            "x-hub-signature-256",
            "x-csrf-token",
            "x-forwarded-client-cert",
        ];
        for name in shown.iter().chain(&hidden) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("value"));
        }
        headers.append("content-type", HeaderValue::from_static("again"));
        let noted = Headers::of(&headers, &[HeaderName::from_static("x-acme")]).redacted();
        assert_eq!(noted.len(), 14);
        for (name, value) in noted {
            assert_eq!(value.is_some(), shown.contains(&name.as_str()), "{name}");
            assert!(value.is_none_or(|value| value == "value" || value == "again"));
        }
    }

    #[test]
    fn a_request_of_headers_is_not_kept_whole() {
        let mut headers = HeaderMap::new();
        for number in 0..500 {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            headers.append(name, HeaderValue::try_from("y".repeat(1000)).unwrap());
        }
        let noted = Headers::of(&headers, &[]).redacted();
        assert_eq!(noted.len(), super::MOST);
        assert!(noted.iter().all(|(_, value)| value.as_ref().unwrap().len() == super::LONGEST));
    }
}
