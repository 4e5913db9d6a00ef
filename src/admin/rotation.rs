//! What the two rotations have in common: how long former values stay valid, when a rotation is refused, and how
//! former values are ended before their time.
//!
//! Not the making of values. Invariants: at most one former value per secret is valid at a time; a rotation
//! never shortens the overlap that an earlier one promised, unless the admin says `force`; of two rotations at once, one
//! is made, because the other replaces values that its caller never saw.

use super::fields::Fields;
use super::formats;
use super::problem::Problem;
use super::view::Shown;
use crate::clock::UnixMillis;

/// Longest overlap: a week.
const LONGEST: u32 = 604_800;
/// Overlap unless the admin says otherwise: a day.
const USUAL: u32 = 86_400;

/// How a rotation treats former values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overlap {
    /// For how long they stay valid; 0 = they end at once.
    pub(super) seconds: u32,
    /// Whether values before them may be dropped early.
    pub(super) force: bool,
}

impl Overlap {
    /// Takes `overlapSeconds` and `force`.
    pub(super) fn of(fields: &mut Fields) -> Self {
        let seconds = overlap_seconds(fields);
        let force = fields.plain("force", formats::boolean).unwrap_or(false);
        Self { seconds, force }
    }

    /// When former values end; `None` = at once.
    pub(super) fn until(self, now: UnixMillis) -> Option<UnixMillis> {
        (self.seconds > 0).then(|| now.plus_seconds(i64::from(self.seconds)))
    }

    /// Refuses while values before the present ones are still valid.
    pub(super) fn check(self, earlier: Option<UnixMillis>, now: UnixMillis) -> Result<(), Problem> {
        match earlier.filter(|until| now < *until && !self.force) {
            None => Ok(()),
            Some(until) => Err(Problem::conflict_at(
                "/force",
                "overlap",
                &format!(
                    "the values before the last rotation are valid until {}; end them first with POST \
                     retire-previous, or with this rotation by \"force\": true, or wait",
                    formats::shown_time(until)
                ),
            )),
        }
    }

    /// What the answer says of former values.
    pub(super) fn note(self, now: UnixMillis) -> String {
        match self.until(now) {
            Some(until) => format!("The former values are valid until {}.", formats::shown_time(until)),
            None => "The former values ended at once.".to_owned(),
        }
    }
}

/// 409: another rotation came first, and the caller has not seen its values.
pub(super) fn overtaken() -> Problem {
    Problem::conflict("it was rotated meanwhile, by another request; read the record again")
}

/// Takes `overlapSeconds`.
pub(super) fn overlap_seconds(fields: &mut Fields) -> u32 {
    fields.plain("overlapSeconds", formats::integer(0..=LONGEST)).unwrap_or(USUAL)
}

/// A time that has not come yet.
pub(super) fn still_ahead(until: UnixMillis, now: UnixMillis) -> Option<Shown> {
    (now < until).then_some(Shown(until))
}
