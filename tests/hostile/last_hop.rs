//! What a proxy owes the hops around it: `Via`, `Max-Forwards`, the same verdict whatever the host (RFC 9110 §7.6).

use super::{exchange, open, raw, status};
use crate::support::http::Call;
use crate::support::refusal::assert_problem;
use crate::support::sidecar::Sidecar;

#[test]
fn p17_a_request_that_has_been_here_before_goes_no_further() {
    let (sidecar, key) = open();
    let first = sidecar.passes(&Call::get("/public/a").header("Via", "1.1 other"));
    let ours = first.all("via")[1].to_owned();
    for via in [ours.clone(), format!("1.0 before, {ours} (comment), 1.1 after"), format!("1.1 x,{ours}")] {
        sidecar.refuses(&Call::get("/public/a").header("Via", &via), 502);
        let hidden = Call::get("/in").header("X-API-Key", &key.api_key).header("Via", &via);
        sidecar.refuses(&hidden.header("Connection", "via"), 502);
    }
    // Another sidecar on the way is no loop.
    sidecar.passes(&Call::get("/public/a").header("Via", "1.1 countersign-00000000, 1.1 countersign"));
}

#[test]
fn m09_options_count_their_hops_once_they_are_admitted() {
    let routes = "
[[routes]]
name = 'some'
path = '/some'
methods = ['OPTIONS', 'PUT']
verify = ['api-key']
[[routes]]
name = 'default'
path = '/{*rest}'
verify = ['api-key']
";
    let sidecar = Sidecar::builder().config(routes).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, serde_json::json!({}));
    let options = |target: &str, hops: &str| {
        format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nMax-Forwards: {hops}\r\n\r\n",
            key.api_key
        )
    };
    assert_eq!(status(&sidecar, "OPTIONS /in HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"), 401);
    for (target, allow) in [("/in", None), ("/some", Some("OPTIONS, PUT"))] {
        let answer = raw(&sidecar, options(target, "0")).0.unwrap();
        assert_eq!((answer.status, answer.header("allow"), answer.text().as_str()), (200, allow, ""));
    }
    for malformed in ["", "-1", "x", "1\r\nMax-Forwards: 1"] {
        assert_eq!(status(&sidecar, options("/in", malformed)), 400, "{malformed:?}");
    }
    sidecar.upstream.saw_nothing();
    for (hops, left) in [("1", "0"), ("007", "6"), ("99999999999999999999999", "18446744073709551614")] {
        assert_eq!(status(&sidecar, options("/in", hops)), 200);
        assert_eq!(sidecar.upstream.only().all("max-forwards"), [left]);
    }
    // It means nothing elsewhere, and is never made up.
    let call = Call::get("/in").header("X-API-Key", &key.api_key);
    assert_eq!(sidecar.passes(&call).header("max-forwards"), None);
    assert_eq!(sidecar.passes(&call.header("Max-Forwards", "0")).all("max-forwards"), ["0"]);
}

#[test]
fn m39_a_client_that_closes_is_not_answered_again() {
    let (sidecar, _) = open();
    for connection in ["close", "Close", "x, close", "close\r\nConnection: keep-alive"] {
        let one = format!("GET /public/a HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
        let (statuses, _) = exchange(&sidecar, format!("{one}{one}"));
        assert_eq!(statuses, [200], "{connection:?}");
        assert_eq!(sidecar.upstream.take().len(), 1);
    }
}

#[test]
fn m41_every_request_goes_up_in_our_own_version() {
    let (sidecar, _) = open();
    for version in ["1.0", "1.1"] {
        let (_, sent) = exchange(&sidecar, format!("GET /public/a HTTP/{version}\r\nHost: a\r\n\r\n"));
        assert!(sent.starts_with("get /public/a http/1.1\r\n"), "{sent}");
        assert!(sent.contains(&format!("via: {version} countersign-")), "{sent}");
    }
}

#[test]
fn p08_a_fragment_never_goes_up() {
    let (sidecar, key) = open();
    for (target, expected) in [("/public/a#/secret", "/public/a"), ("/public/a?b#c", "/public/a?b")] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", key.api_key);
        let status = status(&sidecar, bytes);
        // The parser drops it: the recorded deviation.
        assert_eq!((status, sidecar.upstream.only().target.as_str()), (200, expected), "{target}");
    }
    let bytes = "GET /secret#/public/a HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status(&sidecar, bytes), 401);
}

#[test]
fn p09_the_host_decides_nothing() {
    let (sidecar, key) = open();
    for host in
        ["app.example", "APP.EXAMPLE", "app.example.", "app.example:80", "[::1]:8080", "169.254.169.254", "x"]
    {
        let with = format!("GET /in HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {}\r\n\r\n", key.api_key);
        let without = format!("GET /in HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!((status(&sidecar, with), status(&sidecar, without)), (200, 401), "{host}");
        assert_eq!(sidecar.upstream.only().all("host"), [host]);
    }
}

#[test]
fn p13_an_answer_of_ours_names_no_server_and_no_version() {
    let (sidecar, key) = open();
    for (call, expected) in [
        (Call::get("/public/a"), 200),
        (Call::get("/in"), 401),
        (Call::get("/in").header("X-API-Key", &key.api_key), 200),
        (Call::new("TRACE", "/in"), 405),
    ] {
        let answer = sidecar.send(&call);
        assert_eq!(answer.status, expected);
        for name in ["server", "via", "x-powered-by", "countersign-verified", "keep-alive"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        assert!(!format!("{:?}{}", answer.headers, answer.text()).contains(env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn p15_headers_that_we_add_never_cut_those_of_the_client() {
    let (sidecar, key) = open();
    let fits: String = (0..97).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let bytes =
        format!("GET /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{fits}X-Last: last\r\n\r\n", key.api_key);
    let got = status(&sidecar, bytes);
    // 100 go in. The application may take as many: it answers for itself, or has every one of them.
    match got {
        200 => {
            let seen = sidecar.upstream.only();
            assert_eq!(
                (seen.header("x-0"), seen.header("x-96"), seen.header("x-last")),
                (Some("0"), Some("96"), Some("last"))
            );
        }
        431 => assert_eq!(sidecar.upstream.take().len(), 0),
        other => panic!("{other}"),
    }
    let bytes = format!(
        "GET /in HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{fits}X-A: a\r\nX-B: b\r\n\r\n",
        key.api_key
    );
    is_too_much(&sidecar, &bytes);
}

fn is_too_much(sidecar: &Sidecar, bytes: &str) {
    let before = sidecar.upstream.bytes();
    assert_eq!(status(sidecar, bytes), 431);
    assert_eq!(sidecar.upstream.bytes(), before);
}

#[test]
fn p16_a_client_chooses_no_upstream() {
    let (sidecar, key) = open();
    let elsewhere = crate::support::upstream::Upstream::start();
    let address = elsewhere.url.strip_prefix("http://").unwrap();
    for head in [
        format!("GET http://{address}/a HTTP/1.1\r\nHost: {address}\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: {address}\r\n"),
        format!(
            "GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: {address}\r\nX-Original-URL: http://{address}/\r\n"
        ),
        format!(
            "GET /a HTTP/1.1\r\nHost: a\r\nForwarded: host={address}\r\nX-Rewrite-URL: /admin\r\nProxy: {address}\r\n"
        ),
    ] {
        assert_eq!(status(&sidecar, format!("{head}X-API-Key: {}\r\n\r\n", key.api_key)), 200, "{head}");
        let seen = sidecar.upstream.only();
        assert_eq!(seen.target, "/a");
        for gone in ["x-original-url", "x-rewrite-url", "proxy"] {
            assert_eq!(seen.header(gone), None);
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn p18_the_applications_own_authentication_passes_unmodified() {
    let (sidecar, _) = open();
    for value in ["Basic dTpw", "Digest username=\"a, b\", qop=auth", "Bearer  two  blanks", "Negotiate YII="]
    {
        let seen = sidecar.passes(&Call::get("/public/a").header("Authorization", value));
        assert_eq!(seen.all("authorization"), [value]);
    }
}

#[test]
fn problems_are_the_same_over_every_reading_of_the_target() {
    let (sidecar, _) = open();
    for target in ["/in", "http://a/in", "HTTP://A/in"] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_problem(&raw(&sidecar, bytes).0.unwrap(), 401, target);
    }
    sidecar.upstream.saw_nothing();
}
