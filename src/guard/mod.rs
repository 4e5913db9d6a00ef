//! Stage 6, admit: verified credentials → [`Admitted`], the only thing that `upstream/` forwards.
//!
//! Not verification: it makes nothing authentic. Invariants: [`Admitted`] has two constructors, [`admit`] and
//! the one greppable exception [`Admitted::by_policy`]; what was revoked while the body was read is refused.

pub mod tenure;

use std::sync::Arc;

use crate::keys::LookupError;
use crate::keys::ring::KeysNow;
use crate::proxy::route::{Route, Verify};
use crate::verify::{Authentic, AuthenticSet, Subject};

/// A request that may be forwarded.
#[derive(Debug)]
pub struct Admitted {
    route: Arc<Route>,
    credentials: Option<AuthenticSet>,
}

/// Why a verified request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The record no longer verifies what it verified when the head was read.
    #[error("the key was revoked while the request was read")]
    Revoked,
    /// Verified, and its key is not for this route.
    #[error("the key is not for this route")]
    Route,
    /// Nobody can tell any more.
    #[error(transparent)]
    Keys(LookupError),
}

/// Admits a verified request to a route.
///
/// # Errors
/// See [`GuardError`].
pub fn admit(
    credentials: AuthenticSet,
    route: &Arc<Route>,
    keys: KeysNow<'_>,
) -> Result<Admitted, GuardError> {
    for authentic in credentials.iter() {
        still_valid(authentic, keys)?;
        if !is_for_route(authentic, &route.name) {
            return Err(GuardError::Route);
        }
    }
    Ok(Admitted { route: Arc::clone(route), credentials: Some(credentials) })
}

impl Admitted {
    /// The exception: a route that is configured to be open. `None` for every other route.
    #[must_use]
    pub fn by_policy(route: &Arc<Route>) -> Option<Self> {
        match route.verify {
            Verify::None => Some(Self { route: Arc::clone(route), credentials: None }),
            Verify::Kinds { .. } => None,
        }
    }

    /// The route it is admitted to.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// What was verified; `None` on an open route.
    #[must_use]
    pub fn credentials(&self) -> Option<&AuthenticSet> {
        self.credentials.as_ref()
    }
}

fn still_valid(authentic: &Authentic, keys: KeysNow<'_>) -> Result<(), GuardError> {
    let which = authentic.which();
    let confirmed = match authentic.subject() {
        Subject::ApiKey(entry) => keys.confirm_key(entry, true, which),
        Subject::Signature(entry) => keys.confirm_key(entry, false, which),
        Subject::Integration(entry) => keys.confirm_integration(entry, which),
    };
    confirmed.map_err(|error| match error {
        LookupError::Unknown => GuardError::Revoked,
        other => GuardError::Keys(other),
    })
}

fn is_for_route(authentic: &Authentic, route: &str) -> bool {
    match authentic.subject() {
        Subject::ApiKey(entry) | Subject::Signature(entry) => {
            entry.record.routes().is_none_or(|routes| routes.iter().any(|name| name == route))
        }
        Subject::Integration(_) => true,
    }
}
