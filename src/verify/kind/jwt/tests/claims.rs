//! What the claims say, trap by trap.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{BODY, DIGEST, PLAIN, SECONDS, SECRET, fault, hs256, plain, sent, token, with};
use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction};
use crate::verify::Refusal;
use crate::verify::kind::testing::{NOW, Sent, compile};
use crate::verify::offline::Refused;
use crate::verify::scheme::Scheme;
use crate::verify::timestamp::TimestampFault;

#[test]
fn times_are_judged_with_the_leeway_and_no_more() {
    let scheme = compile(&format!("{PLAIN}leeway = 5"));
    let at = |seconds: i64, claims: Value| {
        sent(&hs256(&claims)).judged(&scheme, SECRET, UnixMillis((SECONDS + seconds) * 1000 + 999))
    };
    let (old, future) = (TimestampFault::Old, TimestampFault::Future);
    let refused = |fault| Err(Refused::Verify(Refusal::Timestamp(fault)));
    assert!(at(60, plain()).is_ok() && at(-60, plain()).is_ok());
    assert_eq!(at(61, plain()), refused(old));
    assert_eq!(at(-61, plain()), refused(future));
    let timed = with(plain(), |claims| {
        claims.insert("nbf".to_owned(), (SECONDS - 10).into());
        claims.insert("exp".to_owned(), (SECONDS + 10).into());
    });
    assert!(at(-15, timed.clone()).is_ok() && at(14, timed.clone()).is_ok());
    assert_eq!(at(-16, timed.clone()), refused(future));
    assert_eq!(at(15, timed), refused(old));
    let strict = compile(PLAIN);
    let expired = with(plain(), |claims| drop(claims.insert("exp".to_owned(), SECONDS.into())));
    assert_eq!(sent(&hs256(&expired)).judged(&strict, SECRET, NOW), refused(old));
    for name in ["iat", "nbf", "exp"] {
        for value in [json!("1700000000"), json!(1.5), json!(-1), json!(null), json!(10_000_000_000_000_u64)]
        {
            let wrong = with(plain(), |claims| drop(claims.insert(name.to_owned(), value.clone())));
            assert!(
                matches!(fault(&scheme, &sent(&hs256(&wrong))), CredentialFault::Malformed(_)),
                "{name} {value}"
            );
        }
    }
    let timeless = with(plain(), |claims| drop(claims.remove("iat")));
    assert_eq!(fault(&scheme, &sent(&hs256(&timeless))), CredentialFault::TimestampMissing);
}

#[test]
fn a_digest_that_is_there_must_be_right_and_may_be_missing_only_without_a_body() {
    let strict = compile(PLAIN);
    let lax = compile(&format!("{PLAIN}body = 'optional'"));
    let bare = hs256(&with(plain(), |claims| drop(claims.remove("sha256"))));
    let bound = hs256(&plain());
    let passes = |scheme: &Scheme, token: &str, body: &[u8]| {
        let mut sent = sent(token);
        sent.body = body.to_vec();
        sent.passes(scheme, SECRET)
    };
    for (token, body, by_strict, by_lax) in [
        (&bound, BODY, true, true),
        (&bound, b"{\"a\":2}".as_slice(), false, false),
        (&bound, b"", false, false),
        (&bare, b"", true, true),
        (&bare, BODY, false, true),
    ] {
        assert_eq!(passes(&strict, token, body), by_strict, "{body:?}");
        assert_eq!(passes(&lax, token, body), by_lax, "{body:?}");
    }
    assert!(strict.binds_body() && !lax.binds_body());
    for wrong in
        [json!(null), json!(7), json!(""), json!("00"), json!([DIGEST]), json!(format!("{DIGEST}00"))]
    {
        let claims = with(plain(), |claims| drop(claims.insert("sha256".to_owned(), wrong.clone())));
        assert!(matches!(fault(&lax, &sent(&hs256(&claims))), CredentialFault::Malformed(_)), "{wrong}");
    }
    let upper =
        with(plain(), |claims| drop(claims.insert("sha256".to_owned(), DIGEST.to_uppercase().into())));
    assert!(passes(&strict, &hs256(&upper), BODY));
    for form in ["sha256-base64", "sha256-base64url", "sha512-hex"] {
        let scheme = compile(&format!("{PLAIN}body_digest = '{form}'"));
        let signed = Sent::post("/", BODY).signed(&scheme, SECRET);
        assert!(signed.passes(&scheme, SECRET), "{form}");
        assert!(!signed.passes(&strict, SECRET), "{form}");
    }
}

#[test]
fn issuer_audience_and_required_claims_are_compared() {
    let scheme = compile(&format!("{PLAIN}issuer = 'me'\naudience = 'you'\nrequired = ['jti', 'sub']"));
    let full = with(plain(), |claims| {
        for (name, value) in [("iss", "me"), ("aud", "you"), ("jti", "id-1"), ("sub", "")] {
            claims.insert(name.to_owned(), value.into());
        }
    });
    let passes = |claims: &Value| sent(&hs256(claims)).passes(&scheme, SECRET);
    assert!(passes(&full) && scheme.signs_id());
    let Extraction::Present(credential) = scheme.extract(&sent(&hs256(&full)).head()) else { panic!() };
    assert_eq!(credential.id(), Some("id-1"));
    let listed = with(full.clone(), |claims| drop(claims.insert("aud".to_owned(), json!(["x", "you"]))));
    assert!(passes(&listed));
    for (name, value) in [
        ("iss", json!("Me")),
        ("iss", json!(null)),
        ("aud", json!(["x"])),
        ("aud", json!("you ")),
        ("aud", json!({"you": "you"})),
        ("jti", json!(null)),
        ("jti", json!(7)),
        ("jti", json!("")),
        ("jti", json!("a b")),
        ("jti", json!("a".repeat(256))),
        ("sub", json!(null)),
    ] {
        let wrong = with(full.clone(), |claims| drop(claims.insert(name.to_owned(), value.clone())));
        assert!(!passes(&wrong), "{name}: {value}");
        let missing = with(full.clone(), |claims| drop(claims.remove(name)));
        assert!(!passes(&missing), "no {name}");
    }
}

#[test]
fn the_address_is_compared_and_must_be_known() {
    let scheme = |form: &str| compile(&format!("{PLAIN}url_claim = 'u'\nurl_form = '{form}'"));
    for form in ["plain", "sha256-hex", "qsh"] {
        let scheme = scheme(form);
        assert_eq!((scheme.binds_target(), scheme.needs_url()), (true, form != "qsh"), "{form}");
        let signed = Sent::post("/hook?a=1", BODY).signed(&scheme, SECRET);
        assert!(signed.passes(&scheme, SECRET), "{form}");
        for (target, url) in
            [("/hook?a=2", "https://hooks.example/hook?a=2"), ("/hooK?a=1", "http://hooks.example/hook?a=1")]
        {
            let mut moved = signed.clone();
            (moved.target, moved.url) = (target.to_owned(), Some(url.to_owned()));
            assert_eq!(moved.judged(&scheme, SECRET, NOW), Err(Refused::Verify(Refusal::Mismatch)), "{form}");
        }
        let mut unknown = signed;
        unknown.url = None;
        assert_eq!(unknown.passes(&scheme, SECRET), form == "qsh", "{form}");
        assert!(!sent(&hs256(&plain())).passes(&scheme, SECRET), "{form}: no claim");
    }
    let context = with(plain(), |claims| drop(claims.insert("u".to_owned(), "context-qsh".into())));
    assert!(!sent(&hs256(&context)).passes(&scheme("qsh"), SECRET));
}

#[test]
fn a_token_that_is_the_body_tells_times_and_id_at_the_end() {
    let scheme = compile(
        "kind = 'jwt'\n[params]\nbody_token = true\nalgorithm = 'HS256'\nid_claim = 'event'\nrequired = ['event', 'exp']",
    );
    assert!(scheme.binds_body() && scheme.needs_whole_body() && !scheme.binds_target());
    let judged = |text: String| Sent::post("/", text.as_bytes()).judged(&scheme, SECRET, NOW);
    let claims = json!({"event": "e1", "exp": SECONDS + 1, "data": {"x": [1, 2]}});
    assert!(judged(hs256(&claims)).is_ok());
    let late = with(claims.clone(), |claims| drop(claims.insert("exp".to_owned(), SECONDS.into())));
    assert_eq!(judged(hs256(&late)), Err(Refused::Verify(Refusal::Timestamp(TimestampFault::Old))));
    let mismatch = Err(Refused::Verify(Refusal::Mismatch));
    for text in [
        String::new(),
        "{}".to_owned(),
        format!("{}\n", hs256(&claims)),
        token("{\"alg\":\"none\"}", &claims.to_string()),
        hs256(&with(claims, |claims| drop(claims.remove("event")))),
    ] {
        assert_eq!(judged(text.clone()), mismatch, "{text}");
    }
}

#[test]
fn a_sample_has_the_claims_that_are_required() {
    let scheme = compile(
        "kind = 'jwt'\n[params]\nheader = 'X-Token'\nalgorithm = 'HS256'\nbody = 'optional'\n\
         required = ['exp', 'iat', 'nbf', 'jti', 'other']",
    );
    let signed = Sent::post("/hook", BODY).signed(&scheme, SECRET);
    let text = signed.get("x-token");
    let claims = BASE64URL_NOPAD.decode(text.split('.').nth(1).unwrap().as_bytes()).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&claims).unwrap(),
        json!({
            "exp": SECONDS + 300, "iat": SECONDS, "nbf": SECONDS, "jti": "n1700000000000", "other": "sample",
        })
    );
    assert!(signed.passes(&scheme, SECRET));
}
