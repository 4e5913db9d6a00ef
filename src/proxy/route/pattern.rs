//! Path patterns of routes: literal segments, `{name}` for one segment, `{*rest}` for all that remain; or, raw, a
//! prefix of bytes. Pure.
//!
//! Not regular expressions; and no prefix unless it is raw: `/a` matches `/a` and `/a/`, never `/ab` or `/a/b`.
//! Invariants: a pattern is parsed once; literals are compared with decoded segments, case-sensitively
//! (RFC 3986 §6.2.2.1); `{*rest}` matches zero or more segments and stands last.

use std::fmt;

use crate::proxy::path::{MAX_SEGMENTS, RawPath};

/// The name of the parameter that says which integration a request is for.
const INTEGRATION: &str = "integration";

/// Why a text is not a pattern. The text says what is wrong and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternFault(String);

/// A parsed path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    segments: Vec<Segment>,
    /// Whether `{*rest}` ends it.
    rest: bool,
    /// Whether the source is a prefix of the path's bytes; there are no segments then.
    raw: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter,
    Integration,
}

/// What a match captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Matched<'p> {
    pub(super) integration: Option<&'p str>,
}

impl Pattern {
    /// Parses `/webhooks/{integration}`, `/files/{*rest}`, `/`.
    ///
    /// # Errors
    /// [`PatternFault`] in words for the operator.
    pub fn parse(source: &str) -> Result<Self, PatternFault> {
        let fault = |text: String| Err(PatternFault(text));
        let Some(inner) = source.strip_prefix('/') else {
            return fault("a path that begins with \"/\"".to_owned());
        };
        let mut pattern = Self { source: source.to_owned(), segments: Vec::new(), rest: false, raw: false };
        if inner.is_empty() {
            return Ok(pattern);
        }
        let mut names: Vec<&str> = Vec::new();
        for text in inner.split('/') {
            if pattern.rest {
                return fault("nothing after \"{*rest}\"".to_owned());
            }
            if pattern.segments.len() >= MAX_SEGMENTS {
                return fault(format!("at most {MAX_SEGMENTS} segments"));
            }
            if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
                let (name, rest) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
                pattern.parameter(name, rest)?;
                if names.contains(&name) {
                    return fault(format!("each parameter once; \"{name}\" occurs again"));
                }
                names.push(name);
            } else {
                check_literal(text)?;
                pattern.segments.push(Segment::Literal(text.to_owned()));
            }
        }
        Ok(pattern)
    }

    /// Parses the prefix of a route with `path_mode = "raw"`.
    ///
    /// # Errors
    /// [`PatternFault`] in words for the operator.
    pub fn parse_raw(source: &str) -> Result<Self, PatternFault> {
        let fault = |text: &str| Err(PatternFault(text.to_owned()));
        if !source.starts_with('/') {
            return fault("a path that begins with \"/\"");
        }
        if source.contains(['{', '}', '*']) {
            return fault("the first bytes of a path, without parameters, because path_mode is \"raw\"");
        }
        if !source.is_ascii() || RawPath::parse(source).is_err() {
            return fault(
                "the first bytes of a path as they are sent: ASCII, without \"?\", \"#\" and dot segments",
            );
        }
        Ok(Self { source: source.to_owned(), segments: Vec::new(), rest: true, raw: true })
    }

    /// Whether it is a prefix of bytes.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// Whether a path begins with its bytes.
    pub(super) fn takes_raw(&self, path: &str) -> bool {
        self.raw && path.starts_with(&self.source)
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether it names an integration.
    #[must_use]
    pub fn has_integration(&self) -> bool {
        self.segments.contains(&Segment::Integration)
    }

    /// Whether every path that `other` matches is matched by this one as well.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self.raw, other.raw) {
            (true, true) => return other.source.starts_with(&self.source),
            // A path may write a segment's letters as escapes, and is then none of the prefix's.
            (true, false) => return self.source == "/",
            // The prefix's last piece may be half a segment.
            (false, true) => {
                let folder = other.source.rsplit_once('/').map_or("", |(folder, _)| folder);
                return Self::parse(&format!("{folder}/{{*rest}}")).is_ok_and(|folder| self.covers(&folder));
            }
            (false, false) => {}
        }
        let long_enough = other.segments.len() >= self.segments.len();
        let same_end = self.rest || (!other.rest && other.segments.len() == self.segments.len());
        long_enough
            && same_end
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (Segment::Literal(ours), Segment::Literal(theirs)) => ours == theirs,
                (Segment::Literal(_), _) => false,
                (Segment::Parameter | Segment::Integration, _) => true,
            })
    }

    /// Matches the segments of a path, or where it is raw the path as written; captures the integration's name.
    pub(super) fn matches<'p>(&self, segments: &[&'p str], written: &str) -> Option<Matched<'p>> {
        if self.raw {
            return self.takes_raw(written).then(Matched::default);
        }
        let (given, more) = segments.split_at_checked(self.segments.len())?;
        let mut matched = Matched::default();
        for (wanted, segment) in self.segments.iter().zip(given) {
            match wanted {
                Segment::Literal(literal) if literal == segment => {}
                Segment::Literal(_) => return None,
                Segment::Parameter => {}
                Segment::Integration => matched.integration = Some(segment),
            }
        }
        (self.rest || more.is_empty()).then_some(matched)
    }

    fn parameter(&mut self, name: &str, rest: bool) -> Result<(), PatternFault> {
        let legal = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        match (legal, rest, name) {
            (false, ..) => Err(PatternFault(format!(
                "parameters named [a-z][a-z0-9_]*, as in \"{{id}}\"; found \"{name}\""
            ))),
            (true, true, INTEGRATION) => {
                Err(PatternFault("\"{integration}\" as one segment, without \"*\"".to_owned()))
            }
            (true, true, _) => {
                self.rest = true;
                Ok(())
            }
            (true, false, INTEGRATION) => {
                self.segments.push(Segment::Integration);
                Ok(())
            }
            (true, false, _) => {
                self.segments.push(Segment::Parameter);
                Ok(())
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.raw { f.write_str(" (raw)") } else { Ok(()) }
    }
}

/// A literal must be one that a decoded segment of a checked path can equal.
fn check_literal(text: &str) -> Result<(), PatternFault> {
    let expected = if text.is_empty() {
        "no empty segment and no trailing slash (a request's trailing slash is ignored; \
         for everything below, end with \"/{*rest}\")"
    } else if text.contains(['{', '}']) {
        "a parameter to be a whole segment, as in \"/a/{id}\""
    } else if text.contains('*') {
        "a wildcard as \"{*rest}\", in the last segment"
    } else if text.contains('%') {
        "segments in decoded form, without \"%\" escapes"
    } else if matches!(text.trim(), "." | "..") {
        "no dot segments: requests with one are refused"
    } else if text.contains(['\\', ';', '?', '#']) || text.chars().any(char::is_control) {
        "no \"?\", \"#\", \";\", backslash or control character"
    } else {
        return Ok(());
    };
    Err(PatternFault(expected.to_owned()))
}
