//! Behaviour of Amazon SNS, shown on messages that AWS published.

use proptest::prelude::{any, proptest};

use crate::clock::UnixMillis;
use crate::verify::kind::testing::{Sent, compile, faults, vector};
use crate::verify::scheme::{Scheme, preset};

const VECTORS: &str = include_str!("../../../../tests/vectors/webhook-vectors.json");
const TOPIC: &str =
    "arn:aws:sns:us-east-2:295079676684:publish-and-verify-530b26da-0687-4fe4-9f71-780bad3181e2";

fn scheme() -> &'static Scheme {
    preset("aws-sns").unwrap()
}

/// A notification of version 2 with a subject.
fn sent() -> (Sent, String, UnixMillis) {
    let (sent, certificate, at) = vector(VECTORS, "sns-4-v2-subject");
    (sent, format!("{TOPIC}\n{certificate}"), at)
}

fn replaced(from: &str, to: &str) -> bool {
    let (mut sent, secret, at) = sent();
    let body = String::from_utf8(sent.body).unwrap();
    assert!(body.contains(from), "{from}");
    sent.body = body.replace(from, to).into_bytes();
    sent.judged(scheme(), &secret, at).is_ok()
}

#[test]
fn signed_fields_are_bound_and_the_rest_is_not() {
    assert!(replaced("Hello", "Hello"));
    for (from, to) in [
        ("\"Message\": \"Hello world\"", "\"Message\": \"Hello worlD\""),
        ("\"Subject\": \"Hello world\"", "\"Subject\": \"Hello worlD\""),
        ("\"Subject\": \"Hello world\", ", ""),
        ("4504e649", "4504e648"),
        ("530b26da", "530b26db"),
        ("22:53:55.086Z", "22:53:55.087Z"),
        ("\"Type\": \"Notification\"", "\"Type\": \"UnsubscribeConfirmation\""),
        ("\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"1\""),
        ("\"SignatureVersion\": \"2\"", "\"SignatureVersion\": \"3\""),
        ("\"Signature\": \"c", "\"Signature\": \"d"),
        ("\"Signature\": \"c", "\"Signature\": \" c"),
        ("https://sns.us-east-2.amazonaws.com/SimpleN", "https://evil.example/SimpleN"),
        ("{\"Type\"", "{\"Message\": \"other\", \"Type\""),
        ("{\"Type\"", "[{\"Type\""),
    ] {
        assert!(!replaced(from, to), "{to}");
    }
    assert!(replaced("Action=Unsubscribe", "Action=Other"), "not signed");
    assert!(replaced("{\"Type\"", "{  \"Other\": 1, \"Type\""), "not signed");
    assert!(!scheme().binds_body());
}

#[test]
fn the_window_is_two_hours() {
    let (sent, secret, _) = sent();
    let published = UnixMillis(1_659_048_835_086);
    assert!(sent.judged(scheme(), &secret, published.plus_seconds(7200)).is_ok());
    assert!(sent.judged(scheme(), &secret, published.plus_seconds(7201)).is_err());
    assert!(sent.judged(scheme(), &secret, published.plus_seconds(-7201)).is_err());
}

#[test]
fn headers_that_repeat_a_field_must_agree_with_it() {
    let (sent, secret, at) = sent();
    for (name, value) in [
        ("x-amz-sns-message-type", "Notification"),
        ("x-amz-sns-message-id", "4504e649-d933-5aa9-8199-bd14ccf05f0b"),
        ("x-amz-sns-topic-arn", TOPIC),
    ] {
        let mut with = sent.clone();
        with.headers.clear();
        assert!(with.judged(scheme(), &secret, at).is_ok(), "none of them is needed");
        with.set(name, value);
        assert!(with.judged(scheme(), &secret, at).is_ok(), "{name}");
        with.set(name, "SubscriptionConfirmation");
        assert!(with.judged(scheme(), &secret, at).is_err(), "{name}");
        with.set(name, value);
        with.add(name, value);
        assert!(with.judged(scheme(), &secret, at).is_err(), "{name} twice");
    }
}

#[test]
fn only_topics_that_are_configured_may_send() {
    let (sent, secret, at) = sent();
    let passes = |secret: &str| sent.judged(scheme(), secret, at).is_ok();
    assert!(passes(&secret) && passes(&format!("arn:aws:sns:x\r\n\n{secret}")));
    assert!(!passes(&secret.replace("530b26da", "530b26db")), "another topic");
    let certificate = secret.strip_prefix(TOPIC).unwrap();
    assert!(!passes(certificate), "SNS signs for every account");
    let any = compile("kind = 'sns'\n[params]\nany_topic = true");
    assert!(sent.judged(&any, certificate, at).is_ok());
    assert!(sent.judged(&any, &secret.replace("530b26da", "530b26db"), at).is_err());
}

#[test]
fn version_1_can_be_refused() {
    let (two, certificate, at) = vector(VECTORS, "sns-4-v2-subject");
    let (one, ..) = vector(VECTORS, "sns-3-v1-subject");
    let passes = |sent: &Sent, params: &str| {
        let scheme = compile(&format!("kind = 'sns'\n[params]\nany_topic = true\n{params}"));
        sent.judged(&scheme, &certificate, at).is_ok()
    };
    assert!(passes(&one, "") && passes(&one, "sha1 = 'allowed'") && passes(&two, "sha1 = 'refused'"));
    assert!(!passes(&one, "sha1 = 'refused'"));
    assert!(!passes(&two, "tolerance = 60"));
}

#[test]
fn a_secret_is_topics_above_a_certificate() {
    let (_, secret, _) = sent();
    let prepare = |text: &str| scheme().prepare(&crate::secret::Secret::from_text(text));
    assert!(prepare(&secret).is_ok());
    let broken = format!("{TOPIC}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
    for wrong in ["secret", TOPIC, &broken, &format!("orders\n{secret}")] {
        assert!(prepare(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn parameters_are_checked() {
    assert_eq!(faults("kind = 'sns'\n[params]\nother = 1"), ["params"]);
    assert_eq!(faults("kind = 'sns'\n[params]\ntolerance = 0"), ["params.tolerance"]);
}

proptest! {
    #[test]
    fn no_body_panics(body in any::<Vec<u8>>()) {
        let (mut sent, secret, at) = sent();
        sent.body = body;
        assert!(sent.judged(scheme(), &secret, at).is_err());
    }
}
