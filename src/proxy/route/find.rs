//! Which route decides about a request.
//!
//! Invariants: in file order, the first that takes path and method; a path that is not plain goes to a raw route
//! alone, and only where no earlier route of segments would take it in some careless reading: else whoever puts a
//! second slash before `/admin` would be judged by the rules of another route than the application's.

use std::sync::Arc;

use http::Method;
use smallvec::SmallVec;

use super::{CredentialKind, Route, Table};
use crate::proxy::path::{CheckedPath, Path, PathFault, RawPath};

/// What a lookup gave.
#[derive(Debug)]
pub struct Match<'t, 'p> {
    /// What decides.
    pub found: Found<'t, 'p>,
    /// What would have, but for the method.
    pub passed_over: Option<PassedOver<'t, 'p>>,
}

/// The first route that takes integrations at this path but not with this method, and comes before the one that
/// decides.
#[derive(Debug, Clone, Copy)]
pub struct PassedOver<'t, 'p> {
    /// Its place in the table.
    pub index: usize,
    /// The route.
    pub route: &'t Arc<Route>,
    /// The decoded segment at `{integration}`.
    pub integration: &'p str,
}

/// What decides about a request.
#[derive(Debug)]
pub enum Found<'t, 'p> {
    /// This route decides.
    Route {
        /// Its place in the table, for handles kept beside it.
        index: usize,
        /// The route.
        route: &'t Arc<Route>,
        /// The decoded segment at `{integration}`, where the pattern has one.
        integration: Option<&'p str>,
    },
    /// Routes take the path, but not with this method: 405 with these in `Allow` (RFC 9110 §15.5.6).
    MethodNotAllowed(Vec<Method>),
    /// No route takes the path: 404.
    NoRoute,
    /// No route takes a path that can be read in several ways, or an earlier one would in another reading: 400.
    Ambiguous(PathFault),
}

impl Table {
    /// Finds the route that decides about a request.
    #[must_use]
    pub fn find<'t, 'p>(&'t self, method: &Method, path: &'p Path<'_>) -> Match<'t, 'p> {
        match path {
            Path::Plain(path) => self.find_plain(method, path),
            Path::Raw(raw, fault) => Match { found: self.find_raw(method, *raw, *fault), passed_over: None },
        }
    }

    fn find_plain<'t, 'p>(&'t self, method: &Method, path: &'p CheckedPath<'_>) -> Match<'t, 'p> {
        let segments: SmallVec<[&str; 8]> = path.segments().collect();
        let mut allowed = Vec::new();
        let mut passed_over = None;
        for (index, route) in self.routes.iter().enumerate() {
            let Some(matched) = route.pattern.matches(&segments, path.as_str()) else { continue };
            if route.takes(method) {
                let found = Found::Route { index, route, integration: matched.integration };
                return Match { found, passed_over };
            }
            if let Some(integration) = matched.integration
                && route.verify.takes(CredentialKind::Integration)
            {
                passed_over = passed_over.or(Some(PassedOver { index, route, integration }));
            }
            allow(&mut allowed, route);
        }
        let found = if allowed.is_empty() { Found::NoRoute } else { Found::MethodNotAllowed(allowed) };
        Match { found, passed_over }
    }

    fn find_raw(&self, method: &Method, path: RawPath<'_>, fault: PathFault) -> Found<'_, 'static> {
        let Ok(readings) = path.readings() else { return Found::Ambiguous(fault) };
        let readings: Vec<Vec<&str>> =
            readings.iter().map(|segments| segments.iter().map(String::as_str).collect()).collect();
        let mut allowed = Vec::new();
        for (index, route) in self.routes.iter().enumerate() {
            if route.pattern.is_raw() {
                if !route.pattern.takes_raw(path.as_str()) {
                    continue;
                }
                if route.takes(method) {
                    return Found::Route { index, route, integration: None };
                }
                allow(&mut allowed, route);
            } else if route.takes(method)
                && readings.iter().any(|segments| route.pattern.matches(segments, "").is_some())
            {
                return Found::Ambiguous(fault);
            }
        }
        if allowed.is_empty() { Found::Ambiguous(fault) } else { Found::MethodNotAllowed(allowed) }
    }
}

fn allow(allowed: &mut Vec<Method>, route: &Route) {
    for method in route.methods.iter().flatten() {
        if !allowed.contains(method) {
            allowed.push(method.clone());
        }
    }
}
