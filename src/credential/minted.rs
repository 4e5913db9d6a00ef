//! What we mint: API keys and admin tokens, as texts that a typo never makes another one of. Pure.
//!
//! Not a look-up: a well-formed one may belong to nobody. Format: a prefix that says what it is, then 32 random bytes
//! as one 43-digit base62 number, then a checksum of 6 base62 digits: the first 32 bits of the SHA-256 of all that
//! stands before it. Invariant: what is well-formed of one kind is not of another.
//! Spec: DESIGN §4.

use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Digits that hold 32 bytes: 62^43 is just above 2^256.
const RANDOM_DIGITS: usize = 43;
/// Digits that hold 32 bits.
pub(super) const CHECKSUM_DIGITS: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A kind of them.
#[derive(Debug, Clone, Copy)]
pub struct Minted {
    prefix: &'static str,
}

/// API keys.
pub const API_KEY: Minted = Minted { prefix: "wk_" };
/// Tokens of admins.
pub const ADMIN_TOKEN: Minted = Minted { prefix: "ca_" };

impl Minted {
    /// What every one begins with, so that secret scanners know one.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        self.prefix
    }

    /// Characters of a whole one.
    #[must_use]
    pub fn length(self) -> usize {
        self.prefix.len() + RANDOM_DIGITS + CHECKSUM_DIGITS
    }

    /// Makes one of 32 random bytes.
    #[must_use]
    pub fn generate(self, random: &[u8; 32]) -> Secret {
        let mut text = Vec::with_capacity(self.length());
        text.extend_from_slice(self.prefix.as_bytes());
        text.extend_from_slice(&base62::<RANDOM_DIGITS>(random));
        let checksum = checksum(&text);
        text.extend_from_slice(&checksum);
        Secret::new(text)
    }

    /// Whether a text has the form of one, checksum included.
    #[must_use]
    pub fn is_well_formed(self, text: &[u8]) -> bool {
        if text.len() != self.length() || !text.starts_with(self.prefix.as_bytes()) {
            return false;
        }
        let Some((body, sum)) = text.split_last_chunk::<CHECKSUM_DIGITS>() else { return false };
        body.iter().skip(self.prefix.len()).all(u8::is_ascii_alphanumeric) && *sum == checksum(body)
    }
}

/// The digest under which one is stored and looked up: SHA-256 of its whole text.
pub(crate) fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

pub(super) fn checksum(body: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    let hash = Sha256::digest(body);
    base62(hash.get(..4).unwrap_or_default())
}

/// A big-endian number as base62 digits of fixed width. Every value has its own text, so nothing is biased.
fn base62<const DIGITS: usize>(bytes: &[u8]) -> [u8; DIGITS] {
    let mut digits = [0_u8; DIGITS];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in digits.iter_mut().rev() {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 62).unwrap_or_default();
            carry = value / 62;
        }
    }
    digits.map(|digit| ALPHABET.get(usize::from(digit)).copied().unwrap_or(b'0'))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{ADMIN_TOKEN, ALPHABET, API_KEY, CHECKSUM_DIGITS, RANDOM_DIGITS, digest};

    /// SHA-256 of `abc`: FIPS 180-2, appendix B.1.
    #[test]
    fn what_is_stored_of_a_text_is_its_sha_256() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(data_encoding::HEXLOWER.encode(&digest(b"abc")), known);
    }

    /// χ² over the digits of 25,000 keys, which are the same in each run. A digit taken as `byte % 62` of 256 would
    /// be off by a quarter, and χ² in the thousands; the first digit, which holds what is left above 62^42, is not
    /// uniform, and is not counted.
    #[test]
    fn s02_no_digit_of_a_key_is_likelier_than_another() {
        let mut counts = [0_u32; 62];
        for seed in 0..25_000_u32 {
            let key = API_KEY.generate(&Sha256::digest(seed.to_be_bytes()).into());
            let text = key.expose();
            let digits = text.get(API_KEY.prefix().len() + 1..text.len() - CHECKSUM_DIGITS).unwrap();
            assert_eq!(digits.len(), RANDOM_DIGITS - 1);
            for digit in digits {
                counts[ALPHABET.iter().position(|letter| letter == digit).unwrap()] += 1;
            }
        }
        let total = counts.iter().sum::<u32>();
        assert!(total > 1_000_000);
        let expected = f64::from(total) / 62.0;
        let chi: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        // 61 degrees of freedom: beyond 120 in one of 100,000 runs.
        assert!(chi < 120.0, "{chi}");
    }

    #[test]
    fn a_token_is_no_api_key_and_a_key_is_no_token() {
        let (token, key) = (ADMIN_TOKEN.generate(&[7; 32]), API_KEY.generate(&[7; 32]));
        assert!(ADMIN_TOKEN.is_well_formed(token.expose()) && !API_KEY.is_well_formed(token.expose()));
        assert!(API_KEY.is_well_formed(key.expose()) && !ADMIN_TOKEN.is_well_formed(key.expose()));
        let renamed = [b"ca_", key.expose().get(3..).unwrap()].concat();
        assert!(!ADMIN_TOKEN.is_well_formed(&renamed), "the checksum covers the prefix");
    }
}
