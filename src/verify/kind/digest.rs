//! Digests of the body that a header or a claim carries: `Content-Digest`, the older `Digest`. Pure.
//!
//! Not a proof by itself: a digest binds the body only where the signature covers it. Invariants: at
//! least one digest of a known algorithm is there, every one of those must match, and none occurs twice;
//! algorithms that are broken (MD5, SHA-1, sums) are ignored like unknown ones.
//! Spec: RFC 9530 §2, RFC 3230 §4.3.2.

use sha2::{Digest as _, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

use super::{BodyPolicy, Finding, KindAttempt};
use crate::credential::grammar::{DECODE_BUFFER, Encoding, trim_ows};
use crate::verify::mac::Hash;

/// Items that one header may have.
const MAX_ITEMS: usize = 8;

/// What a header says about the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expected {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

impl Expected {
    /// Reads `Content-Digest`: `sha-256=:…:`, items between commas.
    pub(super) fn content_digest(value: &[u8]) -> Option<Self> {
        Self::read(value, |item| item.strip_prefix(b":")?.strip_suffix(b":"))
    }

    /// Reads `Digest`: `SHA-256=…`, items between commas.
    pub(super) fn digest(value: &[u8]) -> Option<Self> {
        Self::read(value, |item| Some(item))
    }

    /// The one digest that a claim carries; `None` where it has another length, or the hash is too weak.
    pub(super) fn one(hash: Hash, digest: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        match hash {
            Hash::Sha256 => found.sha256 = Some(digest.try_into().ok()?),
            Hash::Sha512 => found.sha512 = Some(digest.try_into().ok()?),
            Hash::Sha1 | Hash::Sha384 => return None,
        }
        Some(found)
    }

    fn read(value: &[u8], inner: impl Fn(&[u8]) -> Option<&[u8]>) -> Option<Self> {
        let mut found = Self::default();
        for (index, item) in value.split(|byte| *byte == b',').enumerate() {
            let item = trim_ows(item);
            let (name, digest) = item.split_at_checked(item.iter().position(|byte| *byte == b'=')?)?;
            let digest = inner(digest.get(1..)?)?;
            let mut buffer = [0; DECODE_BUFFER];
            let fresh = if name.eq_ignore_ascii_case(b"sha-256") {
                let bytes = Encoding::Base64.decode(digest, 32, &mut buffer)?;
                found.sha256.replace(bytes.try_into().ok()?).is_none()
            } else if name.eq_ignore_ascii_case(b"sha-512") {
                let bytes = Encoding::Base64.decode(digest, 64, &mut buffer)?;
                found.sha512.replace(bytes.try_into().ok()?).is_none()
            } else {
                true
            };
            if !fresh || index >= MAX_ITEMS {
                return None;
            }
        }
        (found.sha256.is_some() || found.sha512.is_some()).then_some(found)
    }
}

/// A body on its way through the digests that are expected of it.
#[derive(Debug)]
pub(super) struct Body {
    expected: Option<Expected>,
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
    empty: bool,
}

impl Body {
    /// Begins; with nothing expected, only whether it is empty is noted.
    pub(super) fn new(expected: Option<Expected>) -> Self {
        let sha256 = expected.as_ref().and_then(|expected| expected.sha256).map(|_| Sha256::new());
        let sha512 = expected.as_ref().and_then(|expected| expected.sha512).map(|_| Sha512::new());
        Self { expected, sha256, sha512, empty: true }
    }

    /// Absorbs the next bytes.
    pub(super) fn update(&mut self, chunk: &[u8]) {
        self.empty &= chunk.is_empty();
        if let Some(hash) = &mut self.sha256 {
            hash.update(chunk);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(chunk);
        }
    }

    /// Whether it is as expected; without a digest, whether that may be: `required` is met by no bytes.
    pub(super) fn finish(self, required: bool) -> Choice {
        let Some(expected) = self.expected else { return Choice::from(u8::from(self.empty || !required)) };
        let mut holds = Choice::from(1);
        if let (Some(hash), Some(expected)) = (self.sha256, expected.sha256) {
            holds &= hash.finalize().as_slice().ct_eq(&expected);
        }
        if let (Some(hash), Some(expected)) = (self.sha512, expected.sha512) {
            holds &= hash.finalize().as_slice().ct_eq(&expected);
        }
        holds
    }
}

/// A signature whose verdict is known, but for the body that it covers through a digest.
#[derive(Debug)]
pub(super) struct BoundBody {
    matched: Choice,
    covered: bool,
    body: Body,
    policy: BodyPolicy,
}

impl BoundBody {
    /// Begins with the digest that the signature covers, where it covers one.
    pub(super) fn new(matched: Choice, digest: Option<Expected>, policy: BodyPolicy) -> Self {
        Self { matched, covered: digest.is_some(), body: Body::new(digest), policy }
    }
}

impl KindAttempt for BoundBody {
    fn update(&mut self, chunk: &[u8]) {
        self.body.update(chunk);
    }

    fn finish(self: Box<Self>, _body: &[u8]) -> Finding {
        let required = self.policy.binds();
        Finding::of(self.matched & self.body.finish(required), self.covered || required)
    }
}

/// The `Content-Digest` of a body, for samples.
pub(super) fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", Encoding::Base64.encode(&Sha256::digest(body)))
}

/// The `Digest` of a body, for samples.
pub(super) fn digest(body: &[u8]) -> String {
    format!("SHA-256={}", Encoding::Base64.encode(&Sha256::digest(body)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::super::{BodyPolicy, KindAttempt};
    use super::{Body, BoundBody, Choice, Expected, content_digest, digest};

    fn holds(expected: Option<Expected>, body: &[u8], required: bool) -> bool {
        let mut hashed = Body::new(expected);
        hashed.update(body);
        hashed.finish(required).into()
    }

    #[test]
    fn what_was_digested_holds_and_nothing_else_does() {
        let read = |text: &str| Expected::content_digest(text.as_bytes());
        let right = content_digest(b"body");
        assert!(holds(read(&right), b"body", true));
        assert!(!holds(read(&right), b"bodY", true));
        assert!(!holds(read(&right), b"", false));
        assert!(holds(Expected::digest(digest(b"body").as_bytes()), b"body", true));
        assert!(holds(read(&format!("md5=:AA==:, {right}")), b"body", true), "unknown ones are ignored");
        assert!(read("md5=:AA==:").is_none(), "and prove nothing alone");
        assert!(read(&format!("{right}, {right}")).is_none(), "twice");
        assert!(read("sha-256=:AA==:").is_none(), "too short");
        assert!(read("").is_none());
    }

    #[test]
    fn every_digest_that_is_expected_must_hold() {
        // SHA-512 of `abc`, FIPS 180-2 §C.1; SHA-256 of it, §B.1.
        let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let item = |name: &str, hex: &str| {
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            format!("{name}=:{}:", data_encoding::BASE64.encode(&bytes))
        };
        let (right512, right256) = (item("sha-512", sha512), item("sha-256", sha256));
        let wrong512 = item("sha-512", &sha512.replace('d', "e"));
        let wrong256 = item("sha-256", &sha256.replace('b', "c"));
        let abc = |text: String| holds(Expected::content_digest(text.as_bytes()), b"abc", true);
        assert!(abc(right512.clone()) && abc(format!("{right256}, {right512}")));
        assert!(!abc(format!("{right256}, {wrong512}")));
        assert!(!abc(format!("{wrong256}, {right512}")));
    }

    #[test]
    fn without_a_digest_only_an_empty_body_will_do_where_one_is_required() {
        assert!(holds(None, b"", true));
        assert!(!holds(None, b"x", true));
        assert!(holds(None, b"x", false));
    }

    #[test]
    fn a_body_is_bound_by_its_digest_or_because_only_an_empty_one_is_let_in() {
        let abc = || Expected::content_digest(content_digest(b"abc").as_bytes());
        let binds = |digest: Option<Expected>, body: &[u8], policy| {
            let mut bound = BoundBody::new(Choice::from(1), digest, policy);
            bound.update(body);
            let finding = Box::new(bound).finish(body);
            assert!(bool::from(finding.matched));
            finding.binds_body
        };
        assert!(binds(abc(), b"abc", BodyPolicy::Required));
        assert!(binds(abc(), b"abc", BodyPolicy::Optional));
        assert!(binds(None, b"", BodyPolicy::Required));
        assert!(!binds(None, b"abc", BodyPolicy::Optional));
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in any::<Vec<u8>>()) {
            let _ = (Expected::content_digest(&bytes), Expected::digest(&bytes));
        }
    }
}
