//! From a scheme as written to one that can be used: every check, and every fault at once. Pure.
//!
//! Not on the way of a request. Invariants: a time or id that is read and not signed is a fault, for nothing
//! may be believed that the signature does not cover; keys that the chosen form does not use are faults;
//! framing headers can't carry a signature, because the carrier is removed before forwarding.

mod parts;
mod sig;

use std::fmt;

use self::sig::FRAMING;
use super::spec::{Algorithm, SchemeSpec, SigSpec};
use super::{Form, IdPlace, Place, Reader, Reads, Scheme};
use crate::verify::handshake::Handshake;
use crate::verify::kind;

/// How far a signed time may be from now unless the scheme says so: that of Standard Webhooks.
const DEFAULT_TOLERANCE: u32 = 300;
/// The widest window: beyond a day a timestamp protects nothing.
const WIDEST_TOLERANCE: u32 = 86_400;
/// The shortest key that a generated secret may decode to.
const SHORTEST_GENERATED: usize = 32;

/// One thing that is wrong with a scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeFault {
    /// Which key, as `sig.header`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl SchemeFault {
    /// A fault of one key.
    #[must_use]
    pub fn new(path: &str, message: impl Into<String>) -> Self {
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
        if let Some(name) = &spec.kind {
            return check.kind(name, label);
        }
        if !spec.params.is_empty() {
            check.fault("params", "are of a built-in `kind`, and none is named");
        }
        if spec.algorithm == Algorithm::Unset {
            check.fault("algorithm", "is missing");
        }
        let template = check.template();
        let reader = check.reader();
        let timestamp = spec.timestamp.as_ref().and_then(|timestamp| check.timestamp(timestamp));
        let id = check.id();
        let require = check.required();
        let each = check.each();
        check.common();
        if template.is_some() || spec.algorithm == Algorithm::Token {
            check.coverage(template.as_ref());
        }
        check.bind(template.as_ref());

        let (Some(reader), true) = (reader, check.faults.is_empty()) else { return Err(check.faults) };
        let prefix = match &reader.form {
            Form::Plain { prefix, .. } | Form::Items { prefix, .. } => prefix.clone(),
            Form::List { tag, tag_separator, .. } => format!("{tag}{}", char::from(*tag_separator)),
        };
        let spec = spec.clone();
        let mut scheme = Self {
            label,
            spec,
            kind: None,
            reader,
            template,
            timestamp,
            id,
            require,
            each,
            whole: false,
            reads: Reads::default(),
            prefix,
            handshake: None,
        };
        scheme.reads = scheme.reads();
        scheme.whole = scheme.is_whole();
        scheme.with_usable_secrets()?.with_handshake()
    }

    /// With the handshake that it describes, checked against the rest of it.
    fn with_handshake(mut self) -> Result<Self, Vec<SchemeFault>> {
        if let Some(spec) = &self.spec.handshake {
            self.handshake = Some(Handshake::compile(spec)?.fit(&self)?);
        }
        Ok(self)
    }

    /// Whether the secrets that it generates can be used with it.
    fn with_usable_secrets(self) -> Result<Self, Vec<SchemeFault>> {
        if !self.generates_secrets() {
            return Ok(self);
        }
        // How long a derived key is, its derivation says.
        let is_derived = self.spec.secret.derive.is_some();
        match self.secret_len(&self.generate_secret(&[0xa5; 32])) {
            Ok(length) if length >= SHORTEST_GENERATED || is_derived => Ok(self),
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

    /// A built-in kind describes itself: nothing but its name, its parameters and the secret is data.
    fn kind(mut self, name: &str, label: &'static str) -> Result<Scheme, Vec<SchemeFault>> {
        let spec = self.spec;
        for (path, said) in [
            ("algorithm", spec.algorithm != Algorithm::Unset),
            ("encoding", spec.encoding.is_some()),
            ("signed", spec.signed.is_some()),
            ("sig", spec.sig != SigSpec::default()),
            ("timestamp", spec.timestamp.is_some()),
            ("id", spec.id.is_some()),
            ("require", !spec.require.is_empty()),
            ("bind", spec.bind.is_some()),
            ("each", spec.each.is_some()),
            ("url", !spec.url.is_empty()),
        ] {
            if said {
                self.fault(path, "is not used with a built-in `kind`");
            }
        }
        self.common();
        let kind = match kind::build(name, &spec.params) {
            Ok(kind) => kind,
            Err(found) => return Err(self.faults.into_iter().chain(found).collect()),
        };
        for name in kind.about().headers.iter().filter(|name| FRAMING.contains(&name.as_str())) {
            self.fault("params", format!("`{name}` is needed by HTTP itself"));
        }
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let reader = Reader {
            headers: kind.about().headers.clone(),
            place: Place::Header,
            form: Form::Plain { prefix: String::new(), optional: false },
        };
        let scheme = Scheme {
            label,
            spec: spec.clone(),
            kind: Some(kind),
            reader,
            template: None,
            timestamp: None,
            id: IdPlace::Headers(Vec::new()),
            require: Vec::new(),
            each: None,
            whole: false,
            reads: Reads::default(),
            prefix: String::new(),
            handshake: None,
        };
        scheme.with_usable_secrets()?.with_handshake()
    }

    /// What every scheme has, described or built in.
    fn common(&mut self) {
        self.secret();
        if let Some(Err(found)) = self.spec.handshake.as_ref().map(Handshake::compile) {
            self.faults.extend(found);
        }
        if self.spec.max_body.is_some_and(|size| size.0 == 0) {
            self.fault("max_body", "must be more than 0");
        }
    }
}
