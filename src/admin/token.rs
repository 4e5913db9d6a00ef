//! The bootstrap admin's token, which may be replaced while the process runs.
//!
//! Not the check (`auth`). Invariant: a call is judged by the token that is in force when it is judged.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::secret::Secret;

/// The token in force.
#[derive(Clone)]
pub struct Token(Arc<ArcSwap<Secret>>);

impl Token {
    /// The token in force now.
    #[must_use]
    pub fn now(&self) -> Arc<Secret> {
        self.0.load_full()
    }

    /// Only this one counts from now on; whether it is another one.
    pub fn replace(&self, token: Secret) -> bool {
        let differs = !self.now().ct_eq(token.expose());
        self.0.store(Arc::new(token));
        differs
    }
}

impl From<Secret> for Token {
    fn from(token: Secret) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(token)))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([redacted])")
    }
}
