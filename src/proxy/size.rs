//! Whether a head is small enough to be looked at closely.
//!
//! Not a parser: what is too large to parse, the listener's HTTP layer has answered already, without a
//! problem document. What it cannot bound by itself is bounded here: the target (RFC 9110 §15.5.15), and over
//! HTTP/2 the number of fields (RFC 6585 §5).

use http::request::Parts;

/// The largest head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Header fields.
    pub fields: usize,
    /// Bytes of path and query.
    pub target: usize,
}

/// What is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeFault {
    /// Path and query.
    #[error("the target is longer than limits.target_bytes")]
    Target,
    /// Header fields.
    #[error("there are more header fields than limits.headers")]
    Fields,
}

impl HeadLimits {
    /// Checks the sizes.
    ///
    /// # Errors
    /// The first that is over its limit.
    pub fn check(&self, parts: &Parts) -> Result<(), SizeFault> {
        let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if target > self.target {
            return Err(SizeFault::Target);
        }
        if parts.headers.len() > self.fields { Err(SizeFault::Fields) } else { Ok(()) }
    }
}
