//! A vector with one part other than it was signed.
//!
//! Not a judge: which of these may be let in, the vector's own lists say, or nothing where it is spoiled.

use std::ops::Range;

use countersign::clock::UnixMillis;
use countersign::credential::{Extraction, Head};
use countersign::verify::scheme::Scheme;
use countersign::verify::scheme::spec::{HeaderNames, IdSpec, SchemeSpec};
use countersign::verify::timestamp::Unit;
use http::HeaderName;
use serde_json::Value;

use super::Vector;

impl Vector {
    /// The vector with one part changed, in each of the ways in which it can be; what was done to it.
    pub(crate) fn changed(&self, part: &str) -> Vec<(String, Self)> {
        let scheme = self.scheme().unwrap();
        let changed = match part {
            "body" => self.bodies(),
            "method" => {
                let method = if self.method == "PUT" { "POST" } else { "PUT" };
                vec![Self { method: method.to_owned(), ..self.clone() }]
            }
            "target" => {
                let joint = if self.url.contains('?') { '&' } else { '?' };
                vec![Self { url: format!("{}{joint}changed=1", self.url), ..self.clone() }]
            }
            "timestamp" => self.times(&scheme),
            "id" => self.ids(&scheme),
            _ => {
                let name = part.strip_prefix("header:");
                let name = name.unwrap_or_else(|| panic!("{}: there is no part {part}", self.id));
                self.header_values(name)
            }
        };
        assert!(!changed.is_empty(), "{}: it has no {part} to change", self.id);
        changed.into_iter().enumerate().map(|(n, vector)| (format!("{part} #{n}"), vector)).collect()
    }

    /// One byte more where the form of the body lets it be, one byte other, one less.
    fn bodies(&self) -> Vec<Self> {
        // Where little of the body may change, the vector says what.
        if let Some(other) = self.whole["other_body"].as_str() {
            return vec![Self { body: other.as_bytes().to_vec(), ..self.clone() }];
        }
        let more = match self.body.as_slice() {
            [b'{', b'}', ..] | [] => [self.body.as_slice(), b" "].concat(),
            [b'{', rest @ ..] => [b"{\"changed\":1,".as_slice(), rest].concat(),
            body if self.is_form() => [body, b"&changed=1"].concat(),
            body => [body, b" "].concat(),
        };
        let mut bodies = vec![more];
        if let (Some((_, but_last)), Some(middle)) = (self.body.split_last(), self.body.len().checked_div(2))
        {
            let mut other = self.body.clone();
            other[middle] ^= 1;
            bodies.extend([other, but_last.to_vec()]);
        }
        bodies.into_iter().map(|body| Self { body, ..self.clone() }).collect()
    }

    /// The same with this byte of the body other.
    pub(crate) fn with_other_byte(&self, at: usize) -> Self {
        let mut other = self.clone();
        other.body[at] ^= 1;
        other
    }

    fn is_form(&self) -> bool {
        let form = |value: &str| value.starts_with("application/x-www-form-urlencoded");
        self.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-type") && form(value))
    }

    /// A second later, in whichever form the time is written; a day later where it is not found as text.
    fn times(&self, scheme: &Scheme) -> Vec<Self> {
        let at = self.at.unwrap_or_else(|| panic!("{}: no `at`", self.id));
        let spec = scheme.spec().timestamp.as_ref();
        let names = spec.map(|time| match (&time.header, &time.field) {
            (Some(names), _) => names.names().to_vec(),
            (None, Some(_)) => signature_headers(scheme.spec()),
            (None, None) => Vec::new(),
        });
        // Without what may follow: thousandths, a zone.
        let rfc3339 = |seconds| Unit::Rfc3339.render(UnixMillis(seconds * 1000)).replace('Z', "");
        let spellings: [&dyn Fn(i64) -> String; 4] = [
            &|seconds| seconds.to_string(),
            &rfc3339,
            &|seconds| rfc3339(seconds).replace(['-', ':'], ""),
            &|seconds| Unit::HttpDate.render(UnixMillis(seconds * 1000)),
        ];
        let changed: Vec<Self> = spellings
            .iter()
            .flat_map(|spell| self.replaced(names.as_deref(), &spell(at), &spell(at + 1)))
            .collect();
        if changed.is_empty() {
            return vec![Self { at: Some(at + 2 * 86_400), ..self.clone() }];
        }
        changed
    }

    /// Another id of the same length.
    fn ids(&self, scheme: &Scheme) -> Vec<Self> {
        let (headers, method) = (self.header_map(), self.method.parse().unwrap());
        let head = Head { method: &method, target: self.target(), headers: &headers, url: Some(&self.url) };
        let spec = scheme.spec().id.as_ref();
        let inside = spec.and_then(|id| {
            let path = id.json.as_ref()?;
            let body: Value = serde_json::from_slice(&self.body).ok()?;
            let pointer = format!("/{}", path.replace('.', "/"));
            Some(body.pointer(&pointer)?.as_str()?.to_owned())
        });
        let field = |id: &IdSpec| {
            let fields = std::str::from_utf8(&self.body).ok()?.split('&');
            let named = format!("{}=", id.form.as_ref()?);
            fields.into_iter().find_map(|pair| pair.strip_prefix(&named).map(str::to_owned))
        };
        let id = inside.or_else(|| spec.and_then(field)).or_else(|| match scheme.extract(&head) {
            Extraction::Present(credential) => credential.id().map(str::to_owned),
            _ => None,
        });
        let told = || self.whole["message_id"].as_str().map(str::to_owned);
        let Some(id) = id.or_else(told) else { return Vec::new() };
        let names = spec.map(|id| id.header.names().to_vec());
        self.replaced(names.as_deref(), &id, &with_other_letter(&id))
    }

    /// The vectors in which a text is another in one place: in these headers, or in all; else in the body, or
    /// in the target.
    fn replaced(&self, names: Option<&[String]>, from: &str, to: &str) -> Vec<Self> {
        let asked =
            |name: &str| names.is_none_or(|names| names.iter().any(|own| own.eq_ignore_ascii_case(name)));
        let mut found = Vec::new();
        for (at, (name, value)) in self.headers.iter().enumerate() {
            if asked(name) && value.contains(from) {
                let mut other = self.clone();
                other.headers[at].1 = value.replacen(from, to, 1);
                found.push(other);
            }
        }
        let body = String::from_utf8_lossy(&self.body);
        if found.is_empty() && body.contains(from) {
            found.push(Self { body: body.replacen(from, to, 1).into_bytes(), ..self.clone() });
        }
        if found.is_empty() && self.url.contains(from) {
            found.push(Self { url: self.url.replacen(from, to, 1), ..self.clone() });
        }
        found
    }

    /// With another value, and without the header.
    fn header_values(&self, name: &str) -> Vec<Self> {
        let at = self.headers.iter().position(|(own, _)| own.eq_ignore_ascii_case(name));
        let at = at.unwrap_or_else(|| panic!("{}: no header {name}", self.id));
        let (mut other, mut without) = (self.clone(), self.clone());
        other.headers[at].1 = with_other_letter(&self.headers[at].1);
        without.headers.remove(at);
        vec![other, without]
    }

    /// What no sender sends and anybody may: the headers that carry the credential absent, empty, garbled, cut,
    /// forged or twice, every other header that is read absent or twice, another secret, JSON written anew.
    pub(crate) fn spoiled(&self) -> Vec<(String, Self)> {
        let Some(scheme) = self.scheme() else { return Vec::new() };
        let is_carrier = |name: &str| {
            scheme.credential_headers().iter().any(|own| own.as_str().eq_ignore_ascii_case(name))
        };
        let mut spoiled = Vec::new();
        let mut add = |what: &str, other: Self| spoiled.push((what.to_owned(), other));
        let carriers = |change: &dyn Fn(&str) -> String| {
            let mut other = self.clone();
            let values = other.headers.iter_mut().filter(|(name, _)| is_carrier(name));
            values.for_each(|(_, value)| *value = change(value));
            other
        };
        if self.headers.iter().any(|(name, _)| is_carrier(name)) {
            let mut without = self.clone();
            without.headers.retain(|(name, _)| !is_carrier(name));
            add("no signature", without);
            for (what, text) in
                [("an empty", ""), ("a bare comma as", ","), ("garbage as", "garbage"), ("v1 as", "v1")]
            {
                add(&format!("{what} signature"), carriers(&|_| text.to_owned()));
            }
            add("a signature that is cut", carriers(&without_last_letter));
            add("another signature", carriers(&with_other_letter));
        }
        let read: Vec<&str> = scheme.read_headers().into_iter().map(HeaderName::as_str).collect();
        for (at, (name, value)) in self.headers.iter().enumerate() {
            if !is_carrier(name) && !read.contains(&name.to_lowercase().as_str()) {
                continue;
            }
            let mut twice = self.clone();
            twice.headers.push((name.clone(), value.clone()));
            add(&format!("{name} twice"), twice);
            if !is_carrier(name) {
                let mut without = self.clone();
                without.headers.remove(at);
                add(&format!("no {name}"), without);
            }
        }
        if let Ok(json) = serde_json::from_slice::<Value>(&self.body)
            && self.bound.iter().any(|part| part == "body")
        {
            let body = serde_json::to_vec_pretty(&json).unwrap();
            add("JSON written anew", Self { body: [body, b"\n".to_vec()].concat(), ..self.clone() });
        }
        let mut other = self.clone();
        for secret in &mut other.secrets {
            let Ok(text) = std::str::from_utf8(secret) else { return spoiled };
            *secret = text.lines().map(with_other_letter).collect::<Vec<_>>().join("\n").into_bytes();
        }
        add("another secret", other);
        spoiled
    }
}

fn signature_headers(spec: &SchemeSpec) -> Vec<String> {
    let header = match &spec.sig.header {
        HeaderNames::One(name) => vec![name.clone()],
        HeaderNames::Aliases(names) => names.clone(),
    };
    [header, spec.sig.headers.clone()].concat()
}

/// The same with one character other in the middle of each long run of letters and digits, where signatures are;
/// of the longest, where none is long.
fn with_other_letter(text: &str) -> String {
    let mut other = text.as_bytes().to_vec();
    for run in long_runs(text) {
        let byte = &mut other[run.start + run.len() / 2];
        *byte = if byte.is_ascii_alphabetic() { b'7' } else { b'b' };
    }
    let other = String::from_utf8(other).unwrap();
    if other == text { other + "x" } else { other }
}

/// The same without the last character of each of them.
fn without_last_letter(text: &str) -> String {
    let mut other = text.to_owned();
    for run in long_runs(text).into_iter().rev() {
        other.remove(run.end - 1);
    }
    other
}

fn long_runs(text: &str) -> Vec<Range<usize>> {
    let is_run = |character: char| character.is_ascii_alphanumeric() || "+/_-".contains(character);
    let runs = || text.split(|character| !is_run(character));
    let longest = runs().map(str::len).max().unwrap_or(0);
    if longest == 0 {
        return Vec::new();
    }
    let mut start = 0;
    let mut found = Vec::new();
    for run in runs() {
        if run.len() >= longest.min(16) {
            found.push(start..start + run.len());
        }
        start += run.len() + text[start + run.len()..].chars().next().map_or(0, char::len_utf8);
    }
    found
}
