//! The token itself: its algorithm, its spelling, its place.

use proptest::prelude::{any, prop_assert, proptest};
use serde_json::json;

use super::{BODY, PLAIN, SECRET, fault, hs256, named, part, plain, sent, token, with};
use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction};
use crate::secret::Secret;
use crate::verify::Refusal;
use crate::verify::kind::testing::{Sent, compile};
use crate::verify::offline::Refused;
use crate::verify::timestamp::TimestampFault;

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
        if algorithm != "HS256" {
            let twice = format!("{{\"keys\":[{key},{key}]}}");
            let at = UnixMillis(1_300_819_379_000);
            assert!(sent(&text).judged(&scheme(algorithm), &twice, at).is_ok(), "{algorithm}: a key twice");
        }
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
fn a_token_of_more_than_16_kib_is_not_read() {
    let scheme = compile(PLAIN);
    let said = |length: usize| fault(&scheme, &sent(&"a".repeat(length)));
    assert_eq!(said(16_384), CredentialFault::Malformed("the token has not three parts"));
    assert_eq!(said(16_385), CredentialFault::Malformed("the token is too long"));
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
    assert!(matches!(fault(&own, &super::sent(&good)), CredentialFault::Malformed(_)), "no prefix");
    assert!(super::sent(&format!("v1 {good}")).passes(&own, SECRET));
}

#[test]
fn no_public_key_is_a_shared_secret() {
    let scheme = compile(PLAIN);
    let prepare = |text: &str| scheme.prepare(&Secret::from_text(text)).map(drop);
    assert!(prepare("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
    assert!(prepare("{\"kty\":\"EC\"}").is_err() && prepare("{\"keys\":[]}").is_err());
    assert!(prepare("x").is_ok());
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
