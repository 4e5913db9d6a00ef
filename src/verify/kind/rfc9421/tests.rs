//! Behaviour of HTTP message signatures, and the traps of the standard.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;

use super::base::signature_base;
use super::fields::inputs;
use crate::credential::{CredentialFault, Extraction};
use crate::verify::kind::testing::{NOW, Sent, compile, faults};
use crate::verify::scheme::Scheme;

const SECRET: &str = "a secret of some length";
const HMAC: &str = "kind = 'rfc9421'\n[params]\nalgorithm = 'hmac-sha256'\n";

fn sent() -> Sent {
    Sent::post("/hook?a=1", b"{\"a\":1}")
}

/// A request with a `Signature-Input` of ours, signed by `sign`.
fn signed_by(input: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Sent {
    let mut sent = sent();
    sent.set("content-digest", &super::digest::content_digest(&sent.body));
    sent.set("signature-input", &format!("s={input}"));
    let text = format!("s={input}");
    let base = signature_base(&sent.head(), &inputs(&text).unwrap()[0]).unwrap();
    sent.set("signature", &format!("s=:{}:", BASE64.encode(&sign(&base))));
    sent
}

fn hmac(base: &[u8]) -> Vec<u8> {
    super::mac(super::Hash::Sha256, SECRET.as_bytes(), base).unwrap().as_bytes().to_vec()
}

fn passes(scheme: &Scheme, input: &str) -> bool {
    signed_by(input, hmac).passes(scheme, SECRET)
}

#[test]
fn what_is_signed_verifies_and_no_bound_part_can_change() {
    let scheme = compile(HMAC);
    let sent = sent().signed(&scheme, SECRET);
    assert!(sent.passes(&scheme, SECRET));
    assert!(!sent.passes(&scheme, "another secret"));
    for change in 0..5 {
        let mut changed = sent.clone();
        match change {
            0 => changed.body.push(b' '),
            1 => changed.target.push('1'),
            2 => changed.method = http::Method::PUT,
            3 => changed.set("content-digest", &super::digest::content_digest(b"x")),
            _ => {
                changed.body = b"x".to_vec();
                changed.set("content-digest", &super::digest::content_digest(b"x"));
            }
        }
        assert!(!changed.passes(&scheme, SECRET), "{change}");
    }
    assert!(scheme.binds_body() && scheme.binds_target());
}

#[test]
fn the_window_is_that_of_created_and_expires() {
    let scheme = compile(HMAC);
    let sent = sent().signed(&scheme, SECRET);
    assert!(sent.judged(&scheme, SECRET, NOW.plus_seconds(300)).is_ok());
    assert!(sent.judged(&scheme, SECRET, NOW.plus_seconds(301)).is_err());
    assert!(sent.judged(&scheme, SECRET, NOW.plus_seconds(-301)).is_err());
    let input = "(\"@method\" \"@request-target\" \"content-digest\");created=1700000000;expires=1700000010";
    let sent = signed_by(input, hmac);
    assert!(sent.judged(&scheme, SECRET, NOW.plus_seconds(9)).is_ok());
    assert!(sent.judged(&scheme, SECRET, NOW.plus_seconds(10)).is_err());
    assert!(!passes(&scheme, "(\"@method\" \"@request-target\" \"content-digest\")"), "no created");
}

#[test]
fn the_least_that_must_be_covered_is_covered() {
    let scheme = compile(HMAC);
    let with = |names: &str| passes(&scheme, &format!("({names});created=1700000000"));
    assert!(with("\"@method\" \"@target-uri\" \"content-digest\""));
    assert!(with("\"@method\" \"@path\" \"@query\" \"content-digest\""));
    assert!(!with("\"@method\" \"@path\" \"content-digest\""), "no query");
    assert!(!with("\"@request-target\" \"content-digest\""), "no method");
    assert!(!with("\"@method\" \"@request-target\""), "the digest is there and not covered");
    let loose = compile(&format!("{HMAC}required = []\ntarget = false\nbody = 'optional'\n"));
    assert!(passes(&loose, "(\"@authority\");created=1700000000"));
    assert!(!loose.binds_body() && !loose.binds_target());
}

#[test]
fn a_body_is_bound_where_its_digest_must_be_covered() {
    let binds =
        |required: &str| compile(&format!("{HMAC}required = [{required}]\nbody = 'optional'\n")).binds_body();
    assert!(binds("'content-digest'") && binds("'@method', 'content-digest'"));
    assert!(!binds("'@method'") && !binds(""));
}

#[test]
fn each_header_is_there_once_or_neither_is() {
    let scheme = compile(HMAC);
    let signed = sent().signed(&scheme, SECRET);
    let fault = |sent: &Sent| match scheme.extract(&sent.head()) {
        Extraction::Malformed(fault) => Some(fault),
        _ => None,
    };
    assert_eq!(fault(&signed), None);
    for (name, twice) in [("signature", "Signature"), ("signature-input", "Signature-Input")] {
        let mut changed = signed.clone();
        changed.add(name, &signed.get(name));
        assert_eq!(fault(&changed), Some(CredentialFault::Duplicate(twice)));
        changed.headers.remove(name);
        let missing = "one of Signature and Signature-Input is missing";
        assert_eq!(fault(&changed), Some(CredentialFault::Malformed(missing)), "{name}");
    }
    assert!(matches!(scheme.extract(&sent().head()), Extraction::Absent));
}

#[test]
fn algorithm_key_and_tag_are_those_of_the_configuration() {
    let scheme = compile(&format!("{HMAC}key_id = 'k'\ntag = 'app'\n"));
    let with = |rest: &str| {
        passes(
            &scheme,
            &format!("(\"@method\" \"@request-target\" \"content-digest\");created=1700000000{rest}"),
        )
    };
    assert!(with(";keyid=\"k\";tag=\"app\""));
    assert!(with(";keyid=\"k\";tag=\"app\";alg=\"hmac-sha256\""));
    assert!(!with(";keyid=\"k\";tag=\"app\";alg=\"ed25519\""));
    assert!(!with(";keyid=\"other\";tag=\"app\""));
    assert!(!with(";keyid=\"k\""));
    assert!(!with(";tag=\"app\""));
}

#[test]
fn a_nonce_is_the_message_id_where_it_is_demanded() {
    let scheme = compile(&format!("{HMAC}nonce = true\n"));
    let with = |rest: &str| {
        passes(
            &scheme,
            &format!("(\"@method\" \"@request-target\" \"content-digest\");created=1700000000{rest}"),
        )
    };
    assert!(scheme.signs_id());
    assert!(with(";nonce=\"n1\""));
    assert!(!with(""));
    assert!(!with(";nonce=\"\""));
}

#[test]
fn public_keys_verify_under_their_own_algorithm_only() {
    let input = "(\"@method\" \"@request-target\" \"content-digest\");created=1700000000";
    let ed25519 = compile("kind = 'rfc9421'\n[params]\nalgorithm = 'ed25519'\n");
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let key = BASE64.encode(pair.public_key().as_ref());
    let sent = signed_by(input, |base| pair.sign(base).as_ref().to_vec());
    assert!(sent.passes(&ed25519, &key));
    let other = BASE64.encode(Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap().public_key().as_ref());
    assert!(!sent.passes(&ed25519, &other));
    assert!(!signed_by(input, hmac).passes(&ed25519, &key));
    assert!(!ed25519.generates_secrets());

    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der =
        aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key());
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        BASE64.encode(der.unwrap().as_ref())
    );
    let ecdsa = compile("kind = 'rfc9421'\n[params]\nalgorithm = 'ecdsa-p256-sha256'\n");
    let sent = signed_by(input, |base| pair.sign(&SystemRandom::new(), base).unwrap().as_ref().to_vec());
    assert!(sent.passes(&ecdsa, &pem));
    assert!(!sent.passes(&ed25519, &pem));
    let public_as_secret = signed_by(input, |base| {
        super::mac(super::Hash::Sha256, pem.as_bytes(), base).unwrap().as_bytes().to_vec()
    });
    assert!(!public_as_secret.passes(&compile(HMAC), &pem), "a public key is no shared secret");
}

#[test]
fn what_is_doubled_or_half_there_is_refused() {
    let scheme = compile(HMAC);
    let sent = sent().signed(&scheme, SECRET);
    for name in ["signature", "signature-input", "content-digest"] {
        let mut doubled = sent.clone();
        doubled.add(name, &sent.get(name));
        assert!(!doubled.passes(&scheme, SECRET), "{name} twice");
        let mut without = sent.clone();
        without.headers.remove(name);
        assert!(!without.passes(&scheme, SECRET), "{name} missing");
    }
    let mut two = sent.clone();
    two.set("signature-input", &format!("{0}, o{0}", sent.get("signature-input")));
    assert!(!two.passes(&scheme, SECRET), "two signatures and no label configured");
    let labelled = compile(&format!("{HMAC}label = 'sig1'\n"));
    assert!(two.passes(&labelled, SECRET));
}

#[test]
fn parameters_are_checked() {
    assert_eq!(faults("kind = 'rfc9421'"), ["params"]);
    assert_eq!(
        faults("kind = 'rfc9421'\n[params]\nalgorithm = 'none'\ntolerance = 0"),
        ["params.tolerance", "params.algorithm"]
    );
    assert_eq!(faults(&format!("{HMAC}other = 1")), ["params"]);
}
