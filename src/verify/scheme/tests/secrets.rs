//! Secrets and tokens: what makes a key, and that none is printed.

use super::{BODY, HEX, NOW, SECRET, SecretFault, Sent, extract, key, named, presets, verifies};
use crate::secret::Secret;

#[test]
fn an_empty_secret_makes_no_key() {
    for scheme in presets() {
        for text in ["", scheme.spec().secret.strip.as_deref().unwrap_or_default()] {
            let secret = Secret::from_text(text);
            assert_eq!(scheme.prepare(&secret).unwrap_err(), SecretFault::Empty, "{}", scheme.label());
            assert_eq!(scheme.secret_len(&secret), Err(SecretFault::Empty));
        }
    }
}

#[test]
fn a_secret_is_decoded_as_the_scheme_says() {
    let scheme = named("standard-webhooks");
    let len = |text: &str| scheme.secret_len(&Secret::from_text(text));
    assert_eq!(len("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Ok(24));
    assert_eq!(len("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Ok(24));
    assert_eq!(len("whsec_AAE="), Ok(2));
    assert_eq!(len("whsec_AAE"), Ok(2));
    assert_eq!(len("whsec_AAF="), Err(SecretFault::Encoding("base64")));
    assert_eq!(len("whsec_whsec_AAE="), Err(SecretFault::Encoding("base64")));
    assert!(scheme.generate_secret(&[0; 32]).expose().starts_with(b"whsec_"));
    assert_eq!(named("github").generate_secret(&[0xab; 32]).expose_text(), Some("ab".repeat(32).as_str()));
}

#[test]
fn a_key_of_another_kind_of_scheme_verifies_nothing() {
    let (token, hmac) = (named("datadog"), named("datadog-hmac"));
    let sent = Sent::with(&[("x-datadog-token", SECRET), ("x-datadog-signature", HEX)]);
    assert!(verifies(token, &key(token), &sent, BODY));
    assert!(!verifies(token, &key(hmac), &sent, BODY));
    assert!(!verifies(hmac, &key(token), &sent, BODY));
    assert!(hmac.sign(&key(token), &sent.head(), &[BODY], NOW, None).is_empty());
}

#[test]
fn a_token_is_compared_whole() {
    let scheme = named("gitlab-token");
    let key = key(scheme);
    for bad in ["", &SECRET[1..], &SECRET[..31], &format!("{SECRET}0"), &SECRET.to_uppercase()] {
        assert!(!verifies(scheme, &key, &Sent::with(&[("x-gitlab-token", bad)]), BODY), "{bad}");
    }
}

#[test]
fn w44_nothing_prints_a_secret_or_a_signature() {
    let scheme = named("datadog");
    let key = key(scheme);
    let sent = Sent::with(&[("x-datadog-token", SECRET)]);
    let credential = extract(scheme, &sent).unwrap();
    let printed = format!("{key:?} {credential:?} {:?}", scheme.begin(&key, &sent.head(), &credential));
    assert!(!printed.contains(SECRET), "{printed}");
    assert!(scheme.sign(&key, &sent.head(), &[], NOW, None)[0].1.is_sensitive());
}

#[test]
fn the_same_secret_twice_is_still_one() {
    let scheme = named("box");
    let once = scheme.prepare(&Secret::from_text(SECRET)).unwrap();
    let twice = scheme.prepare(&Secret::from_text(&format!("{SECRET}\n{SECRET}"))).unwrap();
    let sent = Sent::signed(scheme, &once, BODY);
    assert!(verifies(scheme, &twice, &sent, BODY));
}
