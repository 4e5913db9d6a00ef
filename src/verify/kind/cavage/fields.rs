//! The parameters of a cavage signature: `keyId="…",algorithm="…",headers="…",signature="…"`. Pure.
//!
//! Not a parser of escapes: a quoted value ends at the next quote. Invariants: no parameter occurs twice;
//! unknown ones are ignored; at most [`MAX_HEADERS`] headers are named, none of them twice.
//! Spec: draft-cavage-http-signatures-12 §2.1, §4.1.

/// Headers that one signature may cover.
const MAX_HEADERS: usize = 64;
/// Parameters that one signature may have.
const MAX_PARAMETERS: usize = 16;

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters<'h> {
    pub(super) key_id: Option<&'h str>,
    pub(super) algorithm: Option<&'h str>,
    /// Covered headers, as written.
    pub(super) headers: Vec<&'h str>,
    pub(super) signature: Option<&'h str>,
    pub(super) created: Option<&'h str>,
    pub(super) expires: Option<&'h str>,
}

/// Reads the parameters; `key_name` is `keyId`, or Kong's `username`.
pub(super) fn parameters<'h>(value: &'h str, key_name: &str) -> Option<Parameters<'h>> {
    let mut found = Parameters::default();
    let mut headers = None;
    let mut rest = value;
    for _ in 0..MAX_PARAMETERS {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            after.split_at_checked(after.find(',').unwrap_or(after.len()))?
        };
        let name = name.trim_matches([' ', '\t']);
        let place = match name {
            _ if name == key_name => Some(&mut found.key_id),
            "algorithm" => Some(&mut found.algorithm),
            "headers" => Some(&mut headers),
            "signature" => Some(&mut found.signature),
            "created" => Some(&mut found.created),
            "expires" => Some(&mut found.expires),
            _ => None,
        };
        if place.is_some_and(|place| place.replace(value).is_some()) {
            return None;
        }
        let after = after.trim_matches([' ', '\t']);
        if after.is_empty() {
            found.headers = names(headers.unwrap_or("date"))?;
            return Some(found);
        }
        rest = after.strip_prefix(',')?;
    }
    None
}

fn names(list: &str) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for name in list.split(' ') {
        let again = names.iter().any(|other| other.eq_ignore_ascii_case(name));
        if name.is_empty() || again || names.len() >= MAX_HEADERS {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::parameters;

    #[test]
    fn parameters_are_read_once_each() {
        let read = |text| parameters(text, "keyId");
        let found =
            read("keyId=\"k\", algorithm=\"a\",created=1,headers=\"date X\",signature=\"AA==\"").unwrap();
        assert_eq!((found.key_id, found.algorithm, found.created), (Some("k"), Some("a"), Some("1")));
        assert_eq!((found.headers, found.signature), (vec!["date", "X"], Some("AA==")));
        assert_eq!(read("signature=\"x\",other=\"y\"").unwrap().headers, ["date"]);
        for text in [
            "",
            "signature",
            "signature=\"x",
            "signature=\"x\"y",
            "signature=\"x\",",
            "signature=\"x\",signature=\"x\"",
            "headers=\"a  b\"",
            "headers=\"a A\"",
            "headers=\"\"",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), shaped in "[a-z]{0,9}=?\"?[a-z ,=\"]{0,30}") {
            let _ = (parameters(&text, "keyId"), parameters(&shaped, "keyId"));
        }
    }
}
