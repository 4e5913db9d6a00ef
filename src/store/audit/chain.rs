//! The check of the audit chain: does each event follow on the one before it, from the first to the stored head?
//!
//! Not a judgement of what events say. It goes in pieces, so that a log of any length is checked in bounded memory and
//! beside other work. Invariants:
//! - an event counts as checked only where its MAC holds over the MAC of the event before it, under the KEK that it
//!   names; one whose KEK is not at hand is counted apart, and never as checked;
//! - the walk goes on after a fault, from the MAC that is stored, so that each fault is named and none hides others;
//! - the walk is complete only where it came to the head that the store had when the last piece began.
//!
//! That the end of the log was cut off together with the stored head shows only against a head that was noted
//! elsewhere.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;
use uuid::Uuid;

use super::AuditEvent;
use crate::store::seal::Keyring;
use crate::store::{AuditEntry, AuditMac, Epoch, Head, Life, Position, Store, StoreError};

/// Findings of one piece that are given; all are counted.
const FINDINGS: usize = 50;
/// How far around an event that does not follow the one that it follows is looked for.
const WINDOW: usize = 64;

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
    /// The MAC that the piece ends with, hex: the head of the chain so far.
    pub head: String,
    /// Whether the noted head is the MAC of an event of this piece, or the empty head that a log begins with.
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
}

/// How a log begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Beginning {
    /// `start`, `command` or `import`, as the store says.
    pub origin: &'static str,
    /// The import that the log begins with, as its first event says: where the former log was, and where it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<serde_json::Value>,
}

/// Walks at most `limit` events on from `from`, or from the beginning.
///
/// # Errors
/// Where the store fails, and [`StoreError::OtherEpoch`] where it was initialised anew since `from`.
pub async fn walk(
    store: &dyn Store,
    keyring: &Keyring,
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
    // Before the events are read: all up to it must be there.
    let head = store.head().await?;
    let entries = store.audit(stand.position, limit).await?;
    let ended = entries.len() < limit;
    let mut walker = Walker { keyring, entries: &entries, stand, piece: Piece::of(life.epoch) };
    if from.is_none() {
        walker.beginning(life);
    }
    for place in 0..entries.len() {
        walker.check(place);
    }
    if ended {
        let after = if walker.stand.position > head.position { Some(store.head().await?) } else { None };
        walker.end(stand, head, after);
    }
    let Walker { stand: last, mut piece, .. } = walker;
    piece.events = store.audit_count().await?;
    piece.head = HEXLOWER.encode(&last.mac.0);
    piece.head_found = noted.is_some_and(|noted| {
        (from.is_none() && noted == AuditMac::default()) || entries.iter().any(|(_, mac, _)| *mac == noted)
    });
    piece.next = (!ended).then_some(last);
    Ok(piece)
}

/// A place as it is shown.
#[must_use]
pub fn shown(position: Position) -> String {
    format!("{}-{}", position.major, position.minor)
}

struct Walker<'w> {
    keyring: &'w Keyring,
    entries: &'w [AuditEntry],
    stand: Stand,
    piece: Piece,
}

impl Walker<'_> {
    fn beginning(&mut self, life: Life) {
        let first = self.entries.first().map(|(position, _, bytes)| (*position, AuditEvent::read(bytes)));
        let mut source = None;
        if let Some((position, Some(event))) = first
            && event.action == "store.imported"
        {
            if event.resource_id != life.epoch.0 {
                let detail =
                    format!("the import that the log begins with made the epoch {}", event.resource_id);
                self.finds(Fault::OtherEpoch, position, Some(event.id), detail);
            }
            source = Some(event.metadata);
        }
        self.piece.beginning = Some(Beginning { origin: life.origin.name(), source });
    }

    fn check(&mut self, place: usize) {
        let Some((position, mac, bytes)) = self.entries.get(place) else { return };
        let before = self.stand;
        self.stand = Stand { position: *position, mac: *mac, ..before };
        let Some(event) = AuditEvent::read(bytes) else {
            let detail = "it is no audit event: it was altered".to_owned();
            self.finds(Fault::Unreadable, *position, None, detail);
            return;
        };
        match self.keyring.audit_mac_with(&event.kek, &before.mac, bytes) {
            Some(expected) if expected == *mac => self.piece.checked += 1,
            None => *self.piece.unverified.entry(event.kek).or_default() += 1,
            Some(_) => {
                let (fault, detail) = self.why_broken(place, &event, before);
                self.finds(fault, *position, Some(event.id), detail);
            }
        }
    }

    fn why_broken(&self, place: usize, event: &AuditEvent, before: Stand) -> (Fault, String) {
        let follows = |previous: &AuditMac, (_, mac, bytes): &AuditEntry| {
            self.keyring.audit_mac_with(&event.kek, previous, bytes) == Some(*mac)
        };
        let around = self.entries.iter().skip(place.saturating_sub(WINDOW)).take(2 * WINDOW);
        let entry = self.entries.get(place);
        let found = around.map(|(position, mac, _)| (*position, mac)).find(|(_, previous)| {
            **previous != before.mac && entry.is_some_and(|entry| follows(previous, entry))
        });
        let begins = entry.is_some_and(|entry| follows(&AuditMac::default(), entry));
        match found {
            Some((position, _)) => (
                Fault::Moved,
                format!("{} follows on the event at {}, and stands elsewhere", event.action, shown(position)),
            ),
            None if begins => {
                (Fault::Moved, format!("{} is the first event of a log, and stands elsewhere", event.action))
            }
            None if before.position == Position::default() => {
                let detail = format!(
                    "{} does not begin the log: what stood before was removed, or it was altered",
                    event.action
                );
                (Fault::Broken, detail)
            }
            None => {
                let detail = format!(
                    "{} does not follow on the event at {}: it was altered, or events between were removed",
                    event.action,
                    shown(before.position)
                );
                (Fault::Broken, detail)
            }
        }
    }

    /// The end of the log, against the head from before it was read, and one from after it where that was passed.
    fn end(&mut self, from: Stand, head: Head, after: Option<Head>) {
        let last = self.stand;
        if last.position < head.position {
            let detail = format!(
                "the log ends at {}, and the stored head is at {}: its end was removed",
                shown(last.position),
                shown(head.position)
            );
            return self.finds(Fault::Truncated, last.position, None, detail);
        }
        let start = Some((from.position, from.mac));
        let mut places = self.entries.iter().map(|(position, mac, _)| (*position, *mac)).chain(start);
        if !places.any(|(position, mac)| position == head.position && mac == head.mac) {
            let detail = "the stored head is not the MAC of the event that it names".to_owned();
            self.finds(Fault::Head, head.position, None, detail);
        }
        if let Some(after) = after
            && after.epoch == head.epoch
            && after.position < last.position
        {
            let detail =
                format!("the log goes on behind the stored head, which is at {}", shown(after.position));
            self.finds(Fault::BeyondHead, last.position, None, detail);
        }
    }

    fn finds(&mut self, code: Fault, position: Position, id: Option<Uuid>, detail: String) {
        self.piece.broken += 1;
        if self.piece.findings.len() < FINDINGS {
            self.piece.findings.push(Finding { code, position: shown(position), id, detail });
        }
    }
}

impl Piece {
    fn of(epoch: Epoch) -> Self {
        Self {
            epoch: epoch.0,
            events: 0,
            checked: 0,
            unverified: BTreeMap::new(),
            broken: 0,
            findings: Vec::new(),
            beginning: None,
            head: String::new(),
            head_found: false,
            next: None,
        }
    }
}
