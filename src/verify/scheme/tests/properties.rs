//! What holds of every preset, whatever the request.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{Scheme, Sent, VerifyKey, presets, signs_in_head, verifies};
use crate::credential::Extraction;

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
        let _ = crate::verify::scheme::template::Template::parse(&text);
    }
}

fn key_of(scheme: &Scheme) -> VerifyKey {
    scheme.prepare(&scheme.generate_secret(&[7; 32])).unwrap()
}
