//! The template of the signed bytes: `{timestamp}.{body}` and its like. Pure.
//!
//! Not a string builder: rendering hands out slices, so nothing is allocated for a request. Invariants: the
//! body occurs at most once, so it can be streamed through the MAC; a fact that a request lacks stops the
//! rendering (`None`), it is never rendered as nothing.

use http::HeaderName;

use super::body::Path;
use super::extract::SignatureCredential;
use crate::credential::Head;
use crate::credential::grammar::trim_ows;

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
    /// The key itself, for plain hashes.
    Secret,
    /// A value in the JSON body; where it is optional, nothing stands for an absent one.
    Json { path: Path, optional: bool },
    /// A field of the form body.
    Form(String),
    /// Every field of a form body, sorted; nothing where the body is no form.
    FormSorted,
    /// MD5 of the body, in base64.
    Md5Base64,
    /// CRC-32 of the body, in decimal.
    Crc32,
    /// SHA-256 of the body, in hexadecimal.
    Sha256Hex,
}

/// What a template is filled with, but for the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'h> {
    pub(super) head: &'h Head<'h>,
    pub(super) timestamp: Option<&'h [u8]>,
    pub(super) id: Option<&'h [u8]>,
    pub(super) secret: Option<&'h [u8]>,
}

impl<'h> Facts<'h> {
    /// The facts that the head and its credential tell.
    pub(super) fn of(
        head: &'h Head<'h>,
        credential: &'h SignatureCredential,
        secret: Option<&'h [u8]>,
    ) -> Self {
        Self {
            head,
            timestamp: credential.timestamp.as_ref().map(|signed| signed.text.as_slice()),
            id: credential.id.as_ref().map(|id| id.0.as_slice()),
            secret,
        }
    }
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
        let is_target = |part: &Part| matches!(part, Part::Target | Part::Path | Part::Query | Part::Url);
        let before_late = |parts: &[Part]| {
            parts.windows(2).any(|pair| matches!(pair, [target, late] if is_target(target) && late.is_late()))
        };
        (self.body && self.before.last().is_some_and(is_target))
            || before_late(&self.before)
            || before_late(&self.after)
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

    /// Whether the whole body is covered, by itself, by a digest, or field by field.
    pub(super) fn covers_body(&self) -> bool {
        let covers = |part: &Part| matches!(part, Part::Sha256Hex | Part::Md5Base64 | Part::FormSorted);
        self.body || self.parts().any(covers)
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
            "secret" => Part::Secret,
            "form.sorted" => Part::FormSorted,
            "md5b64:body" => Part::Md5Base64,
            "crc32:body" => Part::Crc32,
            "sha256hex:body" => Part::Sha256Hex,
            _ => {
                if let Some(part) = body_part(name) {
                    match part {
                        Some(part) => self.side().push(part),
                        None => faults.push(format!("`{{{name}}}` does not name a value of the body")),
                    }
                    return;
                }
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
                             query, url, secret, header:<name>, json:<path>, json?:<path>, form:<field>, \
                             form.sorted, md5b64:body, crc32:body and sha256hex:body"
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

/// `json:…` and `form:…`; the inner `None` is one that names nothing.
fn body_part(name: &str) -> Option<Option<Part>> {
    if let Some(path) = name.strip_prefix("json:") {
        return Some(Path::parse(path).map(|path| Part::Json { path, optional: false }));
    }
    if let Some(path) = name.strip_prefix("json?:") {
        return Some(Path::parse(path).map(|path| Part::Json { path, optional: true }));
    }
    let field = name.strip_prefix("form:")?;
    Some((!field.is_empty()).then(|| Part::Form(field.to_owned())))
}

/// Hands every piece to `sink`, in order; `None` as soon as the request lacks a fact.
pub(super) fn render(parts: &[Part], facts: &Facts<'_>, mut sink: impl FnMut(&[u8])) -> Option<()> {
    for part in parts {
        sink(part.bytes(facts)?);
    }
    Some(())
}

impl Part {
    /// Whether it can only be known from the whole body.
    pub(super) fn is_late(&self) -> bool {
        matches!(
            self,
            Self::Json { .. }
                | Self::Form(_)
                | Self::FormSorted
                | Self::Md5Base64
                | Self::Crc32
                | Self::Sha256Hex
        )
    }

    /// Its bytes, where the head tells them.
    pub(super) fn bytes<'a>(&'a self, facts: &Facts<'a>) -> Option<&'a [u8]> {
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
            Self::Header(name) => head.headers.get(name).map(|value| trim_ows(value.as_bytes())),
            Self::Secret => facts.secret,
            _ => None,
        }
    }
}
