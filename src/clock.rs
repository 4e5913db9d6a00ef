//! Time as an argument: the one place that reads the machine's clocks.
//!
//! Signed timestamps and expiry are judged by wall time; deadlines and staleness by monotonic time, so
//! that a step of the wall clock never lengthens either. `SystemTime::now` and `Instant::now` are
//! disallowed elsewhere by `clippy.toml`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use time::OffsetDateTime;

/// Milliseconds since the Unix epoch. Negative before 1970, which only a broken clock gives.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole seconds, rounded towards the past.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// As people read it: RFC 3339, UTC, with milliseconds. The epoch where no date can be made of it.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let nanos = i128::from(self.0).saturating_mul(1_000_000);
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }

    /// This time plus `seconds`, saturating at the ends of the range.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

/// Both clocks, read together.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Wall time.
    pub wall: UnixMillis,
    /// Monotonic time.
    pub monotonic: Instant,
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, for signed timestamps, expiry and records.
    fn now(&self) -> UnixMillis;
    /// Monotonic time, for staleness and durations.
    fn monotonic(&self) -> Instant;
    /// Both.
    fn moment(&self) -> Moment {
        Moment { wall: self.now(), monotonic: self.monotonic() }
    }
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the wall clock")]
    fn now(&self) -> UnixMillis {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        UnixMillis(millis)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the monotonic clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when it is told to. For tests and offline judging.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    monotonic: Mutex<Instant>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: UnixMillis) -> Self {
        Self { wall: AtomicI64::new(now.0), monotonic: Mutex::new(SystemClock.monotonic()) }
    }

    /// Moves wall and monotonic time forward together.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.wall.fetch_add(millis, Ordering::SeqCst);
        *self.monotonic.lock() += by;
    }

    /// Sets wall time alone, as an operator or NTP may.
    pub fn set_wall(&self, now: UnixMillis) {
        self.wall.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Instant {
        *self.monotonic.lock()
    }
}
