//! Every vector of a scheme that we have must be judged as its sender judges it: those that senders published,
//! and those that the second implementation in `tests/vectors/own` signed.
//!
//! A vector passes through the same stages as a request, but for those that ask who may send at all: extract,
//! timestamp window, empty body, MAC. Published vectors of schemes that can't be expressed yet are counted, not
//! skipped unseen: the counts below change with every scheme that is added.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use countersign::verify::scheme::spec::Proof;
use countersign::verify::scheme::{CUSTOM, Scheme, SchemeSpec, preset, presets};

use crate::support::vectors::{UNPROVEN, Vector, own, published};

/// The example of Zendesk's documentation of 2021, which neither its prose nor its code bears out: no preset, but
/// proof that the language can say it.
const ZENDESK_2021: &str = "signed = '{body}{timestamp}'\nalgorithm = 'hmac-sha256'\nencoding = 'base64'\n\
    [sig]\nheader = 'X-Zendesk-Webhook-Signature'\n\
    [timestamp]\nheader = 'X-Zendesk-Webhook-Signature-Timestamp'\nunit = 'rfc3339'";

/// Positions of a body that are changed one by one, at most.
const MOST_POSITIONS: usize = 400;

fn compile(scheme: &str) -> Scheme {
    let spec: SchemeSpec = toml::from_str(scheme).unwrap();
    Scheme::compile(&spec, CUSTOM).unwrap()
}

#[test]
fn published_vectors_are_judged_as_their_senders_judge_them() {
    let zendesk_2021 = std::sync::Arc::new(compile(ZENDESK_2021));
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
    for vector in published() {
        let inline = (vector.scheme == "zendesk-2021-docs").then(|| zendesk_2021.clone());
        let Some(scheme) = vector.scheme().or(inline) else {
            unknown.push(vector.id);
            continue;
        };
        for scheme in [Some(scheme), own_preset(&vector).cloned()].into_iter().flatten() {
            let verdict = vector.judged(&scheme);
            if verdict.is_ok() != vector.valid {
                wrong.push(format!(
                    "{} ({}): {verdict:?} ({})",
                    vector.id,
                    scheme.label(),
                    vector.note("why")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "wrongly judged:\n{}", wrong.join("\n"));
    assert_eq!(unknown, ["braintree-challenge", "x-crc"], "handshakes, which are judged as such");
}

#[test]
fn a_valid_vector_with_one_more_byte_is_refused_where_the_body_is_bound() {
    let mut mutated = 0;
    for mut vector in published().into_iter().filter(|vector| vector.valid) {
        let Some(scheme) = vector.scheme().filter(|scheme| scheme.binds_body()) else { continue };
        vector.body.push(b'\n');
        assert!(vector.judged(&scheme).is_err(), "{}", vector.id);
        mutated += 1;
    }
    assert!(mutated > 100, "{mutated}");
}

/// What is wrong with the judgement of one own vector and its changes.
fn faults(vector: &Vector) -> Vec<String> {
    let Some(scheme) = vector.scheme() else { return vec![format!("there is no preset {}", vector.scheme)] };
    let mut faults = Vec::new();
    let mut judge = |what: &str, vector: &Vector, valid: bool| {
        let verdict = vector.judged(&scheme);
        if verdict.is_ok() != valid {
            faults.push(format!("{what}: {verdict:?}"));
        }
    };
    judge("as it is", vector, vector.valid);
    if !vector.valid {
        return faults;
    }
    for part in &vector.bound {
        vector.changed(part).iter().for_each(|(what, changed)| judge(what, changed, false));
    }
    for part in &vector.unbound {
        vector.changed(part).iter().take(1).for_each(|(what, changed)| judge(what, changed, true));
    }
    vector.spoiled().iter().for_each(|(what, spoiled)| judge(what, spoiled, false));
    if vector.bound.iter().any(|part| part == "body") {
        let step = vector.body.len().div_ceil(MOST_POSITIONS).max(1);
        for at in (0..vector.body.len()).step_by(step) {
            judge(&format!("byte {at} of the body"), &vector.with_other_byte(at), false);
        }
    }
    faults
}

#[test]
fn own_vectors_hold_and_only_what_they_leave_unbound_may_change() {
    let vectors = own();
    let mut wrong = Vec::new();
    for vector in &vectors {
        wrong.extend(
            faults(vector).into_iter().map(|fault| format!("{} ({}): {fault}", vector.id, vector.scheme)),
        );
    }
    assert!(wrong.is_empty(), "wrongly judged:\n{}", wrong.join("\n"));
    let ids: BTreeSet<&str> = vectors.iter().map(|vector| vector.id.as_str()).collect();
    assert_eq!(ids.len(), vectors.len(), "every vector has a name of its own");
}

#[test]
fn what_a_preset_binds_its_vectors_call_bound() {
    for vector in own().iter().filter(|vector| vector.valid) {
        let Some(scheme) = preset(&vector.scheme) else { continue };
        for (part, binds) in
            [("body", scheme.binds_body()), ("timestamp", scheme.signs_time()), ("id", scheme.signs_id())]
        {
            // What a kind binds may carry time and id within, as a token does.
            let carries = part != "body" && scheme.spec().kind.is_some() && !vector.bound.is_empty();
            let listed = carries || vector.bound.iter().any(|bound| bound == part);
            // A kind may bind more in one request than in every one.
            assert!(listed || !binds, "{}: {part} is bound, and the vector does not say so", vector.id);
        }
        assert!(vector.body_bound().is_some(), "{}: the vector says nothing of its body", vector.id);
    }
}

#[test]
fn every_preset_has_a_valid_vector() {
    let vectors = [published(), own()].concat();
    let shown: BTreeSet<&str> =
        vectors.iter().filter(|vector| vector.valid).map(|vector| vector.scheme.as_str()).collect();
    let unproven: Vec<&str> =
        presets().map(|scheme| scheme.label()).filter(|label| !shown.contains(label)).collect();
    assert_eq!(unproven, UNPROVEN, "write vectors of these: tests/vectors/own/make.py");
}

#[test]
fn every_file_of_a_preset_is_embedded() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/schemes");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(preset(name).is_some(), "{name}.toml is not embedded");
            files += 1;
        }
    }
    assert_eq!(files, presets().count());
}

/// Senders whose vectors are named by their format, and that have a preset of their own too.
const NAMED_BY_FORMAT: [&str; 3] = ["jira", "openai", "svix"];

/// The preset of the sender itself, where the vector names another one.
fn own_preset(vector: &Vector) -> Option<&'static std::sync::Arc<Scheme>> {
    let sender = vector.note("provider");
    NAMED_BY_FORMAT.contains(&sender).then(|| preset(sender)).flatten()
}

/// What two schemes must share for a signature of one to tell something of the other: where the signature is, how
/// it is read, what it covers and how it is made; not the names of headers and keys, and not how the secret or the
/// time is written.
fn shape(scheme: &Scheme) -> String {
    let spec = serde_json::to_value(scheme.spec()).unwrap();
    let sig = &spec["sig"];
    let place = ["header", "headers", "numbered", "json", "form", "query"]
        .into_iter()
        .find(|place| !sig[*place].is_null());
    let parse = sig["parse"].as_str().unwrap_or("plain");
    let made = ["kind", "algorithm", "encoding", "signed"].map(|key| spec[key].as_str());
    let params = spec["params"].as_object().into_iter().flatten();
    let params: Vec<_> = params.filter(|(name, _)| ["dialect", "algorithm"].contains(&&***name)).collect();
    format!("{place:?} {parse} {} {made:?} {params:?}", spec["each"].is_string())
}

#[test]
fn a_preset_claims_the_proof_that_the_vectors_give_it() {
    let (mut own, mut shapes) = (BTreeSet::new(), BTreeSet::new());
    for vector in published().iter().filter(|vector| vector.valid) {
        let Some(scheme) = vector.scheme() else { continue };
        shapes.insert(shape(&scheme));
        if vector.whole["official"] != false {
            own.insert(vector.scheme.clone());
            own.extend(own_preset(vector).map(|scheme| scheme.label().to_owned()));
        }
    }
    let mut wrong = Vec::new();
    for scheme in presets() {
        let due = match (own.contains(scheme.label()), shapes.contains(&shape(scheme))) {
            (true, _) => Proof::Published,
            (false, true) => Proof::Shape,
            (false, false) => Proof::None,
        };
        if scheme.spec().proof != Some(due) {
            wrong.push(format!("{} {due:?}", scheme.label()));
        }
    }
    assert!(wrong.is_empty(), "what the vectors show:\n{}", wrong.join("\n"));
}
