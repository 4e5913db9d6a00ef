//! The change log as followers see it: places, entries, and what following gives.
//!
//! Not its stored form (the backends). Invariant: an entry is told from any other by its place and its audit head
//! together; a place alone proves nothing after a failover.

use std::sync::Arc;

use super::Epoch;
use crate::keys::record::RecordKey;

/// A place in the change log. Positions grow; they compare only within one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The leading part: a sequence number, or a stream's milliseconds.
    pub major: u64,
    /// The part that orders entries of equal `major`.
    pub minor: u64,
}

/// The MAC of an audit event: the head of the chain after it. All zero before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditMac(pub [u8; 32]);

/// One entry of the change log: what followers apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Where it stands.
    pub position: Position,
    /// The audit head after it: proves on resume that this is the very entry applied last.
    pub mac: AuditMac,
    /// What happened, in order.
    pub changes: Vec<Logged>,
}

/// What the log says of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logged {
    /// It has this form now.
    Put {
        /// Which record.
        key: RecordKey,
        /// Its stored form with its MAC.
        envelope: Arc<[u8]>,
    },
    /// It is gone.
    Deleted {
        /// Which record.
        key: RecordKey,
        /// The revision of the removal.
        revision: u64,
    },
}

/// Where the log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which life of the namespace.
    pub epoch: Epoch,
    /// The last entry's place; the default before the first.
    pub position: Position,
    /// The audit head.
    pub mac: AuditMac,
}

/// What following the log gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Entries after the place asked for, in order. Empty = nothing new within the wait: a heartbeat.
    Entries(Vec<LogEntry>),
    /// The log cannot be resumed from there (trimmed, gone backwards, or another entry stands there).
    Gap,
}
