//! Checks of the template, the time, the id, the secret and what else a scheme reads. Pure.

use http::HeaderName;

use super::{Check, DEFAULT_TOLERANCE, WIDEST_TOLERANCE};
use crate::verify::scheme::body::Path;
use crate::verify::scheme::spec::{Algorithm, HeaderNames, Parse, SecretDecode, TimestampSpec};
use crate::verify::scheme::template::{Part, Template};
use crate::verify::scheme::{IdPlace, TimestampPlace, TimestampSource};

impl Check<'_> {
    pub(super) fn template(&mut self) -> Option<Template> {
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

    pub(super) fn timestamp(&mut self, timestamp: &TimestampSpec) -> Option<TimestampSource> {
        let place = match (&timestamp.header, &timestamp.field, &timestamp.json, &timestamp.form) {
            (None, None, Some(path), None) => self.path("timestamp.json", path).map(TimestampPlace::Json),
            (None, None, None, Some(field)) => Some(TimestampPlace::Form(field.clone())),
            (Some(names), None, None, None) => {
                Some(TimestampPlace::Header(self.headers("timestamp.header", names)))
            }
            (None, Some(field), None, None) => {
                if !matches!(self.spec.sig.parse, Parse::Kv | Parse::Groups | Parse::Positional) {
                    self.fault("timestamp.field", "needs `parse = \"kv\"`, `groups` or `positional`");
                }
                let sig = &self.spec.sig;
                if field.is_empty() || Some(field) == sig.key.as_ref() {
                    self.fault("timestamp.field", "must be the key of another item than the signature");
                }
                Some(TimestampPlace::Field(field.clone()))
            }
            _ => {
                self.fault("timestamp", "needs one of `header`, `field`, `json` and `form`");
                None
            }
        };
        let tolerance = timestamp.tolerance.unwrap_or(DEFAULT_TOLERANCE);
        if !(1..=WIDEST_TOLERANCE).contains(&tolerance) {
            self.fault("timestamp.tolerance", format!("must be 1 to {WIDEST_TOLERANCE} seconds"));
        }
        let enforce = timestamp.enforce.unwrap_or(true);
        if !enforce && timestamp.tolerance.is_some() {
            self.fault("timestamp.tolerance", "means nothing with `enforce = false`");
        }
        place.map(|place| TimestampSource { place, unit: timestamp.unit, tolerance, enforce })
    }

    pub(super) fn id(&mut self) -> IdPlace {
        let nowhere = IdPlace::Headers(Vec::new());
        let Some(id) = &self.spec.id else { return nowhere };
        match (id.header.names().is_empty(), &id.json, &id.form) {
            (true, Some(path), None) => self.path("id.json", path).map_or(nowhere, IdPlace::Json),
            (true, None, Some(field)) => IdPlace::Form(field.clone()),
            (false, None, None) => IdPlace::Headers(self.headers("id.header", &id.header)),
            _ => {
                self.fault("id", "needs one of `header`, `json` and `form`");
                nowhere
            }
        }
    }

    pub(super) fn required(&mut self) -> Vec<(HeaderName, String)> {
        let mut required = Vec::new();
        for (name, value) in &self.spec.require {
            match self.headers("require", &HeaderNames::One(name.clone())).pop() {
                Some(name) => required.push((name, value.clone())),
                None => continue,
            }
        }
        required
    }

    pub(super) fn each(&mut self) -> Option<Path> {
        let path = self.path("each", self.spec.each.as_deref()?);
        if self.spec.sig.json.is_none() {
            self.fault("each", "needs `sig.json`: every item carries a signature of its own");
        }
        let time = self.spec.timestamp.as_ref().is_some_and(|time| time.json.is_some());
        if time || self.spec.id.as_ref().is_some_and(|id| id.json.is_some()) {
            self.fault("each", "items with times or ids of their own can't be told apart");
        }
        path
    }

    /// A digest elsewhere binds the body only where the signature covers it.
    pub(super) fn bind(&mut self, template: Option<&Template>) {
        let Some(bind) = &self.spec.bind else { return };
        let signed = |part: &Part| template.is_some_and(|template| template.has(part));
        let covered = match (&bind.header, &bind.query) {
            (Some(name), None) => {
                let names = self.headers("bind.header", &HeaderNames::One(name.clone()));
                names.first().is_some_and(|name| signed(&Part::Header(name.clone())))
            }
            (None, Some(_)) => [Part::Url, Part::Target, Part::Query].iter().any(signed),
            _ => {
                self.fault("bind", "needs a `header` or a `query`, and not both");
                return;
            }
        };
        if !covered {
            self.fault("bind", "is not in `signed`, so anybody could change it");
        }
    }

    pub(super) fn secret(&mut self) {
        let secret = &self.spec.secret;
        if secret.strip.as_ref().is_some_and(String::is_empty) {
            self.fault("secret.strip", "must not be empty");
        }
        if self.spec.algorithm == Algorithm::Token && secret.decode != SecretDecode::Utf8 {
            self.fault("secret.decode", "a token is compared as it is");
        }
        if secret.decode == SecretDecode::Pem
            && self.spec.kind.is_none()
            && !self.spec.algorithm.is_asymmetric()
        {
            self.fault("secret.decode", "`pem` is for public keys");
        }
    }

    /// What is read must be signed, and what is signed must be read.
    pub(super) fn coverage(&mut self, template: Option<&Template>) {
        let has = |part: &Part| template.is_some_and(|template| template.has(part));
        let body = template.is_some_and(Template::covers_body);
        let (time, id) = (self.spec.timestamp.as_ref(), self.spec.id.as_ref());
        let time_in_body = time.is_some_and(|time| time.json.is_some() || time.form.is_some());
        let id_in_body = id.is_some_and(|id| id.json.is_some() || id.form.is_some());
        for (path, read, in_template, in_body) in [
            ("timestamp", time.is_some(), has(&Part::Timestamp), time_in_body && body),
            ("id", id.is_some(), has(&Part::Id), id_in_body && body),
        ] {
            match (read, in_template || in_body) {
                (true, false) => self.fault(path, "is not in `signed`, so anybody could change it"),
                (false, true) => self.fault(path, "is in `signed`, and nothing says where it is"),
                _ => {}
            }
        }
        if has(&Part::Secret) != (self.spec.algorithm == Algorithm::Sha256) {
            self.fault("signed", "has `{secret}` exactly where `algorithm = \"sha256\"`");
        }
        if !self.spec.url.is_empty() && !has(&Part::Url) {
            self.fault("url", "is not in `signed`");
        }
        if self.spec.algorithm == Algorithm::Token && self.spec.bind.is_some() {
            self.fault("bind", "a token signs nothing");
        }
    }
}
