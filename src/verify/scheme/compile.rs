//! From a scheme as written to one that can be used: every check, and every fault at once. Pure.
//!
//! Not on the way of a request. Invariants: a time or id that is read and not signed is a fault, for nothing
//! may be believed that the signature does not cover; keys that the chosen form does not use are faults;
//! framing headers can't carry a signature, because the carrier is removed before forwarding.

use std::fmt;

use http::HeaderName;

use super::spec::{Algorithm, HeaderNames, Parse, SchemeSpec, SecretDecode, SigSpec, TimestampSpec};
use super::template::{Part, Template};
use super::{Form, Reader, Scheme, TimestampPlace, TimestampSource};

/// How far a signed time may be from now unless the scheme says so: that of Standard Webhooks.
const DEFAULT_TOLERANCE: u32 = 300;
/// The widest window: beyond a day a timestamp protects nothing.
const WIDEST_TOLERANCE: u32 = 86_400;
/// The shortest key that a generated secret may decode to.
const SHORTEST_GENERATED: usize = 32;

/// Headers that HTTP itself needs.
const FRAMING: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One thing that is wrong with a scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeFault {
    /// Which key, as `sig.header`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl SchemeFault {
    pub(super) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

impl fmt::Display for SchemeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Scheme {
    /// Checks a scheme and prepares it for use.
    ///
    /// # Errors
    /// Every fault that it has.
    pub fn compile(spec: &SchemeSpec, label: &'static str) -> Result<Self, Vec<SchemeFault>> {
        let mut check = Check { spec, faults: Vec::new() };
        let template = check.template();
        let reader = check.reader();
        let timestamp = spec.timestamp.as_ref().map(|timestamp| check.timestamp(timestamp));
        let id = spec.id.as_ref().map(|id| check.headers("id.header", &id.header)).unwrap_or_default();
        check.secret();
        if template.is_some() || spec.algorithm == Algorithm::Token {
            check.coverage(template.as_ref());
        }
        if spec.max_body.is_some_and(|size| size.0 == 0) {
            check.fault("max_body", "must be more than 0");
        }

        let (Some(reader), true) = (reader, check.faults.is_empty()) else { return Err(check.faults) };
        let prefix = match &reader.form {
            Form::Plain { prefix, .. } => prefix.clone(),
            Form::List { tag, tag_separator, .. } => format!("{tag}{}", char::from(*tag_separator)),
        };
        let timestamp = timestamp.flatten();
        let scheme = Self { label, spec: spec.clone(), reader, template, timestamp, id, prefix };
        match scheme.secret_len(&scheme.generate_secret(&[0xa5; 32])) {
            Ok(length) if length >= SHORTEST_GENERATED => Ok(scheme),
            _ => Err(vec![SchemeFault::new("secret.generate", "makes secrets that this scheme can't use")]),
        }
    }
}

struct Check<'s> {
    spec: &'s SchemeSpec,
    faults: Vec<SchemeFault>,
}

impl Check<'_> {
    fn fault(&mut self, path: &str, message: impl Into<String>) {
        self.faults.push(SchemeFault::new(path, message));
    }

    fn template(&mut self) -> Option<Template> {
        let token = self.spec.algorithm == Algorithm::Token;
        if token && self.spec.encoding.is_some() {
            self.fault("encoding", "a token is compared as it is; remove the encoding");
        }
        if !token && self.spec.encoding.is_none() {
            self.fault("encoding", "is missing: hex, base64 or base64url");
        }
        match &self.spec.signed {
            Some(_) if token => {
                self.fault("signed", "a token signs nothing; remove the template");
                None
            }
            None if token => None,
            None => {
                self.fault("signed", "is missing: the template of the signed bytes");
                None
            }
            Some(text) => match Template::parse(text) {
                Ok(template) => Some(template),
                Err(messages) => {
                    for message in messages {
                        self.fault("signed", message);
                    }
                    None
                }
            },
        }
    }

    fn reader(&mut self) -> Option<Reader> {
        let sig = &self.spec.sig;
        let headers = self.headers("sig.header", &sig.header);
        for name in &headers {
            if FRAMING.contains(&name.as_str()) {
                self.fault("sig.header", format!("`{name}` is needed by HTTP itself"));
            }
        }
        let form = match sig.parse {
            Parse::Plain => {
                self.unused(&[("sep", &sig.sep), ("tag_sep", &sig.tag_sep), ("key", &sig.key)]);
                Some(self.plain(sig))
            }
            Parse::Kv => {
                self.unused(&[("prefix", &sig.prefix), ("tag_sep", &sig.tag_sep)]);
                self.list(sig, Some(b'='))
            }
            Parse::Tagged => {
                self.unused(&[("prefix", &sig.prefix)]);
                let tag_separator = self.separator("sig.tag_sep", sig.tag_sep.as_deref());
                self.list(sig, tag_separator)
            }
        };
        if sig.parse != Parse::Plain && self.spec.algorithm == Algorithm::Token {
            self.fault("sig.parse", "a token is the whole value, after a prefix perhaps: `plain`");
        }
        form.map(|form| Reader { headers, form })
    }

    fn plain(&mut self, sig: &SigSpec) -> Form {
        let prefix = sig.prefix.clone().unwrap_or_default();
        let optional = sig.prefix_optional.unwrap_or(false);
        if optional && prefix.is_empty() {
            self.fault("sig.prefix_optional", "there is no prefix");
        }
        if optional && self.spec.algorithm == Algorithm::Token {
            self.fault("sig.prefix_optional", "a token has one spelling");
        }
        if !prefix.bytes().all(|byte| matches!(byte, b' '..=b'~')) || prefix.starts_with(' ') {
            self.fault("sig.prefix", "must be printable ASCII and not begin with a space");
        }
        Form::Plain { prefix, optional }
    }

    fn list(&mut self, sig: &SigSpec, tag_separator: Option<u8>) -> Option<Form> {
        if sig.prefix_optional.is_some() {
            self.fault("sig.prefix_optional", "is for `plain` only");
        }
        let separator = self.separator("sig.sep", sig.sep.as_deref());
        if separator.is_some() && separator == tag_separator {
            self.fault("sig.sep", "must differ from what ends the tag");
        }
        let tag = sig.key.clone().unwrap_or_default();
        let reserved = |byte: u8| Some(byte) == separator || Some(byte) == tag_separator;
        if tag.is_empty() || tag.bytes().any(|byte| !byte.is_ascii_graphic() || reserved(byte)) {
            self.fault("sig.key", "must be printable ASCII without spaces and separators");
        }
        Some(Form::List { separator: separator?, tag_separator: tag_separator?, tag })
    }

    fn separator(&mut self, path: &str, text: Option<&str>) -> Option<u8> {
        if let Some([byte @ b' '..=b'~']) = text.map(str::as_bytes)
            && !byte.is_ascii_alphanumeric()
        {
            return Some(*byte);
        }
        self.fault(path, "must be one ASCII character, no letter or digit");
        None
    }

    fn unused(&mut self, keys: &[(&str, &Option<String>)]) {
        for (key, value) in keys {
            if value.is_some() {
                self.fault(&format!("sig.{key}"), "is not used with this `parse`");
            }
        }
    }

    fn timestamp(&mut self, timestamp: &TimestampSpec) -> Option<TimestampSource> {
        let place = match (&timestamp.header, &timestamp.field) {
            (Some(names), None) => Some(TimestampPlace::Header(self.headers("timestamp.header", names))),
            (None, Some(field)) => {
                if self.spec.sig.parse != Parse::Kv {
                    self.fault("timestamp.field", "needs `parse = \"kv\"`");
                }
                let sig = &self.spec.sig;
                if field.is_empty() || Some(field) == sig.key.as_ref() {
                    self.fault("timestamp.field", "must be the key of another item than the signature");
                }
                Some(TimestampPlace::Field(field.clone()))
            }
            _ => {
                self.fault("timestamp", "needs a `header` or a `field`, and not both");
                None
            }
        };
        let tolerance = timestamp.tolerance.unwrap_or(DEFAULT_TOLERANCE);
        if !(1..=WIDEST_TOLERANCE).contains(&tolerance) {
            self.fault("timestamp.tolerance", format!("must be 1 to {WIDEST_TOLERANCE} seconds"));
        }
        place.map(|place| TimestampSource { place, unit: timestamp.unit, tolerance })
    }

    fn headers(&mut self, path: &str, names: &HeaderNames) -> Vec<HeaderName> {
        let mut headers: Vec<HeaderName> = Vec::new();
        if names.names().is_empty() {
            self.fault(path, "must name a header");
        }
        for name in names.names() {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(header) if headers.contains(&header) => self.fault(path, format!("`{name}` occurs twice")),
                Ok(header) => headers.push(header),
                Err(_) => self.fault(path, format!("`{name}` is not a header name")),
            }
        }
        headers
    }

    fn secret(&mut self) {
        let secret = &self.spec.secret;
        if secret.strip.as_ref().is_some_and(String::is_empty) {
            self.fault("secret.strip", "must not be empty");
        }
        if self.spec.algorithm == Algorithm::Token && secret.decode != SecretDecode::Utf8 {
            self.fault("secret.decode", "a token is compared as it is");
        }
    }

    /// What is read must be signed, and what is signed must be read.
    fn coverage(&mut self, template: Option<&Template>) {
        let signed = |part: &Part| template.is_some_and(|template| template.has(part));
        for (path, read, signed) in [
            ("timestamp", self.spec.timestamp.is_some(), signed(&Part::Timestamp)),
            ("id", self.spec.id.is_some(), signed(&Part::Id)),
        ] {
            match (read, signed) {
                (true, false) => self.fault(path, "is not in `signed`, so anybody could change it"),
                (false, true) => self.fault(path, "is in `signed`, and nothing says where it is"),
                _ => {}
            }
        }
    }
}
