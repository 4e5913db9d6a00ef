//! What every kind shares.

use super::checked_id;
use super::testing::compile;
use crate::secret::Secret;
use crate::verify::scheme::preset;

#[test]
fn an_id_is_1_to_255_visible_characters() {
    assert!(checked_id("!").is_ok() && checked_id(&"~".repeat(255)).is_ok());
    for text in ["", &"a".repeat(256), "a b", "a\n", "\u{e9}"] {
        assert!(checked_id(text).is_err(), "{text}");
    }
}

#[test]
fn only_braintree_makes_something_of_a_challenge() {
    let github = preset("github").unwrap();
    assert_eq!(github.answers_challenges(), None, "no kind at all");
    let scheme = compile("kind = 'example'\nparams = { header = 'X-Sig' }");
    assert_eq!(scheme.answers_challenges(), Some(false));
    let key = scheme.prepare(&Secret::from_text("a secret")).unwrap();
    assert_eq!(scheme.answer_challenge(&key, "20f9f8ed05f77439fe955c977e4c8a53"), None);
    assert_eq!(preset("braintree").unwrap().answers_challenges(), Some(true));
}
