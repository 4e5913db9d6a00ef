use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Case, Code, Finding, diagnose};
use crate::clock::UnixMillis;
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::offline::{Captured, Terms};
use crate::verify::scheme::preset;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// What is said of a request that `sender` signed over `sent`, where `expected` is the scheme here and `body` came.
struct Refused<'r> {
    sender: &'r str,
    sent: &'r str,
    signed_with: &'r str,
    seconds: i64,
    expected: &'r str,
    body: Option<&'r str>,
    expired: Option<&'r str>,
}

const RIGHT: Refused<'_> = Refused {
    sender: "github",
    sent: "{\"a\": 1}",
    signed_with: "right",
    seconds: 0,
    expected: "github",
    body: Some("{\"a\": 1}"),
    expired: None,
};

impl Refused<'_> {
    fn headers(&self) -> HeaderMap {
        let scheme = preset(self.sender).unwrap();
        let key = scheme.prepare(&Secret::from_text(self.signed_with)).unwrap();
        let empty = HeaderMap::new();
        let head = Head { method: &Method::POST, target: "/hook", headers: &empty, url: None };
        let at = NOW.plus_seconds(self.seconds);
        scheme.sign(&key, &head, &[self.sent.as_bytes()], at, None).into_iter().collect()
    }

    fn findings(&self) -> Vec<Finding> {
        self.findings_of(&self.headers())
    }

    fn findings_of(&self, headers: &HeaderMap) -> Vec<Finding> {
        let secrets = [Secret::from_text("right")];
        let expired = self.expired.map(Secret::from_text);
        let head = Head { method: &Method::POST, target: "/hook", headers, url: None };
        diagnose(&Case {
            terms: Terms {
                scheme: preset(self.expected).unwrap(),
                secrets: &secrets,
                now: NOW,
                tolerance_seconds: None,
            },
            request: Captured { head, body: self.body.unwrap_or_default().as_bytes() },
            has_body: self.body.is_some(),
            expired: expired.as_ref().map(|secret| (secret, NOW.plus_seconds(-60))),
        })
    }

    fn codes(&self) -> Vec<Code> {
        self.findings().into_iter().map(|finding| finding.code).collect()
    }

    fn details(&self) -> Vec<String> {
        self.findings().into_iter().map(|finding| finding.detail).collect()
    }
}

#[test]
fn a_changed_body_is_named_only_where_a_repair_verifies() {
    for (sent, body) in [
        ("{\"a\": 1}", "{\"a\": 1}\n"),
        ("{\"a\": 1}\n", "{\"a\": 1}"),
        ("a\nb", "a\r\nb"),
        ("a\r\nb", "a\nb"),
        ("{\"a\":1}", "{\"a\": 1}"),
        ("{\"a\": 1, \"b\": 2}", "{\"a\":1,\"b\":2}"),
    ] {
        let refused = Refused { sent, body: Some(body), ..RIGHT };
        assert_eq!(refused.codes(), [Code::BodyChanged], "{sent:?} came as {body:?}");
    }
    let refused = Refused { body: Some("{\"a\": 2}"), ..RIGHT };
    assert_eq!(refused.codes(), [Code::Unexplained]);
}

#[test]
fn another_secret_another_preset_and_an_overlap_that_is_over_are_told_apart() {
    assert_eq!(Refused { signed_with: "wrong", ..RIGHT }.codes(), [Code::Unexplained]);
    let expired = Refused { signed_with: "former", expired: Some("former"), ..RIGHT }.findings();
    assert_eq!(expired[0].code, Code::OverlapExpired);
    assert!(expired[0].detail.contains("60 s ago"), "{}", expired[0].detail);
    let neither = Refused { signed_with: "wrong", expired: Some("former"), ..RIGHT };
    assert_eq!(neither.codes(), [Code::Unexplained], "neither secret");
    let other = Refused { sender: "github", expected: "bitbucket", ..RIGHT };
    // Both read X-Hub-Signature; GitHub signs in another header, so it is missing and one is alike.
    assert_eq!(other.codes(), [Code::HeaderMissing, Code::HeaderAlike]);
    assert_eq!(
        other.details(),
        ["not there: x-hub-signature", "these look like it: x-hub-signature-256"],
        "each by its name"
    );
    assert_eq!(Refused { signed_with: "right\n", ..RIGHT }.codes(), [Code::SecretForm]);
}

#[test]
fn a_clock_that_is_off_is_told_in_seconds() {
    for (seconds, detail) in [
        (-912, "signed 912 s ago, and 300 s are allowed"),
        (1000, "signed 1000 s ahead, and 300 s are allowed"),
        (-301, "signed 301 s ago, and 300 s are allowed"),
    ] {
        for body in [None, RIGHT.body] {
            let slack = Refused { sender: "slack", expected: "slack", seconds, body, ..RIGHT };
            let [finding] = <[Finding; 1]>::try_from(slack.findings()).unwrap();
            assert_eq!((finding.code, finding.seconds), (Code::ClockSkew, Some(seconds)));
            assert_eq!(finding.detail, detail);
        }
    }
}

#[test]
fn a_clock_at_the_edge_of_the_window_is_not_off() {
    for seconds in [-300, 300] {
        let slack = Refused { sender: "slack", expected: "slack", signed_with: "wrong", seconds, ..RIGHT };
        assert_eq!(slack.codes(), [Code::Unexplained], "{seconds}");
    }
}

#[test]
fn nothing_is_tried_on_a_body_that_is_not_known() {
    assert_eq!(Refused { signed_with: "wrong", body: None, ..RIGHT }.codes(), []);
}

#[test]
fn another_encoding_or_prefix_is_told_without_the_body() {
    let header = HeaderName::from_static("x-hub-signature-256");
    let bare = "ab".repeat(32);
    for (value, reading) in [
        (bare.as_str(), "it reads as a signature without `sha256=` before it"),
        (
            "sha256=q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",
            "it reads as the signature in base64, not hex",
        ),
    ] {
        let headers = HeaderMap::from_iter([(header.clone(), HeaderValue::from_str(value).unwrap())]);
        let findings = Refused { body: None, ..RIGHT }.findings_of(&headers);
        assert_eq!(findings[0].code, Code::Malformed);
        assert!(findings[0].detail.ends_with("; the scheme's is in hex after `sha256=`"), "{findings:?}");
        let read = |found: &Finding| found.code == Code::Encoding && found.detail == reading;
        assert!(findings[1..].iter().any(read), "{value}: {findings:?}");
    }
    let headers = HeaderMap::from_iter([(
        HeaderName::from_static("x-hook-signature"),
        HeaderValue::from_static("no hex"),
    )]);
    let findings = Refused { expected: "asana", ..RIGHT }.findings_of(&headers);
    assert!(
        findings[0].detail.ends_with("; the scheme's is in hex"),
        "nothing stands before it: {findings:?}"
    );
}

#[test]
fn nothing_found_is_a_secret_or_a_signature() {
    let refused = Refused { body: Some("{\"a\": 1}\n"), ..RIGHT };
    let right: Vec<String> = Refused { sent: "{\"a\": 1}\n", ..RIGHT }
        .headers()
        .values()
        .chain(refused.headers().values())
        .map(|value| value.to_str().unwrap().trim_start_matches("sha256=").to_owned())
        .collect();
    let said = format!("{:?}", refused.findings());
    for secret in right.iter().map(String::as_str).chain(["right", "\"a\""]) {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}
