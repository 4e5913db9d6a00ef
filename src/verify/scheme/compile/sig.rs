//! Checks of where a signature is and how it is read. Pure.

use http::HeaderName;

use super::Check;
use crate::verify::scheme::body::Path;
use crate::verify::scheme::spec::{Algorithm, HeaderNames, Parse, SigSpec};
use crate::verify::scheme::{Form, Place, Reader};

/// How many numbered headers are read.
const NUMBERED: u32 = 100;

/// Headers that HTTP itself needs.
pub(super) const FRAMING: [&str; 10] = [
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

impl Check<'_> {
    pub(super) fn reader(&mut self) -> Option<Reader> {
        let sig = &self.spec.sig;
        let (headers, place) = self.place(sig);
        for name in &headers {
            if FRAMING.contains(&name.as_str()) {
                self.fault("sig.header", format!("`{name}` is needed by HTTP itself"));
            }
        }
        let form = self.form(sig);
        if sig.parse != Parse::Plain && self.spec.algorithm == Algorithm::Token {
            self.fault("sig.parse", "a token is the whole value, after a prefix perhaps: `plain`");
        }
        Some(Reader { headers, place: place?, form: form? })
    }

    fn place(&mut self, sig: &SigSpec) -> (Vec<HeaderName>, Option<Place>) {
        let said = [
            !sig.header.names().is_empty(),
            !sig.headers.is_empty(),
            sig.numbered.is_some(),
            sig.json.is_some(),
            sig.form.is_some(),
            sig.query.is_some(),
        ];
        if said.iter().filter(|said| **said).count() > 1 {
            self.fault("sig", "is in one place: header, headers, numbered, json, form or query");
        }
        if !sig.headers.is_empty() {
            let names = HeaderNames::Aliases(sig.headers.clone());
            return (self.headers("sig.headers", &names), Some(Place::EachHeader));
        }
        if let Some(prefix) = &sig.numbered {
            let names = (1..=NUMBERED).map(|number| format!("{prefix}{number}")).collect();
            if prefix.is_empty() || HeaderName::from_bytes(prefix.as_bytes()).is_err() {
                self.fault("sig.numbered", "must be what the names of the headers begin with");
                return (Vec::new(), None);
            }
            let names = self.headers("sig.numbered", &HeaderNames::Aliases(names));
            return (names, Some(Place::EachHeader));
        }
        let place = match (&sig.json, &sig.form, &sig.query) {
            (Some(path), ..) => self.path("sig.json", path).map(Place::Json),
            (_, Some(field), _) if !field.is_empty() => Some(Place::Form(field.clone())),
            (.., Some(name)) if self.spec.algorithm == Algorithm::Token => {
                self.fault("sig.query", format!("a token in a URL ends up in logs: not `{name}`"));
                None
            }
            (.., Some(name)) if !name.is_empty() => Some(Place::Query(name.clone())),
            (None, None, None) => return (self.headers("sig.header", &sig.header), Some(Place::Header)),
            _ => {
                self.fault("sig", "names no field");
                None
            }
        };
        (Vec::new(), place)
    }

    fn form(&mut self, sig: &SigSpec) -> Option<Form> {
        match sig.parse {
            Parse::Plain => {
                self.unused(&[
                    ("sep", &sig.sep),
                    ("tag_sep", &sig.tag_sep),
                    ("key", &sig.key),
                    ("group_sep", &sig.group_sep),
                ]);
                Some(self.plain(sig))
            }
            Parse::Kv => {
                self.unused(&[
                    ("prefix", &sig.prefix),
                    ("tag_sep", &sig.tag_sep),
                    ("group_sep", &sig.group_sep),
                ]);
                self.list(sig, Some(b'='), None)
            }
            Parse::Tagged => {
                self.unused(&[("prefix", &sig.prefix), ("group_sep", &sig.group_sep)]);
                let tag_separator = self.separator("sig.tag_sep", sig.tag_sep.as_deref());
                self.list(sig, tag_separator, None)
            }
            Parse::Groups => {
                self.unused(&[("prefix", &sig.prefix), ("tag_sep", &sig.tag_sep)]);
                let group = self.separator("sig.group_sep", sig.group_sep.as_deref());
                self.list(sig, Some(b'='), group)
            }
            Parse::Delimited | Parse::Positional => self.items(sig),
        }
    }

    fn items(&mut self, sig: &SigSpec) -> Option<Form> {
        self.unused(&[("tag_sep", &sig.tag_sep), ("group_sep", &sig.group_sep)]);
        let first = if sig.parse == Parse::Delimited {
            self.unused(&[("key", &sig.key)]);
            0
        } else {
            match sig.key.as_deref().and_then(|key| key.parse().ok()) {
                Some(first @ 1..=8) => first,
                _ => {
                    self.fault("sig.key", "must be the position of the first signature, 1 to 8");
                    1
                }
            }
        };
        let separator = self.separator("sig.sep", sig.sep.as_deref());
        let Form::Plain { prefix, .. } = self.plain(sig) else { return None };
        Some(Form::Items { prefix, separator: separator?, first })
    }

    /// Reads the path of a JSON value.
    pub(super) fn path(&mut self, at: &str, path: &str) -> Option<Path> {
        let parsed = Path::parse(path);
        if parsed.is_none() {
            self.fault(at, "must be a path such as `signature.token`");
        }
        parsed
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

    fn list(&mut self, sig: &SigSpec, tag_separator: Option<u8>, group: Option<u8>) -> Option<Form> {
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
        Some(Form::List { separator: separator?, tag_separator: tag_separator?, tag, group })
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

    pub(super) fn headers(&mut self, path: &str, names: &HeaderNames) -> Vec<HeaderName> {
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
}
