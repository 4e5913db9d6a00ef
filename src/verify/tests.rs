//! Records with a secret and the one before it: which of them signed, and that both are always tried to the end.
//!
//! What is computed is counted, not timed: tags, and bytes that went into them.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;

use super::mac::work;
use super::offline::{Captured, Terms, judge};
use super::scheme::{Scheme, SchemeChoice, preset, presets, resolve};
use super::{Checked, Facts, Refusal, check};
use crate::clock::UnixMillis;
use crate::credential::extract::Credential;
use crate::credential::{Extraction, Head};
use crate::keys::entry::{IntegrationEntry, PreviousVerifyKey, Which};
use crate::keys::record::Integration;
use crate::secret::Secret;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const BODY: &[u8] = b"{\"event\":1,\"webhookTimestamp\":1700000000000}";
const URL: &str = "https://hooks.example/hooks/a?b=c";

/// An integration with the secret of seed 1, and of seed 2 before it until two seconds from now.
fn integration(scheme: &Arc<Scheme>) -> Arc<IntegrationEntry> {
    let sealed = json!({ "kek": "default", "version": 1, "data": "" });
    let record: Integration = serde_json::from_value(json!({
        "id": "01900000-0000-7000-8000-000000000000", "revision": 1, "createdAt": 0, "updatedAt": 0,
        "managedBy": "api", "name": "hook", "type": "generic", "scheme": "generic", "secret": sealed,
        "secretPrefix": "", "deduplicationWindowMinutes": 15, "isActive": true,
    }))
    .unwrap();
    Arc::new(IntegrationEntry {
        handshake: None,
        record,
        scheme: Arc::clone(scheme),
        secret: scheme.prepare(&secret(scheme, 1)).unwrap(),
        previous_secret: Some(PreviousVerifyKey {
            key: scheme.prepare(&secret(scheme, 2)).unwrap(),
            until: NOW.plus_seconds(2),
        }),
        name_header: HeaderValue::from_static("hook"),
        workspace_header: None,
        usage: Arc::default(),
    })
}

fn secret(scheme: &Scheme, seed: u8) -> Secret {
    scheme.generate_secret(&[seed; 32])
}

/// The headers of a request that the secret of this seed signed.
fn signed(scheme: &Scheme, seed: u8) -> HeaderMap {
    let form = scheme.spec().signed.as_ref().is_some_and(|signed| signed.contains("form."));
    let mut headers = HeaderMap::new();
    let media_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
    headers.insert("content-type", HeaderValue::from_static(media_type));
    headers.insert("host", HeaderValue::from_static("hooks.example"));
    let key = scheme.prepare(&secret(scheme, seed)).unwrap();
    let made = scheme.sign(&key, &head(&headers), &[BODY], NOW, None);
    made.into_iter().for_each(|(name, value)| drop(headers.insert(name, value)));
    headers
}

fn head(headers: &HeaderMap) -> Head<'_> {
    Head { method: &Method::POST, target: "/hooks/a?b=c", headers, url: Some(URL) }
}

/// What a record says of a request at a time.
fn verdict(entry: &Arc<IntegrationEntry>, headers: &HeaderMap, now: UnixMillis) -> Result<Which, Refusal> {
    let facts = Facts { head: head(headers), peer: "127.0.0.1".parse().unwrap(), now };
    let Extraction::Present(signature) = entry.scheme.extract(&facts.head) else { panic!("not there") };
    let credential = Credential::Integration { entry: Arc::clone(entry), signature };
    match check(credential, &facts)? {
        Checked::Complete(authentic) => Ok(authentic.which()),
        Checked::AwaitsBody(mut verification) => {
            BODY.chunks(7).for_each(|chunk| verification.update(chunk));
            verification.finish(BODY).map(|authentic| authentic.which())
        }
    }
}

/// The symmetric presets whose samples are signed in headers.
fn symmetric() -> impl Iterator<Item = &'static Arc<Scheme>> {
    let unsigned = 2;
    presets().filter(move |scheme| {
        scheme.generates_secrets() && !scheme.header().is_empty() && signed(scheme, 1).len() > unsigned
    })
}

#[test]
fn w36_the_verdict_names_which_secret_signed_and_the_former_one_ends() {
    let mut shown = 0;
    for scheme in symmetric() {
        let entry = integration(scheme);
        let label = scheme.label();
        assert_eq!(verdict(&entry, &signed(scheme, 1), NOW), Ok(Which::Current), "{label}");
        assert_eq!(verdict(&entry, &signed(scheme, 2), NOW), Ok(Which::Previous), "{label}");
        assert_eq!(verdict(&entry, &signed(scheme, 3), NOW), Err(Refusal::Mismatch), "{label}");
        let (last, end) = (NOW.plus_seconds(1), NOW.plus_seconds(2));
        assert_eq!(verdict(&entry, &signed(scheme, 2), last), Ok(Which::Previous), "{label}");
        assert_eq!(verdict(&entry, &signed(scheme, 2), end), Err(Refusal::Mismatch), "{label}");
        assert_eq!(verdict(&entry, &signed(scheme, 1), end), Ok(Which::Current), "{label}");
        shown += 1;
    }
    assert!(shown > 90, "only {shown}");
}

#[test]
fn w36_no_verdict_saves_work() {
    for scheme in symmetric() {
        let entry = integration(scheme);
        let done = |seed: u8| {
            let headers = signed(scheme, seed);
            work::take();
            let _ = verdict(&entry, &headers, NOW);
            work::take()
        };
        let label = scheme.label();
        let (current, previous, neither) = (done(1), done(2), done(3));
        assert!(current == previous && previous == neither, "{label}: {current:?} {previous:?} {neither:?}");
        let counts = scheme.spec().kind.is_none() && scheme.algorithm() != "token";
        assert!(!counts || (current.0 >= 2 && current.0 % 2 == 0), "{label}: {current:?}");
    }
}

#[test]
fn w36_of_several_secrets_in_one_text_all_are_tried() {
    let scheme = preset("box").unwrap();
    let texts: Vec<String> = (1..=4).map(|n| format!("key-{n}-of-several-keys")).collect();
    let all = scheme.prepare(&Secret::from_text(&texts.join("\n"))).unwrap();
    let done = |text: &str| {
        let key = scheme.prepare(&Secret::from_text(text)).unwrap();
        let mut headers = HeaderMap::new();
        let made = scheme.sign(&key, &head(&headers), &[BODY], NOW, None);
        headers.extend(made);
        let Extraction::Present(credential) = scheme.extract(&head(&headers)) else { panic!("not there") };
        work::take();
        let mut attempt = scheme.begin(&all, &head(&headers), &credential);
        attempt.update(BODY);
        (bool::from(attempt.finish(scheme, &credential, b"").matched), work::take())
    };
    for text in &texts {
        assert_eq!(done(text), (true, (4, 4 * (BODY.len() + "2023-11-14T22:13:20Z".len()))), "{text}");
    }
    assert_eq!(done("a-key-of-somebody-else"), (false, done(&texts[0]).1));
}

#[test]
fn w36_a_captured_request_is_tried_with_every_secret() {
    let scheme = resolve(&SchemeChoice::Preset("slack".to_owned())).unwrap();
    let secrets: Vec<Secret> = (1..=4).map(|seed| secret(&scheme, seed)).collect();
    let terms = Terms { scheme: &scheme, secrets: &secrets, now: NOW, tolerance_seconds: None };
    let mut counts = Vec::new();
    for seed in 1..=5 {
        let headers = signed(&scheme, seed);
        work::take();
        let verdict = judge(&terms, &Captured { head: head(&headers), body: BODY });
        let expected = match seed {
            1 => Ok(Which::Current),
            2..=4 => Ok(Which::Previous),
            _ => Err(super::offline::Refused::Verify(Refusal::Mismatch)),
        };
        assert_eq!(verdict, expected, "secret {seed}");
        counts.push(work::take());
    }
    assert!(counts.iter().all(|count| *count == counts[0] && count.0 == 4), "{counts:?}");
}
