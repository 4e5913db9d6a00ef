//! Message authentication codes: a key prepared once, a MAC over chunks, tags compared in constant time.
//!
//! Not a scheme: what is fed here, and in which order, is the scheme's business. Invariants: an empty key
//! makes no [`MacKey`]; a [`Tag`] has no `PartialEq`, so that it cannot be compared in variable time.
//! Spec: RFC 2104 (HMAC), FIPS 180-4 (SHA-2).

use std::fmt;

use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, CoreProxy, EagerHash};
use hmac::{Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

/// The longest tag, that of SHA-512.
const LONGEST: usize = 64;

/// The hash under an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, for senders that have nothing else. Its collisions don't concern an HMAC.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Bytes of a tag.
    #[must_use]
    pub fn tag_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// An HMAC that has absorbed its key. Copied for each message, which saves hashing the key again. It takes the
/// room of its own hash, not of the longest, and none for bytes that do not fill a block yet: many are held.
#[derive(Clone)]
pub struct MacKey(Absorbed);

#[derive(Clone)]
enum Absorbed {
    Nothing,
    Sha1(Box<HmacCore<Sha1>>),
    Sha256(Box<HmacCore<Sha256>>),
    Sha384(Box<HmacCore<Sha384>>),
    Sha512(Box<HmacCore<Sha512>>),
}

impl MacKey {
    /// Absorbs a key; `None` where it is empty.
    #[must_use]
    pub fn new(hash: Hash, key: &[u8]) -> Option<Self> {
        if key.is_empty() {
            return None;
        }
        Some(Self(match hash {
            Hash::Sha1 => Absorbed::Sha1(Box::new(HmacCore::new_from_slice(key).ok()?)),
            Hash::Sha256 => Absorbed::Sha256(Box::new(HmacCore::new_from_slice(key).ok()?)),
            Hash::Sha384 => Absorbed::Sha384(Box::new(HmacCore::new_from_slice(key).ok()?)),
            Hash::Sha512 => Absorbed::Sha512(Box::new(HmacCore::new_from_slice(key).ok()?)),
        }))
    }

    /// A plain SHA-256 without a key, for senders that hash the secret with the message.
    #[must_use]
    pub fn plain() -> Self {
        Self(Absorbed::Nothing)
    }

    /// Begins the MAC of one message.
    #[must_use]
    pub fn begin(&self) -> Mac {
        Mac(match &self.0 {
            Absorbed::Nothing => Running::Plain(Sha256::new()),
            Absorbed::Sha1(key) => Running::Sha1(resume(key)),
            Absorbed::Sha256(key) => Running::Sha256(resume(key)),
            Absorbed::Sha384(key) => Running::Sha384(resume(key)),
            Absorbed::Sha512(key) => Running::Sha512(resume(key)),
        })
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey([redacted])")
    }
}

fn resume<D: EagerHash>(absorbed: &HmacCore<D>) -> Hmac<D> {
    Hmac::compose(absorbed.clone(), Buffer::<HmacCore<D>>::default())
}

/// The MAC of a message of which some bytes have been seen. A copy goes on by itself.
#[derive(Clone)]
pub struct Mac(Running);

impl Mac {
    /// Absorbs the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        #[cfg(test)]
        work::count(0, bytes.len());
        match &mut self.0 {
            Running::Sha1(mac) => mac.update(bytes),
            Running::Plain(hash) => Digest::update(hash, bytes),
            Running::Sha256(mac) => mac.update(bytes),
            Running::Sha384(mac) => mac.update(bytes),
            Running::Sha512(mac) => mac.update(bytes),
        }
    }

    /// The tag of all that was absorbed.
    #[must_use]
    pub fn finish(self) -> Tag {
        #[cfg(test)]
        work::count(1, 0);
        match self.0 {
            Running::Sha1(mac) => Tag::take(&mac.finalize().into_bytes()),
            Running::Plain(hash) => Tag::take(&hash.finalize()),
            Running::Sha256(mac) => Tag::take(&mac.finalize().into_bytes()),
            Running::Sha384(mac) => Tag::take(&mac.finalize().into_bytes()),
            Running::Sha512(mac) => Tag::take(&mac.finalize().into_bytes()),
        }
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac([redacted])")
    }
}

#[derive(Clone)]
enum Running {
    Sha1(Hmac<Sha1>),
    Plain(Sha256),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

/// The bytes of a signature, in place; zeroed on demand, for those that are keys on the way to one (SigV4).
#[derive(Clone, Zeroize)]
pub struct Tag {
    bytes: [u8; LONGEST],
    len: u8,
}

impl Tag {
    /// A copy of the bytes; `None` where there are none, or more than any MAC has.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > LONGEST { None } else { Some(Self::take(bytes)) }
    }

    /// The SHA-256 of a token, so that tokens of any length compare in the same time.
    #[must_use]
    pub fn of_token(token: &[u8]) -> Self {
        Self::take(&Sha256::digest(token))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn take(bytes: &[u8]) -> Self {
        let mut tag = Self { bytes: [0; LONGEST], len: 0 };
        if let (Some(place), Ok(len)) = (tag.bytes.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            place.copy_from_slice(bytes);
            tag.len = len;
        }
        tag
    }
}

impl ConstantTimeEq for Tag {
    /// Time depends on the lengths alone; tags of different lengths differ, and an empty one equals nothing.
    fn ct_eq(&self, other: &Self) -> Choice {
        self.as_bytes().ct_eq(other.as_bytes()) & Choice::from(u8::from(self.len > 0))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({} bytes)", self.len)
    }
}

/// How much was computed on this thread, for tests that no verdict saves work.
#[cfg(test)]
pub(crate) mod work {
    use std::cell::Cell;

    thread_local! {
        static DONE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    pub(super) fn count(tags: usize, bytes: usize) {
        DONE.with(|done| done.set((done.get().0 + tags, done.get().1 + bytes)));
    }

    /// Tags and bytes since the last call.
    pub(crate) fn take() -> (usize, usize) {
        DONE.with(Cell::take)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use subtle::ConstantTimeEq;

    use super::{Hash, MacKey, Tag};

    fn tag(hash: Hash, key: &[u8], chunks: &[&[u8]]) -> String {
        let mut mac = MacKey::new(hash, key).unwrap().begin();
        for chunk in chunks {
            mac.update(chunk);
        }
        HEXLOWER.encode(mac.finish().as_bytes())
    }

    #[test]
    fn rfc_4231_case_2_holds_however_it_is_cut() {
        let cut: [&[u8]; 3] = [b"what do ya ", b"", b"want for nothing?"];
        assert_eq!(
            tag(Hash::Sha256, b"Jefe", &cut),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            tag(Hash::Sha384, b"Jefe", &cut),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
             8e2240ca5e69e2c78b3239ecfab21649"
        );
        assert_eq!(
            tag(Hash::Sha512, b"Jefe", &cut),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        );
    }

    #[test]
    fn an_empty_key_makes_no_mac() {
        assert!(MacKey::new(Hash::Sha256, b"").is_none());
    }

    #[test]
    fn a_truncated_tag_equals_nothing() {
        let whole = Tag::of_token(b"token");
        assert!(bool::from(whole.ct_eq(&Tag::of_token(b"token"))));
        assert!(!bool::from(whole.ct_eq(&Tag::new(&whole.as_bytes()[..31]).unwrap())));
        assert!(Tag::new(b"").is_none());
        assert!(Tag::new(&[0; 65]).is_none());
    }
}
