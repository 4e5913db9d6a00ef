//! Who the client is, as its own word, trusted proxies and nobody else have it (RFC 7239 §8.1).

use serde_json::json;

use super::{OPEN, open};
use crate::support::http::Call;
use crate::support::sidecar::Sidecar;

/// Behind proxies: the tests' own address is one.
const BEHIND: &str = "[listener]\ntrusted_proxies = ['127.0.0.1', '10.0.0.0/8']";

fn behind() -> Sidecar {
    Sidecar::builder().config(BEHIND).config(OPEN).start()
}

fn told(seen: &crate::support::upstream::Seen) -> [String; 4] {
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"].map(|name| {
        let all = seen.all(name);
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0].to_owned()
    })
}

#[test]
fn p05_a_strangers_word_about_itself_is_overwritten() {
    let (sidecar, _) = open();
    let hops: Vec<String> = (0..20).map(|n| format!("203.0.113.{n}")).collect();
    for chain in ["192.0.2.1", "127.0.0.1", "::ffff:10.0.0.1", &hops.join(", "), "unknown", ""] {
        let call = Call::get("/public/a")
            .header("X-Forwarded-For", chain)
            .header("X_Forwarded_For", chain)
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Port", "443")
            .header("X-Forwarded-Prefix", "/evil")
            .header("X-Real-IP", chain)
            .header("Forwarded", "for=192.0.2.1;proto=https;host=evil.example");
        let seen = sidecar.passes(&call);
        let forwarded = "for=127.0.0.1;host=\"app.example\";proto=http";
        assert_eq!(told(&seen), ["127.0.0.1", "http", "app.example", forwarded], "{chain:?}");
        assert_eq!(seen.names("x-forwarded").len(), 3);
        assert_eq!(seen.names("x_forwarded").len() + seen.names("x-real").len(), 0);
    }
}

#[test]
fn p05_a_trusted_proxys_word_reaches_one_hop() {
    let sidecar = behind();
    let seen = sidecar.passes(
        &Call::get("/public/a")
            .header("X-Forwarded-For", "198.51.100.66, 192.0.2.1")
            .header("X-Forwarded-For", "10.1.2.3")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "hooks.example:8443"),
    );
    let forwarded = "for=192.0.2.1;host=\"hooks.example:8443\";proto=https";
    assert_eq!(told(&seen), ["192.0.2.1", "https", "hooks.example:8443", forwarded]);
    assert_eq!(seen.all("host"), ["app.example"]);

    let seen = sidecar.passes(
        &Call::get("/public/a")
            .header("Forwarded", "for=198.51.100.66, for=\"[2001:db8::7]:80\";proto=https"),
    );
    let forwarded = "for=\"[2001:db8::7]\";host=\"app.example\";proto=https";
    assert_eq!(told(&seen), ["2001:db8::7", "https", "app.example", forwarded]);

    let seen = sidecar.passes(&Call::get("/public/a"));
    assert_eq!(told(&seen)[0], "127.0.0.1");
}

#[test]
fn p05_what_proxies_do_not_say_clearly_is_refused() {
    let sidecar = behind();
    for lines in [
        vec![("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=127.0.0.1")],
        vec![("Forwarded", "for=\"10.0.0.1, for=192.0.2.1")],
        vec![("Forwarded", "for")],
    ] {
        let call = lines.iter().fold(Call::get("/public/a"), |call, (name, value)| call.header(name, value));
        sidecar.refuses(&call, 400);
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn allowed_addresses_are_those_of_the_client_and_not_of_its_proxy() {
    let sidecar = behind();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({ "allowedCidrs": ["192.0.2.0/24"] }));
    let from =
        |chain: &str| Call::get("/in").header("X-API-Key", &key.api_key).header("X-Forwarded-For", chain);
    for chain in ["198.51.100.1", "192.0.2.1, 198.51.100.1", "192.0.2.1, unknown", "10.1.1.1", ""] {
        sidecar.refuses(&from(chain), 401);
    }
    sidecar.upstream.saw_nothing();
    sidecar.passes(&from("198.51.100.1, 192.0.2.1, 10.1.2.3"));

    let (strict, _) = open();
    let workspace = strict.workspace("other");
    let key = strict.key(&workspace, json!({ "name": "near", "allowedCidrs": ["192.0.2.0/24"] }));
    let call = Call::get("/in").header("X-API-Key", &key.api_key).header("X-Forwarded-For", "192.0.2.1");
    strict.refuses(&call, 401);
    strict.upstream.saw_nothing();
}
