//! The PROXY protocol on the traffic port: whose connection it is, everywhere that counts.

use serde_json::json;

use super::get;
use crate::support::http::{Call, Connection};
use crate::support::sidecar::{Key, Sidecar, until};

const BEHIND_A_BALANCER: &str = "[listener]\ntrusted_proxies = ['127.0.0.0/8']\nproxy_protocol = 'on'";
const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
/// The same in version 2, with an extension (PP2_TYPE_NOOP) behind it.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\0\x01\0";

fn start(config: &str) -> (Sidecar, Key) {
    let sidecar = Sidecar::builder().config(config).start();
    let workspace = sidecar.workspace("tenant");
    let key = sidecar.key(&workspace, json!({ "allowedCidrs": ["192.0.2.0/24"] }));
    (sidecar, key)
}

fn begun(sidecar: &Sidecar, header: &[u8]) -> Connection {
    let mut connection = Connection::open(sidecar.traffic());
    connection.write(header);
    connection
}

#[test]
fn the_client_is_whom_the_header_names() {
    let (sidecar, key) = start(BEHIND_A_BALANCER);
    for header in [LINE, BINARY] {
        let mut connection = begun(&sidecar, header);
        // Its own word about itself counts no more than anybody's.
        let call = get(&key, "/a").header("X-Forwarded-For", "192.0.2.200");
        for _ in 0..2 {
            connection.write(&call.bytes());
            assert_eq!(connection.answer_to("GET").status, 200);
            let seen = sidecar.upstream.only();
            assert_eq!(seen.all("x-forwarded-for"), ["192.0.2.7"]);
        }
    }
    // Another client of the same balancer is not let in with this key.
    let mut connection = begun(&sidecar, b"PROXY TCP4 203.0.113.9 198.51.100.1 1 443\r\n");
    connection.write(&get(&key, "/a").bytes());
    assert_eq!(connection.answer_to("GET").status, 401);
    assert_eq!(sidecar.upstream.count(), 0);
}

#[test]
fn a_balancer_that_speaks_for_itself_is_the_client() {
    let (sidecar, _) = start(BEHIND_A_BALANCER);
    for header in [b"PROXY UNKNOWN\r\n".as_slice(), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut connection = begun(&sidecar, header);
        connection.write(&Call::get("/health").bytes());
        assert_eq!(connection.answer_to("GET").status, 401);
    }
}

#[test]
fn h2_passes_behind_a_header_too() {
    let (sidecar, _) = start(BEHIND_A_BALANCER);
    let mut connection = begun(&sidecar, BINARY);
    connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // The server's own SETTINGS frame.
    let frame = connection.read_exactly(9);
    assert_eq!(frame[3], 4, "{frame:?}");
}

#[test]
fn a_connection_without_a_header_or_of_a_stranger_is_closed() {
    let (sidecar, key) = start(BEHIND_A_BALANCER);
    let request = get(&key, "/a").bytes();
    let malformed = [b"PROXY TCP4 1.2.3.4 x 1 2\r\n".as_slice(), &request].concat();
    for bytes in [request, malformed] {
        let mut connection = begun(&sidecar, &bytes);
        assert!(connection.try_answer("GET").is_none());
    }
    let counted = || sidecar.metrics("countersign_listener_proxy_faults_total");
    until("they are counted", || counted() == ["countersign_listener_proxy_faults_total 2"]);
    sidecar.upstream.saw_nothing();

    let strangers = "[listener]\ntrusted_proxies = ['192.0.2.0/24']\nproxy_protocol = 'on'";
    let (sidecar, key) = start(strangers);
    let mut connection = begun(&sidecar, LINE);
    connection.write(&get(&key, "/a").bytes());
    assert!(connection.try_answer("GET").is_none());
    sidecar.upstream.saw_nothing();
}

#[test]
fn without_the_option_a_header_is_not_http() {
    let (sidecar, key) = start("[listener]\ntrusted_proxies = ['127.0.0.0/8']");
    let mut connection = begun(&sidecar, LINE);
    connection.write(&get(&key, "/a").bytes());
    assert_eq!(connection.answer_to("GET").status, 400);
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_header_that_does_not_come_ends_in_time() {
    let (sidecar, _) = start(&format!("{BEHIND_A_BALANCER}\n[limits]\nheader_timeout = '200ms'"));
    for part in [b"".as_slice(), b"PROXY TCP4 1", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"] {
        assert!(begun(&sidecar, part).is_closed());
    }
}
