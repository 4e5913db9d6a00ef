//! API keys: how a request carries one. Pure.
//!
//! Not a look-up: a well-formed key may belong to nobody. Its format is that of `minted.rs`. Invariants: a key with a
//! typo is refused without a look-up; a key that occurs twice is malformed; a key is never read from the query.
//! Spec: RFC 6750 §2.1 (`Authorization: Bearer`), DESIGN §2 and §4.

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use super::grammar::trim_ows;
use super::minted::{self, API_KEY};
use super::{CredentialFault, Extraction};
use crate::keys::record::ApiKeyDigest;
use crate::secret::Secret;

/// The header that carries a key.
pub const HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// Makes a key of 32 random bytes.
#[must_use]
pub fn generate(random: &[u8; 32]) -> Secret {
    API_KEY.generate(random)
}

/// The digest under which a key is stored and looked up: SHA-256 of its whole text.
#[must_use]
pub fn digest(key: &str) -> ApiKeyDigest {
    digest_of(key.as_bytes())
}

/// Reads the key of a request: `X-API-Key` and, where the route takes it, `Authorization: Bearer`.
///
/// `Authorization` with another scheme is somebody else's credential and counts as absent.
#[must_use]
pub fn extract(headers: &HeaderMap, bearer: bool) -> Extraction<ApiKeyDigest> {
    let mut found = headers.get_all(HEADER).iter().map(|value| trim_ows(value.as_bytes()));
    let (own, another) = (found.next(), found.next());
    let (from_bearer, authorizations) = if bearer { bearer_token(headers) } else { (None, 0) };

    let key = match (own, from_bearer) {
        (None, None) => return Extraction::Absent,
        (Some(_), Some(_)) => return Extraction::Malformed(CredentialFault::Duplicate("the API key")),
        (Some(key), None) | (None, Some(key)) => key,
    };
    if another.is_some() || (from_bearer.is_some() && authorizations > 1) {
        return Extraction::Malformed(CredentialFault::Duplicate("the API key"));
    }
    if !is_well_formed(key) {
        return Extraction::Malformed(CredentialFault::Malformed(
            "the API key does not have the form of one",
        ));
    }
    Extraction::Present(digest_of(key))
}

/// Whether `Authorization` has an API key as a bearer token, be it the one that was verified or not.
#[must_use]
pub fn is_bearer(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().filter_map(token_of).any(is_well_formed)
}

/// The first bearer token, and how many `Authorization` lines there are.
fn bearer_token(headers: &HeaderMap) -> (Option<&[u8]>, usize) {
    let lines = headers.get_all(AUTHORIZATION).iter();
    lines.fold((None, 0), |(first, lines), line| (first.or_else(|| token_of(line)), lines + 1))
}

fn token_of(line: &HeaderValue) -> Option<&[u8]> {
    let line = trim_ows(line.as_bytes());
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (scheme, token) = line.split_at_checked(end)?;
    scheme.eq_ignore_ascii_case(b"bearer").then(|| trim_ows(token))
}

fn is_well_formed(key: &[u8]) -> bool {
    API_KEY.is_well_formed(key)
}

fn digest_of(key: &[u8]) -> ApiKeyDigest {
    ApiKeyDigest(minted::digest(key))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{digest, extract, generate, is_bearer};
    use crate::credential::minted::{API_KEY, CHECKSUM_DIGITS, checksum};
    use crate::credential::{CredentialFault, Extraction};

    fn key(seed: u8) -> String {
        let secret = generate(&std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(seed)));
        secret.expose_text().unwrap().to_owned()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    fn is_malformed(lines: &[(&'static str, &str)]) -> bool {
        matches!(extract(&headers(lines), true), Extraction::Malformed(CredentialFault::Malformed(_)))
    }

    #[test]
    fn a_generated_key_is_found_by_its_digest() {
        let key = key(7);
        assert_eq!(key.len(), API_KEY.length());
        assert!(key.starts_with("wk_"));
        let found = extract(&headers(&[("x-api-key", &format!(" \t{key} "))]), false);
        assert_eq!(found, Extraction::Present(digest(&key)));
    }

    #[test]
    fn the_ends_of_the_random_range_have_keys_of_their_own() {
        let low = generate(&[0; 32]);
        let high = generate(&[255; 32]);
        assert!(low.expose().starts_with(b"wk_0000000000000000000000000000000000000000000"));
        assert_eq!(high.len(), API_KEY.length());
        assert!(!high.ct_eq(low.expose()));
    }

    #[test]
    fn the_random_part_is_the_number_in_base_62() {
        let mut random = [0; 32];
        random[30] = 1;
        random[31] = 6;
        let text = generate(&random).expose_text().unwrap().to_owned();
        assert_eq!(&text[3..46], "000000000000000000000000000000000000000004E", "262 is 4 * 62 + 14");
    }

    #[test]
    fn any_changed_character_is_malformed() {
        let key = key(11);
        for at in 0..key.len() {
            let mut bytes = key.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(is_malformed(&[("x-api-key", &changed)]), "character {at}");
        }
    }

    #[test]
    fn what_is_not_one_key_is_malformed() {
        let key = key(3);
        assert!(is_malformed(&[("x-api-key", "")]));
        assert!(is_malformed(&[("x-api-key", "   ")]));
        assert!(is_malformed(&[("x-api-key", &format!("{key},{key}"))]));
        assert!(is_malformed(&[("x-api-key", &format!("Bearer {key}"))]));
        assert!(is_malformed(&[("x-api-key", "wk_é")]));
        assert!(is_malformed(&[("authorization", "Bearer")]));
        assert!(is_malformed(&[("authorization", "Bearer ")]));
        assert!(is_malformed(&[("authorization", &format!("Bearer {key} {key}"))]));
    }

    #[test]
    fn a_key_that_occurs_twice_is_a_duplicate() {
        let key = key(5);
        let bearer = format!("Bearer {key}");
        for lines in [
            vec![("x-api-key", key.as_str()), ("x-api-key", key.as_str())],
            vec![("x-api-key", key.as_str()), ("authorization", bearer.as_str())],
            vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())],
            vec![("authorization", "Basic dTpw"), ("authorization", bearer.as_str())],
        ] {
            assert_eq!(
                extract(&headers(&lines), true),
                Extraction::Malformed(CredentialFault::Duplicate("the API key")),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn bearer_counts_only_where_the_route_takes_it() {
        let key = key(9);
        let bearer = format!("bEARER   {key}");
        let lines = headers(&[("authorization", &bearer)]);
        assert_eq!(extract(&lines, true), Extraction::Present(digest(&key)));
        assert_eq!(extract(&lines, false), Extraction::Absent);
        let both = headers(&[("authorization", &bearer), ("x-api-key", &key)]);
        assert_eq!(extract(&both, false), Extraction::Present(digest(&key)));
    }

    #[test]
    fn another_authorization_scheme_is_absent() {
        let key = key(9);
        let basic = headers(&[("authorization", "Basic dTpw")]);
        assert_eq!(extract(&basic, true), Extraction::Absent);
        let beside = headers(&[("authorization", "Basic dTpw"), ("x-api-key", &key)]);
        assert_eq!(extract(&beside, true), Extraction::Present(digest(&key)));
    }

    #[test]
    fn a_checksum_makes_no_key_of_another_prefix_or_alphabet() {
        let sealed = |body: &str| [body, str::from_utf8(&checksum(body.as_bytes())).unwrap()].concat();
        let body = &key(9)[..API_KEY.length() - CHECKSUM_DIGITS];
        let found = extract(&headers(&[("x-api-key", &sealed(body))]), false);
        assert_eq!(found, Extraction::Present(digest(&key(9))));
        let other_prefix = format!("sk_{}", &body[3..]);
        let other_alphabet = format!("{}-", &body[..body.len() - 1]);
        for wrong in [other_prefix.as_str(), &other_alphabet, &body[..body.len() - 1], &format!("{body}0")] {
            assert!(is_malformed(&[("x-api-key", &sealed(wrong))]), "{wrong}");
        }
    }

    #[test]
    fn a_bearer_token_is_told_from_other_tokens_by_its_form() {
        let key = key(9);
        assert!(is_bearer(&headers(&[("authorization", &format!("Bearer {key}"))])));
        assert!(!is_bearer(&headers(&[("authorization", "Bearer of-something-else")])));
        assert!(!is_bearer(&headers(&[("authorization", &format!("Basic {key}"))])));
        assert!(!is_bearer(&headers(&[("x-api-key", &key)])));
    }
}
