//! How we name ourselves to the next hop, and how we know that a request has been here before (RFC 9110 §7.6.3).
//!
//! Not on answers: a gateway may name itself there and need not (same section), and what runs here is nobody's
//! business. Invariants: the name is a new one with each start, so that another sidecar on the way is no loop, and
//! no client can guess it; a client that names our `Via` in `Connection` removes it too late.

use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};

/// Our name, as each version of HTTP that a client speaks is received.
#[derive(Debug, Clone)]
pub struct Via {
    pseudonym: String,
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
}

impl Via {
    /// The name of a process: `instance` should differ from any other's.
    #[must_use]
    pub fn new(instance: u32) -> Self {
        let pseudonym = format!("countersign-{instance:08x}");
        let value = |version: &str| {
            let value = HeaderValue::from_str(&format!("{version} {pseudonym}"));
            // Letters, digits, a dot, a space and hyphens are always a header value.
            value.unwrap_or_else(|_| HeaderValue::from_static("1.1 countersign"))
        };
        Self { http10: value("1.0"), http11: value("1.1"), http2: value("2"), pseudonym }
    }

    /// What is added to a request that was received so.
    #[must_use]
    pub fn value(&self, version: Version) -> &HeaderValue {
        match version {
            Version::HTTP_2 => &self.http2,
            Version::HTTP_10 => &self.http10,
            _ => &self.http11,
        }
    }

    /// Whether the request has passed through here.
    #[must_use]
    pub fn has_seen(&self, headers: &HeaderMap) -> bool {
        let words = |line: &HeaderValue| {
            let mut words = line.as_bytes().split(|byte| matches!(byte, b' ' | b'\t' | b','));
            words.any(|word| word == self.pseudonym.as_bytes())
        };
        headers.get_all(VIA).iter().any(words)
    }
}

#[cfg(test)]
mod tests {
    use http::header::VIA;
    use http::{HeaderMap, HeaderValue, Version};

    use super::Via;

    #[test]
    fn only_its_own_name_is_a_loop() {
        let via = Via::new(0xab);
        assert_eq!(via.value(Version::HTTP_2), "2 countersign-000000ab");
        let mut headers = HeaderMap::new();
        assert!(!via.has_seen(&headers));
        headers.append(VIA, HeaderValue::from_static("1.1 countersign-000000ac, 1.0 fred (countersign)"));
        assert!(!via.has_seen(&headers));
        headers.append(VIA, HeaderValue::from_static("1.1 a,1.0\tcountersign-000000ab (x), 1.1 b"));
        assert!(via.has_seen(&headers));
    }
}
