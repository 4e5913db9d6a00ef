//! The fields of a form, in a body or a query. Pure.
//!
//! Invariants: percent-escapes must be whole, and what they stand for parts no fields; the number of fields is
//! bounded; a value is read only where its name occurs once.
//! Spec: WHATWG URL §5.1 (`application/x-www-form-urlencoded`).

use memchr::memchr3;

/// Fields that one form may have.
const MOST_FIELDS: usize = 1000;

/// Bytes of a long value that are looked at together.
const BLOCK: usize = 512;
/// From so many bytes on it may be worth it: fields of small forms are short.
const LONG: usize = 4096;

/// A name and a value of a form, decoded.
pub(in crate::verify) type Pair<'b> = (&'b [u8], &'b [u8]);

/// The fields of a form, in their order.
#[derive(Clone)]
pub(in crate::verify) struct Fields<'b>(Vec<Pair<'b>>);

impl<'b> Fields<'b> {
    /// Reads a form; `None` where an escape is broken or there are too many fields. Without escapes the fields lie
    /// in the body, else in `room`.
    pub(in crate::verify) fn parse(body: &'b [u8], room: &'b mut Vec<u8>) -> Option<Self> {
        let mut fields = Vec::with_capacity(32);
        let mut rest = Some(body);
        while let Some(text) = rest {
            // One look for the end of the field and for an escape.
            let (field, after) = match end(text) {
                None => (text, None),
                Some(end) => match text.split_at_checked(end)? {
                    (field, [b'&', after @ ..]) => (field, Some(after)),
                    _ => return Self::decode(body, room),
                },
            };
            if !field.is_empty() {
                fields.push(split(field)?);
            }
            if fields.len() > MOST_FIELDS {
                return None;
            }
            rest = after;
        }
        Some(Self(fields))
    }

    fn decode(body: &[u8], room: &'b mut Vec<u8>) -> Option<Self> {
        room.clear();
        room.reserve(body.len());
        let mut ends = Vec::with_capacity(32);
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if ends.len() == MOST_FIELDS {
                return None;
            }
            let (name, value) = split(pair)?;
            unescape(name, true, room)?;
            let name_end = room.len();
            unescape(value, true, room)?;
            ends.push((name_end, room.len()));
        }
        let (room, mut start): (&'b [u8], _) = (room, 0);
        let pair = |(name_end, end)| {
            let pair = (room.get(start..name_end)?, room.get(name_end..end)?);
            start = end;
            Some(pair)
        };
        ends.into_iter().map(pair).collect::<Option<_>>().map(Self)
    }

    /// Every pair of name and value, in their order.
    pub(in crate::verify) fn pairs(&self) -> &[Pair<'b>] {
        &self.0
    }

    /// The value of a field that occurs exactly once.
    pub(in crate::verify) fn only(&self, name: &str) -> Option<&'b [u8]> {
        let mut found = self.0.iter().filter(|(key, _)| *key == name.as_bytes());
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Every different pair of name and value, sorted.
    pub(super) fn sorted(self) -> Self {
        let Self(mut pairs) = self;
        // Many senders write them sorted.
        if !pairs.is_sorted_by(|one, next| one < next) {
            pairs.sort_unstable();
            pairs.dedup();
        }
        Self(pairs)
    }
}

/// Where a field ends or has an escape.
fn end(text: &[u8]) -> Option<usize> {
    let Some((near, far)) = text.split_first_chunk::<BLOCK>().filter(|_| text.len() >= LONG) else {
        return memchr3(b'&', b'%', b'+', text);
    };
    if let Some(end) = memchr3(b'&', b'%', b'+', near) {
        return Some(end);
    }
    let plain = far.as_chunks::<BLOCK>().0.iter().take_while(|block| is_plain(block)).count() * BLOCK;
    memchr3(b'&', b'%', b'+', far.get(plain..)?).map(|end| BLOCK + plain + end)
}

/// Whether there is nothing from `%` to `+` in a block, where all lies that ends a field or is an escape: told by one
/// comparison for each byte instead of three.
fn is_plain(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(u8::MAX, |least, byte| least.min(byte.wrapping_sub(b'%'))) > b'+' - b'%'
}

/// Cuts a field at its first `=`; one without is all name.
fn split(field: &[u8]) -> Option<Pair<'_>> {
    // Names are short: to search faster would take longer to begin.
    let Some(end) = field.iter().position(|byte| *byte == b'=') else { return Some((field, b"")) };
    let (name, value) = field.split_at_checked(end)?;
    Some((name, value.get(1..)?))
}

/// The value of a query parameter that occurs exactly once, its escapes decoded. A `+` stays one, because
/// base64 has it.
pub(in crate::verify) fn query_value(target: &str, name: &str) -> Option<Vec<u8>> {
    let (_, query) = target.split_once('?')?;
    let mut found = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    match (found.next(), found.next()) {
        (Some(value), None) => {
            let mut decoded = Vec::with_capacity(value.len());
            unescape(value.as_bytes(), false, &mut decoded)?;
            Some(decoded)
        }
        _ => None,
    }
}

/// Appends a text with its escapes decoded; `None` where one is broken.
fn unescape(text: &[u8], plus_is_space: bool, decoded: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        decoded.push(match first {
            b'+' if plus_is_space => b' ',
            b'%' => {
                let [high, low, after @ ..] = rest else { return None };
                rest = after;
                digit(*high)? * 16 + digit(*low)?
            }
            byte => *byte,
        });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, Fields, LONG, end, query_value};

    fn joined(body: &[u8]) -> Vec<u8> {
        let mut room = Vec::new();
        let form = Fields::parse(body, &mut room).unwrap().sorted();
        form.pairs().iter().flat_map(|(name, value)| [*name, *value]).collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_long_value_ends_where_it_ends() {
        for length in [LONG - 1, LONG, LONG + 1, 3 * LONG + BLOCK / 2] {
            // What is near an end or an escape is none.
            for filler in [b'a', b'$', b'\'', b'*', b',', 0xff] {
                let text = vec![filler; length];
                assert_eq!(end(&text), None);
                for at in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, length / 2, length - 1] {
                    for byte in *b"&%+" {
                        let mut text = text.clone();
                        text[length - 1] = b'&';
                        text[at] = byte;
                        assert_eq!(end(&text), Some(at), "{length} {filler} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn forms_are_decoded_strictly_and_sorted_without_repeats() {
        let mut room = Vec::new();
        let form = Fields::parse(b"b=2&a=%2B1+x&b=1&b=2&&c", &mut room).unwrap();
        assert_eq!(form.only("a"), Some(b"+1 x".as_slice()));
        assert_eq!(form.only("b"), None);
        assert_eq!(form.only("c"), Some(b"".as_slice()));
        assert_eq!(joined(b"b=2&a=%2B1+x&b=1&b=2&&c"), b"a+1 xb1b2c");
        assert_eq!(joined(b"a=1&a=1&b=2"), b"a1b2", "sorted, with a repeat");
        for broken in ["a=%", "a=%2", "a=%zz", "a=%+1"] {
            assert!(Fields::parse(broken.as_bytes(), &mut Vec::new()).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_form_has_at_most_1000_fields_and_empty_ones_are_none() {
        let reads = |form: String| Fields::parse(form.as_bytes(), &mut Vec::new()).is_some();
        for field in ["a=1&", "a=+&"] {
            assert!(reads(field.repeat(1000)), "{field}");
            assert!(!reads(field.repeat(1001)), "{field}");
        }
        assert!(reads("&".repeat(1001)));
    }

    #[test]
    fn an_escape_changes_nothing_about_the_other_fields() {
        for (plain, escaped) in [
            ("b=2&a=1&&b=2&c&d=&=e&a=1=1", "b=2&a=%31&&b=2&c&d=&=e&a=1=1"),
            ("a=1&b=2&c", "a=1&b=2&%63"),
            ("a=xx&b=", "%61=xx&b="),
        ] {
            assert_eq!(joined(plain.as_bytes()), joined(escaped.as_bytes()));
        }
        assert_eq!(joined(b"a=%26b%3D1&%3D=2"), b"=2a&b=1", "what is escaped parts nothing");
    }

    /// The same, step by step.
    fn joined_plainly(body: &str) -> Vec<u8> {
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text).collect::<Vec<u8>>()
        };
        let fields = body.split('&').filter(|field| !field.is_empty());
        let pair = |field: &str| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (decoded(name), decoded(value))
        };
        let pairs: std::collections::BTreeSet<_> = fields.map(pair).collect();
        pairs.into_iter().flat_map(|(name, value)| [name, value]).flatten().collect()
    }

    proptest! {
        #[test]
        fn fields_are_read_sorted_and_joined_as_step_by_step(
            body in "([ab=&+]|%[0-9a-fA-F]{2}|%26|%3D|a=a&){0,20}",
            plain in "([a-c]{0,3}=[ab=]{0,2}&){0,8}",
            long in "a=[ab]{2000}",
        ) {
            for form in [&body, &plain, &format!("{plain}{body}"), &format!("{long}&{body}&{long}")] {
                prop_assert_eq!(joined(form.as_bytes()), joined_plainly(form));
            }
        }
    }

    #[test]
    fn a_query_parameter_is_read_where_it_is_there_once() {
        assert_eq!(query_value("/a?x=1&y=a%2Fb+c", "y"), Some(b"a/b+c".to_vec()));
        assert_eq!(query_value("/a?x=1&x=1", "x"), None);
        assert_eq!(query_value("/a", "x"), None);
    }
}
