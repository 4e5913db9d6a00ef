//! What is wrong with a seed file, in words for whoever writes it.
//!
//! Invariant: no text repeats a value of the file, which may be a secret in the wrong place.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFault {
    /// The file, and the line where that is known, from 1: `seed.toml:12`.
    pub source: String,
    /// Where in it: `webhookKeys[2].expiresAt`; empty = the whole file.
    pub path: String,
    /// What is wrong, or what must be.
    pub detail: String,
    /// How to put it right, where that is known and not said already.
    pub hint: Option<String>,
}

impl fmt::Display for SeedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.detail)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}
