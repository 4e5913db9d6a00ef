//! Behaviour of tokens.

mod claims;
mod form;
mod params;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::credential::{CredentialFault, Extraction};
use crate::verify::kind::testing::Sent;
use crate::verify::mac::Hash;
use crate::verify::scheme::{Scheme, preset};
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
