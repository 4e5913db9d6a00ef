//! The oldest audit events on their way out, and the checkpoint that takes their place.
//!
//! Not when they go, nor what the checkpoint says. Invariants: it happens in the transaction of the commit that names it,
//! or not at all; exactly the events that the writer saw go, and never the last one.

use redb::{ReadableTable, Table};

use super::fault::Fault;
use super::tables::META_CHECKPOINT;
use crate::store::{Conflict, StoreError, Trim};

/// Removes what the trim names, ahead of the event that gets the number `next`.
pub(super) fn run(
    meta: &mut Table<'_, &'static str, &'static [u8]>,
    audit: &mut Table<'_, u64, &'static [u8]>,
    next: u64,
    trim: &Trim,
) -> Result<(), Fault> {
    let stands = meta.get(META_CHECKPOINT)?.map(|stored| stored.value().to_vec());
    if stands.as_deref() != trim.expected.as_deref() {
        return Err(conflict());
    }
    if trim.events > 0 {
        let last = trim.through.major;
        let stored = audit.get(last)?.is_some_and(|event| event.value().starts_with(&trim.mac.0));
        if !stored || trim.through.minor != 0 || last.saturating_add(1) >= next {
            return Err(conflict());
        }
        let mut removed = 0;
        audit.retain_in(..=last, |_, _| {
            removed += 1;
            false
        })?;
        if removed != trim.events {
            return Err(conflict());
        }
    }
    meta.insert(META_CHECKPOINT, &*trim.checkpoint)?;
    Ok(())
}

fn conflict() -> Fault {
    StoreError::Conflict(Conflict::Trimmed).into()
}
