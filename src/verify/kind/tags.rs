//! Several MACs in one request, of which any may hold. Pure.
//!
//! Not their place or separators: those are the kind's. Invariants: at most 16 are read, else none is; one that
//! is no MAC is skipped and spoils no other; all are compared, each in constant time.

use subtle::{Choice, ConstantTimeEq};

use crate::credential::grammar::{DECODE_BUFFER, Encoding, trim_ows};
use crate::verify::mac::Tag;
use crate::verify::scheme::MAX_CANDIDATES;

/// The MACs that a request offers; at least one.
#[derive(Debug, Clone)]
pub(super) struct Tags(Vec<Tag>);

impl Tags {
    /// Reads MACs of `length` bytes; `None` where there is none, or too many items.
    pub(super) fn read<'v>(
        items: impl Iterator<Item = &'v [u8]>,
        encoding: Encoding,
        length: usize,
    ) -> Option<Self> {
        let mut tags = Vec::new();
        for (index, item) in items.enumerate() {
            if index >= MAX_CANDIDATES {
                return None;
            }
            let mut buffer = [0; DECODE_BUFFER];
            tags.extend(encoding.decode(trim_ows(item), length, &mut buffer).and_then(Tag::new));
        }
        if tags.is_empty() { None } else { Some(Self(tags)) }
    }

    /// Whether any of them is this one.
    pub(super) fn contain(&self, expected: &Tag) -> Choice {
        self.0.iter().fold(Choice::from(0), |any, tag| any | expected.ct_eq(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::Tags;
    use crate::credential::grammar::Encoding;
    use crate::verify::mac::Tag;

    #[test]
    fn any_of_at_most_sixteen_may_hold() {
        let read = |text: &str| Tags::read(text.as_bytes().split(|byte| *byte == b','), Encoding::Hex, 2);
        let holds =
            |text: &str| read(text).is_some_and(|tags| tags.contain(&Tag::new(&[0, 1]).unwrap()).into());
        assert!(holds("0001") && holds("zz, ffff ,0001") && holds(&format!("{}0001", "ffff,".repeat(15))));
        assert!(holds("0001,0001"), "twice is not never");
        assert!(!holds("0002") && !holds("") && !holds("zz") && !holds("000001"));
        assert!(!holds(&format!("0001{}", ",ffff".repeat(16))), "too many");
    }
}
