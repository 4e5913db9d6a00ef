//! The seam for built-in kinds: a scheme of a kind is a scheme like any other.

use super::{BODY, Sent, compile, extract, faults, key, verifies};
use crate::credential::{CredentialFault, Extraction};

const EXAMPLE: &str = "kind = 'example'\n[params]\nheader = 'X-Example'\n";

#[test]
fn a_kind_signs_and_verifies_through_the_scheme() {
    let scheme = compile(EXAMPLE);
    let key = key(&scheme);
    assert_eq!(
        (scheme.header(), scheme.algorithm(), scheme.binds_body()),
        ("x-example", "hmac-sha256", true)
    );
    let sent = Sent::signed(&scheme, &key, BODY);
    assert!(verifies(&scheme, &key, &sent, BODY));
    assert!(!verifies(&scheme, &key, &sent, b"{}"));
    assert!(matches!(scheme.extract(&Sent::new().head()), Extraction::Absent));
    let twice = Sent::with(&[("x-example", "00"), ("x-example", "00")]);
    assert!(matches!(extract(&scheme, &twice), Err(CredentialFault::Duplicate(_))));
}

#[test]
fn every_fault_of_a_kind_is_named_at_once() {
    assert_eq!(faults("kind = 'nothing'"), ["kind"]);
    assert_eq!(faults("kind = 'example'"), ["params"]);
    assert_eq!(faults("kind = 'example'\n[params]\nheader = 'a b'"), ["params.header"]);
    let beside = format!("algorithm = 'token'\nsigned = 'x'\nmax_body = 0\n{EXAMPLE}other = 1");
    assert_eq!(faults(&beside), ["algorithm", "signed", "max_body", "params"]);
    assert_eq!(faults("algorithm = 'token'\n[sig]\nheader = 'x'\n[params]\na = 1"), ["params"]);
    assert_eq!(faults("encoding = 'hex'\nsigned = '{body}'\n[sig]\nheader = 'x'"), ["algorithm"]);
}
