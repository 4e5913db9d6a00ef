//! Secrets and tokens: what makes a key, and that none is printed.

use super::{
    BODY, HEX, NOW, SECRET, SecretFault, Sent, compile, extract, faults, key, named, presets, verifies,
};
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
fn only_where_a_text_may_hold_several_secrets_its_lines_are_told_apart() {
    let len = |name: &str, text: &str| named(name).secret_len(&Secret::from_text(text));
    assert_eq!((len("box", "short\na-longer-one"), len("github", "short\none")), (Ok(5), Ok(9)));
    assert_eq!(len("box", "\n\r\n"), Err(SecretFault::Empty));
    let takes = ["box", "discord", "github", "gitlab-token"].map(|name| named(name).takes_lines());
    assert_eq!(takes, [true, true, false, false], "PEM has lines too");
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

#[test]
fn of_several_secrets_those_that_match_tell_whether_the_body_is_bound() {
    let other = "fedcba9876543210fedcba9876543210";
    for (signed, binds) in [("{body}", true), ("{path}", false)] {
        let scheme = compile(&format!(
            "signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n\
             [secret]\nseveral = true"
        ));
        let sent = Sent::signed(&scheme, &key(&scheme), BODY);
        let credential = extract(&scheme, &sent).unwrap();
        let finding = |secrets: &[&str]| {
            let key = scheme.prepare(&Secret::from_text(&secrets.join("\n"))).unwrap();
            let mut attempt = scheme.begin(&key, &sent.head(), &credential);
            attempt.update(BODY);
            let finding = attempt.finish(&scheme, &credential, BODY);
            (bool::from(finding.matched), finding.binds_body)
        };
        for secrets in [&[SECRET, other][..], &[other, SECRET], &[SECRET, SECRET]] {
            assert_eq!(finding(secrets), (true, binds), "{signed} {secrets:?}");
        }
        assert_eq!(finding(&[other, other]), (false, false), "{signed}");
    }
}

#[test]
fn a_scheme_whose_generated_secrets_it_cannot_use_does_not_load() {
    let made = |secret: &str| {
        faults(&format!(
            "signed = '{{body}}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n\
             [secret]\n{secret}"
        ))
    };
    assert_eq!(made("decode = 'hex'"), [""; 0]);
    assert_eq!(made("generate = 'whsec'"), [""; 0]);
    assert_eq!(made("generate = 'whsec'\nstrip = 'whsec_'\ndecode = 'base64'"), [""; 0]);
    assert_eq!(made("generate = 'whsec'\ndecode = 'hex'"), ["secret.generate"]);
    // A byte of those that were generated would be lost.
    assert_eq!(made("strip = 'a5'\ndecode = 'hex'"), ["secret.generate"]);
}
