//! For every symmetric preset: what is signed verifies, and one changed byte of anything that is bound is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NOW, Sent, extract, presets, verifies};
use crate::credential::grammar::Encoding;
use crate::verify::scheme::spec::UrlForm;
use crate::verify::scheme::template::Part;
use crate::verify::scheme::{Form, IdPlace, Place, Scheme, TimestampPlace, VerifyKey};

/// A request of a preset, signed here.
struct Signed {
    scheme: &'static Scheme,
    key: VerifyKey,
    sent: Sent,
    body: Vec<u8>,
}

/// A part of a request that the signature covers.
#[derive(Debug)]
enum Bound {
    Body,
    Method,
    /// These bytes of the target.
    Target(Range<usize>),
    Header(HeaderName),
    /// This text in the header that carries the signature.
    Carried(String),
    /// The text at this path of the JSON body.
    Json(String),
}

impl Signed {
    /// `noise` is what the body and the id are made of, where they are free.
    fn new(scheme: &'static Scheme, seed: u8, noise: &[u8]) -> Self {
        let key = scheme.prepare(&scheme.generate_secret(&[seed; 32])).unwrap();
        let mut sent = Sent::new();
        sent.url = Some(format!("https://hooks.example{}", sent.target));
        let text = format!("text-{}", data_encoding::HEXLOWER.encode(noise));
        let is_form = scheme.reads.sorted || scheme.reads.fields;
        sent.add(
            "content-type",
            if is_form { "application/x-www-form-urlencoded" } else { "application/json" },
        );
        sent.add("host", "hooks.example");
        let body = if scheme.reads.json || scheme.kind.is_some() {
            document(scheme, &text, "").to_string().into_bytes()
        } else if is_form {
            format!("b={text}&a=1&c=x+y").into_bytes()
        } else {
            [b"-".as_slice(), noise].concat()
        };
        let mut signed = Self { scheme, key, sent, body };
        if scheme.header().is_empty() {
            signed.sign_inside(&text, seed);
        } else {
            let head = signed.sent.head();
            let made =
                scheme.sign(&signed.key, &head, &[&signed.body], NOW, Some(&text[..text.len().min(200)]));
            assert!(!made.is_empty(), "{} signed nothing", scheme.label());
            // A date of the sample's own takes the place of none.
            made.into_iter().for_each(|(name, value)| drop(signed.sent.headers.insert(name, value)));
        }
        signed
    }

    /// Signs a request that carries its signature in a JSON body.
    fn sign_inside(&mut self, text: &str, seed: u8) {
        let credential = extract(self.scheme, &self.sent).unwrap();
        let expected = self.scheme.expected_signature(&self.key, &self.sent.head(), &credential, &self.body);
        let token = self.scheme.generate_secret(&[seed; 32]).expose_text().unwrap().to_owned();
        self.body = document(self.scheme, text, &expected.unwrap_or(token)).to_string().into_bytes();
    }

    fn verifies(&self) -> bool {
        verifies(self.scheme, &self.key, &self.sent, &self.body)
    }

    /// Everything that is bound.
    fn bound(&self) -> Vec<Bound> {
        let scheme = self.scheme;
        let target = &self.sent.target;
        let mark = target.find('?').unwrap();
        let (all, path, query) = (0..target.len(), 0..mark, mark + 1..target.len());
        let mut bound = Vec::new();
        if scheme.binds_body() {
            bound.push(Bound::Body);
        }
        if let Some(about) = scheme.about() {
            // What else a kind covers, its own tests know.
            if about.binds_target {
                bound.push(Bound::Target(query));
            }
            return bound;
        }
        if scheme.signs(&Part::Method) {
            bound.push(Bound::Method);
        }
        let cut = scheme.url_forms().contains(&UrlForm::StripQuery);
        for (part, range) in [
            (Part::Url, if cut { path.clone() } else { all.clone() }),
            (Part::Target, all),
            (Part::Path, path),
            (Part::Query, query),
        ] {
            if scheme.signs(&part) {
                bound.push(Bound::Target(range));
            }
        }
        let mut names: Vec<&HeaderName> = scheme.signed_headers().collect();
        names.extend(scheme.require.iter().map(|(name, _)| name));
        if let IdPlace::Headers(ids) = &scheme.id {
            names.extend(ids.first());
        }
        match scheme.timestamp.as_ref().map(|source| &source.place) {
            Some(TimestampPlace::Header(times)) => names.extend(times.first()),
            Some(TimestampPlace::Field(_)) => bound.push(Bound::Carried((NOW.0 / 1000).to_string())),
            Some(TimestampPlace::Json(_) | TimestampPlace::Form(_)) | None => {}
        }
        bound.extend(names.into_iter().cloned().map(Bound::Header));
        bound.extend(json_paths(scheme).into_iter().map(|(path, _)| Bound::Json(path)));
        bound.extend(self.carried().map(Bound::Carried));
        bound
    }

    /// The signature as the header has it.
    fn carried(&self) -> Option<String> {
        let value = self.sent.headers.get(self.scheme.header())?.to_str().unwrap();
        let end = match self.scheme.reader.form {
            Form::List { separator, .. } | Form::Items { separator, .. } => {
                value.rsplit(char::from(separator)).next().unwrap()
            }
            Form::Plain { .. } => value,
        };
        Some(end.trim_start_matches(self.scheme.prefix()).to_owned())
    }

    /// With one byte of a part other; `None` where that would say the same, or be no request.
    fn changed(&self, part: &Bound, at: usize, mask: u8) -> Option<Self> {
        let mut other = Self {
            scheme: self.scheme,
            key: self.key.clone(),
            sent: self.sent.clone(),
            body: self.body.clone(),
        };
        match part {
            Bound::Body => {
                flip(&mut other.body, at, mask);
                if self.scheme.signs(&Part::FormSorted) && glued(&other.body) == glued(&self.body) {
                    // Twilio signs no edge between two fields.
                    return None;
                }
            }
            Bound::Method => {
                let mut method = self.sent.method.as_str().as_bytes().to_vec();
                flip(&mut method, at, mask);
                other.sent.method = Method::from_bytes(&method).ok()?;
            }
            Bound::Target(range) => {
                let mut target = self.sent.target.clone().into_bytes();
                flip(&mut target[range.clone()], at, mask);
                other.sent.target = String::from_utf8(target).ok()?;
                other.sent.url = Some(format!("https://hooks.example{}", other.sent.target));
            }
            Bound::Header(name) => {
                let mut value = self.sent.headers.get(name)?.as_bytes().to_vec();
                flip(&mut value, at, mask);
                other.sent.headers.insert(name, HeaderValue::from_bytes(&value).ok()?);
            }
            Bound::Carried(text) => {
                let mut forged = text.clone().into_bytes();
                flip(&mut forged, at, mask);
                if self.scheme.spec.encoding == Some(Encoding::Hex)
                    && forged.eq_ignore_ascii_case(text.as_bytes())
                {
                    return None;
                }
                let name = HeaderName::from_bytes(self.scheme.header().as_bytes()).unwrap();
                let value = self.sent.headers.get(&name)?.to_str().unwrap();
                let start = value.find(text.as_str()).unwrap();
                let (before, after) = (&value.as_bytes()[..start], &value.as_bytes()[start + text.len()..]);
                let value = HeaderValue::from_bytes(&[before, &forged, after].concat()).ok()?;
                other.sent.headers.insert(name, value);
            }
            Bound::Json(path) => {
                let mut body: Value = serde_json::from_slice(&self.body).unwrap();
                let value = body.pointer_mut(path).unwrap();
                let before = value.as_str().unwrap().to_owned();
                let mut text = before.clone().into_bytes();
                flip(&mut text, at, mask);
                let text: String = text.into_iter().map(char::from).collect();
                if self.scheme.spec.encoding == Some(Encoding::Hex) && text.eq_ignore_ascii_case(&before) {
                    return None;
                }
                *value = json!(text);
                other.body = body.to_string().into_bytes();
            }
        }
        Some(other)
    }
}

fn flip(bytes: &mut [u8], at: usize, mask: u8) {
    let length = bytes.len();
    bytes[at % length] ^= mask;
}

/// What a form comes to in the signed bytes, decoded here; `None` where it is no text.
fn glued(form: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(form).ok()?;
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let pairs: BTreeSet<(String, String)> =
        pairs.map(|(name, value)| (decode(name), decode(value))).collect();
    Some(pairs.into_iter().map(|(name, value)| name + &value).collect())
}

/// What stands at a place of a JSON body.
#[derive(Debug, Clone, Copy)]
enum Stands {
    Signature,
    Time,
    Text,
}

/// Where the JSON body holds what the signature covers, as JSON pointers, unless it covers all of it.
fn json_paths(scheme: &Scheme) -> Vec<(String, Stands)> {
    if scheme.binds_body() {
        return Vec::new();
    }
    let spec = &scheme.spec;
    let mut paths: Vec<(&str, Stands)> = Vec::new();
    paths.extend(spec.sig.json.as_deref().map(|path| (path, Stands::Signature)));
    let time = spec.timestamp.as_ref().and_then(|time| time.json.as_deref());
    paths.extend(time.map(|path| (path, Stands::Time)));
    let id = spec.id.as_ref().and_then(|id| id.json.as_deref());
    paths.extend(id.map(|path| (path, Stands::Text)));
    for variable in spec.signed.as_deref().unwrap_or_default().split('{') {
        let path = variable.strip_prefix("json:").or_else(|| variable.strip_prefix("json?:"));
        let path = path.and_then(|rest| rest.split_once('}'));
        paths.extend(path.map(|(path, _)| (path, Stands::Text)));
    }
    let item = spec.each.as_ref().map_or(String::new(), |each| format!("/{}/0", each.replace('.', "/")));
    let pointer = |path: &str| format!("{item}/{}", path.replace('.', "/"));
    paths.into_iter().map(|(path, stands)| (pointer(path), stands)).collect()
}

/// A JSON body that holds everything that the scheme reads.
fn document(scheme: &Scheme, text: &str, signature: &str) -> Value {
    let mut body = json!({ "free": text });
    let time = scheme.timestamp.as_ref().map(|source| source.unit.render(NOW)).unwrap_or_default();
    if let (true, Some(path)) =
        (scheme.binds_body(), scheme.spec.timestamp.as_ref().and_then(|time| time.json.as_ref()))
    {
        put(&mut body, &format!("/{}", path.replace('.', "/")), json!(time.parse::<u64>().unwrap()));
    }
    for (pointer, stands) in json_paths(scheme) {
        let value = match stands {
            Stands::Signature => signature,
            Stands::Time => &time,
            Stands::Text => text,
        };
        put(&mut body, &pointer, json!(value));
    }
    body
}

fn put(body: &mut Value, pointer: &str, value: Value) {
    let mut at = body;
    for step in pointer.split('/').skip(1) {
        if step == "0" {
            if !at.is_array() {
                *at = json!([{}]);
            }
            at = &mut at[0];
        } else {
            if !at.is_object() {
                *at = json!({});
            }
            at = at.as_object_mut().unwrap().entry(step).or_insert(Value::Null);
        }
    }
    *at = value;
}

fn symmetric() -> impl Iterator<Item = &'static Scheme> {
    let signs = |scheme: &Scheme| {
        let inside = matches!(scheme.reader.place, Place::Json(_));
        let kind_signs = scheme.kind.is_none() || !Sent::sample(scheme).is_empty();
        scheme.generates_secrets() && kind_signs && (inside || !scheme.header().is_empty())
    };
    presets().map(AsRef::as_ref).filter(move |scheme| signs(scheme))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_changed_byte_of_any_bound_part_is_refused(
        seed in any::<u8>(),
        noise in proptest::collection::vec(any::<u8>(), 1..60),
        places in proptest::collection::vec((any::<usize>(), 1..=u8::MAX), 4),
    ) {
        for scheme in symmetric() {
            let signed = Signed::new(scheme, seed, &noise);
            prop_assert!(signed.verifies(), "{}: what was signed is refused", scheme.label());
            for part in signed.bound() {
                for (at, mask) in &places {
                    let Some(changed) = signed.changed(&part, *at, *mask) else { continue };
                    prop_assert!(!changed.verifies(), "{}: {part:?} at {at}, {mask:#x}", scheme.label());
                }
            }
        }
    }
}

/// Which presets the property is shown for, and that no part is left out of it.
#[test]
fn every_symmetric_preset_has_bound_parts_or_is_a_token() {
    let mut shown = 0;
    for scheme in symmetric() {
        let bound = Signed::new(scheme, 1, b"noise").bound();
        let has = |wanted: fn(&Bound) -> bool| bound.iter().any(wanted);
        let label = scheme.label();
        assert_eq!(has(|part| matches!(part, Bound::Body)), scheme.binds_body(), "{label}");
        assert!(
            scheme.kind.is_some() || has(|part| matches!(part, Bound::Carried(_) | Bound::Json(_))),
            "{label}: the signature itself"
        );
        shown += 1;
    }
    // A kind whose signature is in the body is shown by its vectors.
    let shows = |scheme: &Scheme| scheme.kind.is_none() || !scheme.header().is_empty();
    let left_out: Vec<&str> = presets()
        .filter(|scheme| scheme.generates_secrets() && shows(scheme))
        .map(|scheme| scheme.label())
        .filter(|label| !symmetric().any(|shown| shown.label() == *label))
        .collect();
    assert_eq!(left_out, [""; 0], "symmetric, and no sample can be signed");
    assert!(shown > 90, "only {shown}");
}
