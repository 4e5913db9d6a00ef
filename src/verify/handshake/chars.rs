//! What a challenge may consist of: the domain in which we MAC what strangers choose. Pure.
//!
//! Not what senders document: they document little. Invariant: the domain has no `{`, `"`, `:`, `.`, white space or
//! any other character that makes a JSON object, a form or the glue of a template.

/// Characters of the longest challenge.
const LONGEST: usize = 128;

/// Whether a challenge may contain the byte: letters, digits and `-_+/=`, which make UUIDs, base64 and base64url.
pub(super) fn holds(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=')
}

/// Whether a challenge may be this text.
pub(super) fn fits(text: &[u8]) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.iter().all(|byte| holds(*byte))
}

/// Tells of a body that arrives in chunks whether it could be a challenge. The first other byte settles it: for
/// JSON, the first of all.
#[derive(Debug, Default)]
pub struct Spotter {
    length: usize,
    other: bool,
}

impl Spotter {
    /// Absorbs the next bytes of the body.
    pub fn update(&mut self, chunk: &[u8]) {
        self.length = self.length.saturating_add(chunk.len());
        self.other = self.other || chunk.iter().any(|byte| !holds(*byte));
    }

    /// Whether a challenge could have what was absorbed in it. Nothing at all counts, because a template may add
    /// to the body.
    #[must_use]
    pub fn is_challenge(&self) -> bool {
        !self.other && self.length <= LONGEST
    }
}
