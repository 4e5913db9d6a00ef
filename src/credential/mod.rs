//! Stage 4, extract: what the head of a request says about who sent it. Pure.
//!
//! Not verification: a credential that is `Present` has proved nothing yet. Invariants: no I/O, no clock,
//! no allocation that a client's input can multiply; *absent*, *malformed* and *present* are three things,
//! because only an absent credential lets the next kind be tried; a credential header that occurs twice is
//! malformed, never first-wins.

pub mod api_key;
pub mod extract;
pub mod grammar;
pub mod minted;
pub mod signature;

use http::{HeaderMap, Method};

/// A kind of credential that a route may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// An API key of a workspace: `X-API-Key`, or a bearer token where the route allows it.
    ApiKey,
    /// A workspace key's signature over the request.
    Signature,
    /// The signature scheme of the integration that the path names.
    Integration,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::ApiKey, Self::Signature, Self::Integration];

    /// The name in config files, metrics and `Countersign-Verified`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::Signature => "signature",
            Self::Integration => "integration",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a scheme may look at: the head of the request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Head<'h> {
    /// The method, as received.
    pub method: &'h Method,
    /// Path and query in origin-form, as received (`:path` in HTTP/2).
    pub target: &'h str,
    /// The headers as received, before any is removed.
    pub headers: &'h HeaderMap,
    /// The URL that the sender called, for schemes that sign it: the configured public base URL and the
    /// target. `None` where none is configured.
    pub url: Option<&'h str>,
}

/// What extraction found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extraction<T> {
    /// Not there at all: the next kind of credential may be tried.
    Absent,
    /// There, and unusable: the request is refused.
    Malformed(CredentialFault),
    /// There, and well-formed.
    Present(T),
}

impl<T> Extraction<T> {
    /// Carries what was found over into another type.
    #[must_use]
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Extraction<U> {
        match self {
            Self::Absent => Extraction::Absent,
            Self::Malformed(fault) => Extraction::Malformed(fault),
            Self::Present(value) => Extraction::Present(convert(value)),
        }
    }

    /// Reads what is there; what has no reading is malformed.
    #[must_use]
    pub fn read<U>(self, read: impl FnOnce(T) -> Result<U, CredentialFault>) -> Extraction<U> {
        match self {
            Self::Absent => Extraction::Absent,
            Self::Malformed(fault) => Extraction::Malformed(fault),
            Self::Present(value) => read(value).into(),
        }
    }
}

impl<T> From<Result<T, CredentialFault>> for Extraction<T> {
    fn from(read: Result<T, CredentialFault>) -> Self {
        match read {
            Ok(value) => Self::Present(value),
            Err(fault) => Self::Malformed(fault),
        }
    }
}

/// Why a credential that is there cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// A credential, timestamp or id header occurs more than once.
    #[error("{0} occurs more than once")]
    Duplicate(&'static str),
    /// It does not have the form that it must have; the text says which form.
    #[error("{0}")]
    Malformed(&'static str),
    /// The scheme signs a timestamp and the request has none, or one that is not a time.
    #[error("the timestamp is missing or is not a time")]
    TimestampMissing,
}

#[cfg(test)]
mod tests {
    use super::CredentialKind;

    #[test]
    fn each_kind_has_a_name_and_is_found_by_it() {
        let names = CredentialKind::ALL.map(CredentialKind::name);
        assert_eq!(names, ["api-key", "signature", "integration"]);
        assert_eq!(names.map(CredentialKind::from_name), CredentialKind::ALL.map(Some));
        assert_eq!(CredentialKind::from_name("API-KEY"), None);
        assert_eq!(CredentialKind::from_name(""), None);
    }
}
