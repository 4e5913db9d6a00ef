//! Limits of the connections to the application that change while it is at work.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Reloaded, route};
use crate::support::http::{Call, Connection};
use crate::support::sidecar::until;
use crate::support::upstream::{Manner, Upstream};

#[test]
fn connections_to_the_application_are_as_many_as_is_said_now() {
    let gate = Arc::new(Semaphore::new(0));
    let toml = |connections: u32| {
        let upstream = format!("[upstream]\nconnections = {connections}\nconnection_wait = '0s'\n");
        format!("{upstream}{}", route("one"))
    };
    let reloaded = Reloaded::before(Upstream::with(Manner::Held(Arc::clone(&gate))), &toml(1));
    let begin = |at_work: usize| {
        let mut connection = Connection::open(reloaded.serve.traffic);
        connection.write(&Call::get("/one").bytes());
        until("it is at work", || reloaded.upstream.count() == at_work);
        connection
    };
    let mut first = begin(1);
    assert_eq!(reloaded.get("/one"), 503);
    reloaded.change(&toml(2), "applied");
    let mut second = begin(2);
    assert_eq!(reloaded.get("/one"), 503);
    // Neither is cut off; the place of the one that ends first is gone.
    reloaded.change(&toml(1), "applied");
    assert_eq!(reloaded.get("/one"), 503);
    gate.add_permits(2);
    assert_eq!((first.answer().status, second.answer().status), (200, 200));
    let mut third = begin(3);
    assert_eq!(reloaded.get("/one"), 503);
    gate.add_permits(1);
    assert_eq!(third.answer().status, 200);
    assert_eq!(reloaded.upstream.take().len(), 3);
}

#[test]
fn every_patience_with_the_application_is_taken_without_a_restart() {
    let reloaded = Reloaded::start(&route("one"));
    for (option, applied) in [
        ("connect_timeout = '4s'", true),
        ("response_timeout = '29s'", true),
        ("idle_timeout = '29s'", true),
        ("connections = 999", true),
        ("connection_wait = '2s'", true),
        ("idle_connections = 0", true),
        ("http2 = true", false),
    ] {
        let outcome = if applied { "applied" } else { "refused" };
        reloaded.change(&format!("[upstream]\n{option}\n{}", route("one")), outcome);
        assert_eq!(reloaded.get("/one"), 200, "{option}");
    }
    // None is kept since that was said.
    let (requests, connections) = (reloaded.upstream.take().len(), reloaded.upstream.connections());
    assert_eq!(requests, 7);
    assert_eq!(reloaded.get("/one"), 200);
    assert_eq!(reloaded.upstream.connections(), connections + 1);
}
