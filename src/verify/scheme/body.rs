//! What a scheme reads from a JSON body. Pure.
//!
//! Not a general parser. Invariants: a JSON object with a key twice is no JSON here, for the application may
//! believe the other one; a number is read only where it is an integer, because only then its text is certain;
//! nesting is bounded (128).
//! Spec: RFC 8259.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

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

#[cfg(test)]
mod tests {
    use super::{Path, json};

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
}
