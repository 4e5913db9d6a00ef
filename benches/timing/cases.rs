//! What is timed. Inputs of both classes are made before, of the same size, and taken by index: the harness
//! itself does not tell the classes apart.

use std::hint::black_box;
use std::sync::Arc;

use countersign::clock::{Clock as _, SystemClock, UnixMillis};
use countersign::credential::{Extraction, Head};
use countersign::keys::Locator;
use countersign::keys::record::ApiKeyDigest;
use countersign::secret::Secret;
use countersign::verify::mac::Tag;
use countersign::verify::scheme::{CUSTOM, Scheme, VerifyKey, preset};
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq as _;

use crate::ring::{digest, ring};
use crate::{BoxError, Case};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const KEYS: u128 = 100_000;
const SECRET: &str = "bench-secret-0123456789abcdef";
const OTHER: &str = "bench-secret-0123456789abcdeg";

pub(crate) fn all() -> Result<Vec<Case>, BoxError> {
    Ok(vec![
        Case { name: "tag: compare", classes: ["equal", "first byte"], run: compare(0)? },
        Case { name: "tag: compare", classes: ["equal", "last byte"], run: compare(31)? },
        Case { name: "github: verify 1 KiB", classes: ["right secret", "wrong"], run: secrets("github")? },
        Case { name: "stripe: verify 1 KiB", classes: ["right secret", "wrong"], run: secrets("stripe")? },
        Case {
            name: "gitlab-token: compare",
            classes: ["right secret", "wrong"],
            run: secrets("gitlab-token")?,
        },
        Case { name: "two secrets: verify 1 KiB", classes: ["first", "second"], run: several()? },
        Case { name: "lookup of 100,000", classes: ["unknown", "begins alike"], run: alike()? },
        Case { name: "lookup of 100,000", classes: ["unknown", "held"], run: held()? },
    ])
}

/// A tag against its equal, and against one that differs in one byte.
fn compare(at: usize) -> Result<Box<dyn FnMut(usize)>, BoxError> {
    let bytes = [7; 32];
    let mut differs = bytes;
    differs[at] ^= 1;
    let tag = |bytes: &[u8]| Tag::new(bytes).ok_or("no tag");
    let (ours, theirs) = (tag(&bytes)?, [tag(&bytes)?, tag(&differs)?]);
    Ok(Box::new(move |class| {
        black_box(black_box(&ours).ct_eq(black_box(&theirs[class])));
    }))
}

/// A request with the signature of the right secret, and of another of the same length.
fn secrets(name: &str) -> Result<Box<dyn FnMut(usize)>, BoxError> {
    let scheme = Arc::clone(preset(name).ok_or("there is no such preset")?);
    let key = scheme.prepare(&Secret::from_text(SECRET))?;
    let other = scheme.prepare(&Secret::from_text(OTHER))?;
    let signed = [signed(&scheme, &key), signed(&scheme, &other)];
    Ok(verifies(scheme, key, signed))
}

/// A scheme with two secrets, and a request signed with either.
fn several() -> Result<Box<dyn FnMut(usize)>, BoxError> {
    let mut spec = preset("github").ok_or("there is no such preset")?.spec().clone();
    let one = Scheme::compile(&spec, CUSTOM).map_err(|_| "the scheme has faults")?;
    spec.secret.several = Some(true);
    let scheme = Arc::new(Scheme::compile(&spec, CUSTOM).map_err(|_| "the scheme has faults")?);
    let key = scheme.prepare(&Secret::from_text(&format!("{SECRET}\n{OTHER}")))?;
    let mut headers = Vec::new();
    for secret in [SECRET, OTHER] {
        headers.push(signed(&one, &one.prepare(&Secret::from_text(secret))?));
    }
    Ok(verifies(scheme, key, headers.try_into().map_err(|_| "two")?))
}

fn signed(scheme: &Scheme, key: &VerifyKey) -> HeaderMap {
    let empty = HeaderMap::new();
    let head = Head { method: &Method::POST, target: "/", headers: &empty, url: None };
    scheme.sign(key, &head, &[&body()], NOW, None).into_iter().collect()
}

fn body() -> Vec<u8> {
    vec![b'x'; 1024]
}

fn verifies(scheme: Arc<Scheme>, key: VerifyKey, signed: [HeaderMap; 2]) -> Box<dyn FnMut(usize)> {
    let body = body();
    Box::new(move |class| {
        let head = Head { method: &Method::POST, target: "/", headers: black_box(&signed[class]), url: None };
        if let Extraction::Present(credential) = scheme.extract(&head) {
            let mut attempt = scheme.begin(&key, &head, &credential);
            attempt.update(&body);
            black_box(attempt.finish(&scheme, &credential, &[]).matched);
        }
    })
}

/// An API key that is not held: any, and one whose digest begins like that of one that is.
fn alike() -> Result<Box<dyn FnMut(usize)>, BoxError> {
    let mut alike = digest(4711);
    alike.0[31] ^= 1;
    lookup([digest(KEYS + 1), alike])
}

/// An API key that is not held, and one that is. Who sends the second knows it, so the difference tells only
/// what the answer tells.
fn held() -> Result<Box<dyn FnMut(usize)>, BoxError> {
    lookup([digest(KEYS + 1), digest(4711)])
}

fn lookup(digests: [ApiKeyDigest; 2]) -> Result<Box<dyn FnMut(usize)>, BoxError> {
    let ring = ring(KEYS)?;
    let keys = SystemClock.moment();
    Ok(Box::new(move |class| {
        let _ = black_box(ring.at(keys).find(&Locator::ApiKey(black_box(digests[class]))));
    }))
}
