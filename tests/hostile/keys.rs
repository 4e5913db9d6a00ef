//! API keys, byte by byte: what is no credential, and that it goes no further.

use countersign::credential::minted::API_KEY;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{exchange, open, raw, status};
use crate::support::http::{Call, Connection};
use crate::support::refusal::{assert_problem, without_id};

#[test]
fn a02_a_value_of_nothing_is_no_key() {
    let (sidecar, _) = open();
    for value in ["", " ", "\t", " \t ", "\u{a0}", "\"\"", "wk_"] {
        let bytes = format!("GET /in HTTP/1.1\r\nHost: a\r\nX-API-Key:{value}\r\n\r\n");
        assert_problem(&raw(&sidecar, bytes).0.unwrap(), 401, value);
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a03_two_lines_are_no_key_whatever_they_say() {
    let (sidecar, key) = open();
    let other = sidecar.key(&key.workspace, json!({ "name": "other" }));
    let (one, other) = (key.api_key.as_str(), other.api_key.as_str());
    for (first, second) in [(one, "bad"), ("bad", one), (one, one), (one, other), (one, ""), ("", one)] {
        for name in ["X-API-Key", "x-api-key", "X-Api-KEY"] {
            let bytes = format!(
                "GET /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {first}\r\nAccept: */*\r\n{name}: {second}\r\n\r\n"
            );
            assert_eq!(status(&sidecar, bytes), 401, "{first:?} and {second:?}");
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a05_another_spelling_is_another_header_and_goes_no_further() {
    let (sidecar, key) = open();
    for name in [
        "X_API_Key",
        "X-Api_Key",
        "X_API-KEY",
        "X.API.Key",
        "x~api~key",
        "X!API!Key",
        "X-API-Key_",
        "XAPIKey",
    ] {
        let bytes = format!("GET /in HTTP/1.1\r\nHost: a\r\n{name}: {}\r\n\r\n", key.api_key);
        assert_eq!(status(&sidecar, bytes), 401, "{name}");
    }
    sidecar.upstream.saw_nothing();
    for name in ["X_API_Key", "X-Api_Key", "X_API-KEY", "X.API.Key", "x~api~key", "X!API!Key"] {
        let call = Call::get("/in").header("X-API-Key", &key.api_key).header(name, "canary");
        let seen = sidecar.passes(&call);
        assert!(!seen.headers.iter().any(|(_, value)| value == "canary"), "{name}: {:?}", seen.headers);
    }
}

#[test]
fn a06_a_key_anywhere_else_is_none() {
    let (sidecar, key) = open();
    let key = &key.api_key;
    for head in [
        format!("GET /in?x-api-key={key} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /in HTTP/1.1\r\nHost: a\r\nCookie: X-API-Key={key}\r\n\r\n"),
        format!("GET /in HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {key}\r\n\r\n"),
        format!("GET /in HTTP/1.1\r\nHost: a\r\nAuthorization: {key}\r\n\r\n"),
        format!("GET /in HTTP/1.1\r\nHost: a\r\nX-Forwarded-API-Key: {key}\r\n\r\n"),
        format!("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\nX-API-Key: {key}", key.len() + 11),
        format!("GET /in HTTP/1.1\r\nHost: a\r\nX: y\rX-API-Key: {key}\r\n\r\n"),
        format!("GET /in HTTP/1.1\r\nHost: a\r\nX: y\r\n X-API-Key: {key}\r\n\r\n"),
        format!("GET /in HTTP/1.1\r\nHost: {key}\r\n\r\n"),
    ] {
        let (statuses, sent) = exchange(&sidecar, &head);
        assert!(matches!(statuses[..], [400 | 401]), "{head:?}: {statuses:?}");
        assert_eq!(sent, "", "{head:?}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a08_a_long_key_is_refused_like_a_short_one() {
    let (sidecar, _) = open();
    for (length, expected) in [(8 * 1024, [401, 401]), (60 * 1024, [401, 401]), (1024 * 1024, [431, 431])] {
        for (n, start) in ["", "wk_"].into_iter().enumerate() {
            let value = format!("{start}{}", "a".repeat(length));
            let bytes = format!("GET /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {value}\r\n\r\n");
            assert_eq!(status(&sidecar, bytes), expected[n], "{length}");
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a09_bytes_that_are_no_text_are_no_key() {
    let (sidecar, key) = open();
    for byte in 0x80..=0xff_u8 {
        let mut connection = Connection::open(sidecar.traffic());
        for value in [
            vec![byte],
            [key.api_key.as_bytes(), &[byte]].concat(),
            [&[byte], key.api_key.as_bytes()].concat(),
        ] {
            connection.write(
                &[b"GET /in HTTP/1.1\r\nHost: a\r\nX-API-Key: ".as_slice(), &value, b"\r\n\r\n"].concat(),
            );
            assert_eq!(connection.answer().status, 401, "{byte:#x}");
        }
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a12_a_preflight_is_a_request_like_any_other() {
    let (sidecar, key) = open();
    let preflight = "Origin: https://b.example\r\nAccess-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: x-api-key\r\n";
    let bytes = format!("OPTIONS /in HTTP/1.1\r\nHost: a\r\n{preflight}\r\n");
    let answer = raw(&sidecar, bytes).0.unwrap();
    assert_problem(&answer, 401, "preflight");
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
    sidecar.upstream.saw_nothing();
    let bytes = format!("OPTIONS /in HTTP/1.1\r\nHost: a\r\n{preflight}X-API-Key: {}\r\n\r\n", key.api_key);
    assert_eq!(status(&sidecar, bytes), 200);
    assert_eq!(sidecar.upstream.only().method, "OPTIONS");
}

#[test]
fn a18_a_malformed_key_is_not_looked_up() {
    let (sidecar, key) = open();
    let own = &key.api_key;
    let (start, end) = own.split_at(own.len() - 1);
    let wrong_sum = format!("{start}{}", if end == "A" { "B" } else { "A" });
    for malformed in [&wrong_sum, start, &format!("{own}A"), &own.to_uppercase(), &own.replace("wk_", "wk-")]
    {
        let call = Call::get("/in").header("X-API-Key", malformed);
        // Counted as malformed and not as unknown: no record was asked for.
        sidecar.refuses_as(&call, "api-key", "unknown", "malformed");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a19_dead_keys_are_all_dead_alike() {
    let (sidecar, key) = open();
    let expires = "2026-01-01T00:00:10Z";
    let expired = sidecar.key(&key.workspace, json!({ "name": "expired", "expiresAt": expires }));
    let disabled = sidecar.key(&key.workspace, json!({ "name": "disabled" }));
    let deleted = sidecar.key(&key.workspace, json!({ "name": "deleted" }));
    let elsewhere = sidecar.key(&key.workspace, json!({ "name": "far", "allowedCidrs": ["192.0.2.0/24"] }));
    sidecar.patch_key(&disabled, json!({ "isActive": false }));
    let gone = sidecar.admin("DELETE", &format!("/api/webhook-keys/{}", deleted.id), None);
    assert_eq!(gone.status, 204);
    sidecar.advance(60);
    let mut answers = [expired, disabled, deleted, elsewhere].map(|key| {
        let answer = sidecar.refuses(&Call::get("/in").header("X-API-Key", &key.api_key), 401);
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| name != "countersign-request-id" && name != "date");
        (headers, without_id(&answer))
    });
    let never = sidecar.refuses(&Call::get("/in").header("X-API-Key", "wk_never"), 401);
    answers[0].0.sort();
    assert_eq!(without_id(&never), answers[0].1);
    for other in &mut answers[1..] {
        other.0.sort();
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    sidecar.upstream.saw_nothing();
}

#[test]
fn a16_what_a_wrong_key_is_changes_nothing_that_can_be_seen() {
    let (sidecar, key) = open();
    let revoked = sidecar.key(&key.workspace, json!({ "name": "revoked" }));
    let off = sidecar.key(&key.workspace, json!({ "name": "off" }));
    assert_eq!(sidecar.admin("DELETE", &format!("/api/webhook-keys/{}", revoked.id), None).status, 204);
    sidecar.patch_key(&off, json!({ "isActive": false }));
    // As a stored one but for its last random digits, with the checksum that they have.
    let alike = alike(&key.api_key);
    let unknown = API_KEY.generate(&[7; 32]).expose_text().unwrap().to_owned();
    let kinds = [&alike, &unknown, &revoked.api_key, &off.api_key];
    let mut connection = Connection::open(sidecar.traffic());
    let mut seen = Vec::new();
    for _ in 0..50 {
        for kind in kinds {
            connection.write(&Call::get("/in").header("X-API-Key", kind).bytes());
            let answer = connection.answer();
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "countersign-request-id" && name != "date");
            seen.push((answer.status, headers, without_id(&answer)));
        }
    }
    assert!(seen.iter().all(|answer| *answer == seen[0] && answer.0 == 401), "{seen:?}");
    sidecar.upstream.saw_nothing();
    sidecar.passes(&Call::get("/in").header("X-API-Key", &key.api_key));
}

/// A well-formed key that begins as this one does.
fn alike(key: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (body, _checksum) = key.split_at(key.len() - 6);
    let (start, last) = body.split_at(body.len() - 1);
    let body = format!("{start}{}", if last == "a" { "b" } else { "a" });
    let hash = Sha256::digest(body.as_bytes());
    let mut number = u32::from_be_bytes(hash[..4].try_into().unwrap());
    let mut checksum = [0; 6];
    for digit in checksum.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(number % 62).unwrap()];
        number /= 62;
    }
    let alike = body + std::str::from_utf8(&checksum).unwrap();
    assert!(API_KEY.is_well_formed(alike.as_bytes()));
    alike
}
