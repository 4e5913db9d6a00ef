//! The grammar of credential headers: one line or none, lists of items, strict decoders. Pure.
//!
//! Not a judge: nothing here knows which header belongs to which scheme. Invariants: a header that occurs
//! twice is [`Line::Many`], never first-wins; decoders accept one spelling of the bytes (canonical base64;
//! hex in either case) and only of the expected length; no function allocates for what a client sent.
//! Spec: RFC 9110 §5.6.3 (optional whitespace), RFC 4648 §3.5 (canonical encoding).

use std::fmt;

use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use super::{CredentialFault, Extraction};

/// Room for any decoded signature: 64 bytes, and what a base64 decoder may write beyond them.
pub const DECODE_BUFFER: usize = 72;

/// The lines that a request has of one logical header, over all its aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'h> {
    /// No line.
    None,
    /// Exactly one, its value without surrounding whitespace.
    One(&'h [u8]),
    /// More than one: whichever were picked, another hop may pick the other.
    Many,
}

impl<'h> Line<'h> {
    /// The same as a credential, which must not be there twice; `name` is for the message.
    #[must_use]
    pub fn credential(self, name: &'static str) -> Extraction<&'h [u8]> {
        match self {
            Self::None => Extraction::Absent,
            Self::Many => Extraction::Malformed(CredentialFault::Duplicate(name)),
            Self::One(value) => Extraction::Present(value),
        }
    }
}

/// Finds the only line of a header that may have several names.
#[must_use]
pub fn one_line<'h>(headers: &'h HeaderMap, names: &[HeaderName]) -> Line<'h> {
    let mut found = Line::None;
    for name in names {
        for value in headers.get_all(name) {
            if found != Line::None {
                return Line::Many;
            }
            found = Line::One(trim_ows(value.as_bytes()));
        }
    }
    found
}

/// Removes the optional whitespace (space and tab) that may surround a value.
#[must_use]
pub fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The values of the items `tag`, `separator`, value in a list, in their order; other items are skipped.
///
/// Items and values lose surrounding whitespace (WorkOS sends `t=…, v1=…`). The first `separator` of an
/// item ends its tag, so that a value may contain it (base64 padding in `v1=…=`).
pub fn tagged<'v>(
    list: &'v [u8],
    item_separator: u8,
    tag_separator: u8,
    tag: &'v [u8],
) -> impl Iterator<Item = &'v [u8]> {
    list.split(move |byte| *byte == item_separator).filter_map(move |item| {
        let item = trim_ows(item);
        let at = item.iter().position(|byte| *byte == tag_separator)?;
        let (name, value) = item.split_at_checked(at)?;
        (trim_ows(name) == tag).then(|| trim_ows(value.get(1..).unwrap_or_default()))
    })
}

/// How signature bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Hexadecimal, in either case.
    Hex,
    /// Base64 with the standard alphabet, padded and canonical.
    Base64,
    /// Base64 with the URL alphabet, canonical; padded or not.
    Base64Url,
}

impl Encoding {
    /// The name in the scheme language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
        }
    }

    /// Decodes text that must stand for exactly `length` bytes, into `buffer`.
    #[must_use]
    pub fn decode<'b>(
        self,
        text: &[u8],
        length: usize,
        buffer: &'b mut [u8; DECODE_BUFFER],
    ) -> Option<&'b [u8]> {
        let codec = match self {
            Self::Hex => &HEXLOWER_PERMISSIVE,
            Self::Base64 => &BASE64,
            Self::Base64Url if text.len() == BASE64URL_NOPAD.encode_len(length) => &BASE64URL_NOPAD,
            Self::Base64Url => &BASE64URL,
        };
        if text.len() != codec.encode_len(length) {
            return None;
        }
        let room = buffer.get_mut(..codec.decode_len(text.len()).ok()?)?;
        let written = codec.decode_mut(text, room).ok()?;
        if written == length { buffer.get(..written) } else { None }
    }

    /// Decodes text of at most `longest` bytes whose length the algorithm does not fix (public-key signatures).
    #[must_use]
    pub fn decode_any(self, text: &[u8], longest: usize) -> Option<Vec<u8>> {
        let codec = match self {
            Self::Hex => &HEXLOWER_PERMISSIVE,
            Self::Base64 => &BASE64,
            Self::Base64Url if text.ends_with(b"=") => &BASE64URL,
            Self::Base64Url => &BASE64URL_NOPAD,
        };
        if text.is_empty() || text.len() > codec.encode_len(longest) {
            return None;
        }
        codec.decode(text).ok()
    }

    /// Writes bytes as this encoding's senders do.
    #[must_use]
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => HEXLOWER.encode(bytes),
            Self::Base64 => BASE64.encode(bytes),
            Self::Base64Url => BASE64URL_NOPAD.encode(bytes),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{DECODE_BUFFER, Encoding, Line, one_line, tagged, trim_ows};

    fn decodes(encoding: Encoding, text: &str, length: usize) -> bool {
        let mut buffer = [0; DECODE_BUFFER];
        encoding.decode(text.as_bytes(), length, &mut buffer).is_some()
    }

    #[test]
    fn one_line_over_all_aliases_or_none() {
        let names = [HeaderName::from_static("webhook-id"), HeaderName::from_static("svix-id")];
        let mut headers = HeaderMap::new();
        assert_eq!(one_line(&headers, &names), Line::None);
        headers.append("svix-id", HeaderValue::from_static(" \tmsg_1 "));
        assert_eq!(one_line(&headers, &names), Line::One(b"msg_1"));
        headers.append("webhook-id", HeaderValue::from_static("msg_1"));
        assert_eq!(one_line(&headers, &names), Line::Many);
    }

    #[test]
    fn whitespace_is_trimmed_at_both_ends_and_not_within() {
        assert_eq!(trim_ows(b" \t a b\t "), b"a b");
        assert_eq!(trim_ows(b" \t "), b"");
        assert_eq!(trim_ows(b"\na"), b"\na");
    }

    #[test]
    fn only_items_with_the_tag_are_seen() {
        let list = b"t=1, v1 = aa=,v0=bb,v1,,=cc,v11=dd,v1=";
        let values: Vec<_> = tagged(list, b',', b'=', b"v1").collect();
        assert_eq!(values, [b"aa=".as_slice(), b""]);
    }

    #[test]
    fn hex_is_read_in_either_case_and_only_in_full() {
        assert!(decodes(Encoding::Hex, "00fF", 2));
        assert!(!decodes(Encoding::Hex, "00f", 2), "odd length");
        assert!(!decodes(Encoding::Hex, "00", 2), "too short");
        assert!(!decodes(Encoding::Hex, "00ffff", 2), "too long");
        assert!(!decodes(Encoding::Hex, "00fg", 2), "not hex");
        assert!(!decodes(Encoding::Hex, "0xff", 2), "no prefix");
    }

    #[test]
    fn base64_is_read_in_its_canonical_spelling_only() {
        assert!(decodes(Encoding::Base64, "AAE=", 2));
        assert!(!decodes(Encoding::Base64, "AAF=", 2), "trailing bits");
        assert!(!decodes(Encoding::Base64, "AAE", 2), "no padding");
        assert!(!decodes(Encoding::Base64, "AA==AA==", 2), "padding within");
        assert!(!decodes(Encoding::Base64, "AA\nE=", 2), "line break");
        assert!(!decodes(Encoding::Base64, "__E=", 2), "other alphabet");
        assert!(decodes(Encoding::Base64Url, "__8", 2));
        assert!(decodes(Encoding::Base64Url, "__8=", 2));
        assert!(!decodes(Encoding::Base64Url, "__9", 2), "trailing bits");
        assert!(!decodes(Encoding::Base64Url, "//8", 2), "other alphabet");
    }

    #[test]
    fn sixty_four_bytes_fit_in_every_encoding() {
        let bytes = [0xa5; 64];
        for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url] {
            let text = encoding.encode(&bytes);
            let mut buffer = [0; DECODE_BUFFER];
            assert_eq!(encoding.decode(text.as_bytes(), 64, &mut buffer), Some(bytes.as_slice()));
        }
    }

    #[test]
    fn text_of_any_length_is_read_up_to_the_longest() {
        let read = |encoding: Encoding, text: &str| encoding.decode_any(text.as_bytes(), 2);
        for (encoding, one, two, three) in [
            (Encoding::Hex, "fb", "fBff", "fbffff"),
            (Encoding::Base64, "+w==", "+/8=", "+///+w=="),
            (Encoding::Base64Url, "-w", "-_8", "-___-w"),
            (Encoding::Base64Url, "-w==", "-_8=", "-___-w=="),
        ] {
            assert_eq!(read(encoding, one), Some(vec![0xfb]), "{one}");
            assert_eq!(read(encoding, two), Some(vec![0xfb, 0xff]), "{two}");
            assert_eq!(read(encoding, three), None, "{three}");
            assert_eq!(read(encoding, ""), None);
        }
        assert_eq!(read(Encoding::Base64, "-_8="), None, "other alphabet");
        assert_eq!(read(Encoding::Base64Url, "-_9"), None, "trailing bits");
    }

    #[test]
    fn an_encoding_is_shown_by_its_name() {
        let shown =
            [Encoding::Hex, Encoding::Base64, Encoding::Base64Url].map(|encoding| encoding.to_string());
        assert_eq!(shown, ["hex", "base64", "base64url"]);
    }
}
