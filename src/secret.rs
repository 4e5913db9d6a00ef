//! Secret bytes: API keys, HMAC secrets, tokens and key-encryption keys while they are in memory.
//!
//! Not a place that stores or derives secrets. Invariants: the bytes are zeroed on drop, `Debug` is
//! masked, there is no `PartialEq`, `Display` or `Serialize`; the only comparison is [`Secret::ct_eq`],
//! and the only way to the bytes is [`Secret::expose`], so every use is greppable.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that must not be printed, compared in variable time, or left in freed memory.
#[derive(Clone)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes ownership of the bytes; the caller keeps no copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        if bytes.capacity() == bytes.len() {
            return Self(Zeroizing::new(bytes.into_boxed_slice()));
        }
        // Shrinking may move the bytes and leave a copy behind.
        let bytes = Zeroizing::new(bytes);
        Self(Zeroizing::new(Box::from(bytes.as_slice())))
    }

    /// A copy of text, for values that arrive as `&str`.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }

    /// The content of a file, without the one line end (LF or CRLF) that an editor adds.
    #[must_use]
    pub fn of_file(bytes: Zeroizing<Vec<u8>>) -> Self {
        let text = bytes.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
        Self::new(text.unwrap_or(&bytes).to_vec())
    }

    /// The bytes themselves: to key a MAC, to seal, or to show once to the admin who created them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, or `None` where they are not UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Length in bytes. A length is not secret: formats are public.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all. An empty secret never verifies anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the lengths alone.
    #[must_use]
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        bool::from(self.0.as_ref().ct_eq(other))
    }

    /// The redacted form that lists and logs may show: the first 8 characters and `...`.
    ///
    /// A secret of fewer than 16 characters shows none of them, so that the prefix is never most of it.
    #[must_use]
    pub fn prefix(&self) -> String {
        match self.expose_text() {
            Some(text) if text.chars().count() >= 16 => {
                let head: String = text.chars().take(8).collect();
                format!("{head}...")
            }
            _ => "...".to_owned(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::from_text("a-very-secret-value-of-some-length");
        assert_eq!(format!("{secret:?}"), "Secret([redacted])");
    }

    #[test]
    fn a_short_secret_has_no_visible_prefix() {
        assert_eq!(Secret::from_text("short-secret").prefix(), "...");
        assert_eq!(Secret::from_text("0123456789abcdef").prefix(), "01234567...");
    }

    #[test]
    fn a_prefix_of_the_secret_is_not_the_secret() {
        let secret = Secret::from_text("0123456789abcdef");
        assert!(secret.ct_eq(b"0123456789abcdef"));
        assert!(!secret.ct_eq(b"0123456789abcde"));
        assert!(!secret.ct_eq(b""));
    }
}
