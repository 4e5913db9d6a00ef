//! A delivery to paste, signed as the sender of a new integration will sign, and what its sender must be told.
//!
//! Not a test of the way there: nothing is sent. Invariants: the line is printed only where it will be accepted, which is
//! judged first; a token is an argument of no process, because it goes to curl's standard input.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::Value;

use crate::cli::sign::curl::{header, quoted, token_from};
use crate::clock::{Clock, SystemClock};
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::offline::{Captured, Terms, judge};
use crate::verify::scheme::{self, Scheme, SchemeChoice};

/// What is signed, byte for byte.
const BODY: &str = r#"{"hello":"world"}"#;

/// What a new integration's answer allows to say.
pub(super) struct Sample<'a> {
    answer: &'a Value,
    /// Where the secret was read from; else it is in the answer alone.
    file: Option<&'a Path>,
    scheme: Option<Arc<Scheme>>,
    url: Option<String>,
}

impl<'a> Sample<'a> {
    /// Of the answer to create; `traffic` is where senders reach the sidecar, where its public URL is not set.
    pub(super) fn of(answer: &'a Value, file: Option<&'a Path>, traffic: Option<&str>) -> Self {
        let choice = answer.get("scheme").and_then(|scheme| serde_json::from_value(scheme.clone()).ok());
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let url = text("url").map(str::to_owned);
        Self {
            answer,
            file,
            scheme: choice.and_then(|choice: SchemeChoice| scheme::resolve(&choice).ok()),
            url: url.or_else(|| Some(format!("{}{}", traffic?, text("path")?))),
        }
    }

    /// What the sender calls, where that is known.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// What to do on the sender's side.
    pub(super) fn setup(&self) -> Option<String> {
        let setup = self.scheme.as_deref()?.spec().setup.as_deref()?;
        let url = self.url.as_ref().map_or(String::new(), |url| format!("# It calls {url}\n"));
        Some(format!("{url}# {setup}"))
    }

    /// The line, under a comment that says what it is.
    pub(super) fn curl(&self) -> Option<String> {
        let (scheme, url) = (self.scheme.as_deref()?, self.url.as_deref()?);
        let field = |name: &str| self.answer.get(name);
        // A disabled one, or one that is confined to some addresses, may refuse it.
        if field("isActive") != Some(&Value::Bool(true)) || field("allowedCidrs") != Some(&Value::Null) {
            return None;
        }
        let secret = Secret::from_text(field("webhookSecret")?.as_str()?);
        let made = signed(scheme, &secret, url)?;
        let body = quoted(BODY);
        let json = "'content-type: application/json'";
        let mut line = format!("curl -i {} -d {body} -H {json}", quoted(url));
        if scheme.is_token() {
            let (name, _) = made.first()?;
            let before = match self.file {
                Some(file) => token_from(name, scheme.prefix(), file.to_str().filter(|file| *file != "-")?),
                None => format!("printf '%s\\n' {} | ", quoted(&header(&made.first()?.0, &made.first()?.1)?)),
            };
            line = format!("{before}{line} -H @-");
        } else {
            for (name, value) in &made {
                line = format!("{line} -H {}", quoted(&header(name, value)?));
            }
        }
        let note = match (scheme.is_token(), field("toleranceSeconds").and_then(Value::as_u64)) {
            (true, _) => "with the token of the sender".to_owned(),
            (false, Some(seconds)) => format!("signed as the sender signs; good for {seconds} seconds"),
            (false, None) => "signed as the sender signs".to_owned(),
        };
        Some(format!("# A delivery to paste, {note}:\n{line}"))
    }
}

/// The sender's headers, judged as the sidecar will judge them.
fn signed(scheme: &Scheme, secret: &Secret, url: &str) -> Option<Vec<(http::HeaderName, http::HeaderValue)>> {
    if scheme.signed_headers().next().is_some() {
        return None;
    }
    let target = crate::cli::inputs::target_of(url).ok()?;
    let (method, now) = (Method::POST, SystemClock.now());
    let nothing = HeaderMap::new();
    let head = Head { method: &method, target: &target, headers: &nothing, url: Some(url) };
    let key = scheme.prepare(secret).ok()?;
    let made = scheme.sign(&key, &head, &[BODY.as_bytes()], now, None);
    let mut headers = HeaderMap::new();
    for (name, value) in &made {
        headers.append(name, value.clone());
    }
    let head = Head { headers: &headers, ..head };
    let terms = Terms { scheme, secrets: std::slice::from_ref(secret), now, tolerance_seconds: None };
    judge(&terms, &Captured { head, body: BODY.as_bytes() }).ok()?;
    Some(made)
}
