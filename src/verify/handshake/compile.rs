//! From a handshake as written to one that can be used: every fault at once. Pure.
//!
//! Not on the way of a request. Invariant: a handshake whose answers could sign an event does not load, for
//! presets and for users' own schemes alike.

use http::HeaderName;

use super::reply::{Member, Piece, Reply};
use super::{Handshake, HandshakeSpec, Place, Shape, chars};
use crate::verify::scheme::body::Path;
use crate::verify::scheme::{Scheme, SchemeFault};

/// Collects faults, each under `handshake`.
struct Check(Vec<SchemeFault>);

impl Check {
    fn fault(&mut self, key: &str, message: impl Into<String>) {
        let path = if key.is_empty() { "handshake".to_owned() } else { format!("handshake.{key}") };
        self.0.push(SchemeFault::new(&path, message));
    }
}

impl Handshake {
    /// Checks a handshake by itself.
    ///
    /// # Errors
    /// Every fault that it has.
    pub(in crate::verify) fn compile(spec: &HandshakeSpec) -> Result<Self, Vec<SchemeFault>> {
        let mut check = Check(Vec::new());
        let challenge = check.challenge(spec);
        let reply = check.reply(spec);
        check.shape(spec, &reply);
        if !check.0.is_empty() {
            return Err(check.0);
        }
        Ok(Self {
            shape: spec.shape,
            challenge,
            when: spec.when.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            token: spec.token.clone(),
            reply,
            guards_bodies: false,
        })
    }

    /// Fits it to its scheme.
    ///
    /// # Errors
    /// Every reason why it can't be answered, or not safely.
    pub(in crate::verify) fn fit(mut self, scheme: &Scheme) -> Result<Self, Vec<SchemeFault>> {
        let mut check = Check(Vec::new());
        match self.shape {
            Shape::Get => {}
            Shape::SignedPost if scheme.binds_body() => {}
            Shape::SignedPost => check.fault("shape", "needs a signature that covers the body"),
            Shape::Secret if scheme.generates_secrets() => {}
            Shape::Secret => check.fault("shape", "needs a scheme with a secret, not a public key"),
        }
        if self.reply.has(&Piece::Mac) {
            match scheme.answers_challenges() {
                None => self.fit_mac(&mut check, scheme),
                Some(true) => {}
                Some(false) => check.fault("", "this built-in `kind` makes no `{mac}` of a challenge"),
            }
        }
        if check.0.is_empty() { Ok(self) } else { Err(check.0) }
    }

    /// A MAC under the key that verifies events must never be the signature of one.
    fn fit_mac(&mut self, check: &mut Check, scheme: &Scheme) {
        if scheme.spec().algorithm.hash().is_none() {
            check.fault("", "`{mac}` needs a scheme with an HMAC");
        }
        if scheme.signs_literally(|byte| !chars::holds(byte)) {
            return;
        }
        self.guards_bodies = scheme.signs_whole_body();
        if !self.guards_bodies {
            let message =
                "`{mac}` could sign an event: `signed` needs `{body}`, or text that no challenge has";
            check.fault("", message);
        }
    }
}

impl Check {
    fn challenge(&mut self, spec: &HandshakeSpec) -> Option<Place> {
        let challenge = spec.challenge.as_ref()?;
        let place = match (&challenge.query, &challenge.header, &challenge.json) {
            (Some(name), None, None) if !name.is_empty() => Some(Place::Query(name.clone())),
            (None, Some(name), None) => self.header("challenge.header", name).map(Place::Header),
            (None, None, Some(path)) => {
                let path = Path::parse(path);
                if path.is_none() {
                    self.fault("challenge.json", "is no path such as `payload.token`");
                }
                path.map(Place::Json)
            }
            _ => {
                self.fault("challenge", "needs one of `query`, `header` and `json`");
                return None;
            }
        };
        match (spec.shape, &place) {
            (Shape::Get, Some(Place::Json(_))) => self.fault("challenge", "a GET has no body"),
            (Shape::SignedPost, Some(Place::Query(_) | Place::Header(_))) => {
                self.fault("challenge", "must be `json`: the signature covers the body only");
            }
            (Shape::Secret, Some(Place::Query(_))) => {
                self.fault("challenge", "a secret must not be in a URL");
            }
            _ => {}
        }
        place
    }

    fn header(&mut self, key: &str, name: &str) -> Option<HeaderName> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        if parsed.is_none() {
            self.fault(key, "is no header name");
        }
        parsed
    }

    fn template(&mut self, key: &str, text: &str) -> Vec<Piece> {
        Piece::parse(text).unwrap_or_else(|message| {
            self.fault(key, message);
            Vec::new()
        })
    }

    fn reply(&mut self, spec: &HandshakeSpec) -> Reply {
        match (&spec.text, &spec.json, &spec.header) {
            (None, None, None) => Reply::Empty,
            (Some(text), None, None) => Reply::Text(self.template("text", text)),
            (None, Some(members), None) => {
                let mut reply = Vec::new();
                for (name, value) in members {
                    let member = match value {
                        serde_json::Value::String(text) => Member::Text(self.template("json", text)),
                        fixed => Member::Fixed(fixed.clone()),
                    };
                    reply.push((name.clone(), member));
                }
                Reply::Json(reply)
            }
            (None, None, Some(name)) => self.header("header", name).map_or(Reply::Empty, Reply::Header),
            _ => {
                self.fault("", "has at most one of `text`, `json` and `header`");
                Reply::Empty
            }
        }
    }

    /// What goes with which shape.
    fn shape(&mut self, spec: &HandshakeSpec, reply: &Reply) {
        if spec.challenge.is_none() {
            if spec.shape != Shape::SignedPost {
                self.fault("challenge", "is missing");
            }
            if reply.pieces().any(|piece| matches!(piece, Piece::Challenge | Piece::Mac | Piece::Digest)) {
                self.fault("challenge", "is missing: the answer is made of it");
            }
        }
        if spec.shape == Shape::SignedPost && spec.when.is_empty() {
            self.fault("when", "is missing: every event would be taken for a handshake");
        }
        if spec.shape == Shape::Get && spec.when.values().any(|value| !value.is_string()) {
            self.fault("when", "has texts only: they are compared with the query");
        }
        if spec.token.is_some() && spec.shape != Shape::Get {
            self.fault("token", "is in the query of a `get`");
        }
        match (spec.shape, reply) {
            (Shape::Secret, Reply::Text(_) | Reply::Json(_)) => {
                self.fault("shape", "`secret` is answered by `header` or without a body");
            }
            (Shape::Get | Shape::SignedPost, Reply::Header(_)) => {
                self.fault("header", "is for `secret`");
            }
            _ => {}
        }
    }
}
