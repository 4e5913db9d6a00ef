//! Whose word about a client counts, and how far.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Address, Client, ClientFault, Proto, TrustedProxies, network};

fn trusted() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8", "2001:db8:1::/48"].map(|text| network(text).unwrap()).to_vec())
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn client_of(peer: &str, lines: &[(&str, &str)]) -> Result<Client, ClientFault> {
    trusted().client(peer.parse().unwrap(), Proto::Http, &headers(lines))
}

fn address(lines: &[(&str, &str)]) -> String {
    client_of("10.0.0.1", lines).unwrap().address().to_string()
}

#[test]
fn a_stranger_has_no_say() {
    let lines = [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=\"unclosed"),
    ];
    let peer: Address = "203.0.113.9".parse().unwrap();
    assert_eq!(client_of("203.0.113.9", &lines).unwrap(), Client::of_peer(peer, Proto::Http));
    let nobody = TrustedProxies::default().client(peer, Proto::Https, &headers(&lines)).unwrap();
    assert_eq!(nobody, Client::of_peer(peer, Proto::Https));
}

#[test]
fn the_client_is_the_rightmost_address_that_no_trusted_proxy_has() {
    for (list, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        ("198.51.100.66, 192.0.2.1", "192.0.2.1"),
        ("198.51.100.66, 192.0.2.1, 10.1.2.3", "192.0.2.1"),
        ("10.9.9.9, 192.0.2.1, 10.1.2.3, 10.1.2.4", "192.0.2.1"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:80", "2001:db8::7"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, ::ffff:10.1.2.3", "192.0.2.1"),
        ("192.0.2.1, 2001:db8:1::5", "192.0.2.1"),
        (" , 192.0.2.1 , ", "192.0.2.1"),
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("192.0.2.1, unknown", "10.0.0.1"),
        ("192.0.2.1, unknown, 10.1.2.3", "10.1.2.3"),
        ("192.0.2.1, 10.1.2.3.4", "10.0.0.1"),
        ("192.0.2.1 10.1.2.3", "10.0.0.1"),
    ] {
        assert_eq!(address(&[("x-forwarded-for", list)]), expected, "{list:?}");
    }
    let lines = [("x-forwarded-for", "198.51.100.66, 192.0.2.1"), ("x-forwarded-for", "10.1.2.3")];
    assert_eq!(address(&lines), "192.0.2.1");
}

#[test]
fn twenty_hops_of_a_client_are_worth_nothing() {
    let forged: Vec<String> = (0..20).map(|n| format!("203.0.113.{n}")).collect();
    let list = format!("{}, 192.0.2.1", forged.join(", "));
    assert_eq!(address(&[("x-forwarded-for", &list)]), "192.0.2.1");
}

#[test]
fn forwarded_is_read_by_its_grammar() {
    for (list, expected) in [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=\"192.0.2.1:4711\"", "192.0.2.1"),
        ("for=\"[2001:db8::7]:80\";proto=https", "2001:db8::7"),
        ("for=198.51.100.66, proto=https; for=192.0.2.1 ;by=10.0.0.1", "192.0.2.1"),
        ("for=192.0.2.1, for=10.1.2.3", "192.0.2.1"),
        ("for=192.0.2.1, for=_hidden", "10.0.0.1"),
        ("for=unknown", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
        ("for=\"198.51.100.66, for=203.0.113.1\", for=192.0.2.1", "192.0.2.1"),
        ("for=\"a\\\"b, c\", for=192.0.2.1", "192.0.2.1"),
        ("", "10.0.0.1"),
    ] {
        assert_eq!(address(&[("forwarded", list)]), expected, "{list:?}");
    }
    for malformed in [
        "for=\"192.0.2.1",
        "for=\"evil, for=192.0.2.1",
        "for=1.2.3.4\", for=192.0.2.1",
        "for",
        "=192.0.2.1",
        "for=192.0.2.1;for=192.0.2.2",
        "f or=192.0.2.1",
        "for=\"a\"b\"",
        "for=\"a\\",
    ] {
        let told = client_of("10.0.0.1", &[("forwarded", malformed)]);
        assert_eq!(told, Err(ClientFault::Malformed), "{malformed:?}");
    }
}

#[test]
fn a_proxy_that_passes_one_of_both_headers_on_unread_is_found_out() {
    let lines = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=10.9.9.9")];
    assert_eq!(client_of("10.0.0.1", &lines), Err(ClientFault::Disagreement));
    let lines = [("x-forwarded-for", "203.0.113.1, 192.0.2.1"), ("forwarded", "for=192.0.2.1;proto=https")];
    let agreed = client_of("10.0.0.1", &lines).unwrap();
    assert_eq!((agreed.address().to_string().as_str(), agreed.proto()), ("192.0.2.1", Proto::Http));
}

#[test]
fn scheme_and_host_are_those_of_the_hop_that_named_the_client() {
    let told = |lines: &[(&str, &str)]| {
        let client = client_of("10.0.0.1", lines).unwrap();
        (client.proto(), client.host().map_or("", |host| host.to_str().unwrap()).to_owned())
    };
    let chain = ("x-forwarded-for", "203.0.113.1, 192.0.2.1, 10.1.2.3");
    for (lines, proto, host) in [
        (vec![("x-forwarded-proto", "https"), ("x-forwarded-host", "a:80")], Proto::Https, "a:80"),
        (vec![chain, ("x-forwarded-proto", "http, HTTPS, http")], Proto::Https, ""),
        (vec![chain, ("x-forwarded-proto", "https, http")], Proto::Http, ""),
        (vec![chain, ("x-forwarded-proto", "gopher")], Proto::Http, ""),
        (vec![chain, ("x-forwarded-host", "evil, a, b")], Proto::Http, "a"),
        (vec![chain, ("x-forwarded-host", "evil, b")], Proto::Http, "b"),
        (vec![chain, ("x-forwarded-host", "user@b")], Proto::Http, ""),
        (vec![("forwarded", "for=203.0.113.1;host=evil, for=192.0.2.1;proto=https")], Proto::Https, ""),
        (
            vec![("forwarded", "for=192.0.2.1;host=\"a.example:8080\";proto=https, for=10.1.2.3;host=inner")],
            Proto::Https,
            "a.example:8080",
        ),
    ] {
        assert_eq!(told(&lines), (proto, host.to_owned()), "{lines:?}");
    }
}

#[test]
fn networks_are_addresses_or_ranges() {
    for (text, expected) in [
        ("10.0.0.0/8", Some("10.0.0.0/8")),
        ("10.1.2.3/8", Some("10.0.0.0/8")),
        ("192.0.2.7", Some("192.0.2.7/32")),
        ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
        ("2001:db8::/32", Some("2001:db8::/32")),
        ("::ffff:192.0.2.0/120", None),
        ("10.0.0.0/33", None),
        ("proxy.example", None),
        ("", None),
    ] {
        assert_eq!(network(text).map(|network| network.to_string()).as_deref(), expected, "{text:?}");
    }
}
