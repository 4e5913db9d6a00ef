//! Whether a running sidecar takes a namespace that is not the one it knows.
//!
//! Not the taking (`sync.rs`). A namespace that was flushed, restored or made anew must never become "all keys
//! are unknown" because of an accident, and must become what a person decided without a restart. Invariants: the
//! key set that is known goes only where a person said so; a former epoch never comes back, since only a
//! restored older backup could bring it; of an export that is imported once more, nothing is forgotten that was
//! seen since, whichever of its imports is known.

use crate::store::{Epoch, Life, Origin};

/// What a store's epoch is to a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// Nothing is known yet: whatever stands there is taken.
    First,
    /// The one that is known.
    Same,
    /// Somebody initialised it: what was known goes.
    Anew,
    /// Somebody imported the key set that is known, as it was in this epoch or in an earlier one of its: what was seen
    /// at a higher revision stays.
    Continued,
}

/// Why an epoch is not taken. The text tells an operator what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No person began it.
    #[error(
        "a sidecar found the store empty at its start and initialised it (epoch {}, known is {}): bring the keys back \
         with `countersign import FILE`, or take the store as it is with `countersign store init`",
        found.0, known.0
    )]
    Accident {
        /// What stands there.
        found: Epoch,
        /// What is known.
        known: Epoch,
    },
    /// It was given up for the one that is known.
    #[error(
        "the store went back to the epoch {}, which {} replaced: restore a newer backup, or `countersign import \
         FILE` into an empty store",
        found.0, known.0
    )]
    Former {
        /// What stands there.
        found: Epoch,
        /// What is known.
        known: Epoch,
    },
}

/// The epoch that is known, and those that it replaced while this process ran: as many as people began.
#[derive(Debug, Default)]
pub struct Lineage {
    known: Option<Epoch>,
    former: Vec<Epoch>,
    /// Those that the known key set comes from, by one import after another.
    behind: Vec<Epoch>,
}

impl Lineage {
    /// Judges what stands in the store.
    ///
    /// # Errors
    /// Where it is not to be taken.
    pub fn judge(&self, life: Life) -> Result<Adoption, Refusal> {
        let found = life.epoch;
        let Some(known) = self.known else { return Ok(Adoption::First) };
        if found == known {
            return Ok(Adoption::Same);
        }
        if self.former.contains(&found) {
            return Err(Refusal::Former { found, known });
        }
        match life.origin {
            Origin::Start => Err(Refusal::Accident { found, known }),
            Origin::Import { continues: Some(epoch) } if epoch == known || self.behind.contains(&epoch) => {
                Ok(Adoption::Continued)
            }
            Origin::Command | Origin::Import { .. } => Ok(Adoption::Anew),
        }
    }

    /// Notes that this key set has been taken, as it was judged to be.
    pub fn take(&mut self, life: Life, adoption: Adoption) {
        if adoption == Adoption::Same {
            return;
        }
        let replaced = self.known.replace(life.epoch);
        self.former.extend(replaced);
        if adoption == Adoption::Continued {
            self.behind.extend(replaced);
        } else {
            self.behind.clear();
        }
        self.behind.extend(life.origin.continues());
    }

    /// Whether nothing was taken yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Epoch = Epoch(uuid::Uuid::from_u128(1));
    const OTHER: Epoch = Epoch(uuid::Uuid::from_u128(2));
    const THIRD: Epoch = Epoch(uuid::Uuid::from_u128(3));
    const FOURTH: Epoch = Epoch(uuid::Uuid::from_u128(4));

    fn knowing(epochs: &[Epoch]) -> Lineage {
        let begun = epochs.iter().map(|epoch| (*epoch, Origin::Command));
        begun.fold(Lineage::default(), |lineage, (epoch, origin)| after(lineage, epoch, origin))
    }

    /// The lineage once this has been judged and taken.
    fn after(mut lineage: Lineage, epoch: Epoch, origin: Origin) -> Lineage {
        let life = Life { epoch, origin };
        let adoption = lineage.judge(life).unwrap();
        lineage.take(life, adoption);
        lineage
    }

    fn import_of(epoch: Epoch) -> Origin {
        Origin::Import { continues: Some(epoch) }
    }

    fn judged(lineage: &Lineage, epoch: Epoch, origin: Origin) -> Result<Adoption, Refusal> {
        lineage.judge(Life { epoch, origin })
    }

    #[test]
    fn whatever_stands_is_taken_by_who_knows_nothing() {
        let origins = [Origin::Start, Origin::Command, Origin::Import { continues: None }]
            .map(|origin| (OTHER, origin));
        for (epoch, origin) in origins {
            assert_eq!(judged(&Lineage::default(), epoch, origin), Ok(Adoption::First));
        }
    }

    #[test]
    fn the_known_epoch_is_the_same_whatever_it_says_of_itself() {
        for origin in [Origin::Start, Origin::Command, Origin::Import { continues: Some(OTHER) }] {
            assert_eq!(judged(&knowing(&[KNOWN]), KNOWN, origin), Ok(Adoption::Same));
        }
    }

    #[test]
    fn another_epoch_is_taken_only_where_a_person_began_it() {
        let lineage = knowing(&[KNOWN]);
        let refused = Refusal::Accident { found: OTHER, known: KNOWN };
        assert_eq!(judged(&lineage, OTHER, Origin::Start), Err(refused));
        assert!(refused.to_string().contains("countersign import FILE"));
        assert!(refused.to_string().contains("countersign store init"));
        assert_eq!(judged(&lineage, OTHER, Origin::Command), Ok(Adoption::Anew));
        assert_eq!(judged(&lineage, OTHER, Origin::Import { continues: None }), Ok(Adoption::Anew));
        assert_eq!(judged(&lineage, OTHER, Origin::Import { continues: Some(OTHER) }), Ok(Adoption::Anew));
        assert_eq!(
            judged(&lineage, OTHER, Origin::Import { continues: Some(KNOWN) }),
            Ok(Adoption::Continued)
        );
    }

    #[test]
    fn an_export_that_is_imported_once_more_continues_what_is_known() {
        let once = after(knowing(&[KNOWN]), OTHER, import_of(KNOWN));
        assert_eq!(judged(&once, THIRD, import_of(KNOWN)), Ok(Adoption::Continued));
        assert_eq!(judged(&once, THIRD, import_of(OTHER)), Ok(Adoption::Continued));
        let twice = after(once, THIRD, import_of(KNOWN));
        for epoch in [KNOWN, OTHER, THIRD] {
            assert_eq!(judged(&twice, FOURTH, import_of(epoch)), Ok(Adoption::Continued));
        }
        // One that started after the first import has never seen the epoch of the export.
        let late = after(Lineage::default(), OTHER, import_of(KNOWN));
        assert_eq!(judged(&late, THIRD, import_of(KNOWN)), Ok(Adoption::Continued));
        assert_eq!(judged(&late, THIRD, import_of(FOURTH)), Ok(Adoption::Anew));
    }

    #[test]
    fn what_was_begun_anew_continues_nothing_of_before() {
        let anew = after(after(knowing(&[KNOWN]), OTHER, import_of(KNOWN)), THIRD, Origin::Command);
        for epoch in [KNOWN, OTHER] {
            assert_eq!(judged(&anew, FOURTH, import_of(epoch)), Ok(Adoption::Anew));
        }
        assert_eq!(judged(&anew, FOURTH, import_of(THIRD)), Ok(Adoption::Continued));
    }

    #[test]
    fn a_former_epoch_is_never_taken_again() {
        let lineage = knowing(&[KNOWN, OTHER]);
        let refused = Err(Refusal::Former { found: KNOWN, known: OTHER });
        for origin in [Origin::Start, Origin::Command, Origin::Import { continues: Some(OTHER) }] {
            assert_eq!(judged(&lineage, KNOWN, origin), refused);
        }
    }

    #[test]
    fn what_this_version_does_not_know_is_nobodys_decision() {
        for name in [None, Some(""), Some("by-a-newer-version")] {
            assert_eq!(Origin::from_stored(name, Some(KNOWN)), Origin::Start);
        }
        for origin in [Origin::Start, Origin::Command, Origin::Import { continues: Some(KNOWN) }] {
            assert_eq!(Origin::from_stored(Some(origin.name()), origin.continues()), origin);
        }
    }
}
