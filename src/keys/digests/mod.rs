//! The webhook keys by the digests of their API keys, in shards that are immutable and swapped like those of
//! `shards.rs`.
//!
//! Not a map like those: what it takes to look for a digest does not tell whether it is held. Every tag of a shard is
//! compared, then one entry is taken, and only its record says whether it is the right one: where no tag is right, that
//! entry is a decoy, which the digest decides. So whoever tries keys that are not held meets the memory of keys that
//! are, as cold or as warm as their use has left it. Invariants: a digest leads to one entry, the one inserted last; a
//! shard is empty only where nearly all are, as the shards are as many as the keys need ([`Digests::resized`]). Not for
//! concurrent writers.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use subtle::{Choice, ConstantTimeEq as _};

use super::LookupError;
use super::entry::{KeyEntry, Which};
use super::indexes::Held;
use super::record::ApiKeyDigest;
use crate::clock::UnixMillis;

/// Entries of a shard on the average, at most, where the number of shards was just chosen.
const ROOM: usize = 64;
/// Beyond this average there are more shards to be.
const CROWDED: usize = 96;
/// Below this one, fewer.
const SPARSE: usize = 16;
/// As many as a set of four million keys asks for.
const MOST_SHARDS: usize = 1 << 16;
/// Tags that are compared at a time. What is over at the end of a shard takes as long as if it were full: nearly every
/// shard has one line, for held keys are more often in large ones, and whoever looks for them would be told by that.
const LANES: usize = 128;
/// The tag of what is over, which nothing has.
const NO_TAG: u32 = 0;

// A random seed per process: an API key may be chosen by whoever imports it, and its digest with it.
type Hasher = foldhash::fast::RandomState;

/// The index.
#[derive(Debug)]
pub(super) struct Digests {
    hasher: Hasher,
    shards: Box<[ArcSwap<Shard>]>,
    len: AtomicUsize,
}

/// One shard.
#[derive(Debug, Default)]
struct Shard {
    /// A part of the hash of each slot's digest, in the order of the slots.
    tags: Box<[[u32; LANES]]>,
    slots: Box<[Slot]>,
    /// What damaged records claim: hardly ever anything.
    damaged: Box<[ApiKeyDigest]>,
}

/// An entry, and by which of its digests it stands here: the record has them.
#[derive(Debug, Clone)]
struct Slot {
    entry: Arc<KeyEntry>,
    which: Which,
}

/// A shard while it changes.
struct Draft {
    slots: Vec<(u32, Slot)>,
    damaged: Vec<ApiKeyDigest>,
}

/// Where an API key led: to its own record, or to a decoy. Made in the same steps for both; which of them it is, is
/// for `found` to say.
#[derive(Debug, Default)]
pub struct Looked {
    slot: Option<Slot>,
    is_right: bool,
    is_damaged: bool,
}

impl Looked {
    /// The key, and which of its two API keys it is.
    ///
    /// # Errors
    /// [`LookupError::Unknown`], also of one that was valid for a time, and [`LookupError::Damaged`].
    pub(super) fn found(self) -> Result<(Arc<KeyEntry>, Which), LookupError> {
        match self.slot {
            Some(slot) if self.is_right => Ok((slot.entry, slot.which)),
            _ if self.is_damaged => Err(LookupError::Damaged),
            _ => Err(LookupError::Unknown),
        }
    }
}

impl Digests {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self::from_entries(Vec::new())
    }

    /// An index of these entries, each shard built once.
    pub(super) fn from_entries(entries: Vec<(ApiKeyDigest, Held<KeyEntry>)>) -> Self {
        Self::build(Hasher::default(), entries)
    }

    fn build(hasher: Hasher, entries: Vec<(ApiKeyDigest, Held<KeyEntry>)>) -> Self {
        let number = entries.len().div_ceil(ROOM).next_power_of_two().min(MOST_SHARDS);
        let draft = |_| Draft { slots: Vec::with_capacity(ROOM.min(entries.len())), damaged: Vec::new() };
        let mut drafts: Vec<Draft> = (0..number).map(draft).collect();
        for (digest, held) in entries {
            let (index, tag) = place(&hasher, number, &digest);
            if let Some(draft) = drafts.get_mut(index) {
                draft.set(tag, digest, held);
            }
        }
        let len = drafts.iter().map(Draft::len).sum();
        let shards = drafts.into_iter().map(|draft| ArcSwap::from_pointee(draft.finish())).collect();
        Self { hasher, shards, len: AtomicUsize::new(len) }
    }

    /// The same with as many shards as it needs by now; `None` where it has them.
    pub(super) fn resized(&self) -> Option<Self> {
        let (len, shards) = (self.len.load(Ordering::Relaxed), self.shards.len());
        let grows = len > CROWDED * shards && shards < MOST_SHARDS;
        let shrinks = len < SPARSE * shards && shards > 1;
        (grows || shrinks).then(|| Self::build(self.hasher.clone(), self.entries()))
    }

    /// Looks for the key whose API key has this digest, or had until a time that is after `now`.
    pub(super) fn look(&self, digest: &ApiKeyDigest, now: UnixMillis) -> Looked {
        let (index, tag) = self.place(digest);
        let Some(shard) = self.shards.get(index).map(ArcSwap::load) else { return Looked::default() };
        // Counted whether or not it is the right one: that touches the record as a hit does.
        let slot = shard.nearest(tag, digest).cloned();
        let is_right = slot.as_ref().is_some_and(|slot| slot.is_valid(now) & slot.stands_for(digest));
        Looked { slot, is_right, is_damaged: shard.claims(digest) }
    }

    /// What is held under a digest, whether or not it is valid.
    pub(super) fn get(&self, digest: &ApiKeyDigest) -> Option<Held<KeyEntry>> {
        let (index, tag) = self.place(digest);
        let shard = self.shards.get(index)?.load();
        if shard.claims(digest) {
            return Some(Held::Damaged);
        }
        shard.exact(tag, digest).map(|slot| Held::Intact(Arc::clone(&slot.entry)))
    }

    /// Sets what is held under a digest, which must be one of the entry's own.
    pub(super) fn insert(&self, digest: ApiKeyDigest, held: Held<KeyEntry>) {
        self.change(&digest, |draft, tag| draft.set(tag, digest, held));
    }

    /// Removes what is held under a digest.
    pub(super) fn remove(&self, digest: &ApiKeyDigest) {
        self.change(digest, |draft, tag| draft.unset(tag, digest));
    }

    fn change(&self, digest: &ApiKeyDigest, edit: impl FnOnce(&mut Draft, u32)) {
        let (index, tag) = self.place(digest);
        if let Some(shard) = self.shards.get(index) {
            let mut draft = shard.load().draft();
            let before = draft.len();
            edit(&mut draft, tag);
            let len = (self.len.load(Ordering::Relaxed) + draft.len()).saturating_sub(before);
            self.len.store(len, Ordering::Relaxed);
            shard.store(Arc::new(draft.finish()));
        }
    }

    fn entries(&self) -> Vec<(ApiKeyDigest, Held<KeyEntry>)> {
        let mut entries = Vec::with_capacity(self.len.load(Ordering::Relaxed));
        for shard in &self.shards {
            let shard = shard.load();
            entries.extend(shard.damaged.iter().map(|digest| (*digest, Held::Damaged)));
            let intact = |slot: &Slot| Some((*slot.digest()?, Held::Intact(Arc::clone(&slot.entry))));
            entries.extend(shard.slots.iter().filter_map(intact));
        }
        entries
    }

    fn place(&self, digest: &ApiKeyDigest) -> (usize, u32) {
        place(&self.hasher, self.shards.len(), digest)
    }
}

/// The shard of a digest, of so many, and its tag there: of different bits of the hash.
fn place(hasher: &Hasher, shards: usize, digest: &ApiKeyDigest) -> (usize, u32) {
    let hash = hasher.hash_one(digest);
    let index = usize::try_from(hash).unwrap_or_default() & (shards - 1);
    (index, ((hash >> 32) as u32).max(NO_TAG + 1))
}

impl Shard {
    /// The slot of a digest, or another in its place; `None` where the shard is empty.
    fn nearest(&self, tag: u32, digest: &ApiKeyDigest) -> Option<&Slot> {
        // Arithmetic, not branches, and no end before the last: neither where the tag is nor whether it is told.
        let (mut number, mut at, mut matches) = (0_u32, 0_u32, 0_u32);
        for line in &self.tags {
            for other in line {
                let same = u32::from(*other == tag);
                at |= number & same.wrapping_neg();
                matches += same;
                number += 1;
            }
        }
        let decoy = ((u64::from(tag) * self.slots.len() as u64) >> 32) as u32;
        if matches > 1 {
            // Two digests of one tag: in one set of a thousand.
            return self.exact(tag, digest).or_else(|| self.slots.get(usize::try_from(decoy).ok()?));
        }
        let found = matches.wrapping_neg();
        self.slots.get(usize::try_from((at & found) | (decoy & !found)).ok()?)
    }

    /// The slot of a digest.
    fn exact(&self, tag: u32, digest: &ApiKeyDigest) -> Option<&Slot> {
        let mut slots = self.tags.as_flattened().iter().zip(&self.slots);
        slots.find(|(other, slot)| **other == tag && slot.stands_for(digest)).map(|(_, slot)| slot)
    }

    fn claims(&self, digest: &ApiKeyDigest) -> bool {
        self.damaged.iter().fold(false, |any, other| any | bool::from(is_same(other, digest)))
    }

    fn draft(&self) -> Draft {
        let slots = self.tags.as_flattened().iter().copied().zip(self.slots.iter().cloned());
        Draft { slots: slots.collect(), damaged: self.damaged.to_vec() }
    }
}

impl Slot {
    fn digest(&self) -> Option<&ApiKeyDigest> {
        match self.which {
            Which::Current => Some(&self.entry.record.api_key),
            Which::Previous => self.entry.record.previous().and_then(|previous| previous.api_key.as_ref()),
        }
    }

    fn stands_for(&self, digest: &ApiKeyDigest) -> bool {
        self.digest().is_some_and(|own| is_same(own, digest).into())
    }

    fn is_valid(&self, now: UnixMillis) -> bool {
        match self.which {
            Which::Current => true,
            Which::Previous => self.entry.previous_is_valid(now),
        }
    }
}

/// In constant time, by eight bytes.
fn is_same(one: &ApiKeyDigest, other: &ApiKeyDigest) -> Choice {
    let ([one, other], mut differ) = ([one, other].map(|digest| digest.0.as_chunks::<8>().0), 0);
    for (one, other) in one.iter().zip(other) {
        differ |= u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other);
    }
    differ.ct_eq(&0)
}

impl Draft {
    fn len(&self) -> usize {
        self.slots.len() + self.damaged.len()
    }

    fn set(&mut self, tag: u32, digest: ApiKeyDigest, held: Held<KeyEntry>) {
        self.unset(tag, &digest);
        match held {
            Held::Damaged => self.damaged.push(digest),
            Held::Intact(entry) => {
                let is_current = entry.record.api_key == digest;
                let which = if is_current { Which::Current } else { Which::Previous };
                self.slots.push((tag, Slot { entry, which }));
            }
        }
    }

    fn unset(&mut self, tag: u32, digest: &ApiKeyDigest) {
        self.slots.retain(|(other, slot)| *other != tag || !slot.stands_for(digest));
        self.damaged.retain(|other| other != digest);
    }

    fn finish(self) -> Shard {
        let (tags, slots): (Vec<u32>, Vec<Slot>) = self.slots.into_iter().unzip();
        let mut lines = vec![[NO_TAG; LANES]; tags.len().div_ceil(LANES)];
        lines.as_flattened_mut().iter_mut().zip(tags).for_each(|(lane, tag)| *lane = tag);
        Shard { tags: lines.into(), slots: slots.into(), damaged: self.damaged.into() }
    }
}

#[cfg(test)]
mod tests;
