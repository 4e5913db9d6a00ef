//! What is left of a client's headers: nothing that an application could take for ours or for the framing, whatever
//! the spelling; and a client behind strangers is its own address.
#![no_main]

use std::net::IpAddr;

use countersign::client::{Address, Proto, TrustedProxies, network};
use countersign::proxy::headers::strip_request;
use countersign_fuzz::head_of;
use http::HeaderName;
use libfuzzer_sys::fuzz_target;

/// As CGI and its heirs read a name.
fn folded(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' }).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some(parts) = head_of(data) else { return };
    let peer = Address::from(IpAddr::from([192, 0, 2, 7]));
    let stranger = TrustedProxies::default().client(peer, Proto::Http, &parts.headers);
    assert_eq!(stranger.map(|client| client.address()), Ok(peer));
    let trusted = TrustedProxies::new(network("192.0.2.7").into_iter().chain(network("10.0.0.0/8")).collect());
    if let Ok(client) = trusted.client(peer, Proto::Http, &parts.headers) {
        let told = |name: &str| parts.headers.contains_key(name);
        assert!(client.address() == peer || told("x-forwarded-for") || told("forwarded"));
    }
    let mut left = parts.headers.clone();
    strip_request(&mut left, &[HeaderName::from_static("x-sig")]);
    for name in left.keys() {
        let folded = folded(name.as_str());
        assert!(!folded.starts_with("countersign-") && !folded.starts_with("x-forwarded-"), "{name}");
        let gone = ["forwarded", "x-forwarded", "x-real-ip", "x-api-key", "x-workspace-id", "x-webhook-key-id", "x-sig", "connection"];
        assert!(!gone.contains(&folded.as_str()), "{name}");
        assert!(folded != "transfer-encoding" && (folded != "content-length" || name == "content-length"), "{name}");
        assert_eq!(
            left.get_all(name).iter().collect::<Vec<_>>(),
            parts.headers.get_all(name).iter().collect::<Vec<_>>(),
            "{name}: lines were lost or moved"
        );
    }
});
