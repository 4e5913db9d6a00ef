//! What may have become of a secret between the sender and us. Invariant: a description never holds any
//! of it.

use super::{Change, Kind};
use crate::secret::Secret;

/// Each secret as it is, and as it may have to be.
pub(super) fn changes(secrets: &[Secret]) -> Vec<Change<Secret>> {
    let mut changes: Vec<Change<Secret>> =
        secrets.iter().map(|secret| Change::none(secret.clone())).collect();
    for secret in secrets {
        let text = secret.expose();
        let mut add = |what: &str, value: &[u8]| {
            // What two of them make alike is told once, by the first.
            if !value.is_empty() && changes.iter().all(|change| !change.value.ct_eq(value)) {
                changes.push(Change::to(Kind::Secret, what, Secret::new(value.to_vec())));
            }
        };
        let trimmed = text.trim_ascii();
        add("the secret without the white space around it", trimmed);
        add(
            "the secret without the byte order mark before it",
            text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
        );
        add("the secret without the quotes around it", unquoted(trimmed));
        add("the secret without the `NAME=` before it", unnamed(trimmed));
        let mut longer = zeroize::Zeroizing::new(Vec::with_capacity(text.len() + 1));
        longer.extend_from_slice(text);
        longer.push(b'\n');
        add("a line feed after the secret (the sender has one in its configuration)", &longer);
    }
    changes
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        _ => text,
    }
}

/// A line of an environment file: `NAME=value`, the value in quotes perhaps.
fn unnamed(text: &[u8]) -> &[u8] {
    let Some(at) = text.iter().position(|byte| *byte == b'=') else { return text };
    let (name, value) = text.split_at_checked(at).unwrap_or_default();
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    match value.get(1..) {
        Some(value) if !name.is_empty() && name.iter().all(is_name) => unquoted(value),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::changes;
    use crate::secret::Secret;

    /// What is tried of a secret beside itself, and a line feed after it.
    fn tried(text: &str) -> Vec<String> {
        let found = changes(&[Secret::from_text(text)]);
        let texts = found.iter().map(|change| String::from_utf8(change.value.expose().to_vec()).unwrap());
        let mut texts: Vec<String> = texts.collect();
        assert!(found[0].what.is_none() && texts.remove(0) == text);
        assert_eq!(texts.pop(), Some(format!("{text}\n")));
        texts
    }

    #[test]
    fn only_what_surrounds_a_secret_is_taken_away() {
        for (text, wanted) in [
            ("s3cret", &[][..]),
            (" s3cret", &["s3cret"]),
            ("\u{feff}s3cret", &["s3cret"]),
            (" 'a' ", &["'a'", "a"]),
            ("'a\"", &[]),
            ("'", &[]),
            ("''", &[]),
            ("KEY_1=a=b", &["a=b"]),
            ("KEY=\"a\"", &["a"]),
            ("KEY=", &[]),
            ("=a", &[]),
            ("key=a", &[]),
            ("A-B=a", &[]),
        ] {
            assert_eq!(tried(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn each_of_several_secrets_is_changed() {
        let found = changes(&[Secret::from_text("a"), Secret::from_text("b")]);
        let own = found.iter().filter(|change| change.what.is_none()).count();
        assert_eq!((own, found.len()), (2, 4));
    }

    #[test]
    fn what_an_editor_or_a_copy_adds_is_taken_away() {
        for (text, wanted) in [
            (" s3cret\n", "s3cret"),
            ("\"s3cret\"", "s3cret"),
            ("HOOK_SECRET='s3cret'", "s3cret"),
            ("s3cret", "s3cret\n"),
        ] {
            let found = changes(&[Secret::from_text(text)]);
            assert!(found.iter().any(|change| change.value.ct_eq(wanted.as_bytes())), "{text:?}");
            assert!(
                found
                    .iter()
                    .filter_map(|change| change.what.as_ref())
                    .all(|(_, what)| !what.contains("s3cret"))
            );
        }
    }
}
