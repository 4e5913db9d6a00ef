//! What a scheme reads from the body: JSON values, form fields, digests. Pure.
//!
//! Not a general parser. Invariants: a JSON object with a key twice is no JSON here, for the application may
//! believe the other one; a number is read only where it is an integer, because only then its text is certain;
//! percent-escapes of a form must be whole; nesting (128) and the number of fields are bounded.
//! Spec: RFC 8259; WHATWG URL §5.1 (`application/x-www-form-urlencoded`).

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Fields that one form may have.
const MOST_FIELDS: usize = 1000;

/// The path of a value: `signature.token`, `items.0.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::verify) struct Path(Vec<String>);

impl Path {
    /// Reads a path; `None` where a step is empty.
    pub(in crate::verify) fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = text.split('.').map(str::to_owned).collect();
        (!steps.iter().any(String::is_empty)).then_some(Self(steps))
    }

    /// The value at the path.
    pub(in crate::verify) fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(root, |value, step| match value {
            Value::Object(map) => map.get(step),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The text of the scalar at the path; `None` where there is none, or its text is not certain.
    pub(in crate::verify) fn text<'v>(&self, root: &'v Value) -> Option<Cow<'v, [u8]>> {
        match self.find(root)? {
            Value::String(text) => Some(Cow::Borrowed(text.as_bytes())),
            Value::Bool(true) => Some(Cow::Borrowed(b"true")),
            Value::Bool(false) => Some(Cow::Borrowed(b"false")),
            Value::Number(number) if number.is_i64() || number.is_u64() => {
                Some(Cow::Owned(number.to_string().into_bytes()))
            }
            _ => None,
        }
    }
}

/// Reads JSON in which no object has a key twice.
pub(in crate::verify) fn json(text: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = serde_json::Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Self)?;
            if map.insert(key, value).is_some() {
                return Err(de::Error::custom("a key occurs twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

/// A decoded name or value of a form. One without escapes is borrowed.
pub(in crate::verify) type Decoded<'b> = Cow<'b, [u8]>;

/// The fields of a form, in their order.
pub(in crate::verify) struct Fields<'b>(Vec<(Decoded<'b>, Decoded<'b>)>);

impl<'b> Fields<'b> {
    /// Reads a form; `None` where an escape is broken or there are too many fields.
    pub(in crate::verify) fn parse(body: &'b [u8]) -> Option<Self> {
        // One look at the whole spares one at each name and value.
        let escaped = memchr2(b'%', b'+', body).is_some();
        let decoded = |text| if escaped { unescape(text, true) } else { Some(Cow::Borrowed(text)) };
        let mut fields = Vec::with_capacity(32);
        let mut rest = body;
        while !rest.is_empty() {
            let end = memchr(b'&', rest).unwrap_or(rest.len());
            let (pair, after) = rest.split_at_checked(end)?;
            rest = after.get(1..).unwrap_or_default();
            if pair.is_empty() {
                continue;
            }
            if fields.len() == MOST_FIELDS {
                return None;
            }
            let at = memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(at)?;
            fields.push((decoded(name)?, decoded(value.get(1..).unwrap_or_default())?));
        }
        Some(Self(fields))
    }

    /// Every pair of name and value, in their order.
    pub(in crate::verify) fn pairs(&self) -> &[(Decoded<'b>, Decoded<'b>)] {
        &self.0
    }

    /// The value of a field that occurs exactly once.
    pub(in crate::verify) fn only(&self, name: &str) -> Option<&[u8]> {
        let mut found = self.0.iter().filter(|(key, _)| key.as_ref() == name.as_bytes());
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Every different pair of name and value, sorted, one after the other with nothing in between.
    pub(super) fn sorted(&self) -> Vec<u8> {
        let mut pairs: Vec<_> = self.0.iter().collect();
        // Many senders write them sorted.
        if !pairs.is_sorted_by(|one, next| one < next) {
            pairs.sort_unstable();
            pairs.dedup();
        }
        let mut joined = Vec::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len()).sum());
        for (name, value) in pairs {
            joined.extend_from_slice(name);
            joined.extend_from_slice(value);
        }
        joined
    }
}

/// The value of a query parameter that occurs exactly once, its escapes decoded. A `+` stays one, because
/// base64 has it.
pub(in crate::verify) fn query_value(target: &str, name: &str) -> Option<Vec<u8>> {
    let (_, query) = target.split_once('?')?;
    let mut found = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    match (found.next(), found.next()) {
        (Some(value), None) => unescape(value.as_bytes(), false).map(Cow::into_owned),
        _ => None,
    }
}

/// Decodes the escapes; `None` where one is broken.
fn unescape(text: &[u8], plus_is_space: bool) -> Option<Decoded<'_>> {
    if memchr2(b'%', b'+', text).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match first {
            b'+' if plus_is_space => b' ',
            b'%' => {
                let [high, low, after @ ..] = rest else { return None };
                rest = after;
                digit(*high)? * 16 + digit(*low)?
            }
            byte => *byte,
        });
    }
    Some(Cow::Owned(bytes))
}

#[cfg(test)]
mod tests {
    use super::{Fields, Path, json, query_value};

    #[test]
    fn json_values_are_read_only_where_their_text_is_certain() {
        let root = json(br#"{"a": {"b": ["x", 7, 1.50, true, null, -3]}, "d": false}"#).unwrap();
        let text = |path: &str| Path::parse(path).unwrap().text(&root).map(std::borrow::Cow::into_owned);
        assert_eq!(text("a.b.0"), Some(b"x".to_vec()));
        assert_eq!(text("a.b.1"), Some(b"7".to_vec()));
        assert_eq!(text("a.b.3"), Some(b"true".to_vec()));
        assert_eq!(text("a.b.5"), Some(b"-3".to_vec()));
        assert_eq!(text("d"), Some(b"false".to_vec()));
        for none in ["a.b.2", "a.b.4", "a.b.6", "a.b", "a.c", "b", "a.b.0.x"] {
            assert_eq!(text(none), None, "{none}");
        }
        assert!(Path::parse("a..b").is_none() && Path::parse("").is_none());
    }

    #[test]
    fn every_json_value_is_read_as_it_is() {
        let text = br#"{"a": [1.5, -1e3, 0, -7, 18446744073709551615, true, null, "x", [], {}]}"#;
        assert_eq!(json(text), Some(serde_json::from_slice(text).unwrap()));
    }

    #[test]
    fn a_key_twice_trailing_text_and_deep_nesting_are_no_json() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"b":{"a":1,"a":1}}"#, "{} {}", "", "{"] {
            assert!(json(text.as_bytes()).is_none(), "{text}");
        }
        assert!(json("[".repeat(100_000).as_bytes()).is_none());
    }

    #[test]
    fn forms_are_decoded_strictly_and_sorted_without_repeats() {
        let form = Fields::parse(b"b=2&a=%2B1+x&b=1&b=2&&c").unwrap();
        assert_eq!(form.only("a"), Some(b"+1 x".as_slice()));
        assert_eq!(form.only("b"), None);
        assert_eq!(form.only("c"), Some(b"".as_slice()));
        assert_eq!(form.sorted(), b"a+1 xb1b2c");
        assert_eq!(Fields::parse(b"a=1&a=1&b=2").unwrap().sorted(), b"a1b2", "sorted, with a repeat");
        for broken in ["a=%", "a=%2", "a=%zz", "a=%+1"] {
            assert!(Fields::parse(broken.as_bytes()).is_none(), "{broken}");
        }
        assert!(Fields::parse("a=1&".repeat(1001).as_bytes()).is_none());
    }

    #[test]
    fn a_query_parameter_is_read_where_it_is_there_once() {
        assert_eq!(query_value("/a?x=1&y=a%2Fb+c", "y"), Some(b"a/b+c".to_vec()));
        assert_eq!(query_value("/a?x=1&x=1", "x"), None);
        assert_eq!(query_value("/a", "x"), None);
    }
}
