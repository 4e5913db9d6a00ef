//! Path patterns of routes: literal segments, `{name}` for one segment, `{*rest}` for all that remain. Pure.
//!
//! Not regular expressions and not prefixes: `/a` matches `/a` and `/a/`, never `/ab` or `/a/b`.
//! Invariants: a pattern is parsed once; literals are compared with decoded segments, case-sensitively
//! (RFC 3986 §6.2.2.1); `{*rest}` matches zero or more segments and stands last.

use std::fmt;

use crate::proxy::path::MAX_SEGMENTS;

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
        let mut pattern = Self { source: source.to_owned(), segments: Vec::new(), rest: false };
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

    /// Matches the segments of a path; captures the integration's name.
    pub(super) fn matches<'p>(&self, segments: &[&'p str]) -> Option<Matched<'p>> {
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
        f.write_str(&self.source)
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
