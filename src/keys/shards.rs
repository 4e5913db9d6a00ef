//! A map in shards, each an atomically swapped immutable map.
//!
//! Readers load one pointer and probe: no lock, no allocation. A writer copies one shard, so a change in a
//! set of a million keys copies a few hundred entries. Not for concurrent writers: the mirror serialises
//! them.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashMap;

/// Number of shards. At 2,048 an empty map costs 16 KiB, and a hundred thousand keys make shards of 50. To copy an
/// entry is to count a reference in memory that is seldom at hand, so few are worth the room.
const SHARDS: usize = 2048;

// A random seed per process: names of integrations and workspaces are chosen by people.
type Hasher = foldhash::fast::RandomState;
type Shard<K, V> = HashMap<K, V, Hasher>;

/// The map. `V` is cheap to clone: an `Arc`, or an enum around one.
#[derive(Debug)]
pub(super) struct Shards<K, V> {
    hasher: Hasher,
    shards: Box<[ArcSwap<Shard<K, V>>]>,
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// An empty map.
    pub(super) fn new() -> Self {
        let hasher = Hasher::default();
        let empty = Arc::new(Shard::with_hasher(hasher.clone()));
        let shards = (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect();
        Self { hasher, shards }
    }

    /// A map of these entries, each shard built once.
    pub(super) fn from_entries(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let map = Self::new();
        let mut built: Vec<Shard<K, V>> =
            (0..SHARDS).map(|_| Shard::with_hasher(map.hasher.clone())).collect();
        for (key, value) in entries {
            if let Some(shard) = built.get_mut(map.index(&key)) {
                shard.insert(key, value);
            }
        }
        for (shard, built) in map.shards.iter().zip(built) {
            if !built.is_empty() {
                shard.store(Arc::new(built));
            }
        }
        map
    }

    /// The value of a key.
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.look(key, V::clone)
    }

    /// What `look` takes of the value of a key, which is not copied.
    pub(super) fn look<Q: Hash + Eq + ?Sized, R>(&self, key: &Q, look: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
    {
        self.shards.get(self.index(key))?.load().get(key).map(look)
    }

    /// Shows each value to `look`, shard by shard as they stand.
    pub(super) fn each(&self, mut look: impl FnMut(&V)) {
        for shard in &self.shards {
            shard.load().values().for_each(&mut look);
        }
    }

    /// Sets the value of a key.
    pub(super) fn insert(&self, key: K, value: V) {
        self.change(self.index(&key), |shard| {
            shard.insert(key, value);
        });
    }

    /// Removes a key.
    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.change(self.index(key), |shard| {
            shard.remove(key);
        });
    }

    fn change(&self, index: usize, edit: impl FnOnce(&mut Shard<K, V>)) {
        if let Some(slot) = self.shards.get(index) {
            let mut shard = Shard::clone(&slot.load());
            edit(&mut shard);
            slot.store(Arc::new(shard));
        }
    }

    fn index<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        // The top bits: hashbrown itself uses the bottom ones for its buckets and the top 7 for its tags.
        let hash = self.hasher.hash_one(key);
        usize::try_from((hash >> 40) % SHARDS as u64).unwrap_or(0)
    }
}
