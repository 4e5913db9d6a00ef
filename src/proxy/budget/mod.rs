//! One budget of body bytes in flight for the whole process, charged as bytes arrive.
//!
//! Not a per-request limit (`limits.max_body` is). Where it is short, new bodies are refused first; those that have
//! begun wait a little, and then the slowest that is not verified gives way. While others wait, one address holds
//! at most an eighth, so that nobody's flood refuses anybody else. Invariants: nothing is charged that would bring the
//! sum of all shares over the capacity, which may change at any time; a share is given back when it is dropped, on whatever way the request ends; a verified body is
//! never shed; a body that comes in one small piece takes no lock.

mod crowd;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::client::Address;
use crowd::{Crowd, Member, Verdict};

/// How long a body waits for room before the slowest gives way: verified bodies go on within that time, unless
/// the application does not keep up.
const PATIENCE: Duration = Duration::from_millis(200);

/// What comes in one piece of at most so many bytes is not watched: it is gone before it matters.
const SMALL: u64 = 4096;

/// What of the budget one address may hold while others wait.
const ADDRESS_PART: u64 = 8;

/// The budget, in bytes.
#[derive(Debug)]
pub struct Budget {
    capacity: AtomicU64,
    used: AtomicU64,
    /// Members of the crowd that wait.
    waiting: AtomicUsize,
    crowd: Mutex<Crowd>,
    shed: [AtomicU64; Shed::ALL.len()],
}

/// Why a body was refused or given up, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Shed {
    /// It had not begun, and there was no room.
    New,
    /// It was the slowest, or much slower than the others.
    Slow,
    /// Its address held more than its part while others waited.
    Address,
}

impl Shed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::New, Self::Slow, Self::Address];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Slow => "slow",
            Self::Address => "address",
        }
    }
}

/// What one request holds of it.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    address: Address,
    held: u64,
    /// For a body that is watched.
    member: Option<Arc<Member>>,
}

/// A wait for room. Ends with [`Exhausted`] where there is none; what is held stays held until the share is dropped.
pub type Waiting<'a> = Pin<Box<dyn Future<Output = Result<(), Exhausted>> + Send + 'a>>;

/// The budget has no room for this body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// A budget of `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self {
            capacity: AtomicU64::new(capacity),
            used: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            crowd: Mutex::default(),
            shed: Default::default(),
        })
    }

    /// Has `capacity` bytes from now on. What is charged beyond a smaller one stays charged until it is given back, and
    /// nothing more is until then.
    pub fn set_capacity(&self, capacity: u64) {
        self.capacity.store(capacity, Ordering::Release);
        self.wake();
    }

    /// Bytes in flight.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bodies refused or given up for this reason, since the start.
    #[must_use]
    pub fn shed(&self, reason: Shed) -> u64 {
        self.shed.get(reason as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// A share of nothing for a body of this client, to be charged as bytes arrive.
    #[must_use]
    pub fn share(self: &Arc<Self>, client: Address) -> Share {
        Share { budget: Arc::clone(self), address: client, held: 0, member: None }
    }

    /// A share of so many bytes for what nobody waits for: only where there is room at once.
    #[must_use]
    pub fn try_hold(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        if self.waiting.load(Ordering::Acquire) > 0 || !self.take(bytes) {
            return None;
        }
        // Never compared: what is held at once is not watched.
        let address = Address::UNIX;
        Some(Share { budget: Arc::clone(self), address, held: bytes, member: None })
    }

    fn free(&self) -> u64 {
        self.capacity().saturating_sub(self.used())
    }

    fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Acquire)
    }

    /// There may be more room.
    fn wake(&self) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.crowd.lock().wake(self.free());
        }
    }

    fn take(&self, bytes: u64) -> bool {
        let capacity = self.capacity();
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= capacity);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits).is_ok()
    }

    fn count(&self, reason: Shed) {
        if let Some(count) = self.shed.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Share {
    /// Charges `bytes` more; `last` says that no more will come. Where there is no room at once, returns what waits
    /// for it.
    #[must_use]
    pub fn charge(&mut self, bytes: u64, last: bool) -> Option<Waiting<'_>> {
        let alone = self.budget.waiting.load(Ordering::Acquire) == 0;
        if alone && self.budget.take(bytes) {
            self.note(bytes, last);
            return None;
        }
        // In a box, for it is rare: what every request carries along stays small.
        Some(Box::pin(async move {
            self.wait(bytes).await?;
            self.note(bytes, last);
            Ok(())
        }))
    }

    fn note(&mut self, bytes: u64, last: bool) {
        self.held = self.held.saturating_add(bytes);
        if self.member.is_some() || !last || self.held > SMALL {
            let held = self.held;
            self.watched().set_held(held);
        }
    }

    /// Completes when this body has to give way. Never for one that is not watched.
    pub async fn given_up(&self) {
        match &self.member {
            Some(member) => member.given_up().await,
            None => std::future::pending().await,
        }
    }

    /// The body is verified: it does not give way any more.
    pub fn verified(&self) {
        if let Some(member) = &self.member {
            member.set_verified();
        }
    }

    fn watched(&mut self) -> &Arc<Member> {
        self.member.get_or_insert_with(|| {
            let member = Member::new(self.address.network(), Instant::now());
            self.budget.crowd.lock().join(Arc::clone(&member));
            member
        })
    }

    async fn wait(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let member = Arc::clone(self.watched());
        let budget = Arc::clone(&self.budget);
        let _turn = Turn::new(&budget, &member, bytes);
        let mut until = Instant::now() + PATIENCE;
        let mut impatient = false;
        loop {
            let verdict = {
                let crowd = budget.crowd.lock();
                let free = budget.free();
                // What has begun may take what there is; what has not leaves room for those that wait.
                if (!member.is_new() || crowd.demand() <= free) && !member.is_given_up() && budget.take(bytes)
                {
                    return Ok(());
                }
                crowd.judge(&member, free, budget.capacity() / ADDRESS_PART, impatient)
            };
            match verdict {
                Verdict::Wait(shed) => shed.into_iter().for_each(|reason| budget.count(reason)),
                Verdict::Refused(reason) => {
                    budget.count(reason);
                    return Err(Exhausted);
                }
                Verdict::GivenUp => return Err(Exhausted),
            }
            impatient = timeout_at(until, member.woken()).await.is_err();
            if impatient {
                until = Instant::now() + PATIENCE;
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::AcqRel);
        if let Some(member) = &self.member {
            self.budget.crowd.lock().leave(member);
        }
        self.budget.wake();
    }
}

/// A place among those that wait.
struct Turn<'a> {
    budget: &'a Budget,
    member: &'a Arc<Member>,
}

impl<'a> Turn<'a> {
    fn new(budget: &'a Budget, member: &'a Arc<Member>, bytes: u64) -> Self {
        budget.crowd.lock().queue(member, bytes);
        budget.waiting.fetch_add(1, Ordering::AcqRel);
        Self { budget, member }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.budget.waiting.fetch_sub(1, Ordering::AcqRel);
        let mut crowd = self.budget.crowd.lock();
        crowd.unqueue(self.member);
        // Whoever was woken for room that this one took, or left, looks again.
        crowd.wake(self.budget.free());
    }
}

#[cfg(test)]
mod tests;
