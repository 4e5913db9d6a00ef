//! What is wrong with a configuration, and how it is said.

use std::collections::BTreeMap;

use countersign::config::Fault;
use countersign::listener::Place;

use super::{Given, ROUTE};

#[test]
fn unknown_keys_and_bad_values_are_reported_all_at_once() {
    let given = Given::file(
        r#"
        [audit]
        keep = "1y"
        [listener]
        adress = "0.0.0.0:1"
        address = "localhost:8080"
        [limits]
        max_body = "1 mib"
        header_timeout = 10
        candidate_secrets = 17
        [upstrem]
        url = "http://a"
        [upstream]
        max_body = "1MiB"
        [[routes]]
        name = "Web Hooks"
        path = "/hooks/"
        verify = ["integrations", "api-key"]
        methods = ["post"]
        [[routes]]
        name = "open"
        "#,
    )
    .env("COUNTERSIGN_LOG__LEVEL", "inof")
    .flag("ops.address", ":9");
    let faults: BTreeMap<String, Fault> =
        given.faults().into_iter().map(|fault| (fault.path.clone(), fault)).collect();
    let expected = [
        ("audit.keep", Some("\"1y\""), Some("a whole number and one unit: h or d")),
        ("limits.candidate_secrets", Some("17"), None),
        ("limits.header_timeout", Some("10"), Some("a whole number and one unit: ms, s, m or h")),
        ("limits.max_body", Some("\"1 mib\""), Some("units are B, KB, MB, GB, KiB, MiB and GiB")),
        (
            "listener.address",
            Some("\"localhost:8080\""),
            Some("names are not resolved; write \"127.0.0.1:8080\""),
        ),
        ("listener.adress", None, Some("did you mean \"address\"?")),
        ("log.level", Some("\"inof\""), Some("did you mean \"info\"?")),
        ("ops.address", Some("\":9\""), Some("for every address, write \"0.0.0.0:9\"")),
        ("routes[0].methods[0]", Some("\"post\""), Some("did you mean \"POST\"?")),
        ("routes[0].name", Some("\"Web Hooks\""), None),
        ("routes[0].path", Some("\"/hooks/\""), None),
        ("routes[0].verify[0]", Some("\"integrations\""), Some("did you mean \"integration\"?")),
        ("routes[1].path", None, None),
        ("routes[1].verify", None, None),
        ("upstream.max_body", None, Some("did you mean \"limits.max_body\"?")),
        ("upstrem", None, Some("did you mean \"upstream\"?")),
    ];
    assert_eq!(faults.keys().map(String::as_str).collect::<Vec<_>>(), expected.map(|(path, ..)| path));
    for (path, value, hint) in expected {
        assert_eq!(faults[path].value.as_deref(), value, "{path}");
        assert_eq!(faults[path].hint.as_deref(), hint, "{path}");
    }
    let source = |path: &str| faults[path].source.clone().unwrap_or_default();
    assert!(source("limits.max_body").ends_with("/config.toml"));
    assert_eq!(source("log.level"), "environment variable COUNTERSIGN_LOG__LEVEL");
    assert_eq!(source("ops.address"), "--ops");
}

#[test]
fn a_table_that_is_none_is_one_fault() {
    assert_eq!(Given::file("listener = 5\n").fault(), "listener = 5: expected a table (config.toml)");
    assert!(Given::file("routes = 5\n").fault().contains("expected a list of tables"));
    assert!(Given::file("routes = []\n").fault().contains("expected at least one route"));
    let fault = Given::nothing().env("COUNTERSIGN_ROUTES__0__NAME", "x").fault();
    assert!(fault.contains("routes are set in the config file only"), "{fault}");
}

#[test]
fn a_syntax_error_has_its_line_and_column_and_hides_the_line() {
    let fault = Given::file("[listener]\naddress = \"x\n").fault();
    assert!(fault.starts_with("config.toml:2:"), "{fault}");
    let fault = Given::file("[admin]\ntoken = s3cret-token\n").fault();
    assert!(fault.starts_with("config.toml:2:9: expected valid TOML"), "{fault}");
    assert!(!fault.contains("s3cret"), "{fault}");
}

#[test]
fn a_missing_file_is_a_fault_beside_the_others() {
    let mut given = Given::nothing().env("COUNTERSIGN_LOG__LEVEL", "loud");
    given.sources.file = Some("/nowhere/config.toml".into());
    let faults = given.faults();
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["/nowhere/config.toml", "log.level"]);
}

#[test]
fn an_unknown_keys_value_and_a_password_are_never_shown() {
    let fault = Given::file("[admin]\ntoken = \"s3cret\"\n").fault();
    assert!(!fault.contains("s3cret"), "{fault}");
    let fault = Given::file("[upstream]\nurl = \"http://me:s3cret@app:80\"\n").fault();
    assert!(fault.starts_with("upstream.url = \"http://***@app:80\""), "{fault}");
    let fault = Given::file("[store]\nkind = \"redis\"\nurl = \"redis://:s3cret@redis:x\"\n[keys]\nkek_dir = \"/k\"\nseal_with = \"k\"").fault();
    assert!(fault.starts_with("store.url = \"redis://***@redis:x\""), "{fault}");
}

#[test]
fn tls_is_whole_or_not_there() {
    let pair = "certificates = [{ cert_file = 'a.pem', key_file = 'a.key' }]";
    for (toml, path, why) in [
        ("[listener.tls]\nclient_auth = 'required'", "listener.tls.client_auth", "certificates beside it"),
        ("[admin.tls]\nclient_ca_file = 'ca.pem'", "admin.tls.client_ca_file", "certificates beside it"),
        ("[listener.tls]\ncertificates = []", "listener.tls.certificates", "at least one"),
        ("[listener.tls]\ncertificates = 'a.pem'", "listener.tls.certificates", "a list of tables"),
        (
            "[listener.tls]\ncertificates = [{ cert_file = 'a' }]",
            "listener.tls.certificates[0].key_file",
            "a value",
        ),
        ("[listener.tls]\nclient_auth = 'maybe'", "listener.tls.client_auth", "\"required\""),
        ("[upstream]\nurl = 'https://app'", "upstream.ca_file", "the authorities"),
        ("[upstream]\nca_file = 'ca.pem'", "upstream.ca_file", "begins with https://"),
        ("[upstream]\nserver_name = 'app'", "upstream.server_name", "begins with https://"),
        (
            "[upstream]\nurl = 'https://app'\nca_file = 'c'\ncert_file = 'a'",
            "upstream.cert_file",
            "key_file beside",
        ),
        (
            "[upstream]\nurl = 'https://app'\nca_file = 'c'\nserver_name = 'a:1'",
            "upstream.server_name",
            "without port",
        ),
    ] {
        let faults = Given::file(toml).faults();
        assert_eq!(faults.len(), 1, "{toml}: {faults:?}");
        let fault = faults[0].to_string();
        assert!(fault.starts_with(path) && fault.contains(why), "{toml}: {fault}");
    }
    for (more, path) in
        [("client_auth = 'optional'", "client_auth"), ("client_ca_file = 'ca.pem'", "client_ca_file")]
    {
        let faults = Given::file(&format!("[listener.tls]\n{pair}\n{more}")).faults();
        assert_eq!((faults.len(), faults[0].path.as_str()), (1, &*format!("listener.tls.{path}")));
    }
    let config = Given::file("[upstream]\nurl = 'https://app'\nca_file = 'ca.pem'").config();
    assert_eq!(config.upstream.target.to_string(), "https://app:443");
}

#[test]
fn an_upstream_names_a_place_and_nothing_else() {
    let url = |url: &str| Given::nothing().flag("upstream.url", url);
    for (text, shown) in [
        ("http://app", "http://app:80"),
        ("http://app:3000/", "http://app:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
        ("unix:///run/app.sock", "unix:/run/app.sock"),
    ] {
        assert_eq!(url(text).config().upstream.target.to_string(), shown, "{text}");
    }
    for (text, why) in [
        ("http://app/base", "without path"),
        ("http://app?x=1", "without path"),
        ("http://u:p@app", "without user"),
        ("http://app/u@x", "without user"),
        ("http://app:0", "ports are"),
        ("http://app:99999", "ports are"),
        ("http://::1:80", "brackets"),
        ("http://[::1", "http://host:port"),
        ("http://", "http://host:port"),
        ("app:3000", "http://host:port"),
        ("unix:", "the path has"),
        ("unix://run/app.sock", "one slash"),
        ("http://localhost:8080", "not our own: listener.address"),
        ("http://127.0.0.1:9901", "not our own: admin.address"),
    ] {
        let fault = url(text).fault();
        assert!(fault.contains(why) && fault.ends_with("(--upstream)"), "{text}: {fault}");
    }
}

#[test]
fn a_traffic_socket_is_a_path_with_a_mode() {
    let (address, mode) =
        ("address = 'unix:/run/traffic.sock'", |mode: &str| format!("socket_mode = {mode}"));
    let place = |toml: &str| Given::file(&format!("[listener]\n{toml}")).config().listener.address;
    let unix = |path: &str, mode| Place::Unix { path: path.into(), mode };
    assert_eq!(place(address), unix("/run/traffic.sock", 0o660));
    assert_eq!(place(address).to_string(), "unix:/run/traffic.sock");
    assert_eq!(place("address = 'unix:///run/a'\nsocket_mode = '600'"), unix("/run/a", 0o600));
    assert_eq!(place("address = 'unix:a.sock'\nsocket_mode = '0777'"), unix("a.sock", 0o777));
    let longest = format!("/{}", "x".repeat(106));
    assert_eq!(place(&format!("address = 'unix:{longest}'")), unix(&longest, 0o660));
    let from_env = Given::nothing()
        .flag("listener.address", "unix:a")
        .env("COUNTERSIGN_LISTENER__SOCKET_MODE", "0600")
        .config();
    assert_eq!(from_env.listener.address, unix("a", 0o600));

    for (toml, at, why) in [
        (format!("address = 'unix:{longest}x'"), "address", "1 to 107 bytes"),
        ("address = 'unix:'".to_owned(), "address", "1 to 107 bytes"),
        ("address = 'unix:@countersign'".to_owned(), "address", "an abstract socket"),
        ("address = 'unix://run/a.sock'".to_owned(), "address", "one slash"),
        ("address = 'unix:/run/'".to_owned(), "address", "not of a directory"),
        ("address = '/run/a.sock'".to_owned(), "address", "or \"unix:/path/of/socket\""),
        (format!("{address}\n{}", mode("'0888'")), "socket_mode", "permissions in octal"),
        (format!("{address}\n{}", mode("'rw-rw----'")), "socket_mode", "permissions in octal"),
        (format!("{address}\n{}", mode("'4660'")), "socket_mode", "its owner"),
        (format!("{address}\n{}", mode("'0060'")), "socket_mode", "its owner"),
        (format!("{address}\n{}", mode("660")), "socket_mode", "in quotes"),
        (mode("'0600'"), "socket_mode", "begins with unix: beside it"),
        ("trusted_proxies = ['unix']".to_owned(), "trusted_proxies", "begins with unix:"),
        (
            format!("{address}\nproxy_protocol = 'on'\ntrusted_proxies = ['10.0.0.0/8']"),
            "proxy_protocol",
            "\"unix\" in listener.trusted_proxies",
        ),
        ("proxy_protocol = 'on'".to_owned(), "proxy_protocol", "networks in listener.trusted_proxies"),
    ] {
        let fault = Given::file(&format!("[listener]\n{toml}")).fault();
        assert!(fault.starts_with(&format!("listener.{at}")) && fault.contains(why), "{toml}: {fault}");
    }
    let same = Given::file(&format!("[listener]\n{address}")).flag("upstream.url", "unix:/run/traffic.sock");
    assert!(same.fault().contains("not our own: listener.address is unix:/run/traffic.sock"));
    Given::file(&format!("[listener]\n{address}\nproxy_protocol = 'on'\ntrusted_proxies = ['unix']"))
        .config();
}

#[test]
fn options_that_contradict_each_other_are_faults() {
    for (text, expected) in [
        ("[keys]\nseal_with = \"k1\"", "keys.seal_with = \"k1\": expected keys.kek_dir to be set"),
        ("[keys]\nkek_dir = \"/k\"", "keys.kek_dir = \"/k\": expected keys.seal_with to be set"),
        (
            "[limits]\nmax_body = \"65MiB\"",
            "limits.max_body = \"65MiB\": expected at most limits.body_budget",
        ),
        (
            "[ops]\naddress = \"127.0.0.1:9901\"",
            "ops.address = \"127.0.0.1:9901\": expected a port of its own",
        ),
        (
            "[admin]\naddress = \"127.0.0.1:8080\"",
            "admin.address = \"127.0.0.1:8080\": expected a port of its own",
        ),
        (
            "[listener]\npublic_url = \"https://a/?x=1\"",
            "listener.public_url = \"https://a/?***\": expected an abs",
        ),
        ("[listener]\npublic_url = \"/a\"", "listener.public_url = \"/a\": expected an absolute URL"),
        (
            "[listener]\ntrusted_proxies = [\"10.0.0.1\", \"proxy\"]",
            "listener.trusted_proxies[1] = \"proxy\": expected an address, a CIDR range",
        ),
        (
            "[listener]\ntrusted_proxies = [\"0.0.0.0/0\"]",
            "listener.trusted_proxies[0] = \"0.0.0.0/0\": expected an address, a CIDR range",
        ),
        (
            "[listener]\ntrusted_proxies = \"10.0.0.1\"",
            "listener.trusted_proxies = \"10.0.0.1\": expected a list of addresses",
        ),
    ] {
        let fault = Given::file(text).fault();
        assert!(fault.starts_with(expected), "{text}: {fault}");
    }
    Given::file("[listener]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"").config();
}

#[test]
fn n03_an_admin_port_that_others_reach_must_be_meant() {
    for address in ["0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901", "[::ffff:10.0.0.1]:9901"] {
        let admin = format!("[admin]\naddress = \"{address}\"\n");
        let fault = Given::file(&admin).fault();
        let expected = format!("admin.address = \"{address}\": expected a loopback address");
        assert!(fault.starts_with(&expected) && fault.contains("admin.insecure = true"), "{fault}");
        assert!(Given::file(&format!("{admin}insecure = true")).config().admin.insecure);
        Given::file(&format!("role = \"data\"\n{admin}")).config();
        let tls = "[admin.tls]\ncertificates = [{ cert_file = \"/c\", key_file = \"/k\" }]";
        assert!(!Given::file(&format!("{admin}{tls}")).config().admin.insecure);
    }
    for address in ["127.0.0.1:9901", "127.8.8.8:9901", "[::1]:9901"] {
        assert!(!Given::file(&format!("[admin]\naddress = \"{address}\"")).config().admin.insecure);
    }
}

#[test]
fn names_of_the_admin_port_have_neither_scheme_nor_port() {
    let hosts = |list: &str| Given::file(&format!("[admin]\nhosts = {list}"));
    assert_eq!(
        hosts("[\"Admin.example.com\", \"countersign\"]").config().admin.hosts,
        ["admin.example.com", "countersign"]
    );
    for wrong in ["https://a", "a:9901", "", "a..b", "*.a", "a.", "10.0.0.1", "a b"] {
        let fault = hosts(&format!("[\"{wrong}\"]")).fault();
        assert!(fault.starts_with("admin.hosts[0] = ") && fault.contains("expected a host name"), "{fault}");
    }
}

#[test]
fn a_route_that_contradicts_itself_is_a_fault() {
    let with = |line: &str| Given::file(&format!("[[routes]]\nname = \"a\"\npath = \"/a\"\n{line}\n"));
    for (line, expected) in [
        ("verify = []", "routes[0].verify = a list: expected \"none\", or a list"),
        ("verify = \"none\"\npath_mode = \"prefix\"", "routes[0].path_mode = \"prefix\": expected one of"),
        (
            "verify = [\"integration\"]\npath_mode = \"raw\"",
            "routes[0].path = \"/a\": expected \"{integration}\" as a segment",
        ),
        ("verify = \"open\"", "routes[0].verify = \"open\": expected \"none\", or a list"),
        ("verify = \"api-key\"", "routes[0].verify = \"api-key\": expected \"none\", or a list"),
        (
            "verify = [\"none\", \"api-key\"]",
            "routes[0].verify[0] = \"none\": expected \"integration\", \"sig",
        ),
        ("verify = [\"api-key\", \"api-key\"]", "routes[0].verify[1] = \"api-key\": expected each item once"),
        ("verify = [\"integration\"]", "routes[0].path = \"/a\": expected \"{integration}\" as a segment"),
        ("verify = [\"api-key\"]\nrequire = \"all\"", "routes[0].require = \"all\": expected \"any\""),
        ("verify = \"none\"\nrequire = \"all\"", "routes[0].require = \"all\": expected \"any\""),
        ("verify = [\"signature\"]\nbearer = true", "routes[0].bearer = true: expected false"),
        ("verify = \"none\"\nmethods = []", "routes[0].methods = a list: expected at least one method"),
        (
            "verify = \"none\"\nmethods = [\"TRACE\"]",
            "routes[0].methods[0] = \"TRACE\": expected a method other",
        ),
        (
            "verify = [\"signature\"]\nmax_body = \"65MiB\"",
            "routes[0].max_body = \"65MiB\": expected at most",
        ),
        (
            "verify = \"none\"\ntimeout = \"0s\"",
            "routes[0].timeout = \"0s\": expected a duration from 10ms to 1h",
        ),
    ] {
        let fault = with(line).fault();
        assert!(fault.starts_with(expected), "{line}: {fault}");
    }
    assert_eq!(
        with("verify = [\"api-key\"]\nmax_body = \"65MiB\"").config().routes[0].max_body,
        Some(65 << 20)
    );
}

#[test]
fn a_shadowed_route_is_a_fault() {
    let all = ROUTE.replace("\"a\"", "\"all\"").replace("\"/a\"", "\"/{*rest}\"");
    let fault = Given::file(&format!("{all}{ROUTE}")).fault();
    assert!(
        fault.starts_with("routes[1].path = \"/a\": expected requests that no earlier route takes"),
        "{fault}"
    );
    assert!(fault.contains("routes[0] \"all\" takes all"), "{fault}");
    Given::file(&format!("{ROUTE}{all}")).config();
    let twice = Given::file(&format!("{ROUTE}{}", ROUTE.replace("\"/a\"", "\"/b\""))).fault();
    assert!(
        twice.starts_with("routes[1].name = \"a\": expected a name of its own; routes[0] \"a\""),
        "{twice}"
    );
}

#[test]
fn a_websocket_has_no_way_to_an_application_of_http_2() {
    let routes = "[[routes]]\nname = 'live'\npath = '/live'\nverify = ['api-key']\nwebsocket = true\n";
    let fault = Given::file(&format!("[upstream]\nhttp2 = true\n{routes}")).fault();
    assert!(fault.contains("routes[0].websocket = true: expected false with upstream.http2"), "{fault}");
    Given::file(&format!("[upstream]\nhttp2 = false\n{routes}")).config();
}
