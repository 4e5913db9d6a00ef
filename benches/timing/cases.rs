//! What is timed. Inputs of both classes have the same size and are taken by index: the harness itself does not tell
//! the classes apart.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use countersign::clock::{Clock as _, SystemClock, UnixMillis};
use countersign::credential::{Extraction, Head};
use countersign::keys::Locator;
use countersign::keys::record::ApiKeyDigest;
use countersign::secret::Secret;
use countersign::verify::mac::Tag;
use countersign::verify::scheme::{CUSTOM, Scheme, VerifyKey, preset};
use http::{HeaderMap, HeaderValue, Method};
use subtle::ConstantTimeEq as _;

use crate::ring::{digest, ring};
use crate::{BoxError, Case, timed};

type Run = Box<dyn FnMut(usize) -> f64>;

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const KEYS: u128 = 100_000;
/// Different keys of each class: so many that where one of them lies in memory says nothing of its class.
const POOL: u128 = KEYS;
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
fn compare(at: usize) -> Result<Run, BoxError> {
    let bytes = [7; 32];
    let mut differs = bytes;
    differs[at] ^= 1;
    let tag = |bytes: &[u8]| Tag::new(bytes).ok_or("no tag");
    let (ours, theirs) = (tag(&bytes)?, [tag(&bytes)?, tag(&differs)?]);
    Ok(timed(
        move |class| theirs[class].clone(),
        move |tried| {
            black_box(black_box(&ours).ct_eq(tried));
        },
    ))
}

/// A request with the signature of the right secret, and of another of the same length.
fn secrets(name: &str) -> Result<Run, BoxError> {
    let scheme = Arc::clone(preset(name).ok_or("there is no such preset")?);
    let key = scheme.prepare(&Secret::from_text(SECRET))?;
    let other = scheme.prepare(&Secret::from_text(OTHER))?;
    let signed = [signed(&scheme, &key), signed(&scheme, &other)];
    Ok(verifies(scheme, key, signed))
}

/// A scheme with two secrets, and a request signed with either.
fn several() -> Result<Run, BoxError> {
    let mut spec = preset("github").ok_or("there is no such preset")?.spec().clone();
    let one = Scheme::compile(&spec, CUSTOM).map_err(|_| "the scheme has faults")?;
    spec.secret.several = Some(true);
    let scheme = Arc::new(Scheme::compile(&spec, CUSTOM).map_err(|_| "the scheme has faults")?);
    let key = scheme.prepare(&Secret::from_text(&format!("{SECRET}\n{OTHER}")))?;
    let sign = |secret: &str| Ok::<_, BoxError>(signed(&one, &one.prepare(&Secret::from_text(secret))?));
    Ok(verifies(scheme, key, [sign(SECRET)?, sign(OTHER)?]))
}

fn signed(scheme: &Scheme, key: &VerifyKey) -> HeaderMap {
    let empty = HeaderMap::new();
    let head = Head { method: &Method::POST, target: "/", headers: &empty, url: None };
    scheme.sign(key, &head, &[&body()], NOW, None).into_iter().collect()
}

fn body() -> Vec<u8> {
    vec![b'x'; 1024]
}

fn verifies(scheme: Arc<Scheme>, key: VerifyKey, signed: [HeaderMap; 2]) -> Run {
    let body = body();
    timed(
        move |class| copied(&signed[class]),
        move |headers| {
            let head = Head { method: &Method::POST, target: "/", headers, url: None };
            if let Extraction::Present(credential) = scheme.extract(&head) {
                let mut attempt = scheme.begin(&key, &head, &credential);
                attempt.update(&body);
                black_box(attempt.finish(&scheme, &credential, &[]).matched);
            }
        },
    )
}

/// A copy that shares nothing with what it was made from, as a clone would: its bytes lie elsewhere each time.
fn copied(headers: &HeaderMap) -> HeaderMap {
    let copy = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
    headers.iter().filter_map(|(name, value)| Some((name.clone(), copy(value)?))).collect()
}

/// API keys that are not held: any, and such whose digests begin like those of keys that are.
fn alike() -> Result<Run, BoxError> {
    lookup(|number| {
        let mut alike = digest(number);
        alike.0[31] ^= 1;
        alike
    })
}

/// API keys that are not held, and such that are. Who sends the second knows it, so the difference tells only what
/// the answer tells.
fn held() -> Result<Run, BoxError> {
    lookup(digest)
}

fn lookup(other: impl Fn(u128) -> ApiKeyDigest) -> Result<Run, BoxError> {
    let (ring, now) = (ring(KEYS)?, SystemClock.moment());
    let digests: [Vec<ApiKeyDigest>; 2] =
        [(0..POOL).map(|number| digest(KEYS + number)).collect(), (0..POOL).map(other).collect()];
    let next = Cell::new(0);
    Ok(timed(
        move |class| {
            next.set((next.get() + 1) % digests[class].len());
            digests[class][next.get()]
        },
        move |digest| {
            let _ = black_box(ring.at(now).find(&Locator::ApiKey(*digest)));
        },
    ))
}
