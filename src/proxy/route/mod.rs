//! Routes: which requests are let in, and by which proof. Pure: no I/O, no clock.
//!
//! Not the check of the path (`path.rs`) and not the reading of the config file (`config/routes.rs`).
//! Invariants: the first route in file order whose pattern and methods match decides, and none other is
//! looked at; matching is on segments of the decoded path (RFC 3986 §3.3), or on the bytes as they came where the
//! route says so; a lookup of a plain path allocates nothing; a [`Table`] has unique names and no route that an earlier one hides.

mod find;
mod pattern;

use std::sync::Arc;
use std::time::Duration;

use http::Method;

pub use crate::credential::CredentialKind;
pub use find::{Found, Match, PassedOver};
pub use pattern::{Pattern, PatternFault};

/// What a route asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: everybody passes. Written as `verify = "none"`, never a default.
    None,
    /// Credentials.
    Kinds {
        /// In the order in which they are tried; not empty, each at most once.
        kinds: Vec<CredentialKind>,
        /// Whether every kind must be present (`require = "all"`), of the same workspace.
        all: bool,
    },
}

impl Verify {
    /// Whether the route takes this kind.
    #[must_use]
    pub fn takes(&self, kind: CredentialKind) -> bool {
        matches!(self, Self::Kinds { kinds, .. } if kinds.contains(&kind))
    }

    /// Whether a body may have to be held in memory before it is forwarded.
    #[must_use]
    pub fn may_buffer(&self) -> bool {
        self.takes(CredentialKind::Signature) || self.takes(CredentialKind::Integration)
    }
}

/// One entry of the route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `[a-z0-9][a-z0-9_-]{0,62}`, unique; names the route in logs, metrics and records.
    pub name: String,
    /// Which paths it takes.
    pub pattern: Pattern,
    /// Which methods it takes; `None` = every one. `GET` does not imply `HEAD` (RFC 9110 §9).
    pub methods: Option<Vec<Method>>,
    /// What it asks for.
    pub verify: Verify,
    /// Whether `Authorization: Bearer` is read as an API key.
    pub bearer: bool,
    /// Largest body in bytes; `None` = `limits.max_body`.
    pub max_body: Option<u64>,
    /// How long the upstream may take to answer; `None` = `upstream.response_timeout`.
    pub timeout: Option<Duration>,
    /// Whether a request may go on as a WebSocket.
    pub websocket: bool,
}

impl Route {
    /// Whether it takes this method.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method))
    }
}

/// What makes a list of routes unusable. Indices are places in the list given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    /// Two routes have one name.
    #[error("route {index} has the name of route {first}")]
    DuplicateName {
        /// The later one.
        index: usize,
        /// The earlier one.
        first: usize,
    },
    /// Every request that it could take is taken by earlier ones.
    #[error("route {index} is never reached: earlier routes ({by:?}) take all of its requests")]
    Shadowed {
        /// The route that is never reached.
        index: usize,
        /// The earlier ones that together hide it.
        by: Vec<usize>,
    },
}

/// Finds every fault of a list of routes that no single route has.
#[must_use]
pub fn faults(routes: &[Route]) -> Vec<TableFault> {
    let mut faults = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        if let Some(first) = routes.iter().take(index).position(|earlier| earlier.name == route.name) {
            faults.push(TableFault::DuplicateName { index, first });
        }
        if let Some(by) = shadowed_by(routes.get(..index).unwrap_or_default(), route) {
            faults.push(TableFault::Shadowed { index, by });
        }
    }
    faults
}

/// The earlier routes that together take every request of `route`, if they do.
fn shadowed_by(earlier: &[Route], route: &Route) -> Option<Vec<usize>> {
    let covering =
        || earlier.iter().enumerate().filter(|(_, earlier)| earlier.pattern.covers(&route.pattern));
    if let Some((index, _)) = covering().find(|(_, earlier)| earlier.methods.is_none()) {
        return Some(vec![index]);
    }
    let mut by = Vec::new();
    for method in route.methods.as_ref()? {
        let (index, _) = covering().find(|(_, earlier)| earlier.takes(method))?;
        if !by.contains(&index) {
            by.push(index);
        }
    }
    Some(by)
}

/// Routes in file order, ready for lookups. Immutable.
#[derive(Debug, Clone)]
pub struct Table {
    routes: Vec<Arc<Route>>,
    /// Whether any of them is raw.
    raw: bool,
}

impl Table {
    /// Takes routes in file order.
    ///
    /// # Errors
    /// Every duplicate name and every route that is never reached.
    pub fn new(routes: Vec<Route>) -> Result<Self, Vec<TableFault>> {
        let faults = faults(&routes);
        if !faults.is_empty() {
            return Err(faults);
        }
        let raw = routes.iter().any(|route| route.pattern.is_raw());
        Ok(Self { routes: routes.into_iter().map(Arc::new).collect(), raw })
    }

    /// The routes, in the order in which they are tried.
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Whether any route takes paths that are not plain.
    #[must_use]
    pub fn takes_raw(&self) -> bool {
        self.raw
    }
}

#[cfg(test)]
mod tests;
