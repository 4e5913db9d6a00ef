//! The lookup that the request path makes, and the age of what it answers from.
//!
//! Not the mirror's writer. Invariants: a mirror that was never loaded, or whose store has not been heard of
//! for `keys.max_stale`, answers nothing but [`LookupError::Unavailable`]; at most `limits.candidate_secrets`
//! keys are tried where no key id is named, whatever a workspace holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::alarms::Alarms;
pub use super::digests::Looked;
use super::entry::{IntegrationEntry, KeyEntry, Which};
use super::indexes::Held;
use super::mirror::Mirror;
use super::record::ApiKeyDigest;
use super::{Candidates, Locator, LookupError};
use crate::clock::{Clock, Moment, UnixMillis};

/// Nobody has heard of the store yet.
const NEVER: u64 = u64::MAX;

/// The mirror with its age.
pub struct KeyRing {
    mirror: Arc<Mirror>,
    alarms: Alarms,
    clock: Arc<dyn Clock>,
    started: Instant,
    /// Milliseconds from `started` to the last contact with the store.
    contact: AtomicU64,
    max_stale: Duration,
    candidate_secrets: AtomicUsize,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("staleness", &self.staleness()).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// A ring over a mirror that is not loaded yet.
    #[must_use]
    pub fn new(
        mirror: Arc<Mirror>,
        clock: Arc<dyn Clock>,
        max_stale: Duration,
        candidate_secrets: usize,
    ) -> Self {
        let started = clock.monotonic();
        let alarms = Alarms::default();
        let (contact, candidate_secrets) = (AtomicU64::new(NEVER), AtomicUsize::new(candidate_secrets));
        Self { mirror, alarms, clock, started, contact, max_stale, candidate_secrets }
    }

    /// Bounds the keys that are tried from now on.
    pub fn set_candidate_secrets(&self, most: usize) {
        self.candidate_secrets.store(most, Ordering::Relaxed);
    }

    /// The mirror.
    #[must_use]
    pub fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    /// What went wrong with the store, counted.
    #[must_use]
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Monotonic time, for what is noted about the keys.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.monotonic()
    }

    /// The store was heard of just now, and the mirror reflects what it said.
    pub fn record_contact(&self) {
        let elapsed = self.clock.monotonic().saturating_duration_since(self.started);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(NEVER - 1);
        self.contact.store(millis, Ordering::Release);
    }

    /// Time since the store was last heard of; `None` = never.
    #[must_use]
    pub fn staleness(&self) -> Option<Duration> {
        self.staleness_at(self.clock.monotonic())
    }

    /// Whether the mirror is fresh enough to judge by.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.is_available_at(self.clock.monotonic())
    }

    /// The keys as they are to be judged at a moment, which is now: the clocks are read once for all that is
    /// asked of them.
    #[must_use]
    pub fn at(&self, moment: Moment) -> KeysNow<'_> {
        KeysNow { ring: self, now: moment.wall, is_available: self.is_available_at(moment.monotonic) }
    }

    fn staleness_at(&self, now: Instant) -> Option<Duration> {
        match self.contact.load(Ordering::Acquire) {
            NEVER => None,
            millis => Some(now.saturating_duration_since(self.started + Duration::from_millis(millis))),
        }
    }

    fn is_available_at(&self, now: Instant) -> bool {
        // A healthy store is heard of once per heartbeat (1 s), so a bound below two of them would refuse
        // between heartbeats of a healthy store.
        let bound = self.max_stale.max(crate::store::HEARTBEAT * 2);
        self.staleness_at(now).is_some_and(|age| age <= bound)
    }
}

/// The keys at one moment.
#[derive(Debug, Clone, Copy)]
pub struct KeysNow<'r> {
    ring: &'r KeyRing,
    now: UnixMillis,
    is_available: bool,
}

impl KeysNow<'_> {
    /// Finds the records that a locator leads to.
    ///
    /// # Errors
    /// See [`LookupError`]; `Unknown` is definite.
    pub fn find(&self, locator: &Locator<'_>) -> Result<Candidates, LookupError> {
        if !self.is_available {
            return Err(LookupError::Unavailable);
        }
        match locator {
            Locator::ApiKey(digest) => {
                let (entry, which) = self.look(digest)?.found()?;
                Ok(Candidates::ApiKey { entry, previous: which == Which::Previous })
            }
            Locator::Signature(locator) => match locator.key {
                Some(id) => {
                    let entry = intact(self.ring.mirror.indexes().key(&locator.workspace, &id))?;
                    Ok(Candidates::Signature { entries: SmallVec::from_iter([entry]), damaged: false })
                }
                None => self.signing_keys(locator.workspace),
            },
            Locator::Integration(name) => {
                Ok(Candidates::Integration(intact(self.ring.mirror.indexes().integrations.get(*name))?))
            }
        }
    }

    /// Looks for an API key. It takes as long where there is none as where there is one, so only what is done with the
    /// answer can tell.
    ///
    /// # Errors
    /// [`LookupError::Unavailable`] alone.
    pub fn look(&self, digest: &ApiKeyDigest) -> Result<Looked, LookupError> {
        if !self.is_available {
            return Err(LookupError::Unavailable);
        }
        Ok(self.ring.mirror.indexes().api_keys.look(digest, self.now))
    }

    /// The keys of a workspace that are tried where the request names none: usable ones first, so that a
    /// disabled key never takes the place of one that works.
    fn signing_keys(&self, workspace: uuid::Uuid) -> Result<Candidates, LookupError> {
        let members = self.ring.mirror.indexes().workspaces.get(&workspace).ok_or(LookupError::Unknown)?;
        let mut usable: SmallVec<[Arc<KeyEntry>; 4]> = SmallVec::new();
        let mut unusable = None;
        let mut damaged = false;
        let most = self.ring.candidate_secrets.load(Ordering::Relaxed);
        for (_, held) in members.iter() {
            match held {
                Held::Damaged => damaged = true,
                Held::Intact(entry) if entry.record.require_key_id => {}
                Held::Intact(entry) if !entry.is_usable(self.now) => {
                    unusable = unusable.or(Some(entry));
                }
                Held::Intact(entry) if usable.len() < most => {
                    usable.push(Arc::clone(entry));
                }
                Held::Intact(_) => {}
            }
        }
        match (usable.is_empty(), damaged, unusable) {
            // A damaged key could have been the one: with no other to try, nobody can tell.
            (true, true, _) => Err(LookupError::Damaged),
            (true, false, Some(entry)) => {
                Ok(Candidates::Signature { entries: SmallVec::from_iter([Arc::clone(entry)]), damaged })
            }
            (true, false, None) => Err(LookupError::Unknown),
            (false, ..) => Ok(Candidates::Signature { entries: usable, damaged }),
        }
    }

    /// Whether the key that verified a request, read before its body, still does.
    ///
    /// # Errors
    /// [`LookupError::Unknown`] where it no longer does, the others as [`KeysNow::find`].
    pub fn confirm_key(&self, used: &Arc<KeyEntry>, api_key: bool, which: Which) -> Result<(), LookupError> {
        if !self.is_available {
            return Err(LookupError::Unavailable);
        }
        let record = &used.record;
        let current = intact(self.ring.mirror.indexes().key(&record.workspace_id, &record.meta.id))?;
        if current.still_honours(used, api_key, which, self.now) { Ok(()) } else { Err(LookupError::Unknown) }
    }

    /// Whether the integration that verified a request, read before its body, still does.
    ///
    /// # Errors
    /// As [`KeysNow::confirm_key`].
    pub fn confirm_integration(&self, used: &Arc<IntegrationEntry>, which: Which) -> Result<(), LookupError> {
        if !self.is_available {
            return Err(LookupError::Unavailable);
        }
        let current = intact(self.ring.mirror.indexes().integrations.get(used.record.name.as_str()))?;
        let same = current.record.meta.id == used.record.meta.id;
        if same && current.still_honours(used, which, self.now) { Ok(()) } else { Err(LookupError::Unknown) }
    }
}

fn intact<T>(held: Option<Held<T>>) -> Result<Arc<T>, LookupError> {
    match held {
        Some(Held::Intact(entry)) => Ok(entry),
        Some(Held::Damaged) => Err(LookupError::Damaged),
        None => Err(LookupError::Unknown),
    }
}
