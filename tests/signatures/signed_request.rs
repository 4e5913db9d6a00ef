//! The scheme `signed-request`: what is signed is what is let in.

use super::{NOW, over_body, over_request, with, with_key};
use crate::support::http::Call;
use crate::support::sidecar::sign;
use countersign::clock::UnixMillis;

#[test]
fn every_method_is_opened_by_its_own_signature() {
    let (sidecar, key) = with_key("signed-request");
    for method in ["GET", "DELETE", "OPTIONS", "PROPFIND", "POST", "PUT", "PATCH"] {
        let call = over_request(&key, Call::new(method, "/orders/7?since=1&x=%2F"), NOW);
        let seen = sidecar.passes(&call);
        assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, "/orders/7?since=1&x=%2F"));
        assert_eq!(seen.header("countersign-verified"), Some("signature"));
        assert_eq!(seen.header("countersign-scheme"), Some("signed-request"));
        assert_eq!(seen.header("countersign-body-bound"), Some("true"));
        assert_eq!(seen.header("x-webhook-signature"), None);
    }
    let body = over_request(&key, Call::post("/orders", "a body"), NOW);
    assert_eq!(sidecar.passes(&body).body, b"a body");
}

#[test]
fn our_own_signer_says_the_same() {
    let (sidecar, key) = with_key("signed-request");
    let call = Call::post("/orders?x=1", "body");
    let ours = sign("signed-request", &key.secret, call.clone(), UnixMillis(NOW * 1000));
    let theirs = over_request(&key, call, NOW);
    for (name, value) in &ours.headers {
        assert!(theirs.headers.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && v == value), "{name}");
    }
    sidecar.passes(&ours.header("X-Workspace-ID", &key.workspace));
}

#[test]
fn the_window_is_five_minutes_either_way_inclusive() {
    let (sidecar, key) = with_key("signed-request");
    let at = |offset: i64| over_request(&key, Call::get("/a"), NOW + offset);
    for offset in [-300, -299, 0, 299, 300] {
        sidecar.passes(&at(offset));
    }
    for (offset, reason) in [
        (-301, "timestamp_old"),
        (-NOW, "timestamp_old"),
        (301, "timestamp_future"),
        (8_000_000_000, "timestamp_future"),
    ] {
        sidecar.refuses_as(&at(offset), "signature", "signed-request", reason);
    }
    // The same signature ages.
    let call = at(0);
    sidecar.advance(300);
    sidecar.passes(&call);
    sidecar.advance(1);
    sidecar.refuses_as(&call, "signature", "signed-request", "timestamp_old");
}

#[test]
fn a_time_has_one_spelling_and_occurs_once() {
    let (sidecar, key) = with_key("signed-request");
    let good = over_request(&key, Call::get("/a"), NOW);
    let missing = good.clone().without("X-Webhook-Timestamp");
    sidecar.refuses_as(&missing, "signature", "signed-request", "timestamp_missing");
    for text in ["", "now", "+1767225600", "01767225600", "1767225600.0", "-1", "1767225600000000000", "1e9"]
    {
        let call = over_request_at(&key, text);
        sidecar.refuses_as(&call, "signature", "signed-request", "timestamp_missing");
    }
    for second in [NOW.to_string(), (NOW + 1).to_string(), String::new()] {
        let call = good.clone().header("X-Webhook-Timestamp", second);
        sidecar.refuses_as(&call, "signature", "signed-request", "duplicate");
    }
    let moved = with(&good, "X-Webhook-Timestamp", &(NOW + 1).to_string());
    sidecar.refuses_as(&moved, "signature", "signed-request", "mismatch");
    sidecar.upstream.saw_nothing();
}

/// Rightly signed over a time that is not written as one.
fn over_request_at(key: &crate::support::sidecar::Key, text: &str) -> Call {
    let head = format!("{text}.GET./a.");
    let signature = crate::support::mac::hmac_hex(&key.secret, &[head.as_bytes()]);
    Call::get("/a")
        .header("X-Workspace-ID", &key.workspace)
        .header("X-Webhook-Timestamp", text)
        .header("X-Webhook-Signature", format!("v1={signature}"))
}

#[test]
fn a_changed_method_target_or_body_is_refused() {
    let (sidecar, key) = with_key("signed-request");
    let good = over_request(&key, Call::post("/orders?a=1&b=2", "body"), NOW);
    let mut changed = vec![Call { method: "PUT".into(), ..good.clone() }];
    for target in [
        "/orders",
        "/orders?a=1&b=3",
        "/orders?b=2&a=1",
        "/orders?a=1&b=2&c=3",
        "/orders/?a=1&b=2",
        "/Orders?a=1&b=2",
        "/order%73?a=1&b=2",
        "/orders?a=1%26b=2",
        "/",
    ] {
        changed.push(Call { target: target.into(), ..good.clone() });
    }
    for body in ["", "Body", "body2"] {
        changed.push(Call { body: body.into(), ..good.clone() });
    }
    for call in changed {
        sidecar.refuses_as(&call, "signature", "signed-request", "mismatch");
    }
    let captured = over_request(&key, Call::get("/a"), NOW);
    for method in ["DELETE", "HEAD", "POST"] {
        let call = Call { method: method.into(), ..captured.clone() };
        assert_eq!(sidecar.send(&call).status, 401, "{method}");
    }
    sidecar.upstream.saw_nothing();
    sidecar.passes(&good);
}

#[test]
fn a_target_with_a_dot_is_refused_because_its_end_could_move() {
    let (sidecar, key) = with_key("signed-request");
    // Both have the same signed bytes.
    let long = over_request(&key, Call::post("/orders.pay", "100"), NOW);
    let short = Call { target: "/orders".into(), body: b"pay.100".to_vec(), ..long.clone() };
    sidecar.refuses_as(&long, "signature", "signed-request", "malformed");
    sidecar.passes(&short);
    let query = over_request(&key, Call::get("/orders?file=a.txt"), NOW);
    sidecar.refuses_as(&query, "signature", "signed-request", "malformed");
}

#[test]
fn the_scheme_of_the_key_is_not_the_clients_choice() {
    let (sidecar, key) = with_key("signed-request");
    let downgraded = over_body(&key, Call::post("/in", "body"));
    sidecar.refuses_as(&downgraded, "signature", "signed-request", "malformed");
    let (sidecar, key) = with_key("workspace");
    let other = over_request(&key, Call::post("/in", "body"), NOW);
    sidecar.refuses_as(&other, "signature", "workspace", "malformed");
}

#[test]
fn a_signed_request_with_a_version_that_is_not_ours_is_refused() {
    let (sidecar, key) = with_key("signed-request");
    let good = over_request(&key, Call::get("/a"), NOW);
    let hex = super::signature_of(&good)[3..].to_owned();
    for value in [format!("v2={hex}"), format!("v0={hex}"), format!("v1,{hex}"), "v1=".into(), "v1".into()] {
        let call = with(&good, "X-Webhook-Signature", &value);
        sidecar.refuses_as(&call, "signature", "signed-request", "malformed");
    }
}

#[test]
fn http_2_signs_the_path_pseudo_header() {
    let (sidecar, key) = with_key("signed-request");
    let good = over_request(&key, Call::post("/orders?a=1", "body"), NOW);
    let bad = Call { target: "/orders?a=2".into(), ..good.clone() };
    let answers = crate::support::h2::send(sidecar.traffic(), &[good, bad]);
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 401]);
    assert_eq!(sidecar.upstream.only().target, "/orders?a=1");
}
