//! How many frames of HTTP/2 a peer may send that bring no request on (RFC 9113 §4.1, §10.5).
//!
//! Not a decoder: it looks at the nine bytes before each frame's payload (`crate::frames`), and it judges no
//! frame, which h2 does. Invariant: no clock is read while the allowance lasts.
//!
//! A flood of PING, SETTINGS, PRIORITY, WINDOW_UPDATE, CONTINUATION or empty DATA frames costs the sender
//! less than it costs us, and each frame alone is legal (CVE-2019-9512, -9513, -9515, -9518; CVE-2024-27316).
//! So is RST_STREAM, which makes begun work worthless (CVE-2023-44487); it has an allowance of its own.

use std::time::Duration;

use tokio::time::Instant;

use crate::frames::{FrameHead, FrameHeads};

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
    frames: FrameHeads,
    control: Allowance,
    resets: Allowance,
}

impl FrameMeter {
    /// A meter that lets `control` frames and `resets` through at once, from the first byte after the preface.
    pub(super) fn new(control: u32, resets: u32, now: Instant) -> Self {
        Self {
            frames: FrameHeads::default(),
            control: Allowance::new(control, now),
            resets: Allowance::new(resets, now),
        }
    }

    /// Bytes came. Whether what they hold is within the allowance. `now` is asked where it is spent.
    pub(super) fn take(&mut self, mut bytes: &[u8], now: impl Fn() -> Instant) -> bool {
        let mut within = true;
        while let Some(frame) = self.frames.next(&mut bytes) {
            within &= self.judge(frame, &now);
        }
        within
    }

    /// We sent bytes, for which the peer may answer with window updates.
    pub(super) fn note_sent(&mut self, bytes: usize) {
        self.control.give(u32::try_from(bytes / PER_BYTES).unwrap_or(u32::MAX));
    }

    fn judge(&mut self, frame: FrameHead, now: impl Fn() -> Instant) -> bool {
        match frame.kind {
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => true,
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
