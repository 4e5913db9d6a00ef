//! Behaviour of integration types and their overrides.

use std::sync::Arc;

use crate::verify::scheme::kind::{Overrides, effective, type_defaults};
use crate::verify::scheme::{CUSTOM, Scheme, SchemeChoice, preset, presets, resolve};

fn scheme(type_name: &str, overrides: &Overrides) -> Arc<Scheme> {
    resolve(&effective(type_name, None, overrides).unwrap()).unwrap()
}

fn paths(type_name: &str, scheme: Option<SchemeChoice>, overrides: &Overrides) -> Vec<String> {
    effective(type_name, scheme, overrides).unwrap_err().into_iter().map(|fault| fault.path).collect()
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn the_four_types_and_every_preset_have_defaults() {
    let of = |name: &str| {
        let defaults = type_defaults(name).unwrap();
        (defaults.scheme, defaults.hmac_scheme, defaults.deduplication_window_minutes)
    };
    assert_eq!(of("datadog"), ("datadog", Some("datadog-hmac"), 15));
    assert_eq!(of("newrelic"), ("newrelic", Some("newrelic-hmac"), 15));
    assert_eq!(of("pagerduty"), ("pagerduty-v3", None, 10));
    assert_eq!(of("generic"), ("generic", None, 15));
    for scheme in presets() {
        assert_eq!(of(scheme.label()).0, scheme.label());
    }
    for name in ["datadog", "newrelic", "pagerduty", "generic"] {
        let defaults = type_defaults(name).unwrap();
        assert!(preset(defaults.scheme).is_some());
        assert!(defaults.hmac_scheme.is_none_or(|name| preset(name).is_some()));
    }
    assert_eq!(type_defaults("nobody"), None);
}

#[test]
fn without_overrides_a_type_is_its_preset() {
    let choice = effective("pagerduty", None, &Overrides::default()).unwrap();
    assert_eq!(choice, SchemeChoice::Preset("pagerduty-v3".to_owned()));
}

#[test]
fn an_override_turns_a_token_into_its_signed_form() {
    let overrides = Overrides { header: text("X-Relay-Signature"), ..Overrides::default() };
    let made = scheme("datadog", &overrides);
    assert_eq!((made.label(), made.header()), (CUSTOM, "x-relay-signature"));
    assert_eq!((made.algorithm(), made.encoding()), ("hmac-sha256", Some("hex")));
    let token = Overrides { algorithm: text("token"), ..overrides };
    let made = scheme("datadog", &token);
    assert_eq!((made.algorithm(), made.header()), ("token", "x-relay-signature"));
    let signed = Overrides { algorithm: text("sha256"), ..Overrides::default() };
    assert_eq!(scheme("newrelic", &signed).label(), "newrelic-hmac");
    let as_it_is = Overrides { algorithm: text("token"), ..Overrides::default() };
    assert_eq!(scheme("datadog", &as_it_is).label(), "datadog");
}

#[test]
fn each_override_replaces_its_field() {
    let overrides = Overrides {
        algorithm: text("SHA512"),
        format: text("base64"),
        prefix: text("v2="),
        ..Overrides::default()
    };
    let made = scheme("generic", &overrides);
    assert_eq!((made.algorithm(), made.encoding(), made.prefix()), ("hmac-sha512", Some("base64"), "v2="));
    let only = Overrides { algorithm: text("sha384"), ..Overrides::default() };
    assert_eq!(scheme("generic", &only).prefix(), "sha384=");
    let bare = Overrides { prefix: text(""), ..Overrides::default() };
    assert_eq!(scheme("generic", &bare).prefix(), "");
    let token = Overrides { algorithm: text("token"), header: text("X-Token"), ..Overrides::default() };
    let made = scheme("generic", &token);
    assert_eq!((made.algorithm(), made.encoding(), made.prefix()), ("token", None, ""));
    let hmac = Overrides { algorithm: text("hmac-sha256"), ..Overrides::default() };
    assert!(scheme("gitlab-token", &hmac).binds_body());
}

#[test]
fn the_prefix_of_a_list_is_its_key() {
    let same = Overrides { prefix: text("v1="), ..Overrides::default() };
    assert_eq!(scheme("pagerduty", &same).label(), "pagerduty-v3");
    let other = Overrides { prefix: text("v2="), ..Overrides::default() };
    assert_eq!(scheme("pagerduty", &other).prefix(), "v2=");
    let wrong = Overrides { prefix: text("sha256"), ..Overrides::default() };
    assert_eq!(paths("pagerduty", None, &wrong), ["signaturePrefix"]);
    let nothing = Overrides { prefix: text("="), ..Overrides::default() };
    let faults = effective("pagerduty", None, &nothing).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["signaturePrefix: must end in `=`, as `v1=`"]);
    let token = Overrides { algorithm: text("token"), ..Overrides::default() };
    assert_eq!(paths("pagerduty", None, &token), ["signatureAlgorithm"], "a token is no list");
}

#[test]
fn faults_carry_the_names_that_the_admin_used() {
    let overrides = Overrides {
        header: text("not a header"),
        algorithm: text("md5"),
        format: text("sha256=hex"),
        prefix: text("é"),
    };
    let mut found = paths("generic", None, &overrides);
    found.sort();
    assert_eq!(found, ["signatureAlgorithm", "signatureFormat", "signatureHeader", "signaturePrefix"]);
    let token = Overrides { algorithm: text("token"), format: text("hex"), ..Overrides::default() };
    assert_eq!(paths("generic", None, &token), ["signatureFormat"]);
    assert_eq!(paths("nobody", None, &Overrides::default()), ["type"]);
}

#[test]
fn a_scheme_and_overrides_together_are_a_fault() {
    let github = || Some(SchemeChoice::Preset("github".to_owned()));
    let overrides = Overrides { format: text("hex"), ..Overrides::default() };
    assert_eq!(paths("generic", github(), &overrides), ["scheme"]);
    assert_eq!(effective("generic", github(), &Overrides::default()).unwrap(), github().unwrap());
    let unknown = Some(SchemeChoice::Preset("nobody".to_owned()));
    assert_eq!(paths("generic", unknown, &Overrides::default()), ["scheme"]);
}

#[test]
fn every_algorithm_and_encoding_has_its_names() {
    let made = |algorithm: &str, format: &str| {
        let overrides =
            Overrides { algorithm: text(algorithm), format: text(format), ..Overrides::default() };
        let made = scheme("generic", &overrides);
        (made.algorithm(), made.encoding())
    };
    for (short, algorithm) in [
        ("SHA1", "hmac-sha1"),
        ("sha256", "hmac-sha256"),
        ("sha384", "hmac-sha384"),
        ("sha512", "hmac-sha512"),
    ] {
        for encoding in ["hex", "base64", "base64url"] {
            assert_eq!(made(short, encoding), (algorithm, Some(encoding)));
            assert_eq!(made(algorithm, encoding), (algorithm, Some(encoding)));
        }
    }
}
