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
    let others = presets().filter(|other| other.spec() != scheme.spec() && other.label() != scheme.label());
    for other in others {
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
