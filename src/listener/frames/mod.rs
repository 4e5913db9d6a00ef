//! How many frames of HTTP/2 a peer may send that bring no request on (RFC 9113 §4.1, §10.5).
//!
//! Not a decoder: it reads the nine bytes before each frame's payload and skips the rest, and it judges no
//! frame, which h2 does. Invariants: a frame is counted once, however its bytes are cut; no clock is read
//! while the allowance lasts.
//!
//! A flood of PING, SETTINGS, PRIORITY, WINDOW_UPDATE, CONTINUATION or empty DATA frames costs the sender
//! less than it costs us, and each frame alone is legal (CVE-2019-9512, -9513, -9515, -9518; CVE-2024-27316).
//! So is RST_STREAM, which makes begun work worthless (CVE-2023-44487); it has an allowance of its own.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes before a payload.
const HEADER: usize = 9;

/// In this time a spent allowance has come back whole, evenly.
const RECOVERY: Duration = Duration::from_secs(10);

/// What a request brings along: window updates and the like.
const PER_REQUEST: u32 = 4;

/// Bytes that we send for which a peer may open its window once.
const PER_BYTES: usize = 1024;

/// END_STREAM of a DATA frame.
const END_STREAM: u8 = 1;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

/// The frames that one peer has sent.
#[derive(Debug)]
pub(super) struct FrameMeter {
    header: [u8; HEADER],
    /// Bytes of `header` that have come.
    filled: usize,
    /// Bytes of the payload that have not.
    payload: usize,
    control: Allowance,
    resets: Allowance,
}

impl FrameMeter {
    /// A meter that lets `control` frames and `resets` through at once, from the first byte after the preface.
    pub(super) fn new(control: u32, resets: u32, now: Instant) -> Self {
        Self {
            header: [0; HEADER],
            filled: 0,
            payload: 0,
            control: Allowance::new(control, now),
            resets: Allowance::new(resets, now),
        }
    }

    /// Bytes came. Whether what they hold is within the allowance. `now` is asked where it is spent.
    pub(super) fn take(&mut self, mut bytes: &[u8], now: impl Fn() -> Instant) -> bool {
        let mut within = true;
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            let (_, rest) = bytes.split_at(skipped);
            let free = self.header.get_mut(self.filled..).unwrap_or_default();
            let taken = free.len().min(rest.len());
            let (header, rest) = rest.split_at(taken);
            for (to, from) in free.iter_mut().zip(header) {
                *to = *from;
            }
            self.filled += taken;
            bytes = rest;
            if self.filled == HEADER {
                within &= self.judge(&now);
            }
        }
        within
    }

    /// We sent bytes, for which the peer may answer with window updates.
    pub(super) fn note_sent(&mut self, bytes: usize) {
        self.control.give(u32::try_from(bytes / PER_BYTES).unwrap_or(u32::MAX));
    }

    fn judge(&mut self, now: impl Fn() -> Instant) -> bool {
        self.filled = 0;
        let [high, middle, low, kind, flags, ..] = self.header;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match kind {
            DATA if self.payload > 0 || flags & END_STREAM != 0 => true,
            HEADERS => {
                self.control.give(PER_REQUEST);
                true
            }
            RST_STREAM => self.resets.spend(now),
            _ => self.control.spend(now),
        }
    }
}

/// So many at once, and as many again in each [`RECOVERY`].
#[derive(Debug)]
struct Allowance {
    left: u32,
    most: u32,
    /// Until when recovery was counted.
    counted: Instant,
}

impl Allowance {
    fn new(most: u32, now: Instant) -> Self {
        Self { left: most, most, counted: now }
    }

    fn give(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(self.most);
    }

    fn spend(&mut self, now: impl Fn() -> Instant) -> bool {
        if self.left == 0 {
            self.recover(now());
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }

    /// Counts the time that has passed, to the last whole one that it brings.
    fn recover(&mut self, now: Instant) {
        let each = RECOVERY / self.most.max(1);
        let passed = now.saturating_duration_since(self.counted);
        let whole = u32::try_from(passed.as_nanos() / each.as_nanos().max(1)).unwrap_or(u32::MAX);
        self.counted = if whole < self.most { self.counted + each * whole } else { now };
        self.give(whole);
    }
}

#[cfg(test)]
mod tests;
