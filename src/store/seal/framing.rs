//! The one way in which several values become the input of a MAC or of additional data.
//!
//! Not a storage format. Invariant: different lists of parts never give the same bytes, since each part is
//! preceded by its length in bytes as a 64-bit big-endian number.

/// Passes each part, preceded by its length, to `sink`.
pub(super) fn feed(parts: &[&[u8]], mut sink: impl FnMut(&[u8])) {
    for part in parts {
        sink(&(part.len() as u64).to_be_bytes());
        sink(part);
    }
}

/// The parts, each preceded by its length, in one buffer.
pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    feed(parts, |part| bytes.extend_from_slice(part));
    bytes
}
