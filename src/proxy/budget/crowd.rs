//! The bodies that share the budget, and which of them gives way.
//!
//! It holds no bytes and wakes nobody but members. Invariants: what is asked to give way is never more than what
//! those that wait are short of; a member is asked once; a verified one never.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Shed;
use crate::client::Address;

/// Added to every age, so that what has just begun is not infinitely fast.
const BEGINNING: Duration = Duration::from_millis(100);

/// Slower than the average by so much is slow.
const SLOWER: u128 = 8;

/// One body.
#[derive(Debug)]
pub(super) struct Member {
    address: Address,
    begun: Instant,
    held: AtomicU64,
    /// Bytes that it waits for.
    needs: AtomicU64,
    verified: AtomicBool,
    given_up: AtomicBool,
    notify: Notify,
}

impl Member {
    pub(super) fn new(address: Address, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            address,
            begun: now,
            held: AtomicU64::new(0),
            needs: AtomicU64::new(0),
            verified: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            notify: Notify::new(),
        })
    }

    pub(super) fn set_held(&self, bytes: u64) {
        self.held.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_verified(&self) {
        self.verified.store(true, Ordering::Relaxed);
    }

    /// Whether none of it was charged yet.
    pub(super) fn is_new(&self) -> bool {
        self.held() == 0
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    pub(super) async fn given_up(&self) {
        while !self.is_given_up() {
            self.notify.notified().await;
        }
    }

    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }

    fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn needs(&self) -> u64 {
        self.needs.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.notify.notify_one();
    }

    fn millis(&self, now: Instant) -> u128 {
        (now.saturating_duration_since(self.begun) + BEGINNING).as_millis()
    }

    /// Bytes per second.
    fn rate(&self, now: Instant) -> u128 {
        u128::from(self.held()) * 1000 / self.millis(now).max(1)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    members: Vec<Arc<Member>>,
    queue: VecDeque<Arc<Member>>,
}

/// What becomes of a body that finds no room.
pub(super) enum Verdict {
    /// It waits; so many others were asked to give way, for these reasons.
    Wait(Vec<Shed>),
    /// It is refused.
    Refused(Shed),
    /// It was asked to give way before.
    GivenUp,
}

impl Crowd {
    pub(super) fn join(&mut self, member: Arc<Member>) {
        self.members.push(member);
    }

    pub(super) fn leave(&mut self, member: &Arc<Member>) {
        if let Some(place) = self.members.iter().position(|other| Arc::ptr_eq(other, member)) {
            self.members.swap_remove(place);
        }
    }

    pub(super) fn queue(&mut self, member: &Arc<Member>, bytes: u64) {
        member.needs.store(bytes, Ordering::Relaxed);
        self.queue.push_back(Arc::clone(member));
    }

    pub(super) fn unqueue(&mut self, member: &Arc<Member>) {
        member.needs.store(0, Ordering::Relaxed);
        self.queue.retain(|other| !Arc::ptr_eq(other, member));
    }

    /// Wakes those, first come first, for whom there is room.
    pub(super) fn wake(&self, mut free: u64) {
        for member in &self.queue {
            let Some(left) = free.checked_sub(member.needs()) else { return };
            free = left;
            member.notify.notify_one();
        }
    }

    /// Bytes that those wait for who have not been asked to give way.
    pub(super) fn demand(&self) -> u64 {
        self.queue.iter().filter(|member| !member.is_given_up()).map(|member| member.needs()).sum()
    }

    /// `member` finds no room in `free`. `part`: what one address may hold while others wait. `impatient`: it has
    /// waited long enough.
    pub(super) fn judge(&self, member: &Arc<Member>, free: u64, part: u64, impatient: bool) -> Verdict {
        if member.is_given_up() {
            return Verdict::GivenUp;
        }
        let now = Instant::now();
        let held = self.by_address();
        let holds = |address: &Address| held.get(address).copied().unwrap_or(0);
        let own = holds(&member.address);
        let others_wait = self.queue.iter().any(|other| other.address != member.address);
        if others_wait && own.saturating_add(member.needs()) > part {
            return Verdict::Refused(Shed::Address);
        }
        let slow = self.average(now) / SLOWER;
        if !member.is_new() && member.rate(now) < slow {
            return Verdict::Refused(Shed::Slow);
        }
        // The slowest first.
        let mut candidates: Vec<&Arc<Member>> = self.sheddable().collect();
        candidates.sort_by_cached_key(|other| other.rate(now));
        let coming: u64 =
            self.members.iter().filter(|other| other.is_given_up()).map(|other| other.held()).sum();
        let mut short = self.demand().saturating_sub(free.saturating_add(coming)).min(member.needs());
        let mut chosen = Vec::new();
        let mut excess: HashMap<Address, u64> = HashMap::new();
        for other in candidates {
            if short == 0 {
                break;
            }
            let rest =
                excess.entry(other.address).or_insert_with(|| holds(&other.address).saturating_sub(part));
            let reason = if other.address != member.address && *rest > 0 {
                Shed::Address
            } else if other.rate(now) < slow || (impatient && !member.is_new()) {
                Shed::Slow
            } else {
                continue;
            };
            if Arc::ptr_eq(other, member) {
                return Verdict::Refused(Shed::Slow);
            }
            *rest = rest.saturating_sub(other.held());
            short = short.saturating_sub(other.held());
            chosen.push((other, reason));
        }
        if member.is_new() && short > 0 {
            return Verdict::Refused(Shed::New);
        }
        Verdict::Wait(chosen.into_iter().map(|(other, reason)| (other.give_up(), reason).1).collect())
    }

    fn by_address(&self) -> HashMap<Address, u64> {
        let mut held = HashMap::new();
        for member in self.members.iter().filter(|member| !member.is_given_up()) {
            *held.entry(member.address).or_default() += member.held();
        }
        held
    }

    fn sheddable(&self) -> impl Iterator<Item = &Arc<Member>> {
        let may = |member: &&Arc<Member>| {
            !member.verified.load(Ordering::Relaxed) && !member.is_given_up() && !member.is_new()
        };
        self.members.iter().filter(may)
    }

    /// Bytes per second of one body, of those that could give way.
    fn average(&self, now: Instant) -> u128 {
        let (mut held, mut millis) = (0, 0);
        for member in self.sheddable() {
            held += u128::from(member.held());
            millis += member.millis(now);
        }
        held * 1000 / millis.max(1)
    }
}
