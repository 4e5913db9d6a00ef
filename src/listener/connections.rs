//! How many connections there are, and how many were turned away.
//!
//! Not a limit of its own: the caller passes the limit. Invariant: one count for the whole process,
//! whatever number of threads accept; a permit that is dropped, by a panic too, gives its place back.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// Counts for the metrics, shared by every listener thread.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicUsize,
    refused: AtomicU64,
    parse_errors: AtomicU64,
}

impl Connections {
    /// Connections open now, those that linger included.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections closed at once because too many were open, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Requests that were not HTTP (answered 400, 414 or 431 by the parser), since the start.
    #[must_use]
    pub fn parse_errors(&self) -> u64 {
        self.parse_errors.load(Ordering::Relaxed)
    }

    /// Takes a place for one connection, unless `limit` are open.
    pub(super) fn admit(self: &Arc<Self>, limit: usize) -> Option<Permit> {
        let permit = Permit(Arc::clone(self));
        if self.open.fetch_add(1, Ordering::Relaxed) < limit {
            return Some(permit);
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    pub(super) fn count_parse_error(&self) {
        self.parse_errors.fetch_add(1, Ordering::Relaxed);
    }
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Permit(Arc<Connections>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
