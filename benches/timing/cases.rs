//! What is timed. Inputs of both classes have the same size and are taken by index: the harness itself does not tell
//! the classes apart. Each class has many values, in the same order: one value, or the place where it lies, may be
//! quicker than another by a fraction of a nanosecond, and that is seen in 400,000 runs.

use std::hint::black_box;
use std::sync::Arc;

use countersign::clock::{Clock as _, SystemClock, UnixMillis};
use countersign::credential::{Extraction, Head};
use countersign::keys::record::ApiKeyDigest;
use countersign::secret::Secret;
use countersign::verify::mac::Tag;
use countersign::verify::scheme::{CUSTOM, Scheme, VerifyKey, preset};
use http::{HeaderMap, HeaderValue, Method};
use subtle::ConstantTimeEq as _;

use crate::ring::{digest, ring};
use crate::{BoxError, Case, Order, Run, timed};

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const KEYS: u128 = 100_000;
/// Different values of each class.
const POOL: u128 = 1000;

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
    let pairs: Option<Vec<(Tag, [Tag; 2])>> = (0..POOL).map(|number| pair(number, at)).collect();
    let (pairs, mut next) = (pairs.ok_or("no tag")?, rotation(POOL));
    Ok(timed(
        move |class| {
            let (ours, theirs) = &pairs[next()];
            (ours.clone(), theirs[class].clone())
        },
        move |(ours, tried)| {
            black_box(black_box(ours).ct_eq(tried));
        },
    ))
}

fn pair(number: u128, at: usize) -> Option<(Tag, [Tag; 2])> {
    let bytes = digest(number).0;
    let mut differs = bytes;
    differs[at] ^= 1;
    Some((Tag::new(&bytes)?, [Tag::new(&bytes)?, Tag::new(&differs)?]))
}

/// A key, and the headers of a request of either class.
type Delivery = (VerifyKey, [HeaderMap; 2]);

/// Requests with the signature of the right secret, and of another of the same length.
fn secrets(name: &str) -> Result<Run, BoxError> {
    let scheme = Arc::clone(preset(name).ok_or("there is no such preset")?);
    let delivery = |number| {
        let [key, other] = [0, POOL].map(|from| scheme.prepare(&secret(from + number)));
        let (key, other) = (key?, other?);
        let signed = [signed(&scheme, &key), signed(&scheme, &other)];
        Ok((key, signed))
    };
    let deliveries = (0..POOL).map(delivery).collect::<Result<_, BoxError>>()?;
    Ok(verifies(scheme, deliveries))
}

/// A scheme with two secrets, and requests signed with either.
fn several() -> Result<Run, BoxError> {
    let mut spec = preset("github").ok_or("there is no such preset")?.spec().clone();
    let one = Scheme::compile(&spec, CUSTOM).map_err(|_| "the scheme has faults")?;
    spec.secret.several = Some(true);
    let scheme = Arc::new(Scheme::compile(&spec, CUSTOM).map_err(|_| "the scheme has faults")?);
    let delivery = |number| {
        let both = [0, POOL].map(|from| secret(from + number));
        let text = both.each_ref().map(|secret| secret.expose_text().unwrap_or_default()).join("\n");
        let [first, second] = both.map(|secret| one.prepare(&secret));
        let signed = [signed(&one, &first?), signed(&one, &second?)];
        Ok((scheme.prepare(&Secret::from_text(&text))?, signed))
    };
    let deliveries = (0..POOL).map(delivery).collect::<Result<_, BoxError>>()?;
    Ok(verifies(scheme, deliveries))
}

fn secret(number: u128) -> Secret {
    Secret::from_text(&format!("bench-secret-{number:016}"))
}

/// One number after the other below `count`, over and over, in an order that is none in memory.
fn rotation(count: u128) -> impl FnMut() -> usize {
    let (count, mut at) = (count as usize, 0);
    move || {
        at = (at + 7919) % count;
        at
    }
}

fn signed(scheme: &Scheme, key: &VerifyKey) -> HeaderMap {
    let empty = HeaderMap::new();
    let head = Head { method: &Method::POST, target: "/", headers: &empty, url: None };
    scheme.sign(key, &head, &[&body()], NOW, None).into_iter().collect()
}

fn body() -> Vec<u8> {
    vec![b'x'; 1024]
}

fn verifies(scheme: Arc<Scheme>, deliveries: Vec<Delivery>) -> Run {
    let (body, mut next) = (body(), rotation(POOL));
    timed(
        move |class| {
            let (key, signed) = &deliveries[next()];
            (key.clone(), copied(&signed[class]))
        },
        move |(key, headers)| {
            let head = Head { method: &Method::POST, target: "/", headers, url: None };
            if let Extraction::Present(credential) = scheme.extract(&head) {
                let mut attempt = scheme.begin(key, &head, &credential);
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
    lookup((0..KEYS).map(|number| {
        let mut alike = digest(number);
        alike.0[31] ^= 1;
        alike
    }))
}

/// API keys that are not held, and such that are. These are drawn, so that one may come again before another has come:
/// so do the records that the others lead to. If each came once, its record would be met less often than those, and
/// would be colder, by which a harness tells the classes apart and nobody else.
fn held() -> Result<Run, BoxError> {
    let mut drawn = Order(0xd1b5_4a32_d192_ed03);
    lookup((0..KEYS).map(move |_| digest(drawn.below(KEYS))))
}

/// The answer is let go of without being opened: what is in it decides all that comes after.
fn lookup(others: impl Iterator<Item = ApiKeyDigest>) -> Result<Run, BoxError> {
    let (ring, now) = (ring(KEYS)?, SystemClock.moment());
    let digests: [Vec<ApiKeyDigest>; 2] =
        [(0..KEYS).map(|number| digest(KEYS + number)).collect(), others.collect()];
    let mut next = rotation(KEYS);
    Ok(timed(
        move |class| digests[class][next()],
        move |digest| {
            let _ = black_box(ring.at(now).look(digest));
        },
    ))
}
