//! Behaviour of cavage signatures and their dialects.

use crate::secret::Secret;
use crate::verify::kind::testing::{NOW, Sent, compile, faults};
use crate::verify::scheme::{Scheme, preset};

const SECRET: &str = "a secret of some length";

fn sent() -> Sent {
    Sent::post("/hook?a=1", b"{\"a\":1}")
}

fn named(name: &str) -> &'static Scheme {
    preset(name).unwrap()
}

#[test]
fn what_a_dialect_signs_it_verifies_and_no_bound_part_can_change() {
    for name in ["cavage", "kong-hmac", "apisix-hmac"] {
        let scheme = named(name);
        let sent = sent().signed(scheme, SECRET);
        assert!(sent.passes(scheme, SECRET), "{name}");
        assert!(!sent.passes(scheme, "another"), "{name}");
        for change in 0..5 {
            let mut changed = sent.clone();
            match change {
                0 => changed.body.push(b' '),
                1 => changed.target.push('1'),
                2 => changed.method = http::Method::PUT,
                3 => changed.set("date", "Tue, 14 Nov 2023 22:13:21 GMT"),
                _ => {
                    changed.body = b"x".to_vec();
                    changed.set("digest", &super::super::digest::digest(b"x"));
                }
            }
            assert!(!changed.passes(scheme, SECRET), "{name} {change}");
        }
        assert!(sent.judged(scheme, SECRET, NOW.plus_seconds(300)).is_ok());
        assert!(sent.judged(scheme, SECRET, NOW.plus_seconds(301)).is_err(), "{name}");
        for header in ["authorization", "date", "digest"] {
            let mut doubled = sent.clone();
            doubled.add(header, &sent.get(header));
            assert!(!doubled.passes(scheme, SECRET), "{name} {header} twice");
        }
    }
}

#[test]
fn a_body_without_a_covered_digest_is_let_in_only_where_that_is_configured() {
    assert!(named("cavage").binds_body() && !named("kong-hmac").binds_body());
    assert!(named("kong-hmac").binds_target() && named("apisix-hmac").binds_target());
    let lax = compile(
        "kind = 'cavage'\n[params]\ndialect = 'cavage'\nalgorithm = 'hmac-sha256'\nrequired = ['date']\n\
         body = 'optional'",
    );
    let mut sent = sent();
    sent.body.clear();
    sent.set("date", "Tue, 14 Nov 2023 22:13:20 GMT");
    let mac = crate::verify::verifier::mac(
        crate::verify::mac::Hash::Sha256,
        SECRET.as_bytes(),
        b"(request-target): post /hook?a=1\ndate: Tue, 14 Nov 2023 22:13:20 GMT",
    );
    let signature = data_encoding::BASE64.encode(mac.unwrap().as_bytes());
    let with =
        |rest: &str| format!("keyId=\"k\",headers=\"(request-target) date\",signature=\"{signature}\"{rest}");
    sent.set("signature", &with(""));
    assert!(sent.passes(named("cavage"), SECRET), "nothing to bind");
    sent.set("signature", &with(",algorithm=\"hs2019\""));
    assert!(sent.passes(named("cavage"), SECRET));
    sent.set("signature", &with(",algorithm=\"rsa-sha256\""));
    assert!(!sent.passes(named("cavage"), SECRET), "another algorithm");
    sent.set("signature", &with(""));
    sent.body = b"x".to_vec();
    assert!(!sent.passes(named("cavage"), SECRET), "an unbound body");
    sent.set("digest", &super::super::digest::digest(b"x"));
    assert!(!sent.passes(named("cavage"), SECRET), "an uncovered digest binds nothing");
    assert!(sent.passes(&lax, SECRET));
    let mut both = sent.clone();
    both.set("authorization", &format!("Signature {}", with("")));
    assert!(!both.passes(&lax, SECRET), "two signatures");
    both.set("authorization", "Bearer x");
    assert!(both.passes(&lax, SECRET), "Authorization of another scheme is none of ours");
}

#[test]
fn a_time_must_be_covered() {
    let scheme =
        compile("kind = 'cavage'\n[params]\ndialect = 'kong'\nalgorithm = 'hmac-sha256'\nrequired = []\n");
    let mut sent = sent();
    sent.set("date", "Tue, 14 Nov 2023 22:13:20 GMT");
    sent.set("authorization", "hmac username=\"bob\",headers=\"request-line\",signature=\"AAAA\"");
    let refused = sent.judged(&scheme, SECRET, NOW).unwrap_err();
    assert!(refused.to_string().contains("timestamp"), "{refused}");
}

#[test]
fn parameters_are_checked() {
    assert_eq!(faults("kind = 'cavage'"), ["params"]);
    let wrong =
        "kind = 'cavage'\n[params]\ndialect = 'kong'\nalgorithm = 'md5'\nrequired = []\ntolerance = 0";
    assert_eq!(faults(wrong), ["params.tolerance", "params.algorithm"]);
}

#[test]
fn each_dialect_signs_a_text_of_its_own() {
    const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    let scheme = |dialect: &str| {
        compile(&format!(
            "kind = 'cavage'\n[params]\ndialect = '{dialect}'\nalgorithm = 'hmac-sha256'\nrequired = []\n\
             body = 'optional'"
        ))
    };
    let passes = |dialect: &str, start: &str, covered: &str, rest: &str, text: &str| {
        let mut sent = sent();
        sent.set("date", DATE);
        sent.set("x-one", "1");
        sent.add("x-one", "2");
        let hash = crate::verify::mac::Hash::Sha256;
        let mac = crate::verify::verifier::mac(hash, SECRET.as_bytes(), text.as_bytes()).unwrap();
        let signature = data_encoding::BASE64.encode(mac.as_bytes());
        sent.set(
            "authorization",
            &format!("{start}=\"k\",headers=\"{covered}\",signature=\"{signature}\"{rest}"),
        );
        sent.passes(&scheme(dialect), SECRET)
    };
    let cavage =
        |covered: &str, rest: &str, text: &str| passes("cavage", "Signature keyId", covered, rest, text);
    let created = "(created): 1700000000";
    assert!(cavage("(created)", ",created=1700000000", created));
    assert!(cavage("(created) X-One", ",created=1700000000", &format!("{created}\nx-one: 1, 2")));
    assert!(!cavage("(created)", "", created), "covered and not there");
    let both = format!("{created}\n(expires): 1700000001");
    assert!(cavage("(created) (expires)", ",created=1700000000,expires=1700000001", &both));
    let over = format!("{created}\n(expires): 1700000000");
    assert!(!cavage("(created) (expires)", ",created=1700000000,expires=1700000000", &over), "expired");

    let kong = |covered: &str, text: &str| passes("kong", "hmac username", covered, "", text);
    let date = format!("date: {DATE}");
    assert!(kong("date @request-target", &format!("{date}\n@request-target: post /hook?a=1")));
    assert!(kong("date request-line", &format!("{date}\nPOST /hook?a=1 HTTP/1.1")));
    assert!(!kong("date (request-target)", &format!("{date}\n(request-target): post /hook?a=1")));

    let apisix = |covered: &str, text: &str| passes("apisix", "Signature keyId", covered, "", text);
    assert!(apisix("@request-target Date", &format!("k\nPOST /hook?a=1\nDate: {DATE}\n")));
    assert!(!apisix("@request-target Date", &format!("k\nPOST /hook?a=1\n{date}\n")), "its name as listed");
}

#[test]
fn an_algorithm_is_known_by_its_name_and_takes_its_own_keys() {
    let scheme = |algorithm: &str| {
        compile(&format!(
            "kind = 'cavage'\n[params]\ndialect = 'cavage'\nalgorithm = '{algorithm}'\nrequired = []\n\
             body = 'optional'"
        ))
    };
    let hmacs = ["hmac-sha256", "hmac-sha384", "hmac-sha512"];
    for algorithm in hmacs {
        let signed = sent().signed(&scheme(algorithm), SECRET);
        for other in hmacs {
            let named = signed.get("authorization").replace(algorithm, "hs2019");
            let mut sent = signed.clone();
            sent.set("authorization", &named);
            assert_eq!(sent.passes(&scheme(other), SECRET), other == algorithm, "{algorithm} as {other}");
        }
    }
    for algorithm in ["rsa-sha256", "rsa-sha512", "ecdsa-sha256", "ed25519"] {
        let scheme = scheme(algorithm);
        assert!(!scheme.generates_secrets(), "{algorithm}");
        assert!(
            scheme.prepare(&Secret::from_text(SECRET)).is_err(),
            "{algorithm}: a secret is no public key"
        );
    }
}
