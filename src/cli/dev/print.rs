//! What the demo prints: where everything is, and lines to paste.
//!
//! Invariant: every line is signed by the same engine that verifies it, and each says what will happen.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use http::{HeaderMap, Method};

use super::addresses;
use super::provision::Demo;
use crate::cli::sign::curl::quoted;
use crate::clock::{Clock, SystemClock};
use crate::credential::Head;
use crate::listener::Place;
use crate::secret::Secret;
use crate::verify::scheme;

/// The body of every sample. Signatures cover it byte for byte.
const BODY: &str = r#"{"hello":"world"}"#;

/// Where everything is.
pub(super) struct Places<'d> {
    pub(super) dir: &'d Path,
    pub(super) traffic: &'d Place,
    pub(super) admin: SocketAddr,
    pub(super) ops: SocketAddr,
}

/// Prints everything.
pub(super) fn all(places: &Places<'_>, demo: &Demo) {
    crate::cli::say(&text(places, demo));
}

/// How a sender reaches it: the beginning of a command, and that of a URL.
struct Way {
    curl: String,
    base: String,
}

impl Way {
    fn to(traffic: &Place) -> Self {
        match traffic {
            Place::Tcp(address) => Self { curl: "curl -i".to_owned(), base: format!("http://{address}") },
            Place::Unix { path, .. } => Self {
                curl: format!("curl -i --unix-socket {}", quoted(&path.display().to_string())),
                base: "http://localhost".to_owned(),
            },
        }
    }
}

fn text(places: &Places<'_>, demo: &Demo) -> String {
    let way = Way::to(places.traffic);
    let Way { curl, base } = &way;
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _infallible = write!(
        out,
        "\
Countersign is up, in front of an application that answers with what it received.

  traffic  {traffic}
  admin    http://{admin}   token: {dir}/admin.token
  ops      http://{ops}/readyz   http://{ops}/metrics

Paste these into another terminal.

# An API key: streams through.
{curl} {base}/orders -H 'X-API-Key: {api_key}'

# A signed request: covers time, method, target and body; good for five minutes.
{signed}
",
        traffic = match places.traffic {
            Place::Tcp(_) => base.clone(),
            socket @ Place::Unix { .. } => socket.to_string(),
        },
        admin = places.admin,
        dir = places.dir.display(),
        ops = places.ops,
        api_key = shown(&demo.api_key),
        signed = signed_request(&way, demo),
    );
    for (name, secret) in &demo.integrations {
        let scheme = match *name {
            "pagerduty" => "pagerduty-v3",
            "billing" => "standard-webhooks",
            other => other,
        };
        let note = match *name {
            "datadog" => "Datadog cannot sign: a static token, which does not cover the body.",
            "billing" => "A Standard Webhooks sender: good for five minutes.",
            "pagerduty" => "A PagerDuty delivery.",
            _ => "A GitHub delivery.",
        };
        let line = integration(&way, name, scheme, secret, BODY);
        let _infallible = write!(out, "\n# {note}\n{line}\n");
    }
    if let Some((name, secret)) = demo.integrations.first() {
        let line = integration(&way, name, name, secret, r#"{"hello":"mallory"}"#);
        let _infallible = write!(out, "\n# The same signature over another body: refused, 401.\n{line}\n");
    }
    let _infallible = write!(
        out,
        "
# A sender of your own: prints its secret and a signed delivery to paste.
{program} integration create pagerduty-prod --type pagerduty{whom}

# What an admin sees: no secret is ever shown again.
curl -s -H \"Authorization: Bearer $(cat {dir}/admin.token)\" http://{admin}/api/integrations

Ctrl-C ends the demo.",
        dir = places.dir.display(),
        admin = places.admin,
        whom = whom(places),
        program = program(),
    );
    out
}

/// What to type for this program: what was typed, which need not be in PATH.
fn program() -> String {
    let typed = std::env::args().next().filter(|typed| typed.contains('/'));
    typed.map_or_else(|| "countersign".to_owned(), |path| quoted(&path))
}

/// What the commands must be told, where the demo is not in the directory that they look into.
fn whom(places: &Places<'_>) -> String {
    let dir = places.dir;
    if dir == Path::new(addresses::DIR) {
        return String::new();
    }
    format!(" --token-file {}", dir.join(addresses::TOKEN).display())
}

fn signed_request(Way { curl, base }: &Way, demo: &Demo) -> String {
    let headers = sign("signed-request", "/orders?draft=1", &demo.secret);
    let mut line =
        format!("{curl} '{base}/orders?draft=1' -d '{BODY}' -H 'X-Workspace-ID: {}'", demo.workspace);
    let _infallible = write!(line, " -H 'X-Webhook-Key-Id: {}'{headers}", demo.key_id);
    line
}

/// Sends `body`, which is what was signed or what a forger would put in its place.
fn integration(Way { curl, base }: &Way, name: &str, scheme: &str, secret: &Secret, body: &str) -> String {
    let target = format!("/webhooks/{name}");
    let headers = sign(scheme, &target, secret);
    format!("{curl} {base}{target} -d '{body}' -H 'Content-Type: application/json'{headers}")
}

fn sign(scheme: &str, target: &str, secret: &Secret) -> String {
    let mut line = String::new();
    let Some(scheme) = scheme::preset(scheme) else { return line };
    let Ok(key) = scheme.prepare(secret) else { return line };
    let head = Head { method: &Method::POST, target, headers: &HeaderMap::new(), url: None };
    for (name, value) in scheme.sign(&key, &head, &[BODY.as_bytes()], SystemClock.now(), None) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let _infallible = write!(line, " -H '{name}: {value}'");
    }
    line
}

/// The demo's secrets are made for this run and shown to the person who started it.
fn shown(secret: &Secret) -> &str {
    secret.expose_text().unwrap_or_default()
}
