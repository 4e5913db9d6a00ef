//! Secrets in rotation: in the overlap both verify, afterwards the former one does not, whatever the scheme.

use std::collections::BTreeSet;

use countersign::clock::UnixMillis;
use serde_json::json;

use super::{Installed, integration, kept_out, let_in, secret, sidecar};
use crate::support::sidecar::Sidecar;
use crate::support::vectors::{UNPROVEN, Vector, own};

/// Long enough for an admin, short enough for every window of a signed time.
const OVERLAP: i64 = 1;

/// Rotates the vector's secret away, and back in; what was wrong.
fn rotated(sidecar: &Sidecar, installed: &mut Installed, vector: &Vector) -> Option<Vec<String>> {
    let scheme = vector.scheme()?;
    if !scheme.generates_secrets() || !matches!(installed.be(sidecar, vector, &scheme), Ok(true)) {
        return None;
    }
    let (name, secret) = (integration(vector)?, secret(vector, &scheme)?);
    let at = vector.at.unwrap_or(1_700_000_000);
    let set = |seconds: i64| sidecar.clock.set_wall(UnixMillis(seconds * 1000));
    let later = Vector { at: Some(at + OVERLAP), ..vector.clone() };
    let body_bound = vector.body_bound();

    let mut wrong = Vec::new();
    let mut note = |what: &str, faults: Vec<String>| {
        wrong.extend(faults.into_iter().map(|fault| format!("{what}: {fault}")));
    };
    set(at);
    sidecar.rotate_integration(name, json!({ "overlapSeconds": OVERLAP, "force": true }));
    note("the former secret in the overlap", let_in(sidecar, vector, &scheme, body_bound));
    note("the former secret after it", kept_out(sidecar, &later));
    sidecar.rotate_integration(name, json!({ "overlapSeconds": OVERLAP, "webhookSecret": secret }));
    note("the new secret in the overlap", let_in(sidecar, &later, &scheme, body_bound));
    set(at + 2 * OVERLAP);
    let latest = Vector { at: Some(at + 2 * OVERLAP), ..vector.clone() };
    note("the new secret after it", let_in(sidecar, &latest, &scheme, body_bound));
    Some(wrong)
}

#[test]
fn w36_a_former_secret_verifies_in_the_overlap_and_not_a_moment_longer() {
    let (sidecar, mut installed) = (sidecar(), Installed::default());
    let (mut shown, mut wrong) = (BTreeSet::new(), Vec::new());
    for vector in own().into_iter().filter(|vector| vector.valid && vector.note("toml").is_empty()) {
        let Some(faults) = rotated(&sidecar, &mut installed, &vector) else { continue };
        wrong.extend(faults.into_iter().map(|fault| format!("{} ({}): {fault}", vector.scheme, vector.id)));
        shown.insert(vector.scheme);
    }
    assert!(wrong.is_empty(), "presets that fail:\n{}", wrong.join("\n"));
    assert!(shown.len() >= 20, "only {shown:?} beside {} without vectors", UNPROVEN.len());
}
