//! `Signature-Input` and `Signature` as structured fields, in their canonical spelling. Pure.
//!
//! Not a parser of all structured fields: what RFC 9651 §4.1 would not write itself is refused, so that the
//! text that arrived is the text that was signed. Invariants: at most [`MAX_SIGNATURES`] members and
//! [`MAX_COMPONENTS`] components; none occurs twice; a component with parameters is refused.
//! Spec: RFC 9421 §2.3, §4.1, §4.2; RFC 9651 §3, §4.1.

/// Signatures that one request may carry; proxies on the way may add their own.
pub(super) const MAX_SIGNATURES: usize = 8;
/// Components that one signature may cover.
pub(super) const MAX_COMPONENTS: usize = 64;

/// One member of `Signature-Input`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Input<'h> {
    /// Its label.
    pub(super) label: &'h str,
    /// Names of the covered components, in their order.
    pub(super) components: Vec<&'h str>,
    /// The value as it was written: what `@signature-params` signs.
    pub(super) text: &'h str,
    /// When it was made, in unix seconds.
    pub(super) created: Option<i64>,
    /// When it ends, in unix seconds.
    pub(super) expires: Option<i64>,
    /// A value that the signer never uses twice.
    pub(super) nonce: Option<&'h str>,
    /// The algorithm, by the sender's account.
    pub(super) alg: Option<&'h str>,
    /// Which key.
    pub(super) keyid: Option<&'h str>,
    /// Which application.
    pub(super) tag: Option<&'h str>,
}

/// Reads `Signature-Input`; `None` for anything but a canonical list of signatures.
pub(super) fn inputs(value: &str) -> Option<Vec<Input<'_>>> {
    let mut found: Vec<Input<'_>> = Vec::new();
    let mut cursor = Cursor(value);
    loop {
        let label = cursor.key()?;
        cursor.eat('=')?;
        let input = input(label, &mut cursor)?;
        if found.len() >= MAX_SIGNATURES || found.iter().any(|other| other.label == label) {
            return None;
        }
        found.push(input);
        if cursor.0.is_empty() {
            return Some(found);
        }
        cursor.comma()?;
    }
}

/// The base64 of the signature with a label in `Signature`; `None` where the field or its member is unfit.
pub(super) fn signature<'h>(value: &'h str, label: &str) -> Option<&'h str> {
    let mut found = None;
    let mut cursor = Cursor(value);
    for _ in 0..MAX_SIGNATURES {
        let key = cursor.key()?;
        cursor.eat('=')?;
        cursor.eat(':')?;
        let (digits, rest) = cursor.0.split_once(':')?;
        cursor.0 = rest;
        if key == label && found.replace(digits).is_some() {
            return None;
        }
        if cursor.0.is_empty() {
            return found;
        }
        cursor.comma()?;
    }
    None
}

fn input<'h>(label: &'h str, cursor: &mut Cursor<'h>) -> Option<Input<'h>> {
    let start = cursor.0;
    let mut input = Input { label, ..Input::default() };
    cursor.eat('(')?;
    while !cursor.0.starts_with(')') {
        if !input.components.is_empty() {
            cursor.eat(' ')?;
        }
        let name = cursor.string()?;
        if input.components.contains(&name) || input.components.len() >= MAX_COMPONENTS {
            return None;
        }
        input.components.push(name);
    }
    cursor.eat(')')?;
    while cursor.eat(';').is_some() {
        let name = cursor.key()?;
        cursor.eat('=')?;
        let fresh = match name {
            "created" => input.created.replace(cursor.seconds()?).is_none(),
            "expires" => input.expires.replace(cursor.seconds()?).is_none(),
            "nonce" => input.nonce.replace(cursor.string()?).is_none(),
            "alg" => input.alg.replace(cursor.string()?).is_none(),
            "keyid" => input.keyid.replace(cursor.string()?).is_none(),
            "tag" => input.tag.replace(cursor.string()?).is_none(),
            _ => return None,
        };
        if !fresh {
            return None;
        }
    }
    input.text = start.get(..start.len() - cursor.0.len())?;
    Some(input)
}

/// What is left to read.
struct Cursor<'h>(&'h str);

impl<'h> Cursor<'h> {
    fn eat(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A comma with optional whitespace around it.
    fn comma(&mut self) -> Option<()> {
        self.0 = self.0.trim_start_matches([' ', '\t']).strip_prefix(',')?.trim_start_matches([' ', '\t']);
        Some(())
    }

    fn key(&mut self) -> Option<&'h str> {
        let part_of = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        };
        let end = self.0.bytes().position(|byte| !part_of(byte)).unwrap_or(self.0.len());
        let key = self.take(end)?;
        key.starts_with(|first: char| first.is_ascii_lowercase() || first == '*').then_some(key)
    }

    /// A string without escapes, which no name and no sensible parameter needs.
    fn string(&mut self) -> Option<&'h str> {
        self.eat('"')?;
        let end = self.0.find('"')?;
        let text = self.take(end)?;
        self.eat('"')?;
        text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\').then_some(text)
    }

    fn seconds(&mut self) -> Option<i64> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.0.len());
        let digits = self.take(end)?;
        let canonical = digits.len() <= 12 && (digits == "0" || !digits.starts_with('0'));
        if canonical { digits.parse().ok() } else { None }
    }

    fn take(&mut self, end: usize) -> Option<&'h str> {
        let (taken, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{inputs, signature};

    #[test]
    fn an_input_is_read_and_its_text_kept() {
        let text =
            "a=(\"@method\" \"date\");created=1;keyid=\"k\";alg=\"ed25519\", b=();expires=20;nonce=\"n\"";
        let found = inputs(text).unwrap();
        let [first, second] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((first.label, first.components.as_slice()), ("a", ["@method", "date"].as_slice()));
        assert_eq!(first.text, "(\"@method\" \"date\");created=1;keyid=\"k\";alg=\"ed25519\"");
        assert_eq!((first.created, first.keyid, first.alg), (Some(1), Some("k"), Some("ed25519")));
        assert_eq!(
            (second.expires, second.nonce, second.text),
            (Some(20), Some("n"), "();expires=20;nonce=\"n\"")
        );
    }

    /// RFC 8941, §3.1.2: `key = ( lcalpha / "*" ) *( lcalpha / DIGIT / "_" / "-" / "." / "*" )`.
    #[test]
    fn a_label_begins_with_a_lower_case_letter_or_an_asterisk() {
        for label in ["a", "*", "*a", "a1", "a_-.*"] {
            assert_eq!(inputs(&format!("{label}=()")).map(|found| found.len()), Some(1), "{label}");
        }
        for label in ["", "1", "1a", "_a", "-a", ".a", "A", "aA"] {
            assert_eq!(inputs(&format!("{label}=()")), None, "{label}");
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for text in [
            "",
            "a",
            "a=",
            "a=(",
            "a=()x",
            "A=()",
            "a=(\"x\"  \"y\")",
            "a=( \"x\")",
            "a=(\"x\" )",
            "a=(x)",
            "a=(\"x\" \"x\")",
            "a=(\"x\";sf)",
            "a=();created=01",
            "a=();created=-1",
            "a=();created=1;created=1",
            "a=(); created=1",
            "a=();what=1",
            "a=();keyid=\"\\\"\"",
            "a=(),",
            "a=(),a=()",
            "a=();created=1.0",
            "a=();created=9999999999999",
            "a=();created",
            "a=();created=",
            "a=(\"x\ny\")",
        ] {
            assert_eq!(inputs(text), None, "{text}");
        }
    }

    #[test]
    fn more_signatures_or_components_than_the_cap_are_refused() {
        let many = |count: usize| (0..count).map(|n| format!("a{n}=()")).collect::<Vec<_>>().join(", ");
        assert!(inputs(&many(8)).is_some());
        assert_eq!(inputs(&many(9)), None);
        let wide = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("\"h{n}\"")).collect();
            format!("a=({})", names.join(" "))
        };
        assert!(inputs(&wide(64)).is_some());
        assert_eq!(inputs(&wide(65)), None);
    }

    #[test]
    fn a_signature_is_found_by_its_label() {
        assert_eq!(signature("a=:AA==:, b=:BB==:", "b"), Some("BB=="));
        assert_eq!(signature("a=:AA==:", "b"), None);
        assert_eq!(signature("a=:AA==:,a=:AA==:", "a"), None);
        assert_eq!(signature("a=:AA==", "a"), None);
        assert_eq!(signature("a=AA==", "a"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), shaped in "[a-c]{0,2}=?[():;\"a-z=, 0-9@]{0,40}") {
            for text in [text, shaped] {
                let _ = (inputs(&text), signature(&text, "a"));
            }
        }
    }
}
