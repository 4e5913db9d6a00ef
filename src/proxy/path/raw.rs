//! Paths that only a route with `path_mode = "raw"` may take, and what other parsers may read in them. Pure.
//!
//! Not a normaliser: the upstream gets the original bytes. Invariant: in no reading, however careless, has an
//! admitted path a dot segment, so it never leaves the prefix that its route names.

use super::{MAX_LAYERS, PathFault, escape};

/// A path that is not plain, and has no dot segment in any reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawPath<'p>(&'p str);

impl<'p> RawPath<'p> {
    /// Judges the path part of a target, as received.
    ///
    /// # Errors
    /// [`PathFault::NotAbsolute`], [`PathFault::DotSegment`], [`PathFault::TooManyLayers`], and
    /// [`PathFault::NotInPath`] for what ends a path or cannot be sent on.
    pub fn parse(path: &'p str) -> Result<Self, PathFault> {
        if !path.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        if path.bytes().any(|byte| byte <= b' ' || matches!(byte, 0x7f | b'?' | b'#')) {
            return Err(PathFault::NotInPath);
        }
        let raw = Self(path);
        let dotted =
            |segments: &Vec<String>| segments.iter().any(|segment| matches!(segment.as_str(), "." | ".."));
        if raw.readings()?.iter().any(dotted) { Err(PathFault::DotSegment) } else { Ok(raw) }
    }

    /// As received.
    #[must_use]
    pub fn as_str(self) -> &'p str {
        self.0
    }

    /// The segments that careless parsers see, one list for each number of decodings: `\` is a slash, parameters
    /// and what follows a NUL are dropped, blanks are trimmed, empty segments vanish, overlong and full-width forms
    /// are what they look like.
    ///
    /// # Errors
    /// [`PathFault::TooManyLayers`].
    pub fn readings(self) -> Result<Vec<Vec<String>>, PathFault> {
        let mut layer = self.0.as_bytes().to_vec();
        let mut readings = vec![segments(&layer)];
        for _ in 0..MAX_LAYERS {
            let next = decode(&layer);
            if next == layer {
                return Ok(readings);
            }
            readings.push(segments(&next));
            layer = next;
        }
        if decode(&layer) == layer { Ok(readings) } else { Err(PathFault::TooManyLayers) }
    }
}

fn segments(layer: &[u8]) -> Vec<String> {
    let text = folded(layer);
    let parts = text.split(['/', '\\']).map(|part| {
        let end = part.find([';', '?', '#', '\0']).unwrap_or(part.len());
        let part = part.get(..end).unwrap_or_default();
        part.chars().filter(|char| !char.is_whitespace() && !char.is_control()).collect::<String>()
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// Text in which overlong UTF-8 (RFC 3629 §10) and full-width forms are the characters that they pass for.
fn folded(bytes: &[u8]) -> String {
    const PASSES_FOR: [(&[u8], u8); 11] = [
        (b"\xc0\xae", b'.'),
        (b"\xe0\x80\xae", b'.'),
        (b"\xf0\x80\x80\xae", b'.'),
        (b"\xc0\xaf", b'/'),
        (b"\xe0\x80\xaf", b'/'),
        (b"\xf0\x80\x80\xaf", b'/'),
        (b"\xc1\x9c", b'\\'),
        (b"\xef\xbc\x8e", b'.'),
        (b"\xef\xbc\x8f", b'/'),
        (b"\xef\xbc\xbc", b'\\'),
        (b"\xe2\x80\xa4", b'.'),
    ];
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let found = PASSES_FOR.iter().find_map(|(form, plain)| Some((*plain, rest.strip_prefix(*form)?)));
        let (byte, after) = found.unwrap_or((*first, after));
        text.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Decodes one layer; what is no escape stays. `%uXXXX` is one to some.
fn decode(layer: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(layer.len());
    let mut rest = layer;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
        } else if let Some((byte, after)) = escape(after) {
            bytes.push(byte);
            rest = after;
        } else if let Some((char, after)) = wide_escape(after) {
            bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        } else {
            bytes.push(first);
        }
    }
    bytes
}

fn wide_escape(after_percent: &[u8]) -> Option<(char, &[u8])> {
    let digits = after_percent.strip_prefix(b"u").or_else(|| after_percent.strip_prefix(b"U"))?;
    let (high, rest) = escape(digits)?;
    let (low, rest) = escape(rest)?;
    Some((char::from_u32(u32::from(high) << 8 | u32::from(low))?, rest))
}
