//! The template of the signed bytes: `{timestamp}.{body}` and its like. Pure.
//!
//! Not a string builder: rendering hands out slices, so nothing is allocated for a request. Invariants: the
//! body occurs at most once, so it can be streamed through the MAC; a fact that a request lacks stops the
//! rendering (`None`), it is never rendered as nothing.

use http::HeaderName;

use crate::credential::Head;

/// A template, split at the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    /// What comes before the body.
    pub(super) before: Vec<Part>,
    /// Whether the body is signed.
    pub(super) body: bool,
    /// What comes after it.
    pub(super) after: Vec<Part>,
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text as it stands.
    Literal(Vec<u8>),
    /// The signed time, as received.
    Timestamp,
    /// The message id, as received.
    Id,
    /// The method.
    Method,
    /// Path and query in origin-form, as received.
    Target,
    /// The target up to the first `?`.
    Path,
    /// The target after the first `?`; empty without one.
    Query,
    /// The URL that the sender called.
    Url,
    /// The value of a header.
    Header(HeaderName),
}

/// What a template is filled with, but for the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'h> {
    pub(super) head: &'h Head<'h>,
    pub(super) timestamp: Option<&'h [u8]>,
    pub(super) id: Option<&'h [u8]>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Every fault, as a message.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut template = Self { before: Vec::new(), body: false, after: Vec::new() };
        let mut faults = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                template.close(&mut literal);
                let Some((name, after)) = after.split_once('}') else {
                    faults.push(format!("`{rest}` lacks its `}}`"));
                    break;
                };
                template.variable(name, &mut faults);
                rest = after;
            } else {
                if next == '}' {
                    faults.push("a `}` without its `{`; a literal one is written `}}`".to_owned());
                }
                literal.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
        template.close(&mut literal);
        let fixed = template.parts().all(|part| matches!(part, Part::Literal(_)));
        if faults.is_empty() && fixed && !template.body {
            faults.push("it names nothing of the request, so one signature would fit them all".to_owned());
        }
        if faults.is_empty() { Ok(template) } else { Err(faults) }
    }

    /// All parts but the body.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.before.iter().chain(&self.after)
    }

    /// Whether a part occurs.
    pub(super) fn has(&self, wanted: &Part) -> bool {
        self.parts().any(|part| part == wanted)
    }

    /// The text that must not occur in the id, because it ends it: else the same signed bytes could be cut
    /// elsewhere, into another id, time and body.
    pub(super) fn id_boundary(&self) -> Option<&[u8]> {
        let before = self.before.windows(2).find_map(|pair| match pair {
            [Part::Id, Part::Literal(text)] => Some(text),
            _ => None,
        });
        let after = || {
            self.after.windows(2).find_map(|pair| match pair {
                [Part::Literal(text), Part::Id] => Some(text),
                _ => None,
            })
        };
        before.or_else(after).map(Vec::as_slice)
    }

    /// Whether the body follows the target, or part of it, with nothing in between.
    pub(super) fn joins_target_and_body(&self) -> bool {
        let last = self.before.last();
        self.body && matches!(last, Some(Part::Target | Part::Path | Part::Query | Part::Url))
    }

    /// The text that must not occur in what the scheme signs of the target, because it ends it: else the end
    /// of the target and the beginning of the body could trade places under one signature.
    pub(super) fn target_boundary(&self) -> Option<&[u8]> {
        self.before.windows(2).find_map(|pair| match pair {
            [Part::Target | Part::Path | Part::Query | Part::Url, Part::Literal(text)] => {
                Some(text.as_slice())
            }
            _ => None,
        })
    }

    fn variable(&mut self, name: &str, faults: &mut Vec<String>) {
        let part = match name {
            "body" if self.body => {
                faults.push("`{body}` occurs more than once".to_owned());
                return;
            }
            "body" => {
                self.body = true;
                return;
            }
            "timestamp" => Part::Timestamp,
            "id" => Part::Id,
            "method" => Part::Method,
            "target" => Part::Target,
            "path" => Part::Path,
            "query" => Part::Query,
            "url" => Part::Url,
            _ => {
                let header = name.strip_prefix("header:").map(|name| HeaderName::from_bytes(name.as_bytes()));
                match header {
                    Some(Ok(name)) => Part::Header(name),
                    Some(Err(_)) => {
                        faults.push(format!("`{{{name}}}` does not name a header"));
                        return;
                    }
                    None => {
                        faults.push(format!(
                            "`{{{name}}}` is unknown; there are body, timestamp, id, method, target, path, \
                             query, url and header:<name>"
                        ));
                        return;
                    }
                }
            }
        };
        self.side().push(part);
    }

    fn close(&mut self, literal: &mut String) {
        if !literal.is_empty() {
            let text = std::mem::take(literal).into_bytes();
            self.side().push(Part::Literal(text));
        }
    }

    fn side(&mut self) -> &mut Vec<Part> {
        if self.body { &mut self.after } else { &mut self.before }
    }
}

/// Hands every piece to `sink`, in order; `None` as soon as the request lacks a fact.
pub(super) fn render(parts: &[Part], facts: &Facts<'_>, mut sink: impl FnMut(&[u8])) -> Option<()> {
    for part in parts {
        sink(part.bytes(facts)?);
    }
    Some(())
}

impl Part {
    fn bytes<'a>(&'a self, facts: &Facts<'a>) -> Option<&'a [u8]> {
        let head = facts.head;
        match self {
            Self::Literal(text) => Some(text),
            Self::Timestamp => facts.timestamp,
            Self::Id => facts.id,
            Self::Method => Some(head.method.as_str().as_bytes()),
            Self::Target => Some(head.target.as_bytes()),
            Self::Path => head.target.split('?').next().map(str::as_bytes),
            Self::Query => Some(head.target.split_once('?').map_or(b"", |(_, query)| query.as_bytes())),
            Self::Url => head.url.map(str::as_bytes),
            Self::Header(name) => head.headers.get(name).map(http::HeaderValue::as_bytes),
        }
    }
}
