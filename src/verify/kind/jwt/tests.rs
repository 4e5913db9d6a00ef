//! Behaviour of tokens, trap by trap.

use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::{any, prop_assert, proptest};
use serde_json::{Value, json};

use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction};
use crate::secret::Secret;
use crate::verify::Refusal;
use crate::verify::kind::testing::{NOW, Sent, compile, faults};
use crate::verify::mac::Hash;
use crate::verify::offline::Refused;
use crate::verify::scheme::{Scheme, preset};
use crate::verify::timestamp::TimestampFault;
use crate::verify::verifier::mac;

const SECRET: &str = "a secret of some length";
const SECONDS: i64 = 1_700_000_000;
const BODY: &[u8] = b"{\"a\":1}";
/// A sender that binds the body and signs when the token was made.
const PLAIN: &str = "kind = 'jwt'\n[params]\nheader = 'X-Token'\nalgorithm = 'HS256'\n\
    body_claim = 'sha256'\ntolerance = 60\n";

fn named(name: &str) -> &'static Scheme {
    preset(name).unwrap()
}

fn part(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// A token of these texts, signed with HS256 whatever its header says.
fn token(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let tag = mac(Hash::Sha256, SECRET.as_bytes(), message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_bytes()))
}

fn hs256(claims: &Value) -> String {
    token("{\"alg\":\"HS256\"}", &claims.to_string())
}

/// The SHA-256 of [`BODY`] in hex, computed elsewhere.
const DIGEST: &str = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";

fn plain() -> Value {
    json!({"iat": SECONDS, "sha256": DIGEST})
}

/// A POST with a token in `X-Token`.
fn sent(token: &str) -> Sent {
    let mut sent = Sent::post("/hook?a=1", BODY);
    sent.set("x-token", token);
    sent
}

fn with(claims: Value, change: impl Fn(&mut serde_json::Map<String, Value>)) -> Value {
    let Value::Object(mut members) = claims else { panic!("no object") };
    change(&mut members);
    Value::Object(members)
}

fn fault(scheme: &Scheme, sent: &Sent) -> CredentialFault {
    match scheme.extract(&sent.head()) {
        Extraction::Malformed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_examples_of_rfc_7515_verify_under_their_own_algorithm_only() {
    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let examples = [
        // §A.1
        (
            "HS256",
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        ),
        // §A.2
        (
            "RS256",
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb\
             F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383\
             LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy\
             wlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp\
             -Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6\
             3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aG\
             hyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}",
        ),
        // §A.3
        (
            "ES256",
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\
             \"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        ),
    ];
    for (algorithm, header, signature, key) in examples {
        let decode = if algorithm == "HS256" { "base64-loose" } else { "utf8" };
        let scheme = |algorithm: &str| {
            let params = format!("header = 'X-Token'\nalgorithm = '{algorithm}'\nbody = 'optional'");
            compile(&format!("kind = 'jwt'\n[secret]\ndecode = '{decode}'\n[params]\n{params}"))
        };
        let text = format!("{header}.{CLAIMS}.{signature}");
        let at = |seconds: i64| sent(&text).judged(&scheme(algorithm), key, UnixMillis(seconds * 1000));
        assert!(at(1_300_819_379).is_ok(), "{algorithm}");
        let expired = Err(Refused::Verify(Refusal::Timestamp(TimestampFault::Old)));
        assert_eq!(at(1_300_819_380), expired, "{algorithm}");
        for (other, ..) in examples.iter().filter(|(other, ..)| *other != algorithm) {
            let text = fault(&scheme(other), &sent(&text)).to_string();
            assert!(text.contains("another algorithm"), "{algorithm} as {other}: {text}");
        }
    }
}

#[test]
fn the_algorithm_is_the_configured_one() {
    let scheme = compile(PLAIN);
    assert!(sent(&hs256(&plain())).passes(&scheme, SECRET));
    assert!(!sent(&hs256(&plain())).passes(&scheme, "another"));
    for header in [
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":[\"HS256\"]}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"kty\":\"oct\"}}",
        "[\"HS256\"]",
        "{\"alg\":\"HS256\"} {}",
        "",
    ] {
        let found = fault(&scheme, &sent(&token(header, &plain().to_string())));
        assert!(matches!(found, CredentialFault::Malformed(_)), "{header}: {found:?}");
    }
    let several = compile(&PLAIN.replace("'HS256'", "['HS512', 'HS256']"));
    assert!(sent(&hs256(&plain())).passes(&several, SECRET));
    assert!(
        !sent(&token("{\"alg\":\"HS512\"}", &plain().to_string())).passes(&several, SECRET),
        "it is HS256"
    );
    let unsigned = format!("{}.{}.", part("{\"alg\":\"none\"}"), part(&plain().to_string()));
    assert!(!sent(&unsigned).passes(&scheme, SECRET));
    assert!(
        !sent(&unsigned.replace(&part("{\"alg\":\"none\"}"), &part("{\"alg\":\"HS256\"}")))
            .passes(&scheme, SECRET)
    );
    let named_key =
        "{\"kid\":\"../../dev/null\",\"jku\":\"https://evil.example\",\"alg\":\"HS256\",\"typ\":\"x\"}";
    assert!(sent(&token(named_key, &plain().to_string())).passes(&scheme, SECRET), "not looked at");
}

#[test]
fn a_token_has_one_spelling() {
    let scheme = compile(PLAIN);
    let good = hs256(&plain());
    let (message, signature) = good.rsplit_once('.').unwrap();
    for text in [
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        format!("{message}. {signature}"),
        format!("{message}.{}", signature.replace(['-', '_'], "+")) + "+",
        message.to_owned(),
        format!("{message}.{signature}.{signature}.x.y"),
        token("{\"alg\":\"HS256\"}", "{\"iat\":1700000000,\"iat\":1700000000}"),
        token("{\"alg\":\"HS256\"}", "[]"),
        token("{\"alg\":\"HS256\"}", "7"),
        token(&format!("{{\"alg\":\"HS256\",\"x\":\"{}\"}}", "a".repeat(4000)), &plain().to_string()),
        hs256(&with(plain(), |claims| drop(claims.insert("x".to_owned(), "a".repeat(16_384).into())))),
        format!("{message}.{}", "A".repeat(1367)),
    ] {
        assert!(matches!(fault(&scheme, &sent(&text)), CredentialFault::Malformed(_)), "{text}");
    }
    // The last character of 32 bytes has two bits that mean nothing.
    for last in b'!'..=b'~' {
        let text = format!("{}{}", &good[..good.len() - 1], char::from(last));
        assert_eq!(sent(&text).passes(&scheme, SECRET), text == good, "{text}");
    }
}

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
fn a_request_has_one_token() {
    let both = compile(
        "kind = 'jwt'\n[params]\nheader = 'Authorization'\nprefix = 'JWT '\nquery = 'jwt'\n\
         algorithm = 'HS256'\nbody = 'optional'",
    );
    let good = hs256(&json!({}));
    let mut sent = Sent::post("/hook?a=1", BODY);
    assert!(matches!(both.extract(&sent.head()), Extraction::Absent));
    for other in ["Bearer x", "Bearer a.b.c", "JWT token", "Basic eDp5", "", "JWT"] {
        sent.set("authorization", other);
        assert!(matches!(both.extract(&sent.head()), Extraction::Absent), "{other}");
    }
    for prefix in ["JWT ", "jwt ", "JWT  "] {
        sent.set("authorization", &format!("{prefix}{good}"));
        assert!(sent.passes(&both, SECRET), "{prefix}");
    }
    sent.target = format!("/hook?jwt={good}");
    assert!(matches!(fault(&both, &sent), CredentialFault::Duplicate(_)), "header and query");
    sent.headers.remove("authorization");
    assert!(sent.passes(&both, SECRET));
    sent.target = format!("/hook?jwt={good}&jwt={good}");
    assert!(matches!(fault(&both, &sent), CredentialFault::Duplicate(_)), "twice in the query");
    for empty in ["/hook?jwt=", "/hook?jwt"] {
        sent.target = empty.to_owned();
        assert!(matches!(fault(&both, &sent), CredentialFault::Malformed(_)), "{empty}");
    }
    sent.target = "/hook".to_owned();
    sent.add("authorization", &format!("JWT {good}"));
    sent.add("authorization", "Bearer x");
    assert!(matches!(fault(&both, &sent), CredentialFault::Duplicate(_)), "two lines");
    let own = compile(
        "kind = 'jwt'\n[params]\nheader = 'X-Token'\nprefix = 'v1 '\nalgorithm = 'HS256'\nbody = 'optional'",
    );
    assert!(matches!(fault(&own, &self::sent(&good)), CredentialFault::Malformed(_)), "no prefix");
    assert!(self::sent(&format!("v1 {good}")).passes(&own, SECRET));
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
fn no_public_key_is_a_shared_secret() {
    let scheme = compile(PLAIN);
    let prepare = |text: &str| scheme.prepare(&Secret::from_text(text)).map(drop);
    assert!(prepare("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
    assert!(prepare("{\"kty\":\"EC\"}").is_err() && prepare("{\"keys\":[]}").is_err());
    assert!(prepare("x").is_ok());
}

#[test]
fn presets_say_what_they_cover() {
    for (name, body, target, id, url) in [
        ("messagebird-jwt", true, true, true, true),
        ("vonage-jwt", true, false, false, false),
        ("netlify", true, false, false, false),
        ("monday", false, true, false, true),
        ("atlassian-connect", false, true, false, false),
        ("plaid", true, false, false, false),
        ("kinde", true, false, true, false),
    ] {
        let scheme = named(name);
        let said = (scheme.binds_body(), scheme.binds_target(), scheme.signs_id(), scheme.needs_url());
        assert_eq!(said, (body, target, id, url), "{name}");
    }
    for name in ["messagebird-jwt", "vonage-jwt", "netlify", "monday", "atlassian-connect"] {
        assert!(
            Sent::post("/hook?a=1", BODY).signed(named(name), SECRET).passes(named(name), SECRET),
            "{name}"
        );
    }
}

#[test]
fn parameters_are_checked() {
    let faults = |params: &str| faults(&format!("kind = 'jwt'\n[params]\n{params}"));
    assert_eq!(faults(""), ["params"]);
    for (params, expected) in [
        ("algorithm = 'HS256'", &["params.header", "params.body_claim"][..]),
        (
            "header = 'a b'\nquery = 'a'\nalgorithm = []\nbody = 'optional'",
            &["params.header", "params.algorithm"],
        ),
        (
            "query = 'a&b'\nalgorithm = ['HS256', 'RS256']\nbody = 'optional'",
            &["params.query", "params.algorithm"],
        ),
        ("query = 'a'\nprefix = 'x'\nalgorithm = 'HS256'\nbody = 'optional'", &["params.prefix"]),
        ("header = 'a'\nprefix = ' x'\nalgorithm = 'HS256'\nbody = 'optional'", &["params.prefix"]),
        ("header = 'a'\nalgorithm = ['RS256', 'ES256']\nbody = 'optional'", &["params.algorithm"]),
        ("header = 'a'\nalgorithm = 'none'\nbody = 'optional'", &["params"]),
        ("header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nkid = 'x'", &["params"]),
        ("header = 'Host'\nalgorithm = 'HS256'\nbody = 'optional'", &["params"]),
        ("header = 'a'\nbody_token = true\nalgorithm = 'HS256'", &["params.body_token"]),
        ("body_token = true\nalgorithm = 'HS256'\nbody_claim = 'x'", &["params.body"]),
        (
            "header = 'a'\nalgorithm = 'HS256'\nbody_digest = 'md5-hex'\nbody_claim = 'x'",
            &["params.body_digest"],
        ),
        ("header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nurl_form = 'qsh'", &["params.url_form"]),
        (
            "header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nurl_claim = 'u'\nbase_path = 'x/'",
            &["params.base_path", "params.base_path"],
        ),
        (
            "header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\ntolerance = 0\nleeway = 301",
            &["params.tolerance", "params.leeway"],
        ),
    ] {
        assert_eq!(faults(params), expected, "{params}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "[ -~]{0,80}", header in "[ -~]{0,40}", claims in "[ -~]{0,60}") {
        let scheme = compile(PLAIN);
        for text in [text.clone(), token(&header, &claims), token("{\"alg\":\"HS256\"}", &claims)] {
            prop_assert!(!sent(&text).passes(&scheme, SECRET));
        }
        let mut asked = Sent::post(&format!("/a?{text}&jwt={text}"), &bytes);
        asked.set("authorization", &format!("JWT {text}"));
        prop_assert!(!asked.passes(named("atlassian-connect"), SECRET));
        let body = compile("kind = 'jwt'\n[params]\nbody_token = true\nalgorithm = 'HS256'");
        prop_assert!(!Sent::post("/", &bytes).passes(&body, SECRET));
    }

    #[test]
    fn any_changed_character_of_a_token_is_refused(at in any::<proptest::sample::Index>(), byte in b'!'..=b'~') {
        let scheme = compile(PLAIN);
        let good = hs256(&plain());
        let mut changed = good.clone().into_bytes();
        changed[at.index(good.len())] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(sent(&changed).passes(&scheme, SECRET) == (changed == good));
        let body = compile("kind = 'jwt'\n[params]\nbody_token = true\nalgorithm = 'HS256'");
        prop_assert!(Sent::post("/", changed.as_bytes()).passes(&body, SECRET) == (changed == good));
    }
}
