//! The check of the audit chain: does each event follow on the one before it, from the first to the stored head?
//!
//! Not a judgement of what events say. It goes in pieces, so that a log of any length is checked in bounded memory and
//! beside other work. Invariants:
//! - an event counts as checked only where its MAC holds over the MAC of the event before it, under the KEK that it
//!   names; one whose KEK is not at hand is counted apart, and never as checked;
//! - the walk goes on after a fault, from the MAC that is stored, so that each fault is named and none hides others;
//! - the walk is complete only where it came to the head that the store had when the last piece began.
//!
//! Where retention has removed events, the chain begins with the checkpoint that it left (`checkpoint.rs`). That the end of
//! the log was cut off together with the stored head shows only against a head that was noted elsewhere, unless the
//! event of the last retention went with it. The checking of a piece is in `walker.rs`.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;
use uuid::Uuid;

use super::checkpoint::{Checkpoint, Judged};
use super::walker::Walker;
use crate::clock::UnixMillis;
use crate::store::seal::Keyring;
use crate::store::{AuditEntry, AuditMac, Epoch, Head, Position, Store, StoreError};

/// Findings of one piece that are given; all are counted.
const FINDINGS: usize = 50;
/// How often a piece is read again because the log was trimmed meanwhile.
const ATTEMPTS: usize = 20;

/// Where a walk stands: after the event at this place, which has this MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// The life of the namespace that is walked.
    pub epoch: Epoch,
    /// The place of the last event; the default before the first.
    pub position: Position,
    /// Its MAC as stored.
    pub mac: AuditMac,
}

/// What one piece of the walk came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// The life of the namespace.
    pub epoch: Uuid,
    /// Events in the log, now.
    pub events: u64,
    /// Events whose MAC holds.
    pub checked: u64,
    /// Events that cannot be checked, by the id of the KEK that is missing.
    pub unverified: BTreeMap<String, u64>,
    /// Faults; [`Piece::findings`] has the first of them.
    pub broken: u64,
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
    /// How the log begins; in the first piece only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beginning: Option<Beginning>,
    /// The checkpoint that the chain begins with, as it is now; a wrong one is a finding of the first piece.
    pub checkpoint: Option<Shown>,
    /// For each event of a retention in this piece: how many events were removed by then. The one that left the
    /// checkpoint is in the log, or the end of the log was cut off.
    pub retentions: Vec<u64>,
    /// The MAC that the piece ends with, hex: the head of the chain so far.
    pub head: String,
    /// Whether the noted head is the MAC of an event of this piece, or the one that the log begins with.
    pub head_found: bool,
    /// Where the next piece begins; `None` where the end was reached.
    #[serde(skip)]
    pub next: Option<Stand>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of fault.
    pub code: Fault,
    /// The place in the log.
    pub position: String,
    /// The event there, where it can be read.
    pub id: Option<Uuid>,
    /// For people.
    pub detail: String,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The MAC does not hold: the event was altered, or events before it were removed.
    Broken,
    /// The event is whole and stands in the wrong place.
    Moved,
    /// It has no reading.
    Unreadable,
    /// The log ends before the stored head.
    Truncated,
    /// The stored head is not the MAC of the event that it names.
    Head,
    /// Events stand behind the stored head.
    BeyondHead,
    /// The log begins with an import of another life of the namespace.
    OtherEpoch,
    /// The event was made for another namespace, or another life of this one.
    Foreign,
    /// The checkpoint is not what retention left here, or events stand before it.
    Checkpoint,
}

/// How a log begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Beginning {
    /// `start`, `command` or `import`, as the store says.
    pub origin: &'static str,
    /// The import that the log begins with, as its first event or the checkpoint says: where the former log was, and
    /// where it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<serde_json::Value>,
}

/// A checkpoint, for whoever asked for the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Whether its MAC holds. Otherwise the KEK is not at hand.
    pub verified: bool,
    /// Events that were removed: from 1 to this one.
    pub removed: u64,
    /// When the last of them was made, RFC 3339.
    pub last_at: String,
    /// When the last of them were removed, RFC 3339.
    pub at: String,
    /// The head that the log had there, hex; the first event that is left follows on it.
    pub head: String,
    /// Id of the KEK of its MAC.
    pub kek: String,
}

/// What a piece is made of: all of it was in the store at one moment, as far as trimming goes.
struct Read {
    checkpoint: Option<std::sync::Arc<[u8]>>,
    /// From before the events were read: all up to it must be there.
    head: Head,
    entries: Vec<AuditEntry>,
}

/// Walks at most `limit` events on from `from`, or from the beginning, of the log of this namespace.
///
/// # Errors
/// Where the store fails, and [`StoreError::OtherEpoch`] where it was initialised anew since `from`.
pub async fn walk(
    store: &dyn Store,
    (namespace, keyring): (&str, &Keyring),
    from: Option<Stand>,
    noted: Option<AuditMac>,
    limit: usize,
) -> Result<Piece, StoreError> {
    let life = store.life().await?;
    let begin = Stand { epoch: life.epoch, position: Position::default(), mac: AuditMac::default() };
    let stand = from.unwrap_or(begin);
    if stand.epoch != life.epoch {
        return Err(StoreError::OtherEpoch { found: life.epoch.0, expected: stand.epoch.0 });
    }
    let Read { checkpoint, head, entries } = read(store, stand.position, limit).await?;
    let ended = entries.len() < limit;
    let judged = Judged::of(checkpoint.as_deref(), (namespace, keyring), life.epoch);
    let mut walker = Walker::new((namespace, keyring), &entries, stand);
    walker.checkpoint(&judged, from.is_none());
    if from.is_none() {
        walker.beginning(life, &judged);
    }
    let begun = walker.stand();
    walker.check_all();
    if ended {
        let after = if walker.stand().position > head.position { Some(store.head().await?) } else { None };
        walker.end(begun, head, after);
    }
    let (last, mut piece) = walker.done();
    piece.events = store.audit_count().await?;
    piece.checkpoint = judged.checkpoint().map(|checkpoint| shown_checkpoint(checkpoint, &judged));
    piece.head = HEXLOWER.encode(&last.mac.0);
    piece.head_found = noted.is_some_and(|noted| {
        let begins = from.is_none() && (noted == AuditMac::default() || noted == begun.mac);
        begins || entries.iter().any(|(_, mac, _)| *mac == noted)
    });
    piece.next = (!ended).then_some(last);
    Ok(piece)
}

/// Reads again where the log was trimmed between one reading and the next.
async fn read(store: &dyn Store, after: Position, limit: usize) -> Result<Read, StoreError> {
    let mut checkpoint = store.checkpoint().await?;
    for _ in 0..ATTEMPTS {
        let head = store.head().await?;
        let entries = store.audit(after, limit).await?;
        let stands = store.checkpoint().await?;
        if stands == checkpoint {
            return Ok(Read { checkpoint, head, entries });
        }
        checkpoint = stands;
    }
    Err(StoreError::Unavailable("the audit log is trimmed faster than it can be read".to_owned()))
}

fn shown_checkpoint(checkpoint: &Checkpoint, judged: &Judged) -> Shown {
    let Checkpoint { removed, last_at, at, head, kek, .. } = checkpoint;
    let time = |time: &UnixMillis| time.rfc3339();
    Shown {
        verified: matches!(judged, Judged::Holds(_)),
        removed: *removed,
        last_at: time(last_at),
        at: time(at),
        head: head.clone(),
        kek: kek.clone(),
    }
}

/// A place as it is shown.
#[must_use]
pub fn shown(position: Position) -> String {
    format!("{}-{}", position.major, position.minor)
}

impl Piece {
    pub(super) fn finds(&mut self, code: Fault, position: Position, id: Option<Uuid>, detail: String) {
        self.broken += 1;
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { code, position: shown(position), id, detail });
        }
    }

    pub(super) fn of(epoch: Epoch) -> Self {
        Self {
            epoch: epoch.0,
            events: 0,
            checked: 0,
            unverified: BTreeMap::new(),
            broken: 0,
            findings: Vec::new(),
            beginning: None,
            checkpoint: None,
            retentions: Vec::new(),
            head: String::new(),
            head_found: false,
            next: None,
        }
    }
}
