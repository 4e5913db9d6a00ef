//! The nine bytes before each frame's payload (RFC 9113 §4.1), read from bytes as they pass.
//!
//! Not a decoder: payloads are skipped, and nothing is judged. Invariant: each frame is given once, however its bytes are
//! cut.

/// Bytes before a payload.
const HEADER: usize = 9;

/// What they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Bytes of the payload.
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// 0 = the connection.
    pub(crate) stream: u32,
}

/// The frames of one direction, from their first byte.
#[derive(Debug, Default)]
pub(crate) struct FrameHeads {
    header: [u8; HEADER],
    /// Bytes of `header` that have come.
    filled: usize,
    /// Bytes of the payload that have not.
    payload: usize,
}

impl FrameHeads {
    /// The next frame that begins in `bytes`, which are taken as far as they were looked at.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Option<FrameHead> {
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
            *bytes = rest;
            if self.filled == HEADER {
                return Some(self.begin());
            }
        }
        None
    }

    fn begin(&mut self) -> FrameHead {
        self.filled = 0;
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        // The highest bit is reserved and means nothing.
        FrameHead { length: self.payload, kind, flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1) }
    }
}
