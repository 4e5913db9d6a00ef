//! The id of one request: a UUIDv7 (RFC 9562 §5.7) of our own making, never the client's.
//!
//! It names the request in the answer, to the application and in the decision record.

use std::fmt;

use http::HeaderValue;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::clock::UnixMillis;

/// The id, with its text rendered once. It is copied: to share its text would cost more.
#[derive(Debug, Clone, Copy)]
pub struct RequestId {
    uuid: Uuid,
    text: [u8; Hyphenated::LENGTH],
}

impl RequestId {
    /// A fresh id for a request that arrived at `now`.
    #[must_use]
    pub fn new(now: UnixMillis) -> Self {
        // The random part makes it unique, not secret: a fast generator is enough.
        let random = Uuid::new_v4().into_bytes();
        let mut tail = [0; 10];
        for (to, from) in tail.iter_mut().zip(random.iter().rev()) {
            *to = *from;
        }
        let millis = u64::try_from(now.0).unwrap_or(0);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid();
        let mut text = [0; Hyphenated::LENGTH];
        uuid.hyphenated().encode_lower(&mut text);
        Self { uuid, text }
    }

    /// The id as text: hexadecimal digits and hyphens.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The id as a header value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        // Such a text is always one.
        HeaderValue::from_bytes(&self.text).unwrap_or(HeaderValue::from_static("invalid"))
    }

    /// The id itself.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}
