//! Behaviour of the scheme engine, trap by trap.

mod built_in;
mod kind;
mod language;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::{
    CUSTOM, Scheme, SchemeChoice, SchemeSpec, SecretFault, SignatureCredential, VerifyKey, preset, presets,
    resolve,
};
use crate::clock::UnixMillis;
use crate::credential::{CredentialFault, Extraction, Head};
use crate::secret::Secret;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const BODY: &[u8] = b"{\"event\": 1}";
/// A body that Linear takes: it signs a time in it.
const TIMED: &[u8] = b"{\"event\": 1, \"webhookTimestamp\": 1700000000000}";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A request that a test changes before it is judged.
struct Sent {
    method: Method,
    target: String,
    url: Option<String>,
    headers: HeaderMap,
}

impl Sent {
    fn new() -> Self {
        Self { method: Method::POST, target: "/hooks/a?b=c".to_owned(), url: None, headers: HeaderMap::new() }
    }

    fn with(lines: &[(&str, &str)]) -> Self {
        let mut sent = Self::new();
        for (name, value) in lines {
            sent.add(name, value);
        }
        sent
    }

    fn signed(scheme: &Scheme, key: &VerifyKey, body: &[u8]) -> Self {
        let mut sent = Self::new();
        let form = scheme.spec().signed.as_ref().is_some_and(|signed| signed.contains("form."));
        let media_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        sent.add("content-type", media_type);
        sent.add("host", "hooks.example");
        sent.url = scheme.needs_url().then(|| "https://hooks.example/hooks/a?b=c".to_owned());
        let made = scheme.sign(key, &sent.head(), &[body], NOW, None);
        assert!(!made.is_empty());
        sent.headers.extend(made);
        sent
    }

    fn add(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }

    fn head(&self) -> Head<'_> {
        Head { method: &self.method, target: &self.target, headers: &self.headers, url: self.url.as_deref() }
    }
}

fn named(name: &str) -> &'static Scheme {
    preset(name).unwrap()
}

fn key(scheme: &Scheme) -> VerifyKey {
    scheme.prepare(&Secret::from_text(SECRET)).unwrap()
}

fn compile(text: &str) -> Scheme {
    let spec: SchemeSpec = toml::from_str(text).unwrap();
    Scheme::compile(&spec, CUSTOM).unwrap()
}

/// Whether a sample can be signed by adding headers.
fn signs_in_head(scheme: &Scheme) -> bool {
    scheme.generates_secrets() && !scheme.header().is_empty()
}

/// The paths of all faults, in their order.
fn faults(text: &str) -> Vec<String> {
    let spec: SchemeSpec = toml::from_str(text).unwrap();
    match Scheme::compile(&spec, CUSTOM) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.path).collect(),
    }
}

fn extract(scheme: &Scheme, sent: &Sent) -> Result<SignatureCredential, CredentialFault> {
    match scheme.extract(&sent.head()) {
        Extraction::Present(credential) => Ok(credential),
        Extraction::Malformed(fault) => Err(fault),
        Extraction::Absent => panic!("absent"),
    }
}

fn verifies(scheme: &Scheme, key: &VerifyKey, sent: &Sent, body: &[u8]) -> bool {
    let Ok(credential) = extract(scheme, sent) else { return false };
    let mut attempt = scheme.begin(key, &sent.head(), &credential);
    attempt.update(body);
    attempt.finish(scheme, &credential, body).matched.into()
}

fn is_malformed(scheme: &Scheme, lines: &[(&str, &str)]) -> bool {
    matches!(extract(scheme, &Sent::with(lines)), Err(CredentialFault::Malformed(_)))
}

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn what_a_preset_signs_it_verifies_and_under_that_key_only() {
    for scheme in presets().filter(|scheme| signs_in_head(scheme)) {
        let secret = scheme.generate_secret(&[7; 32]);
        let key = scheme.prepare(&secret).unwrap();
        let other = scheme.prepare(&scheme.generate_secret(&[8; 32])).unwrap();
        let sent = Sent::signed(scheme, &key, TIMED);
        assert!(verifies(scheme, &key, &sent, TIMED), "{}", scheme.label());
        assert!(!verifies(scheme, &other, &sent, TIMED), "{}", scheme.label());
        let bound = !verifies(scheme, &key, &sent, b"{\"event\": 2}");
        // A built-in kind binds the body of a sample wherever its sender can.
        let can = scheme.spec().kind.is_some() && !["atlassian-connect", "monday"].contains(&scheme.label());
        assert_eq!(bound, scheme.binds_body() || can, "{}", scheme.label());
        assert!(scheme.secret_len(&secret).unwrap() >= 16, "{}", scheme.label());
    }
}

#[test]
fn several_keys_are_tried_in_one_pass_over_the_body() {
    let scheme = named("signed-request");
    let keys: Vec<_> =
        (0..4).map(|seed| scheme.prepare(&scheme.generate_secret(&[seed; 32])).unwrap()).collect();
    let sent = Sent::signed(scheme, &keys[2], BODY);
    let credential = extract(scheme, &sent).unwrap();
    let mut attempts: Vec<_> = keys.iter().map(|key| scheme.begin(key, &sent.head(), &credential)).collect();
    for chunk in BODY.chunks(5) {
        attempts.iter_mut().for_each(|attempt| attempt.update(chunk));
    }
    let verdicts: Vec<bool> =
        attempts.into_iter().map(|attempt| attempt.finish(scheme, &credential, b"").matched.into()).collect();
    assert_eq!(verdicts, [false, false, true, false]);
}

#[test]
fn a_signed_request_binds_time_method_and_target() {
    let scheme = named("signed-request");
    let key = key(scheme);
    let whole = || Sent::signed(scheme, &key, BODY);
    assert_eq!(extract(scheme, &whole()).unwrap().timestamp(), Some(NOW));

    let mut sent = whole();
    sent.method = Method::PUT;
    assert!(!verifies(scheme, &key, &sent, BODY));
    let mut sent = whole();
    sent.target = "/hooks/a?b=d".to_owned();
    assert!(!verifies(scheme, &key, &sent, BODY));
    let mut sent = whole();
    sent.headers.insert("x-webhook-timestamp", HeaderValue::from_static("1700000001"));
    assert!(!verifies(scheme, &key, &sent, BODY));
}

#[test]
fn the_end_of_a_target_and_the_beginning_of_a_body_cannot_trade_places() {
    let scheme = named("signed-request");
    let key = key(scheme);
    let mut sent = Sent::signed(scheme, &key, b"x/../admin?y=.{}");
    sent.target = format!("{}.x/../admin?y=", sent.target);
    assert!(extract(scheme, &sent).is_err(), "the same signed bytes were read as another request");
}

#[test]
fn a_target_that_the_body_follows_at_once_counts_as_unbound() {
    for (name, bound) in
        [("square", false), ("hubspot-v3", false), ("signed-request", true), ("github", false)]
    {
        assert_eq!(named(name).binds_target(), bound, "{name}");
    }
}

#[test]
fn only_a_request_without_the_signature_header_is_absent() {
    for scheme in presets().filter(|scheme| !scheme.header().is_empty()) {
        let mut sent = Sent::with(&[("webhook-id", "msg_1"), ("x-webhook-timestamp", "1700000000")]);
        assert!(matches!(scheme.extract(&sent.head()), Extraction::Absent), "{}", scheme.label());
        if scheme.spec().kind.is_some() && scheme.header() == "authorization" {
            sent.add("authorization", "Bearer token");
            assert!(matches!(scheme.extract(&sent.head()), Extraction::Absent), "{}", scheme.label());
            continue;
        }
        sent.add(scheme.header(), "");
        assert!(extract(scheme, &sent).is_err(), "{}", scheme.label());
    }
}

#[test]
fn a_second_line_of_any_header_that_is_read_is_a_duplicate() {
    let scheme = named("standard-webhooks");
    let key = scheme.prepare(&scheme.generate_secret(&[7; 32])).unwrap();
    for name in ["signature", "timestamp", "id"] {
        for family in ["webhook", "svix"] {
            let mut sent = Sent::signed(scheme, &key, BODY);
            let value = sent.headers[&format!("webhook-{name}")].to_str().unwrap().to_owned();
            sent.add(&format!("{family}-{name}"), &value);
            let fault = extract(scheme, &sent).unwrap_err();
            assert!(matches!(fault, CredentialFault::Duplicate(_)), "{family}-{name}: {fault:?}");
        }
    }
    let twice = format!("t=1,t=1,v1={HEX}");
    let fault = extract(named("stripe"), &Sent::with(&[("stripe-signature", &twice)])).unwrap_err();
    assert_eq!(fault, CredentialFault::Duplicate("the timestamp"));
}

#[test]
fn one_bad_candidate_does_not_spoil_the_list() {
    let scheme = named("pagerduty-v3");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-pagerduty-signature"].to_str().unwrap().to_owned();
    for list in [
        format!("v1=zz,{good}"),
        format!("{good} , v1="),
        format!("v1={HEX},v2=whatever,,v1,{good}"),
        format!("v1={},{good}", &HEX[..62]),
    ] {
        let sent = Sent::with(&[("x-pagerduty-signature", &list)]);
        assert!(verifies(scheme, &key, &sent, BODY), "{list}");
    }
}

#[test]
fn other_versions_and_empty_values_are_no_candidates() {
    let scheme = named("pagerduty-v3");
    for value in
        ["v1=", "v1", "=", ",", &format!("v0={HEX}"), &format!("V1={HEX}"), HEX, &format!("v1 {HEX}")]
    {
        assert!(is_malformed(scheme, &[("x-pagerduty-signature", value)]), "{value}");
    }
}

#[test]
fn sixteen_candidates_are_taken_and_seventeen_refused() {
    let scheme = named("pagerduty-v3");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-pagerduty-signature"].to_str().unwrap().to_owned();
    let others = |count: usize| vec![format!("v1={HEX}"); count].join(",");
    let sent = Sent::with(&[("x-pagerduty-signature", &format!("{},{good}", others(15)))]);
    assert_eq!(extract(scheme, &sent).unwrap().candidates(), 16);
    assert!(verifies(scheme, &key, &sent, BODY));
    assert!(is_malformed(scheme, &[("x-pagerduty-signature", &format!("{good},{}", others(16)))]));
    let undecodable = vec!["v1=".to_owned(); 16].join(",");
    assert!(is_malformed(scheme, &[("x-pagerduty-signature", &format!("{good},{undecodable}"))]));
}

#[test]
fn a_signature_has_one_length_and_one_spelling_but_for_the_case_of_hex() {
    let scheme = named("github");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-hub-signature-256"].to_str().unwrap().to_owned();
    let hex = good.strip_prefix("sha256=").unwrap();
    let upper = format!("sha256={}", hex.to_uppercase());
    assert!(verifies(scheme, &key, &Sent::with(&[("x-hub-signature-256", &upper)]), BODY));
    for bad in [
        hex.to_owned(),
        format!("SHA256={hex}"),
        format!("sha256={}", &hex[..63]),
        format!("sha256={}", &hex[..62]),
        format!("sha256={hex}00"),
        format!("sha256= {hex}"),
        format!("sha256=sha256={hex}"),
        format!("{good},{good}"),
        "sha256=".to_owned(),
    ] {
        assert!(is_malformed(scheme, &[("x-hub-signature-256", &bad)]), "{bad}");
    }
}

#[test]
fn base64_that_is_not_canonical_is_refused() {
    let scheme = named("shopify");
    let key = key(scheme);
    let good = Sent::signed(scheme, &key, BODY).headers["x-shopify-hmac-sha256"].to_str().unwrap().to_owned();
    let (head, last) = good.split_at(42);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = alphabet.find(&last[..1]).unwrap();
    assert_eq!(at % 4, 0, "two trailing bits of 32 bytes are zero");
    let sibling = format!("{head}{}=", &alphabet[at + 1..at + 2]);
    assert!(is_malformed(scheme, &[("x-shopify-hmac-sha256", &sibling)]));
    assert!(is_malformed(scheme, &[("x-shopify-hmac-sha256", good.trim_end_matches('='))]));
}

#[test]
fn generic_takes_its_prefix_or_none() {
    let scheme = named("generic");
    let key = key(scheme);
    let sent = Sent::signed(scheme, &key, BODY);
    let good = sent.headers["x-webhook-signature"].to_str().unwrap();
    let bare = good.strip_prefix("sha256=").unwrap();
    assert!(verifies(scheme, &key, &Sent::with(&[("x-webhook-signature", bare)]), BODY));
    assert!(is_malformed(scheme, &[("x-webhook-signature", &format!("sha512={bare}"))]));
    assert!(is_malformed(named("workspace"), &[("x-webhook-signature", bare)]));
}

#[test]
fn a_time_that_is_missing_or_none_is_a_fault() {
    let signature = format!("v0={HEX}");
    let time = |value: &str| {
        let lines = [("x-slack-signature", signature.as_str()), ("x-slack-request-timestamp", value)];
        extract(named("slack"), &Sent::with(&lines)).err()
    };
    for value in ["", "hello", "-1", "9223372036854775807", "9223372036854775808", "1.5", "0170000000"] {
        assert_eq!(time(value), Some(CredentialFault::TimestampMissing), "{value}");
    }
    assert_eq!(time("9999999999999"), None);
    let without = extract(named("slack"), &Sent::with(&[("x-slack-signature", &signature)]));
    assert_eq!(without.err(), Some(CredentialFault::TimestampMissing));
}

#[test]
fn an_id_can_not_move_the_boundaries_of_the_signed_bytes() {
    let scheme = named("standard-webhooks");
    let key = scheme.prepare(&scheme.generate_secret(&[7; 32])).unwrap();
    let sent = Sent::signed(scheme, &key, b"a.1700000009.rest");
    assert_eq!(extract(scheme, &sent).unwrap().id(), Some("msg_1700000000000"));
    let mut moved = Sent::new();
    moved.add("webhook-signature", sent.headers["webhook-signature"].to_str().unwrap());
    moved.add("webhook-id", "msg_1700000000000.1700000000.a");
    moved.add("webhook-timestamp", "1700000009");
    assert!(!verifies(scheme, &key, &moved, b"rest"));
    for id in ["", "a b", "é", &"a".repeat(256)] {
        let mut other = Sent::signed(scheme, &key, BODY);
        other.headers.insert("webhook-id", HeaderValue::from_bytes(id.as_bytes()).unwrap());
        assert!(matches!(extract(scheme, &other), Err(CredentialFault::Malformed(_))), "{id}");
    }
}

#[test]
fn an_empty_secret_makes_no_key() {
    for scheme in presets() {
        for text in ["", scheme.spec().secret.strip.as_deref().unwrap_or_default()] {
            let secret = Secret::from_text(text);
            assert_eq!(scheme.prepare(&secret).unwrap_err(), SecretFault::Empty, "{}", scheme.label());
            assert_eq!(scheme.secret_len(&secret), Err(SecretFault::Empty));
        }
    }
}

#[test]
fn a_secret_is_decoded_as_the_scheme_says() {
    let scheme = named("standard-webhooks");
    let len = |text: &str| scheme.secret_len(&Secret::from_text(text));
    assert_eq!(len("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Ok(24));
    assert_eq!(len("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Ok(24));
    assert_eq!(len("whsec_AAE="), Ok(2));
    assert_eq!(len("whsec_AAE"), Ok(2));
    assert_eq!(len("whsec_AAF="), Err(SecretFault::Encoding("base64")));
    assert_eq!(len("whsec_whsec_AAE="), Err(SecretFault::Encoding("base64")));
    assert!(scheme.generate_secret(&[0; 32]).expose().starts_with(b"whsec_"));
    assert_eq!(named("github").generate_secret(&[0xab; 32]).expose_text(), Some("ab".repeat(32).as_str()));
}

#[test]
fn a_key_of_another_kind_of_scheme_verifies_nothing() {
    let (token, hmac) = (named("datadog"), named("datadog-hmac"));
    let sent = Sent::with(&[("x-datadog-token", SECRET), ("x-datadog-signature", HEX)]);
    assert!(verifies(token, &key(token), &sent, BODY));
    assert!(!verifies(token, &key(hmac), &sent, BODY));
    assert!(!verifies(hmac, &key(token), &sent, BODY));
    assert!(hmac.sign(&key(token), &sent.head(), &[BODY], NOW, None).is_empty());
}

#[test]
fn a_token_is_compared_whole() {
    let scheme = named("gitlab-token");
    let key = key(scheme);
    for bad in ["", &SECRET[1..], &SECRET[..31], &format!("{SECRET}0"), &SECRET.to_uppercase()] {
        assert!(!verifies(scheme, &key, &Sent::with(&[("x-gitlab-token", bad)]), BODY), "{bad}");
    }
}

#[test]
fn text_after_the_body_is_signed_too() {
    let scheme = compile(
        "signed = '{{{method} {path} {query} {header:X-Nonce}}}{body}.{timestamp}'\n\
         algorithm = 'hmac-sha512'\nencoding = 'base64url'\n[sig]\nheader = 'X-Sig'\n\
         [timestamp]\nheader = 'X-Time'\nunit = 'ms'",
    );
    let key = key(&scheme);
    let mut sent = Sent::with(&[("x-nonce", "n")]);
    let made = scheme.sign(&key, &sent.head(), &[BODY], NOW, None);
    sent.headers.extend(made);
    assert!(verifies(&scheme, &key, &sent, BODY));
    assert!(scheme.binds_target());

    let mac = crate::verify::mac::MacKey::new(crate::verify::mac::Hash::Sha512, SECRET.as_bytes()).unwrap();
    let mut mac = mac.begin();
    mac.update(b"{POST /hooks/a b=c n}{\"event\": 1}.1700000000000");
    let expected = data_encoding::BASE64URL_NOPAD.encode(mac.finish().as_bytes());
    assert_eq!(sent.headers["x-sig"], expected);

    sent.headers.insert("x-time", HeaderValue::from_static("1700000000001"));
    assert!(!verifies(&scheme, &key, &sent, BODY));
}

#[test]
fn a_signed_header_or_url_that_is_missing_is_a_fault() {
    let scheme = compile(
        "signed = '{url}|{header:x-nonce}|{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n\
         [sig]\nheader = 'X-Sig'",
    );
    let key = key(&scheme);
    assert!(scheme.needs_url() && scheme.binds_target());
    let mut sent = Sent::with(&[("x-nonce", "n"), ("x-sig", HEX)]);
    assert!(extract(&scheme, &sent).is_err(), "no URL");
    assert!(scheme.sign(&key, &sent.head(), &[BODY], NOW, None).is_empty());
    sent.url = Some("https://hooks.example/a".to_owned());
    assert!(extract(&scheme, &sent).is_ok());
    let credential = extract(&scheme, &sent).unwrap();
    sent.add("x-nonce", "m");
    assert_eq!(extract(&scheme, &sent).err(), Some(CredentialFault::Duplicate("a signed header")));
    sent.headers.remove("x-nonce");
    assert!(extract(&scheme, &sent).is_err(), "no header");
    let attempt = scheme.begin(&key, &sent.head(), &credential);
    assert!(!bool::from(attempt.finish(&scheme, &credential, b"").matched), "a head that changed fails");
}

#[test]
fn what_is_bound_is_what_is_signed() {
    let bound = |signed: &str| {
        let text = format!(
            "signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'"
        );
        let scheme = compile(&text);
        (scheme.binds_target(), scheme.binds_body())
    };
    assert_eq!(bound("{body}"), (false, true));
    assert_eq!(bound("{method}.{body}"), (false, true));
    assert_eq!(bound("{path}.{body}"), (false, true));
    assert_eq!(bound("{path}?{query}"), (true, false));
    assert_eq!(bound("{target}{body}"), (false, true), "either could end where the other begins");
    assert_eq!(bound("{target}|{body}"), (true, true));
    assert_eq!(bound("{url}"), (true, false));
}

#[test]
fn every_fault_is_named_at_once() {
    assert_eq!(
        faults(
            "signed = '{body}{body}{bodi}{header:}'\nalgorithm = 'hmac-sha256'\nmax_body = 0\n\
             [sig]\nheader = ['', 'X-Sig', 'x-sig']\nsep = ','\n\
             [timestamp]\nheader = 'a b'\nfield = 't'\ntolerance = 0\n[secret]\nstrip = ''"
        ),
        [
            "encoding",
            "signed",
            "signed",
            "signed",
            "sig.header",
            "sig.header",
            "sig.sep",
            "timestamp",
            "timestamp.tolerance",
            "secret.strip",
            "max_body",
        ]
    );
}

#[test]
fn what_is_read_must_be_signed_and_what_is_signed_must_be_read() {
    let rest = "algorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n";
    let time = "[timestamp]\nheader = 'X-Time'";
    let id = "[id]\nheader = 'X-Id'";
    assert_eq!(faults(&format!("signed = '{{body}}'\n{rest}{time}")), ["timestamp"]);
    assert_eq!(faults(&format!("signed = '{{body}}'\n{rest}{id}")), ["id"]);
    assert_eq!(faults(&format!("signed = '{{timestamp}}{{id}}{{body}}'\n{rest}")), ["timestamp", "id"]);
    assert!(faults(&format!("signed = '{{timestamp}}.{{id}}.{{body}}'\n{rest}{time}\n{id}")).is_empty());
}

#[test]
fn a_template_without_a_variable_or_brace_is_a_fault() {
    for signed in ["", "constant", "{{body}}", "{body", "body}", "{body}}", "{Body}", "{ body }", "{}"] {
        let text = format!(
            "signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'"
        );
        assert_eq!(faults(&text).first().map(String::as_str), Some("signed"), "{signed}");
    }
}

#[test]
fn a_token_signs_nothing_and_has_one_form() {
    let text = "signed = '{body}'\nalgorithm = 'token'\nencoding = 'hex'\n\
                [sig]\nheader = 'X-Token'\nparse = 'kv'\nsep = ','\nkey = 'k'\n[secret]\ndecode = 'hex'";
    assert_eq!(faults(text), ["encoding", "signed", "sig.parse", "secret.decode"]);
    assert_eq!(
        faults("algorithm = 'token'\n[sig]\nheader = 'X-Token'\n[timestamp]\nheader = 'X-Time'"),
        ["timestamp"]
    );
}

#[test]
fn a_header_that_http_needs_can_not_carry_a_signature() {
    for name in ["Content-Length", "host", "Transfer-Encoding"] {
        let text = format!(
            "signed = '{{body}}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = '{name}'"
        );
        assert_eq!(faults(&text), ["sig.header"]);
    }
}

#[test]
fn unknown_keys_are_refused_by_name_in_both_formats() {
    let toml = toml::from_str::<SchemeSpec>("algorithm = 'token'\nsined = ''\n[sig]\nheader = 'X'");
    assert!(toml.unwrap_err().message().contains("sined"));
    let json = r#"{"algorithm": "token", "sig": {"header": "X", "hedaer": "Y"}}"#;
    let fault = serde_json::from_str::<SchemeChoice>(json).unwrap_err().to_string();
    assert!(fault.contains("hedaer"), "{fault}");
    assert!(
        serde_json::from_str::<SchemeSpec>(r#"{"algorithm": "hmac-md5", "sig": {"header": "X"}}"#).is_err()
    );
}

#[test]
fn a_choice_survives_json() {
    for scheme in presets() {
        let inline = SchemeChoice::Inline(Box::new(scheme.spec().clone()));
        let text = serde_json::to_string(&inline).unwrap();
        let back: SchemeChoice = serde_json::from_str(&text).unwrap();
        assert_eq!(back, inline);
        assert_eq!(resolve(&back).unwrap().label(), CUSTOM);
        let named = SchemeChoice::Preset(scheme.label().to_owned());
        let text = serde_json::to_string(&named).unwrap();
        assert_eq!(text, format!("\"{}\"", scheme.label()));
        assert_eq!(serde_json::from_str::<SchemeChoice>(&text).unwrap(), named);
    }
    assert_eq!(resolve(&SchemeChoice::Preset("none".to_owned())).unwrap_err()[0].path, "scheme");
    assert!(serde_json::from_str::<SchemeChoice>("7").is_err());
}

#[test]
fn sizes_are_read_with_their_unit() {
    use super::size::ByteSize;
    for (text, bytes) in
        [("0", 0), ("1024", 1024), ("25MB", 25_000_000), ("25MiB", 26_214_400), ("3B", 3), ("1GiB", 1 << 30)]
    {
        let size = ByteSize::parse(text).unwrap();
        assert_eq!(size.0, bytes, "{text}");
        assert_eq!(ByteSize::parse(&size.to_string()), Some(size), "{text}");
    }
    for text in
        ["", "MB", "-1", "1.5MB", "1 MB", "25mb", "1TiB", "99999999999999999999", "18446744073709551615KB"]
    {
        assert_eq!(ByteSize::parse(text), None, "{text}");
    }
    assert_eq!(named("github").max_body(), Some(25 << 20));
}

#[test]
fn nothing_prints_a_secret_or_a_signature() {
    let scheme = named("datadog");
    let key = key(scheme);
    let sent = Sent::with(&[("x-datadog-token", SECRET)]);
    let credential = extract(scheme, &sent).unwrap();
    let printed = format!("{key:?} {credential:?} {:?}", scheme.begin(&key, &sent.head(), &credential));
    assert!(!printed.contains(SECRET), "{printed}");
    assert!(scheme.sign(&key, &sent.head(), &[], NOW, None)[0].1.is_sensitive());
}

/// Header values that come close to real ones, and any that HTTP lets through.
fn value() -> impl Strategy<Value = HeaderValue> {
    let close = "(t=|v0=|v1=|v1,|sha256=|;|,| |=|1700000000|[0-9a-f]{64}|[A-Za-z0-9+/_-]{43}=?|.){0,40}";
    prop_oneof![
        close.prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..200),
        "[ \t0-9.:TZ+-]{0,40}".prop_map(String::into_bytes),
    ]
    .prop_filter_map("not a header value", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_header_value_panics_or_verifies(values in proptest::collection::vec(value(), 12)) {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-timestamp",
            "x-slack-request-timestamp", "x-api-key", "authorization", "x-workspace-id", "x-webhook-key-id"];
        for scheme in presets().filter(|scheme| signs_in_head(scheme)) {
            let mut sent = Sent::new();
            for (name, value) in names.iter().zip(&values) {
                sent.headers.append(*name, value.clone());
            }
            let name = HeaderName::from_bytes(scheme.header().as_bytes()).unwrap();
            sent.headers.insert(name, values[9].clone());
            // `Authorization` of another scheme is no credential of this one.
            let absent = matches!(scheme.extract(&sent.head()), Extraction::Absent);
            prop_assert!(absent || !verifies(scheme, &key_of(scheme), &sent, values[10].as_bytes()));
            let _ = crate::credential::api_key::extract(&sent.headers, true);
            let _ = crate::credential::signature::locate(&sent.headers);
        }
    }

    #[test]
    fn no_template_panics(text in "(\\{|\\}|body|id|timestamp|header:|x|é|\\.){0,12}") {
        let _ = super::template::Template::parse(&text);
    }
}

fn key_of(scheme: &Scheme) -> VerifyKey {
    scheme.prepare(&scheme.generate_secret(&[7; 32])).unwrap()
}
