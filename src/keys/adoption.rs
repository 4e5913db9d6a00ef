//! Whether a running sidecar takes a namespace that is not the one it knows.
//!
//! Not the taking (`sync.rs`). A namespace that was flushed, restored or made anew must never become "all keys
//! are unknown" because of an accident, and must become what a person decided without a restart. Invariants: the
//! key set that is known goes only where a person said so; a former epoch never comes back, since only a
//! restored older backup could bring it.

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
    /// Somebody imported the key set of the epoch that is known: what was seen at a higher revision stays.
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
            Origin::Import { continues } if continues == Some(known) => Ok(Adoption::Continued),
            Origin::Command | Origin::Import { .. } => Ok(Adoption::Anew),
        }
    }

    /// Notes that the key set of this epoch has been taken.
    pub fn take(&mut self, epoch: Epoch) {
        if self.known != Some(epoch) {
            self.former.extend(self.known.replace(epoch));
        }
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

    fn knowing(epochs: &[Epoch]) -> Lineage {
        let mut lineage = Lineage::default();
        epochs.iter().for_each(|epoch| lineage.take(*epoch));
        lineage
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
