//! Connections to the application: reused while they are clean, replaced when they are stale.

use http::Response;

use super::{get, keyed, with};
use crate::support::http::{Call, Connection};
use crate::support::sidecar::{Sidecar, until};
use crate::support::upstream::Manner;

#[test]
fn a_thousand_requests_use_few_connections() {
    let (sidecar, key) = with(Manner::Polite);
    let (read, write) =
        (get(&key).bytes(), Call::post("/a", "body").header("X-API-Key", &key.api_key).bytes());
    let mut connection = Connection::open(sidecar.traffic());
    for n in 0..1000 {
        connection.write(if n % 2 == 0 { &read } else { &write });
        assert_eq!(connection.answer().status, 200, "request {n}");
    }
    assert_eq!(sidecar.upstream.count(), 1000);
    let connections = sidecar.upstream.connections();
    assert!(connections <= 4, "{connections} connections for one client");
}

#[test]
fn refusals_open_no_connection() {
    let (sidecar, _) = with(Manner::Polite);
    for _ in 0..50 {
        sidecar.refuses(&Call::get("/a"), 401);
    }
    assert_eq!(sidecar.upstream.connections(), 0);
}

#[test]
fn h23_a_connection_that_the_application_closed_is_replaced_unseen() {
    let (sidecar, key) =
        with(Manner::Answers(|_| Response::builder().header("Connection", "close").body("bye").unwrap()));
    let mut connection = Connection::open(sidecar.traffic());
    for n in 1..=20 {
        connection.write(&Call::post("/a", "body").header("X-API-Key", &key.api_key).bytes());
        let answer = connection.answer();
        assert_eq!((answer.status, answer.text().as_str()), (200, "bye"), "request {n}");
        assert_eq!(sidecar.upstream.connections(), n);
    }
    assert_eq!(sidecar.upstream.count(), 20, "each was sent once");
}

#[test]
fn a_connection_that_closes_while_it_is_idle_is_replaced_unseen() {
    // The answer promises more, and then the application hangs up.
    let (sidecar, key) = with(Manner::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let mut connection = Connection::open(sidecar.traffic());
    for n in 1..=20 {
        connection.write(&get(&key).bytes());
        // It may be noticed before or after the next request is handed over, but never by the client.
        let answer = connection.answer();
        assert!(answer.status == 200 || answer.status == 502, "request {n}: {}", answer.status);
        if answer.status == 200 {
            assert_eq!(answer.text(), "ok");
        }
    }
    assert!(sidecar.upstream.raw().matches("get /a").count() <= 20, "a request was sent twice");
}

#[test]
fn idle_connections_are_kept_no_longer_than_configured() {
    let config = "[upstream]\nidle_timeout = '10ms'";
    let (sidecar, key) = keyed(Sidecar::builder().config(config).start());
    sidecar.passes(&get(&key));
    until("an old connection is replaced", || {
        sidecar.passes(&get(&key));
        std::thread::sleep(std::time::Duration::from_millis(15));
        sidecar.upstream.connections() >= 3
    });
    let config = "[upstream]\nidle_connections = 0";
    let (sidecar, key) = keyed(Sidecar::builder().config(config).start());
    for n in 1..=5 {
        sidecar.passes(&get(&key));
        assert_eq!(sidecar.upstream.connections(), n);
    }
}
