//! Every preset through the whole sidecar: what its sender signed is forwarded as it came, and said to be what it
//! is; with a part changed that the signature covers it is refused, and nothing of it goes up.
//!
//! Driven by the vectors, own and published, so that no signature here is of our own making.

mod catalogue;
mod rotation;

use std::collections::BTreeSet;

use countersign::clock::UnixMillis;
use countersign::verify::scheme::{Scheme, preset, presets};
use serde_json::{Value, json};

use crate::support::http::{Call, Connection};
use crate::support::sidecar::Sidecar;
use crate::support::upstream::Seen;
use crate::support::vectors::{UNPROVEN, Vector, own, published};

/// Where senders find the sidecar: as in the own vectors.
const PUBLIC: &str = "https://hooks.example.com";

/// Headers that the client writes itself.
const WRITTEN: [&str; 2] = ["host", "content-length"];

fn sidecar() -> Sidecar {
    Sidecar::builder().config(&format!("[listener]\npublic_url = \"{PUBLIC}\"")).start()
}

/// The integration that a vector calls, where it calls one.
fn integration(vector: &Vector) -> Option<&str> {
    let target = vector.url.strip_prefix(PUBLIC)?.strip_prefix("/webhooks/")?;
    target.split(['/', '?']).next()
}

/// A published vector as a call of an integration, where neither method nor target nor URL is signed. What it
/// binds is not said there, but the scheme knows of the body.
fn readdressed(mut vector: Vector) -> Option<Vector> {
    let scheme = vector.scheme()?;
    if !scheme.signs_address() && scheme.spec().kind.is_none() {
        vector.url = format!("{PUBLIC}/webhooks/sender");
    }
    let says = if scheme.binds_body() { &mut vector.bound } else { &mut vector.unbound };
    says.push("body".to_owned());
    integration(&vector).is_some().then_some(vector)
}

/// What an admin gives as secret; `None` where the admin port would not take it.
fn secret(vector: &Vector, scheme: &Scheme) -> Option<String> {
    let several = scheme.spec().secret.several == Some(true);
    let secrets = if several { vector.secrets.join(b"\n".as_slice()) } else { vector.secrets[0].clone() };
    String::from_utf8(secrets).ok()
}

/// The integration that there is: its name, and what it was created from.
#[derive(Default)]
struct Installed(Option<(String, Value)>);

impl Installed {
    /// Makes it that of a vector; `false` where its secret is too short to be taken, or is wrong and meant to be.
    fn be(&mut self, sidecar: &Sidecar, vector: &Vector, scheme: &Scheme) -> Result<bool, String> {
        let (Some(secret), Some(name)) = (secret(vector, scheme), integration(vector)) else {
            return Ok(false);
        };
        let mut body = json!({ "name": name, "webhookSecret": secret });
        if scheme.label() == vector.scheme && preset(&vector.scheme).is_some() {
            body["type"] = json!(vector.scheme);
        } else {
            body["scheme"] = serde_json::to_value(scheme.spec()).unwrap();
        }
        if let Some(seconds) = vector.tolerance {
            body["toleranceSeconds"] = seconds.into();
        }
        if self.0.as_ref().is_some_and(|(_, there)| *there == body) {
            return Ok(true);
        }
        if let Some((name, _)) = self.0.take() {
            let gone = sidecar.admin("DELETE", &format!("/api/integrations/{name}"), None);
            assert_eq!(gone.status, 204, "{name}: {}", gone.text());
        }
        let made = sidecar.admin("POST", "/api/integrations", Some(body.clone()));
        let expected = made.text().contains("must decode to at least") || !vector.valid;
        match made.status {
            201 => {
                self.0 = Some((name.to_owned(), body));
                Ok(true)
            }
            422 if expected => Ok(false),
            _ => Err(format!("not created: {}", made.text())),
        }
    }
}

fn bytes(vector: &Vector) -> Vec<u8> {
    let mut call = Call::new(&vector.method, vector.target());
    call.body.clone_from(&vector.body);
    for (name, value) in &vector.headers {
        if !WRITTEN.iter().any(|written| name.eq_ignore_ascii_case(written)) {
            call = call.header(name, value);
        }
    }
    let host = vector.url.trim_start_matches("https://").split('/').next().unwrap_or_default();
    let sent = call.bytes();
    let line = sent.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    let after = sent.iter().skip(line).position(|byte| *byte == b'\n').unwrap() + line + 1;
    [&sent[..line], format!("Host: {host}\r\n").as_bytes(), &sent[after..]].concat()
}

/// Sends a vector as of its own time; the status.
fn status(sidecar: &Sidecar, vector: &Vector) -> u16 {
    if let Some(at) = vector.at {
        sidecar.clock.set_wall(UnixMillis(at * 1000));
    }
    sidecar.upstream.take();
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(&bytes(vector));
    connection.answer_to(&vector.method).status
}

/// What is wrong with how a vector was let in.
fn let_in(sidecar: &Sidecar, vector: &Vector, scheme: &Scheme, body_bound: Option<bool>) -> Vec<String> {
    let status = status(sidecar, vector);
    let seen = sidecar.upstream.take();
    let [seen] = seen.as_slice() else { return vec![format!("{status}, and the upstream saw {seen:?}")] };
    let mut wrong = Vec::new();
    let mut same = |what: &str, saw: Value, expected: Value| {
        if saw != expected {
            wrong.push(format!("the upstream saw {what} {saw}, not {expected}"));
        }
    };
    let identity = |name: &str| json!(seen.header(&format!("countersign-{name}")));
    same("verified", identity("verified"), json!("integration"));
    same("integration", identity("integration"), json!(integration(vector)));
    same("scheme", identity("scheme"), json!(scheme.label()));
    if let Some(bound) = body_bound {
        same("body-bound", identity("body-bound"), json!(bound.to_string()));
    }
    same("method", json!(seen.method), json!(vector.method));
    same("target", json!(seen.target), json!(vector.target()));
    same("body", json!(seen.body), json!(vector.body));
    for header in scheme.credential_headers() {
        same(header.as_str(), json!(seen.header(header.as_str())), Value::Null);
    }
    same("the others", json!(others(seen)), json!(kept(vector, scheme)));
    wrong
}

/// The headers that a sender adds and the application gets.
fn kept(vector: &Vector, scheme: &Scheme) -> BTreeSet<(String, String)> {
    let headers = vector.headers.iter().map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let is_credential = |name: &str| scheme.credential_headers().iter().any(|own| own.as_str() == name);
    headers.filter(|(name, _)| !WRITTEN.contains(&name.as_str()) && !is_credential(name)).collect()
}

/// The headers that the application got, but for those that the sidecar adds.
fn others(seen: &Seen) -> BTreeSet<(String, String)> {
    let ours = |name: &str| {
        matches!(name, "via" | "forwarded")
            || name.starts_with("countersign-")
            || name.starts_with("x-forwarded-")
    };
    let headers = seen.headers.iter().filter(|(name, _)| !ours(name) && !WRITTEN.contains(&name.as_str()));
    headers.cloned().collect()
}

/// What is wrong with how a vector was refused.
fn kept_out(sidecar: &Sidecar, vector: &Vector) -> Vec<String> {
    let before = sidecar.upstream.bytes();
    let status = status(sidecar, vector);
    let saw = sidecar.upstream.bytes() - before;
    if (status, saw) == (401, 0) { Vec::new() } else { vec![format!("{status}, and {saw} bytes went up")] }
}

/// Sends a vector and its changes; what was wrong, or `None` where it can't be sent.
fn judge(sidecar: &Sidecar, installed: &mut Installed, vector: &Vector) -> Option<Vec<String>> {
    let scheme = vector.scheme()?;
    match installed.be(sidecar, vector, &scheme) {
        Ok(true) => {}
        Ok(false) => return None,
        Err(fault) => return Some(vec![fault]),
    }
    let mut wrong = Vec::new();
    let mut note = |what: &str, faults: Vec<String>| {
        wrong.extend(faults.into_iter().map(|fault| format!("{what}: {fault}")));
    };
    if vector.valid {
        let body_bound = vector.body_bound();
        note("as it is", let_in(sidecar, vector, &scheme, body_bound));
        for part in &vector.bound {
            vector.changed(part).iter().for_each(|(what, changed)| note(what, kept_out(sidecar, changed)));
        }
        for part in &vector.unbound {
            let (what, changed) = vector.changed(part).swap_remove(0);
            note(&what, let_in(sidecar, &changed, &scheme, body_bound));
        }
        for (what, forged) in vector.spoiled().iter().filter(|(what, _)| what == "another signature") {
            if vector.own {
                note(what, kept_out(sidecar, forged));
            }
        }
    } else {
        note("as it is", kept_out(sidecar, vector));
    }
    Some(wrong)
}

/// Sends all of them; the presets of which a valid one was sent.
fn sent(vectors: impl Iterator<Item = Vector>) -> BTreeSet<String> {
    let (sidecar, mut installed) = (sidecar(), Installed::default());
    let mut sent = BTreeSet::new();
    let mut wrong = Vec::new();
    for vector in vectors {
        let Some(faults) = judge(&sidecar, &mut installed, &vector) else { continue };
        wrong.extend(faults.into_iter().map(|fault| format!("{} ({}): {fault}", vector.scheme, vector.id)));
        if vector.valid {
            sent.insert(vector.scheme);
        }
    }
    assert!(wrong.is_empty(), "presets that fail:\n{}", wrong.join("\n"));
    sent
}

#[test]
fn every_preset_forwards_what_its_sender_signed_and_nothing_that_was_changed() {
    let own = own().into_iter().filter(|vector| preset(&vector.scheme).is_some());
    let sent = sent(own.chain(published().into_iter().filter_map(readdressed)));
    let labels = presets().map(|scheme| scheme.label());
    let not_sent: Vec<&str> = labels.filter(|label| !sent.contains(*label)).collect();
    assert_eq!(not_sent, UNPROVEN, "write vectors of these: tests/vectors/own/make.py");
}

#[test]
fn whatever_the_language_can_say_holds_for_requests_too() {
    let sent = sent(own().into_iter().filter(|vector| preset(&vector.scheme).is_none()));
    assert_eq!(sent, BTreeSet::from(["custom".to_owned()]));
}
