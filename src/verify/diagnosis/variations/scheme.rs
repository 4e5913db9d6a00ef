//! Which other scheme the sender may use: one rule of it otherwise, or another preset. Each is checked like any
//! scheme, so none is laxer than one that a user could write.

use std::sync::Arc;

use super::{Change, Kind};
use crate::credential::grammar::Encoding;
use crate::verify::scheme::spec::{Algorithm, Parse, SecretDecode, SecretSpec};
use crate::verify::scheme::{CUSTOM, Scheme, SchemeSpec, preset, presets};
use crate::verify::timestamp::Unit;

/// The scheme (`None`: as it is) and others near it.
pub(super) fn changes(scheme: &Scheme) -> Vec<Change<Option<Arc<Scheme>>>> {
    let mut changes = vec![Change::none(None)];
    if !scheme.is_token() {
        let spec = scheme.spec();
        let rules = [encodings(spec), secrets(spec), algorithms(spec), templates(spec)];
        for (what, scheme) in rules.into_iter().flat_map(|rules| compiled(scheme, rules)) {
            changes.push(Change::to(Kind::Rule, what, Some(Arc::new(scheme))));
        }
    }
    for other in presets().filter(|other| other.spec() != scheme.spec()) {
        let what = format!("the scheme `{}`", other.label());
        changes.push(Change::to(Kind::Scheme, what, Some(Arc::clone(other))));
    }
    for (unit, scheme) in units(scheme) {
        let what = format!("the time in `unit = \"{unit}\"`");
        changes.push(Change::to(Kind::Rule, what, Some(Arc::new(scheme))));
    }
    changes
}

/// Other texts for the same signature.
pub(super) fn readings(scheme: &Scheme) -> Vec<(String, Scheme)> {
    if scheme.is_token() { Vec::new() } else { compiled(scheme, encodings(scheme.spec())) }
}

fn compiled(scheme: &Scheme, specs: Vec<(String, SchemeSpec)>) -> Vec<(String, Scheme)> {
    let others = specs.into_iter().filter(|(_, spec)| spec != scheme.spec());
    others.filter_map(|(what, spec)| Some((what, Scheme::compile(&spec, CUSTOM).ok()?))).collect()
}

/// The scheme with each other unit of time.
pub(super) fn units(scheme: &Scheme) -> Vec<(&'static str, Scheme)> {
    let own = scheme.spec().timestamp.as_ref().map(|time| time.unit);
    [Unit::S, Unit::Ms, Unit::Rfc3339]
        .into_iter()
        .filter(|unit| own.is_some_and(|own| own != *unit))
        .filter_map(|unit| {
            let spec = with(scheme.spec(), |spec| {
                if let Some(time) = &mut spec.timestamp {
                    time.unit = unit;
                }
            });
            Some((unit.name(), Scheme::compile(&spec, CUSTOM).ok()?))
        })
        .collect()
}

fn with(spec: &SchemeSpec, change: impl FnOnce(&mut SchemeSpec)) -> SchemeSpec {
    let mut spec = spec.clone();
    change(&mut spec);
    spec
}

/// Other texts for the same signature, with and without what stands before it.
fn encodings(spec: &SchemeSpec) -> Vec<(String, SchemeSpec)> {
    let mut found = Vec::new();
    let own = spec.encoding;
    let bare = |spec: &mut SchemeSpec| {
        spec.sig.prefix = None;
        spec.sig.prefix_optional = None;
    };
    if let Some(prefix) = &spec.sig.prefix {
        found.push((format!("a signature without `{prefix}` before it"), with(spec, bare)));
    }
    if spec.sig.parse == Parse::Plain && spec.sig.prefix.is_none() {
        for prefix in ["sha256=", "sha512=", "v1=", "v0="] {
            let prefixed = with(spec, |spec| spec.sig.prefix = Some(prefix.to_owned()));
            found.push((format!("`{prefix}` before the signature"), prefixed));
        }
    }
    for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url] {
        if own == Some(encoding) {
            continue;
        }
        let written = with(spec, |spec| spec.encoding = Some(encoding));
        let own = own.map_or("", Encoding::name);
        if spec.sig.prefix.is_some() {
            found.push((
                format!("the signature in {encoding}, not {own}, and nothing before it"),
                with(&written, bare),
            ));
        }
        found.push((format!("the signature in {encoding}, not {own}"), written));
    }
    found
}

/// Other readings of the secret's text.
fn secrets(spec: &SchemeSpec) -> Vec<(String, SchemeSpec)> {
    let reading = |strip: Option<&str>, decode: SecretDecode| {
        with(spec, |spec| {
            spec.secret = SecretSpec { strip: strip.map(str::to_owned), decode, ..spec.secret.clone() };
        })
    };
    [
        ("the secret used as it is written, not decoded", reading(None, SecretDecode::Utf8)),
        ("the secret decoded from base64", reading(Some("whsec_"), SecretDecode::Base64)),
        ("the secret decoded from hexadecimal", reading(None, SecretDecode::Hex)),
        ("the secret without `whsec_`, not decoded", reading(Some("whsec_"), SecretDecode::Utf8)),
    ]
    .map(|(what, spec)| (what.to_owned(), spec))
    .into()
}

fn algorithms(spec: &SchemeSpec) -> Vec<(String, SchemeSpec)> {
    [Algorithm::HmacSha1, Algorithm::HmacSha256, Algorithm::HmacSha384, Algorithm::HmacSha512]
        .into_iter()
        .map(|algorithm| {
            (format!("`algorithm = \"{}\"`", algorithm.name()), with(spec, |spec| spec.algorithm = algorithm))
        })
        .collect()
}

/// Other signed bytes from the same parts. Without a signed time there is nothing to arrange.
fn templates(spec: &SchemeSpec) -> Vec<(String, SchemeSpec)> {
    let mut found = vec![(
        "the body alone signed".to_owned(),
        with(spec, |spec| {
            spec.signed = Some("{body}".to_owned());
            spec.timestamp = None;
            spec.id = None;
        }),
    )];
    if spec.timestamp.is_some() {
        let near = [
            "{timestamp}.{body}",
            "{timestamp}:{body}",
            "{timestamp}{body}",
            "{body}{timestamp}",
            "v0:{timestamp}:{body}",
        ];
        for signed in near {
            found.push((
                format!("`signed = \"{signed}\"`"),
                with(spec, |spec| {
                    spec.signed = Some(signed.to_owned());
                    spec.id = None;
                }),
            ));
        }
    }
    if let Some(standard) = preset("standard-webhooks").filter(|_| spec.id.is_some()) {
        found.push((
            "the template of Standard Webhooks".to_owned(),
            with(spec, |spec| {
                spec.signed.clone_from(&standard.spec().signed);
            }),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{changes, readings, units};
    use crate::verify::diagnosis::variations::Kind;
    use crate::verify::scheme::{CUSTOM, Scheme, SchemeSpec, preset, presets};

    fn compile(text: &str) -> Scheme {
        let spec: SchemeSpec = toml::from_str(text).unwrap();
        Scheme::compile(&spec, CUSTOM).unwrap()
    }

    /// What is tried of this kind.
    fn tried(scheme: &Scheme, wanted: Kind) -> Vec<String> {
        let said = changes(scheme).into_iter().filter_map(|change| change.what);
        said.filter(|(kind, _)| *kind == wanted).map(|(_, what)| what).collect()
    }

    #[test]
    fn every_other_preset_is_tried() {
        let others = tried(preset("github").unwrap(), Kind::Scheme);
        assert_eq!(others.len(), presets().count() - 1);
        assert!(!others.contains(&"the scheme `github`".to_owned()));
        let same = Scheme::compile(preset("github").unwrap().spec(), CUSTOM).unwrap();
        assert_eq!(tried(&same, Kind::Scheme), others, "whatever it is called");
    }

    #[test]
    fn a_signature_may_be_in_other_letters_and_behind_something_else() {
        let read =
            |scheme: &Scheme| -> Vec<String> { readings(scheme).into_iter().map(|(what, _)| what).collect() };
        assert_eq!(
            read(preset("github").unwrap()),
            [
                "a signature without `sha256=` before it",
                "the signature in base64, not hex, and nothing before it",
                "the signature in base64, not hex",
                "the signature in base64url, not hex, and nothing before it",
                "the signature in base64url, not hex",
            ]
        );
        assert_eq!(
            read(preset("asana").unwrap()),
            [
                "`sha256=` before the signature",
                "`sha512=` before the signature",
                "`v1=` before the signature",
                "`v0=` before the signature",
                "the signature in base64, not hex",
                "the signature in base64url, not hex",
            ]
        );
        assert_eq!(read(preset("gitlab-token").unwrap()), [""; 0], "a token is text");
        let (what, bare) = readings(preset("github").unwrap()).swap_remove(0);
        assert_eq!((what.as_str(), bare.prefix()), ("a signature without `sha256=` before it", ""));
    }

    #[test]
    fn the_rules_of_a_scheme_are_tried_one_by_one() {
        let rules = tried(preset("asana").unwrap(), Kind::Rule);
        assert_eq!(
            rules[6..],
            [
                "the secret decoded from base64",
                "the secret decoded from hexadecimal",
                "the secret without `whsec_`, not decoded",
                "`algorithm = \"hmac-sha1\"`",
                "`algorithm = \"hmac-sha384\"`",
                "`algorithm = \"hmac-sha512\"`",
            ]
        );
        assert_eq!(tried(preset("gitlab-token").unwrap(), Kind::Rule), [""; 0]);
        let timed = compile(
            "signed = '{timestamp}.{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n\
             [sig]\nheader = 'X-Sig'\n[timestamp]\nheader = 'X-Time'",
        );
        let rules = tried(&timed, Kind::Rule);
        let templates = &rules[rules.len() - 7..];
        assert_eq!(
            templates,
            [
                "the body alone signed",
                "`signed = \"{timestamp}:{body}\"`",
                "`signed = \"{timestamp}{body}\"`",
                "`signed = \"{body}{timestamp}\"`",
                "`signed = \"v0:{timestamp}:{body}\"`",
                "the time in `unit = \"ms\"`",
                "the time in `unit = \"rfc3339\"`",
            ]
        );
        let standard = "the template of Standard Webhooks".to_owned();
        assert!(!rules.contains(&standard), "without an id");
        let with_id = compile(
            "signed = '{timestamp}.{id}.{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'base64'\n\
             [sig]\nheader = 'X-Sig'\n[timestamp]\nheader = 'X-Time'\n[id]\nheader = 'X-Id'",
        );
        assert!(tried(&with_id, Kind::Rule).contains(&standard));
    }

    #[test]
    fn a_secret_that_is_decoded_may_be_meant_as_it_is() {
        let rules = tried(preset("standard-webhooks").unwrap(), Kind::Rule);
        assert!(rules.contains(&"the secret used as it is written, not decoded".to_owned()), "{rules:?}");
        let decoded = changes(preset("asana").unwrap()).into_iter().find_map(|change| {
            let (_, what) = change.what?;
            change.value.filter(|_| what == "the secret decoded from base64")
        });
        let spec = decoded.unwrap().spec().secret.clone();
        assert_eq!(spec.strip.as_deref(), Some("whsec_"));
        assert_eq!(serde_json::to_value(spec.decode).unwrap(), "base64");
    }

    #[test]
    fn a_time_has_the_other_units_and_none_where_there_is_no_time() {
        let names =
            |scheme: &Scheme| -> Vec<&str> { units(scheme).into_iter().map(|(name, _)| name).collect() };
        assert_eq!(names(preset("slack").unwrap()), ["ms", "rfc3339"]);
        assert_eq!(names(preset("github").unwrap()), [""; 0]);
        for (name, scheme) in units(preset("slack").unwrap()) {
            assert_eq!(scheme.spec().timestamp.as_ref().unwrap().unit.name(), name);
        }
    }
}
