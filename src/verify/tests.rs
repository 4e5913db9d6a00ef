//! Records with a secret and the one before it: which of them signed, and that both are always tried to the end.
//!
//! What is computed is counted, not timed: tags, and bytes that went into them.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;

use super::authentic::{Authentic, AuthenticSet};
use super::kind::Times;
use super::mac::work;
use super::offline::{Captured, Terms, judge};
use super::scheme::{Scheme, SchemeChoice, preset, presets, resolve};
use super::timestamp::TimestampFault;
use super::{Checked, Facts, Refusal, Verification, check, check_times, may_call};
use crate::clock::UnixMillis;
use crate::credential::extract::{Credential, Signed};
use crate::credential::{Extraction, Head};
use crate::keys::entry::{IntegrationEntry, KeyEntry, PreviousVerifyKey, Which};
use crate::keys::held::HeldKey;
use crate::keys::record::{Integration, WebhookKey};
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

/// A webhook key of this scheme with the secret of seed 1, in the workspace with this number.
fn webhook_key(scheme: &str, workspace: u8) -> KeyEntry {
    webhook_key_with(scheme, workspace, |_| ())
}

fn webhook_key_with(scheme: &str, workspace: u8, change: impl Fn(&mut WebhookKey)) -> KeyEntry {
    let sealed = json!({ "kek": "default", "version": 1, "data": "" });
    let mut record: WebhookKey = serde_json::from_value(json!({
        "id": "01900000-0000-7000-8000-000000000000", "revision": 1, "createdAt": 0, "updatedAt": 0,
        "managedBy": "api", "workspaceId": format!("01900000-0000-7000-8000-0000000000{workspace:02}"),
        "name": "key", "apiKey": "00".repeat(32), "apiKeyPrefix": "", "secret": sealed, "secretPrefix": "",
        "scheme": scheme, "isActive": true,
    }))
    .unwrap();
    change(&mut record);
    let scheme = preset(scheme).unwrap();
    let verify = scheme.prepare(&secret(scheme, 1)).unwrap();
    KeyEntry::new(HeldKey::of(record).unwrap(), Arc::clone(scheme), verify, None)
}

fn by_api_key(entry: &Arc<KeyEntry>) -> Credential {
    Credential::ApiKey { entry: Arc::clone(entry), which: Which::Current }
}

/// A request that the holder of the key signed.
fn by_signature(entry: &Arc<KeyEntry>) -> (HeaderMap, Credential) {
    let headers = signed(&entry.scheme, 1);
    let Extraction::Present(signature) = entry.scheme.extract(&head(&headers)) else { panic!("not there") };
    (headers, Credential::Signature([Signed { entry: Arc::clone(entry), signature }].into_iter().collect()))
}

fn by_integration(entry: &Arc<IntegrationEntry>) -> (HeaderMap, Credential) {
    let headers = signed(&entry.scheme, 1);
    let Extraction::Present(signature) = entry.scheme.extract(&head(&headers)) else { panic!("not there") };
    (headers, Credential::Integration { entry: Arc::clone(entry), signature })
}

fn checked(credential: Credential, headers: &HeaderMap) -> Result<Checked, Refusal> {
    check(credential, &Facts { head: head(headers), peer: "192.0.2.7".parse().unwrap(), now: NOW })
}

fn awaited(credential: (HeaderMap, Credential)) -> Box<Verification> {
    match checked(credential.1, &credential.0) {
        Ok(Checked::AwaitsBody(verification)) => verification,
        other => panic!("{other:?}"),
    }
}

fn authentic(credential: (HeaderMap, Credential)) -> Authentic {
    let mut verification = awaited(credential);
    verification.update(BODY);
    verification.finish(BODY).unwrap()
}

fn complete(entry: &Arc<KeyEntry>) -> Authentic {
    match checked(by_api_key(entry), &HeaderMap::new()) {
        Ok(Checked::Complete(authentic)) => authentic,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_good_while_it_is_active_not_expired_and_called_from_its_addresses() {
    let refusal = |change: fn(&mut WebhookKey)| {
        let entry = Arc::new(webhook_key_with("signed-request", 1, change));
        let by_key = checked(by_api_key(&entry), &HeaderMap::new()).err();
        let (headers, credential) = by_signature(&entry);
        assert_eq!(checked(credential, &headers).err(), by_key);
        by_key
    };
    assert_eq!(refusal(|_| ()), None);
    assert_eq!(refusal(|record| record.is_active = false), Some(Refusal::Inactive));
    assert_eq!(refusal(|record| record.expires_at = Some(NOW)), Some(Refusal::Expired));
    assert_eq!(refusal(|record| record.expires_at = Some(NOW.plus_seconds(1))), None);
    assert_eq!(refusal(|record| record.allowed_cidrs = Some(Vec::new())), Some(Refusal::Address));
    let here = |record: &mut WebhookKey| record.allowed_cidrs = Some(vec!["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(refusal(here), None);
}

#[test]
fn an_integration_is_good_while_it_is_active_and_called_from_its_addresses() {
    let refusal = |change: fn(&mut Integration)| {
        let mut entry = Arc::into_inner(integration(preset("generic").unwrap())).unwrap();
        change(&mut entry.record);
        let entry = Arc::new(entry);
        let (headers, credential) = by_integration(&entry);
        let found = checked(credential, &headers).err();
        assert_eq!(may_call(&entry, "192.0.2.7".parse().unwrap()).err(), found);
        found
    };
    assert_eq!(refusal(|_| ()), None);
    assert_eq!(refusal(|record| record.is_active = false), Some(Refusal::Inactive));
    assert_eq!(refusal(|record| record.allowed_cidrs = Some(Vec::new())), Some(Refusal::Address));
}

#[test]
fn a_secret_that_is_both_the_current_and_the_former_one_is_the_current_one() {
    let scheme = preset("generic").unwrap();
    let mut entry = Arc::into_inner(integration(scheme)).unwrap();
    let key = scheme.prepare(&secret(scheme, 1)).unwrap();
    entry.previous_secret = Some(PreviousVerifyKey { key, until: NOW.plus_seconds(2) });
    assert_eq!(verdict(&Arc::new(entry), &signed(scheme, 1), NOW), Ok(Which::Current));
}

#[test]
fn signed_times_begin_with_the_first_and_end_before_the_last() {
    let judge = |times: Times| check_times(preset("generic").unwrap(), None, times, NOW);
    let at = |seconds| Some(NOW.plus_seconds(seconds));
    let refused = |fault| Err(Refusal::Timestamp(fault));
    assert_eq!(judge(Times::default()), Ok(()));
    assert_eq!(judge(Times { not_before: at(0), ..Times::default() }), Ok(()));
    assert_eq!(judge(Times { not_before: at(1), ..Times::default() }), refused(TimestampFault::Future));
    assert_eq!(judge(Times { expires: at(1), ..Times::default() }), Ok(()));
    assert_eq!(judge(Times { expires: at(0), ..Times::default() }), refused(TimestampFault::Old));
    let late = Times { at: Some(UnixMillis(NOW.0 - 300_001)), ..Times::default() };
    assert_eq!(
        judge(late),
        refused(TimestampFault::Old),
        "300 s where neither record nor scheme says otherwise"
    );
}

#[test]
fn of_requests_without_a_body_only_those_of_schemes_that_bind_the_target_are_kept() {
    let kept = |scheme| awaited(by_signature(&Arc::new(webhook_key(scheme, 1)))).keep_target_bound();
    assert!(kept("signed-request"));
    assert!(!kept("workspace"));
}

#[test]
fn what_was_verified_tells_what_it_covers_and_whose_it_is() {
    let entry = Arc::new(webhook_key("signed-request", 1));
    let (key, signature) = (complete(&entry), authentic(by_signature(&entry)));
    assert_eq!((key.scheme_name(), signature.scheme_name()), ("api-key", "signed-request"));
    assert_eq!((key.binds_body(), signature.binds_body()), (false, true));
    assert_eq!((key.binds_target(), signature.binds_target()), (true, true));
    assert!(key.credential_headers().is_empty());
    assert_eq!(signature.credential_headers(), entry.scheme.credential_headers());
    assert!(signature.credential_headers().iter().any(|name| name == "x-webhook-signature"));
    assert_eq!(key.workspace_id(), Some(entry.record.workspace_id));
    assert_eq!(signature.workspace_id(), Some(entry.record.workspace_id));
    assert_eq!(key.message_id(), None);

    let standard = preset("standard-webhooks").unwrap();
    let sender = authentic(by_integration(&integration(standard)));
    assert_eq!(sender.scheme_name(), "standard-webhooks");
    assert_eq!((sender.binds_target(), sender.workspace_id()), (false, None));
    let id = signed(standard, 1).get("webhook-id").unwrap().to_str().unwrap().to_owned();
    assert_eq!(sender.message_id(), Some(id.as_str()));
}

#[test]
fn several_credentials_are_of_one_workspace_or_refused() {
    let [one, other] = [1, 2].map(|workspace| Arc::new(webhook_key("workspace", workspace)));
    let set = |members: Vec<Authentic>| AuthenticSet::of(members.into()).map(|set| set.iter().count());
    let nobodys = || authentic(by_integration(&integration(preset("generic").unwrap())));
    assert_eq!(set(vec![]), Err(Refusal::RequireFailed));
    assert_eq!(set(vec![complete(&one)]), Ok(1));
    assert_eq!(set(vec![nobodys()]), Ok(1), "alone it needs no workspace");
    assert_eq!(set(vec![complete(&one), authentic(by_signature(&one))]), Ok(2));
    assert_eq!(set(vec![complete(&one), complete(&other)]), Err(Refusal::RequireFailed));
    assert_eq!(set(vec![complete(&one), nobodys()]), Err(Refusal::RequireFailed));
    assert_eq!(set(vec![nobodys(), nobodys()]), Err(Refusal::RequireFailed));
}

#[test]
fn a_body_is_needed_in_one_piece_where_a_part_of_it_is_read() {
    let whole = |name| awaited(by_integration(&integration(preset(name).unwrap()))).needs_whole_body();
    assert!(whole("linear"), "its time is in the body");
    assert!(!whole("github") && !whole("slack"));
}

#[test]
fn a_body_is_limited_and_required_as_the_scheme_says() {
    let limit = |name| awaited(by_integration(&integration(preset(name).unwrap()))).max_body();
    assert_eq!(limit("github"), Some(25 << 20));
    assert_eq!(limit("generic"), None);

    let empty = |body: &str| {
        let spec =
            format!("signed = \"{{body}}\"\nalgorithm = \"hmac-sha256\"\n{body}\n[sig]\nheader = \"X-Sig\"");
        let scheme = Arc::new(Scheme::compile(&toml::from_str(&spec).unwrap(), "custom").unwrap());
        let mut headers = HeaderMap::new();
        let key = scheme.prepare(&secret(&scheme, 1)).unwrap();
        headers.extend(scheme.sign(&key, &head(&headers), &[b""], NOW, None));
        let Extraction::Present(signature) = scheme.extract(&head(&headers)) else { panic!("not there") };
        let credential = Credential::Integration { entry: integration(&scheme), signature };
        awaited((headers, credential)).finish(b"").map(|authentic| authentic.which())
    };
    assert_eq!(empty("encoding = \"hex\""), Ok(Which::Current));
    assert_eq!(empty("encoding = \"hex\"\nbody = \"required\""), Err(Refusal::BodyEmpty));
}
