//! The two workspace schemes against `openssl`: a known answer that no code of this repository made.

use super::{NOW, signature_of, with_key};
use crate::support::http::Call;
use std::io::Write;
use std::process::{Command, Stdio};

/// `openssl dgst -sha256 -hmac SECRET`; `None` where there is no openssl.
fn openssl(secret: &str, bytes: &[u8]) -> Option<String> {
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    Some(output.trim().rsplit(' ').next().unwrap().to_owned())
}

/// Computed with `openssl dgst -sha256 -hmac 0123456789abcdef` over `1767225600.POST./in?x=1.body`, and checked
/// with Python's `hmac`.
const KNOWN: &str = "ae66706026ec82f173b64e840c940a07dbdd174b338d4e37ddc6b6f7b63433ae";

#[test]
fn our_mac_in_tests_is_the_one_that_openssl_computes() {
    let signed = b"1767225600.POST./in?x=1.body";
    assert_eq!(crate::support::mac::hmac_hex("0123456789abcdef", &[signed]), KNOWN);
    if let Some(theirs) = openssl("0123456789abcdef", signed) {
        assert_eq!(theirs, KNOWN);
    }
}

#[test]
fn a_delivery_that_openssl_signed_passes() {
    let (sidecar, key) = with_key("signed-request");
    let call = super::over_request(&key, Call::post("/in?x=1", "body"), NOW);
    if let Some(theirs) = openssl(&key.secret, format!("{NOW}.POST./in?x=1.body").as_bytes()) {
        assert_eq!(signature_of(&call), format!("v1={theirs}"));
    }
    sidecar.passes(&call);
}
