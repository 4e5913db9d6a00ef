//! The check of one piece of the audit chain, event by event.
//!
//! Not the reading of it (`chain.rs`). Pure: it sees what was read, and no store.

use super::AuditEvent;
use super::chain::{Beginning, Fault, Piece, Stand, shown};
use super::checkpoint::{Judged, REMOVED, TRIMMED};
use crate::store::seal::Keyring;
use crate::store::{AuditEntry, AuditMac, Head, Life, Position};

/// How far around an event that does not follow the one that it follows is looked for.
const WINDOW: usize = 64;

/// The check of one piece.
pub(super) struct Walker<'w> {
    namespace: &'w str,
    keyring: &'w Keyring,
    entries: &'w [AuditEntry],
    stand: Stand,
    piece: Piece,
}

impl<'w> Walker<'w> {
    pub(super) fn new(
        (namespace, keyring): (&'w str, &'w Keyring),
        entries: &'w [AuditEntry],
        stand: Stand,
    ) -> Self {
        Self { namespace, keyring, entries, stand, piece: Piece::of(stand.epoch) }
    }

    /// Where it stands.
    pub(super) fn stand(&self) -> Stand {
        self.stand
    }

    /// Where it ended, and what it found.
    pub(super) fn done(self) -> (Stand, Piece) {
        (self.stand, self.piece)
    }

    /// Begins at the checkpoint, where there is one ahead: at the first piece, or because the log was trimmed since.
    pub(super) fn checkpoint(&mut self, judged: &Judged, is_first: bool) {
        if let Judged::Wrong(why) = judged
            && is_first
        {
            let detail = format!("the checkpoint is not one that retention left here: {why}");
            self.piece.finds(Fault::Checkpoint, Position::default(), None, detail);
        }
        let Some((checkpoint, mac)) = judged.checkpoint().and_then(|found| Some((found, found.mac()?)))
        else {
            return;
        };
        let place = checkpoint.position();
        if place <= self.stand.position {
            return;
        }
        let before = self.entries.iter().take_while(|(position, ..)| *position <= place).count();
        if before > 0 {
            let detail =
                format!("{before} events stand before the checkpoint, which says that they were removed");
            let first = self.entries.first().map_or(place, |(position, ..)| *position);
            self.piece.finds(Fault::Checkpoint, first, None, detail);
        }
        self.entries = self.entries.get(before..).unwrap_or_default();
        self.stand = Stand { position: place, mac, ..self.stand };
    }

    pub(super) fn check_all(&mut self) {
        for place in 0..self.entries.len() {
            self.check(place);
        }
    }

    pub(super) fn beginning(&mut self, life: Life, judged: &Judged) {
        if let Some(checkpoint) = judged.checkpoint() {
            let source = checkpoint.source.clone();
            self.piece.beginning = Some(Beginning { origin: life.origin.name(), source });
            return;
        }
        let first = self.entries.first().map(|(position, _, bytes)| (*position, AuditEvent::read(bytes)));
        let mut source = None;
        if let Some((position, Some(event))) = first
            && event.action == "store.imported"
        {
            if event.resource_id != life.epoch.0 {
                let detail =
                    format!("the import that the log begins with made the epoch {}", event.resource_id);
                self.piece.finds(Fault::OtherEpoch, position, Some(event.id), detail);
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
            self.piece.finds(Fault::Unreadable, *position, None, detail);
            return;
        };
        match self.keyring.audit_mac_with(&event.kek, &before.mac, bytes) {
            Some(expected) if expected == *mac && !event.is_of(self.namespace, before.epoch) => {
                let detail = format!(
                    "{} was made for the namespace {:?} in the epoch {}",
                    event.action,
                    event.namespace.unwrap_or_default(),
                    event.epoch.unwrap_or_default()
                );
                self.piece.finds(Fault::Foreign, *position, Some(event.id), detail);
            }
            Some(expected) if expected == *mac => {
                self.piece.checked += 1;
                self.piece.retentions.extend(retention(&event));
            }
            None => {
                self.piece.retentions.extend(retention(&event));
                *self.piece.unverified.entry(event.kek).or_default() += 1;
            }
            Some(_) => {
                let (fault, detail) = self.why_broken(place, &event, before);
                self.piece.finds(fault, *position, Some(event.id), detail);
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
                    "{} does not begin the log, and no checkpoint says what stood before: that was removed, or it was altered",
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
    pub(super) fn end(&mut self, from: Stand, head: Head, after: Option<Head>) {
        let last = self.stand;
        if last.position < head.position {
            let detail = format!(
                "the log ends at {}, and the stored head is at {}: its end was removed",
                shown(last.position),
                shown(head.position)
            );
            return self.piece.finds(Fault::Truncated, last.position, None, detail);
        }
        let start = Some((from.position, from.mac));
        let mut places = self.entries.iter().map(|(position, mac, _)| (*position, *mac)).chain(start);
        if !places.any(|(position, mac)| position == head.position && mac == head.mac) {
            let detail = "the stored head is not the MAC of the event that it names".to_owned();
            self.piece.finds(Fault::Head, head.position, None, detail);
        }
        if let Some(after) = after
            && after.epoch == head.epoch
            && after.position < last.position
        {
            let detail =
                format!("the log goes on behind the stored head, which is at {}", shown(after.position));
            self.piece.finds(Fault::BeyondHead, last.position, None, detail);
        }
    }
}

/// How many events were removed by then, where this is the event of a retention.
fn retention(event: &AuditEvent) -> Option<u64> {
    (event.action == TRIMMED).then(|| event.metadata.get(REMOVED)?.as_u64()).flatten()
}
