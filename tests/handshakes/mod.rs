//! Handshakes: answered where an integration enables them, and never seen by the application.

mod admin;
mod capture;
mod get;
mod oracle;
mod routes;
mod secret;
mod signed;
mod vectors;

use serde_json::{Value, json};

use crate::support::http::{Answer, Call};
use crate::support::sidecar::Sidecar;

/// What tests sign with.
const SECRET: &str = "8f2b1c0d9e7a6f5b4c3d2e1f0a9b8c7d";

/// A sidecar with the integration `hook` of a sender; `handshake` is its field of that name.
fn with(kind: &str, handshake: Value) -> Sidecar {
    let sidecar = Sidecar::start();
    add(&sidecar, kind, handshake);
    sidecar
}

fn add(sidecar: &Sidecar, kind: &str, handshake: Value) {
    sidecar.integration(
        json!({ "name": "hook", "type": kind, "webhookSecret": SECRET, "handshake": handshake }),
    );
}

/// A challenge by GET.
fn get(query: &str) -> Call {
    Call::get(&format!("/webhooks/hook?{query}"))
}

impl Sidecar {
    /// Sends a handshake that must be answered, and of which the application must see nothing.
    fn answers(&self, call: &Call) -> Answer {
        let before = (self.upstream.bytes(), self.outcomes("answered"));
        let answer = self.send(call);
        assert_eq!(answer.status, 200, "{} {}: {}", call.method, call.target, answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("countersign-request-id").is_some());
        assert_eq!(
            self.upstream.bytes(),
            before.0,
            "{} {}: the upstream saw bytes",
            call.method,
            call.target
        );
        assert_eq!(self.outcomes("answered"), before.1 + 1);
        answer
    }

    /// Requests that ended so, on any route.
    fn outcomes(&self, outcome: &str) -> u64 {
        let label = format!("outcome=\"{outcome}\"");
        let lines = self.metrics("countersign_requests_total{");
        let counted = lines.iter().filter(|line| line.contains(&label));
        counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// The answer is this text and nothing else.
fn is_text(answer: &Answer, text: &str) {
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.text(), text);
}

/// The answer is this JSON.
fn is_json(answer: &Answer, value: Value) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), value);
}
