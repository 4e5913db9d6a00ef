//! The path of a target, judged once, so that what routes match is what the upstream will understand. Pure.
//!
//! Not a normaliser: the upstream gets the original bytes, so a path that two parsers could read in two
//! ways is refused instead of repaired (RFC 3986 §5.2.4 and §6.2.2 describe the repairs that others do).
//! Invariants of a [`CheckedPath`]:
//! - no segment is empty, `.` or `..`, as written or after any number of decodings;
//! - decoding it once or several times yields no `/`, `\`, `.`, `;` or control character that was not
//!   there as written;
//! - it has at most [`MAX_SEGMENTS`] segments, and one trailing slash means the same as none;
//! - a path without `%` is borrowed: checking and splitting it allocates nothing.

mod raw;

use std::borrow::Cow;

pub use raw::RawPath;

/// The most segments that a path may have.
pub const MAX_SEGMENTS: usize = 128;

/// How many times a path may turn out to be encoded. Deeper nesting has no honest use.
const MAX_LAYERS: usize = 4;

/// Why a path is refused. The client gets 400; the text is for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It does not begin with `/`: authority-form, `*`, or no path at all (RFC 9112 §3.2).
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A character that no path has: space, `?`, `#`, `<`, `>`, or a raw byte beyond ASCII.
    #[error("the path contains a character that must be encoded")]
    NotInPath,
    /// `.` or `..` as a segment.
    #[error("the path contains a dot segment")]
    DotSegment,
    /// `//` within the path.
    #[error("the path contains an empty segment")]
    EmptySegment,
    /// A raw backslash: some servers take it for a slash.
    #[error("the path contains a backslash")]
    Backslash,
    /// A `;`: some servers drop it and what follows before they match.
    #[error("the path contains segment parameters")]
    Parameters,
    /// An escape that hides `/`, `\`, `.` or `;`, encoded once or several times.
    #[error("the path contains an encoded slash, backslash, dot or semicolon")]
    EncodedDelimiter,
    /// A control character, raw or encoded (NUL, CR, LF, TAB, DEL, U+0080 to U+009F …).
    #[error("the path contains a control character")]
    Control,
    /// A `%` that two hex digits do not follow.
    #[error("the path contains an incomplete escape")]
    BadEscape,
    /// Escapes that are not UTF-8: overlong forms, surrogates, stray bytes.
    #[error("the escapes of the path are not UTF-8")]
    NotUtf8,
    /// Encoded again and again.
    #[error("the path is encoded too many times")]
    TooManyLayers,
    /// More than [`MAX_SEGMENTS`] segments.
    #[error("the path has too many segments")]
    TooManySegments,
}

/// A path that every parser reads in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPath<'p> {
    written: &'p str,
    /// The whole path, decoded once. No escape hid a slash, so splitting it gives the decoded segments.
    decoded: Cow<'p, str>,
}

impl<'p> CheckedPath<'p> {
    /// Judges the path part of a target (no query), as received.
    ///
    /// # Errors
    /// The first [`PathFault`] found. The request is to be refused with 400.
    pub fn parse(path: &'p str) -> Result<Self, PathFault> {
        if !path.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        check_raw(path)?;
        let decoded = if path.contains('%') { Cow::Owned(decode(path)?) } else { Cow::Borrowed(path) };
        if matches!(decoded, Cow::Owned(_)) {
            check_decoded(path, &decoded)?;
        }
        check_segments(&decoded)?;
        Ok(Self { written: path, decoded })
    }

    /// As received.
    #[must_use]
    pub fn as_str(&self) -> &'p str {
        self.written
    }

    /// The decoded segments, in order. `/` has none; `/a/` has the same one as `/a`.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let mut rest = inner(&self.decoded);
        // By hand: segments are short, and to set up the library's search for each costs more than to find its end.
        std::iter::from_fn(move || {
            let text = rest?;
            let (segment, after) = match text.bytes().position(|byte| byte == b'/') {
                Some(end) => (text.get(..end)?, text.get(end + 1..)),
                None => (text, None),
            };
            rest = after;
            Some(segment)
        })
    }
}

/// What stands between the first slash and an optional last one; `None` where there are no segments.
fn inner(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    // `//` is one empty segment, not none: only `/` itself has none.
    (path.len() > 1).then_some(rest)
}

/// Characters that are refused as written.
fn check_raw(path: &str) -> Result<(), PathFault> {
    for byte in path.bytes() {
        match byte {
            b'\\' => return Err(PathFault::Backslash),
            b';' => return Err(PathFault::Parameters),
            0..0x20 | 0x7f => return Err(PathFault::Control),
            b' ' | b'?' | b'#' | b'<' | b'>' | 0x80.. => return Err(PathFault::NotInPath),
            _ => {}
        }
    }
    Ok(())
}

/// The shape of the path: no empty segment, no dot segment, not too many.
fn check_segments(decoded: &str) -> Result<(), PathFault> {
    let Some(inner) = inner(decoded) else { return Ok(()) };
    for (count, segment) in inner.as_bytes().split(|byte| *byte == b'/').enumerate() {
        if count >= MAX_SEGMENTS {
            return Err(PathFault::TooManySegments);
        }
        if segment.is_empty() {
            return Err(PathFault::EmptySegment);
        }
    }
    check_dots(inner)
}

fn check_dots(layer: &str) -> Result<(), PathFault> {
    // Most paths have no dot at all.
    let has_dots = layer.contains('.') && layer.split('/').any(is_dots);
    if has_dots { Err(PathFault::DotSegment) } else { Ok(()) }
}

/// Some file systems trim blanks, so `..%20` is a dot segment there; `..%3F` is one to whoever decodes first.
fn is_dots(segment: &str) -> bool {
    matches!(segment.split(['?', '#']).next().unwrap_or(segment).trim(), "." | "..")
}

/// Decodes every layer and refuses delimiters that escapes hid in any of them.
fn check_decoded(path: &str, decoded: &str) -> Result<(), PathFault> {
    check_layer(path, decoded)?;
    let mut layer = Cow::Borrowed(decoded);
    for _ in 1..MAX_LAYERS {
        if !has_escape(&layer) {
            return Ok(());
        }
        let next = decode_leniently(&layer)?;
        check_layer(&layer, &next)?;
        layer = Cow::Owned(next);
    }
    if has_escape(&layer) { Err(PathFault::TooManyLayers) } else { Ok(()) }
}

/// Compares a layer with what it decodes to: no delimiter may have appeared, no control character, and nothing that makes
/// a dot segment of dots which stood beside it.
fn check_layer(encoded: &str, decoded: &str) -> Result<(), PathFault> {
    if decoded.chars().any(char::is_control) {
        return Err(PathFault::Control);
    }
    let delimiters =
        |text: &str| text.bytes().filter(|byte| matches!(byte, b'/' | b'\\' | b'.' | b';')).count();
    if delimiters(decoded) != delimiters(encoded) {
        return Err(PathFault::EncodedDelimiter);
    }
    check_dots(decoded)
}

/// Percent-decodes; every `%` must be followed by two hex digits (RFC 3986 §2.1).
fn decode(text: &str) -> Result<String, PathFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) =
            if first == b'%' { escape(after).ok_or(PathFault::BadEscape)? } else { (first, after) };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| PathFault::NotUtf8)
}

/// Percent-decodes what can be; a `%` that is no escape is data of the layer above and stays.
fn decode_leniently(text: &str) -> Result<String, PathFault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = if first == b'%' { escape(after) } else { None };
        let (byte, after) = escaped.unwrap_or((first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| PathFault::NotUtf8)
}

/// Whether anything is left to decode.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|window| matches!(window, [b'%', rest @ ..] if escape(rest).is_some()))
}

/// The byte that two hex digits name, and what follows them.
fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = after_percent else { return None };
    Some((hex(*high)? << 4 | hex(*low)?, rest))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// A path as far as any route may take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path<'p> {
    /// Every parser reads it in the same way.
    Plain(CheckedPath<'p>),
    /// Only for routes with `path_mode = "raw"`; anywhere else it is refused for this fault.
    Raw(RawPath<'p>, PathFault),
}

impl<'p> Path<'p> {
    /// Judges the path part of a target (no query), as received. Where `raw` is false, no route takes raw paths.
    ///
    /// # Errors
    /// The fault for which it is refused whatever the routes.
    pub fn parse(path: &'p str, raw: bool) -> Result<Self, PathFault> {
        match CheckedPath::parse(path) {
            Ok(checked) => Ok(Self::Plain(checked)),
            Err(fault) if raw => Ok(Self::Raw(RawPath::parse(path)?, fault)),
            Err(fault) => Err(fault),
        }
    }

    /// As received.
    #[must_use]
    pub fn as_str(&self) -> &'p str {
        match self {
            Self::Plain(checked) => checked.as_str(),
            Self::Raw(raw, _) => raw.as_str(),
        }
    }
}

#[cfg(test)]
mod tests;
