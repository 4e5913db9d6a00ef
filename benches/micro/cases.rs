//! What is measured.

use std::hint::black_box;
use std::sync::Arc;

use countersign::clock::{Clock as _, SystemClock, UnixMillis};
use countersign::config;
use countersign::credential::{Extraction, Head, api_key};
use countersign::keys::Locator;
use countersign::proxy::headers::{strip_request, strip_response};
use countersign::proxy::path::Path;
use countersign::proxy::request_id::RequestId;
use countersign::proxy::route::Table;
use countersign::secret::Secret;
use countersign::verify::scheme::{Scheme, VerifyKey, preset};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha1::Sha1;
use sha2::Sha256;

use crate::ring::{digest, ring};
use crate::{BoxError, Case, Run, run};

/// Keys in the mirror.
const KEYS: u128 = 100_000;
/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const SECRET: &str = "bench-secret-0123456789abcdef";
const TARGET: &str = "/webhooks/bench";
const URL: &str = "https://hooks.example.com/webhooks/bench";
/// A scheme of each shape.
const SHAPES: [(&str, &str); 5] = [
    ("plain", "github"),
    ("kv", "stripe"),
    ("tagged", "standard-webhooks"),
    ("template", "slack"),
    ("form", "mandrill"),
];

pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![
        Case::new("api key: extract and digest", || {
            let headers = headers()?;
            Ok(run(move || api_key::extract(black_box(&headers), false)))
        }),
        Case::new("ring: API key of 100,000, found", || {
            let (ring, now, mut number) = (ring(KEYS)?, SystemClock.moment(), 0);
            Ok(run(move || {
                number = (number + 7919) % KEYS;
                ring.at(now).find(&Locator::ApiKey(digest(number)))
            }))
        }),
        Case::new("ring: API key of 100,000, unknown", || {
            let (ring, now, mut number) = (ring(KEYS)?, SystemClock.moment(), KEYS);
            Ok(run(move || {
                number += 1;
                ring.at(now).find(&Locator::ApiKey(digest(number)))
            }))
        }),
        Case::new("ring: the digest that both include", || {
            let mut number = 0;
            Ok(run(move || {
                number += 1;
                digest(number)
            }))
        }),
        Case::new("path: check and match the 4th of 4 routes", || routed("/api/orders/7")),
        Case::new("path: the same, with escapes", || routed("/api/orders/7%20of%209")),
        Case::new("headers: copy 15", || {
            let headers = headers()?;
            Ok(run(move || headers.clone()))
        }),
        Case::new("headers: copy 15 and strip", || {
            let headers = headers()?;
            let credentials = [HeaderName::from_static("x-hub-signature-256")];
            Ok(run(move || {
                let mut headers = headers.clone();
                strip_request(&mut headers, &credentials);
                headers
            }))
        }),
        Case::new("headers: copy 15 and strip a response", || {
            let headers = headers()?;
            Ok(run(move || {
                let mut headers = headers.clone();
                strip_response(&mut headers);
                headers
            }))
        }),
        Case::new("request id: make and render", || Ok(run(|| RequestId::new(black_box(NOW))))),
    ];
    for (shape, scheme) in SHAPES {
        for (size, shown) in [(1024, "1 KiB"), (102_400, "100 KiB")] {
            cases.push(Case::new(format!("{shape}, {scheme}: verify {shown}"), move || {
                verified(scheme, size)
            }));
            cases.push(Case::new(format!("{shape}, {scheme}: bare {shown}"), move || bare(scheme, size)));
        }
    }
    cases
}

/// A request as browsers and senders make them: 15 headers.
fn headers() -> Result<HeaderMap, BoxError> {
    let key = api_key::generate(&[7; 32]);
    let lines = [
        ("host", "api.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json, text/plain, */*"),
        ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("content-type", "application/json"),
        ("content-length", "1024"),
        ("connection", "keep-alive"),
        ("cookie", "session=0f8fad5bd9cb469fa16570867728950e; theme=dark"),
        ("x-request-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("x-forwarded-for", "203.0.113.7"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-github-event", "push"),
        ("x-hub-signature-256", "sha256=0000000000000000000000000000000000000000000000000000000000000000"),
        ("x-api-key", key.expose_text().unwrap_or_default()),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value)?);
    }
    Ok(headers)
}

/// The route table of `benches/harness/countersign.toml`.
fn routed(path: &'static str) -> Result<Run, BoxError> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/harness/countersign.toml");
    let addresses = ["listener.address", "admin.address", "ops.address"];
    let mut overrides: Vec<_> = addresses.map(|name| (name.to_owned(), "127.0.0.1:0".to_owned())).into();
    overrides.push(("upstream.url".to_owned(), "http://127.0.0.1:1".to_owned()));
    let sources = config::Sources { file: Some(file.into()), overrides, ..config::Sources::default() };
    let routes = config::load(&sources).map_err(|faults| faults.to_string())?.config.routes;
    let table = Table::new(routes).map_err(|_| "the routes contradict each other")?;
    Ok(run(move || {
        let checked = Path::parse(black_box(path), false);
        checked.is_ok_and(|path| {
            matches!(
                table.find(&Method::GET, &path).found,
                countersign::proxy::route::Found::Route { index: 3, .. }
            )
        })
    }))
}

/// Extract, begin, update, finish: all that verification does for one secret.
fn verified(name: &str, size: usize) -> Result<Run, BoxError> {
    let delivery = Delivery::new(name, size)?;
    Ok(run(move || {
        let head = delivery.head();
        let Extraction::Present(signature) = delivery.scheme.extract(&head) else { return false };
        let mut attempt = delivery.scheme.begin(&delivery.key, &head, &signature);
        attempt.update(black_box(&delivery.body));
        bool::from(attempt.finish(&delivery.scheme, &signature, &delivery.body).matched)
    }))
}

/// What of that cannot be spared: the HMAC of the same bytes, with its key absorbed before.
fn bare(name: &str, size: usize) -> Result<Run, BoxError> {
    let delivery = Delivery::new(name, size)?;
    let signed = delivery.signed();
    Ok(match name {
        "mandrill" => {
            let key = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes())?;
            run(move || key.clone().chain_update(black_box(&signed)).finalize().into_bytes())
        }
        _ => {
            let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
            run(move || key.clone().chain_update(black_box(&signed)).finalize().into_bytes())
        }
    })
}

/// A signed request.
struct Delivery {
    scheme: Arc<Scheme>,
    key: VerifyKey,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Delivery {
    fn new(name: &str, size: usize) -> Result<Self, BoxError> {
        let scheme = Arc::clone(preset(name).ok_or("there is no such preset")?);
        let secret = match name {
            "standard-webhooks" => scheme.generate_secret(&[7; 32]),
            _ => Secret::from_text(SECRET),
        };
        let key = scheme.prepare(&secret)?;
        let mut headers = headers()?;
        headers.remove("x-hub-signature-256");
        let mut body = vec![b'x'; size];
        if name == "mandrill" {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            body = form(size);
        }
        let mut delivery = Self { scheme, key, headers, body };
        let signature =
            delivery.scheme.sign(&delivery.key, &delivery.head(), &[&delivery.body], NOW, Some("msg_1"));
        for (name, value) in signature {
            delivery.headers.append(name, value);
        }
        if !delivery.verifies() {
            return Err("it does not verify".into());
        }
        Ok(delivery)
    }

    fn head(&self) -> Head<'_> {
        Head { method: &Method::POST, target: TARGET, headers: &self.headers, url: Some(URL) }
    }

    fn verifies(&self) -> bool {
        let Extraction::Present(signature) = self.scheme.extract(&self.head()) else { return false };
        let mut attempt = self.scheme.begin(&self.key, &self.head(), &signature);
        attempt.update(&self.body);
        attempt.finish(&self.scheme, &signature, &self.body).matched.into()
    }

    /// As many bytes as are signed.
    fn signed(&self) -> Vec<u8> {
        let time = NOW.seconds().to_string();
        let around = match self.scheme.label() {
            "stripe" => time.len() + 1,
            "slack" => time.len() + 4,
            "standard-webhooks" => time.len() + 7,
            // Without `=` and `&`.
            "mandrill" => URL.len() - 2 * self.body.iter().filter(|byte| **byte == b'=').count(),
            _ => 0,
        };
        vec![b'x'; self.body.len() + around]
    }
}

/// Twenty fields, as in Twilio's callbacks, which sign in the same way, but for a second form of the URL.
fn form(size: usize) -> Vec<u8> {
    let value = "x".repeat(size / 20 - "Field00=&".len());
    (0..20).map(|number| format!("Field{number:02}={value}&")).collect::<String>().into_bytes()
}
