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
            if !value.is_empty() && value != text {
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
