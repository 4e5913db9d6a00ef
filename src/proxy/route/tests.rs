//! Which route decides, and which lists of routes are refused.

use http::Method;

use super::{CredentialKind, Found, Pattern, Route, Table, TableFault, Verify, faults};
use crate::proxy::path::Path;

fn route(name: &str, path: &str, methods: &[&str]) -> Route {
    let methods: Vec<Method> = methods.iter().map(|name| name.parse().unwrap()).collect();
    Route {
        name: name.to_owned(),
        pattern: Pattern::parse(path).unwrap(),
        methods: (!methods.is_empty()).then_some(methods),
        verify: Verify::Kinds { kinds: vec![CredentialKind::ApiKey], all: false },
        bearer: false,
        max_body: None,
        timeout: None,
        websocket: false,
    }
}

fn find(table: &Table, method: &str, path: &str) -> String {
    let path = Path::parse(path, table.takes_raw()).unwrap();
    match table.find(&method.parse().unwrap(), &path).found {
        Found::Route { index, route, integration } => {
            assert_eq!(table.routes()[index].name, route.name);
            integration.map_or_else(|| route.name.clone(), |name| format!("{}:{name}", route.name))
        }
        Found::MethodNotAllowed(methods) => format!("405 {methods:?}"),
        Found::NoRoute => "404".to_owned(),
        Found::Ambiguous(_) => "400".to_owned(),
    }
}

fn raw(name: &str, prefix: &str, methods: &[&str]) -> Route {
    Route { pattern: Pattern::parse_raw(prefix).unwrap(), ..route(name, "/", methods) }
}

#[test]
fn a_raw_route_takes_its_prefix_as_it_was_sent() {
    let table = Table::new(vec![
        route("admin", "/admin/{*rest}", &[]),
        raw("objects", "/o/", &["GET"]),
        route("rest", "/{*rest}", &["GET"]),
    ])
    .unwrap();
    for (path, expected) in [
        ("/o/a", "objects"),
        ("/o/a//b", "objects"),
        ("/o/%zz;x", "objects"),
        ("/o", "rest"),
        ("/%6f/a", "rest"),
        ("/%6f//a", "400"),
        ("/x//a", "400"),
        ("/admin//a", "400"),
        ("/o/../admin", "400"),
    ] {
        let found = match Path::parse(path, true) {
            Ok(_) => find(&table, "GET", path),
            Err(_) => "400".to_owned(),
        };
        assert_eq!(found, expected, "{path}");
    }
    assert_eq!(find(&table, "PUT", "/o/a//b"), "405 [GET]");
    assert_eq!(find(&table, "PUT", "/x//b"), "400");
}

#[test]
fn raw_prefixes_hide_and_are_hidden() {
    let fault = |routes: &[Route]| faults(routes).len();
    assert_eq!(fault(&[raw("a", "/o/", &[]), raw("b", "/o/x", &[])]), 1);
    assert_eq!(fault(&[raw("a", "/o/x", &[]), raw("b", "/o/", &[])]), 0);
    assert_eq!(fault(&[raw("a", "/", &[]), route("b", "/x", &[])]), 1);
    assert_eq!(fault(&[raw("a", "/x", &[]), route("b", "/x", &[])]), 0);
    assert_eq!(fault(&[route("a", "/{*rest}", &[]), raw("b", "/o/", &[])]), 1);
    assert_eq!(fault(&[route("a", "/o/{*rest}", &[]), raw("b", "/o/x", &[])]), 1);
    assert_eq!(fault(&[route("a", "/o/{*rest}", &[]), raw("b", "/o", &[])]), 0);
    assert_eq!(fault(&[route("a", "/o/{x}", &[]), raw("b", "/o/x", &[])]), 0);
    for bad in ["", "o", "/a?b", "/a#b", "/{x}", "/*", "/..", "/a/../b", "/%2e%2e/", "/a b", "/\u{e4}"] {
        assert!(Pattern::parse_raw(bad).is_err(), "{bad:?}");
    }
}

fn covers(earlier: &str, later: &str) -> bool {
    Pattern::parse(earlier).unwrap().covers(&Pattern::parse(later).unwrap())
}

#[test]
fn the_first_route_in_file_order_decides() {
    let table = Table::new(vec![
        route("hooks", "/webhooks/{integration}", &[]),
        route("file", "/files/{id}/raw", &[]),
        route("root", "/", &[]),
        route("rest", "/{*rest}", &[]),
    ])
    .unwrap();
    for (path, expected) in [
        ("/webhooks/github", "hooks:github"),
        ("/webhooks/github/", "hooks:github"),
        ("/webhooks/my%20hook", "hooks:my hook"),
        ("/webhooks", "rest"),
        ("/webhooks/github/more", "rest"),
        ("/Webhooks/github", "rest"),
        ("/files/7/raw", "file"),
        ("/files/7", "rest"),
        ("/", "root"),
    ] {
        assert_eq!(find(&table, "POST", path), expected, "{path}");
    }
}

#[test]
fn rest_matches_zero_or_more_segments() {
    let table = Table::new(vec![route("under", "/a/{*rest}", &[])]).unwrap();
    for (path, expected) in
        [("/a", "under"), ("/a/", "under"), ("/a/b/c", "under"), ("/", "404"), ("/ab", "404")]
    {
        assert_eq!(find(&table, "GET", path), expected, "{path}");
    }
}

#[test]
fn methods_are_part_of_the_match_and_405_names_those_allowed() {
    let table = Table::new(vec![
        route("read", "/a", &["GET"]),
        route("write", "/{x}", &["POST", "PUT"]),
        route("b", "/b", &[]),
    ])
    .unwrap();
    assert_eq!(find(&table, "GET", "/a"), "read");
    assert_eq!(find(&table, "POST", "/a"), "write");
    assert_eq!(find(&table, "DELETE", "/b"), "b");
    assert_eq!(find(&table, "DELETE", "/a"), "405 [GET, POST, PUT]");
    assert_eq!(find(&table, "HEAD", "/a"), "405 [GET, POST, PUT]");
    assert_eq!(find(&table, "DELETE", "/a/b"), "404");
}

#[test]
fn a_route_that_is_never_reached_is_a_fault_that_names_what_hides_it() {
    let shadow = |routes: &[Route]| faults(routes);
    assert_eq!(
        shadow(&[route("all", "/{*rest}", &[]), route("a", "/a", &["GET"])]),
        [TableFault::Shadowed { index: 1, by: vec![0] }]
    );
    assert_eq!(
        shadow(&[
            route("g", "/a", &["GET"]),
            route("p", "/{x}", &["POST"]),
            route("gp", "/a", &["POST", "GET"])
        ]),
        [TableFault::Shadowed { index: 2, by: vec![1, 0] }]
    );
    assert_eq!(shadow(&[route("g", "/a", &["GET"]), route("any", "/a", &[])]), []);
    assert_eq!(
        shadow(&[route("a", "/a", &[]), route("a", "/b", &[])]),
        [TableFault::DuplicateName { index: 1, first: 0 }]
    );
}

#[test]
fn covering_is_judged_segment_by_segment() {
    for (earlier, later, expected) in [
        ("/{*rest}", "/", true),
        ("/{*rest}", "/{*other}", true),
        ("/a/{*rest}", "/a", true),
        ("/a/{*rest}", "/{x}", false),
        ("/a/{x}", "/a/{*rest}", false),
        ("/{x}/{*rest}", "/{*rest}", false),
        ("/{x}/{*rest}", "/a/b/c", true),
        ("/a/{x}", "/a/{integration}", true),
        ("/a/b", "/a/{x}", false),
        ("/a", "/a/b", false),
        ("/", "/a", false),
        ("/", "/{*rest}", false),
    ] {
        assert_eq!(covers(earlier, later), expected, "{earlier} covers {later}");
    }
}

#[test]
fn patterns_that_could_never_match_are_refused() {
    for bad in [
        "",
        "a",
        "/a/",
        "//",
        "/a//b",
        "/{*rest}/a",
        "/a{b}",
        "/{}",
        "/{A}",
        "/{x}/{x}",
        "/{*integration}",
        "/a*",
        "/a%20b",
        "/..",
        "/a/.",
        "/a;b",
        "/a?b",
        "/a\\b",
    ] {
        assert!(Pattern::parse(bad).is_err(), "{bad:?}");
    }
}
