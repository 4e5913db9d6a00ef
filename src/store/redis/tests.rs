//! What the nodes of a Cluster say of the way, in every form.

use super::slots::{Redirect, Slots};
use crate::config::ServerAddress;

fn at(host: &str, port: u16) -> ServerAddress {
    ServerAddress { host: host.to_owned(), port }
}

fn said(line: &str) -> Option<Redirect> {
    let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
    Redirect::of(&value.extract_error().unwrap_err(), &at("seed", 7000))
}

#[test]
fn redirects_name_a_node_in_every_form() {
    assert_eq!(said("MOVED 1 10.0.0.1:7001"), Some(Redirect::Moved(at("10.0.0.1", 7001))));
    assert_eq!(said("MOVED 1 Node-1.Redis:7001"), Some(Redirect::Moved(at("node-1.redis", 7001))));
    assert_eq!(said("ASK 1 fd00::1:7001"), Some(Redirect::Ask(at("fd00::1", 7001))));
    assert_eq!(said("ASK 1 :7001"), Some(Redirect::Ask(at("seed", 7001))));
}

#[test]
fn a_redirect_to_nowhere_is_an_error_like_any_other() {
    for line in ["MOVED 1 ?:7001", "MOVED 1 host:0", "MOVED 1 host:70000", "MOVED 1 host", "MOVED", "ASK 1"] {
        assert_eq!(said(line), None, "{line}");
    }
}

#[test]
fn what_passes_is_waited_for_and_nothing_else() {
    for line in [
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN The cluster is down",
        "LOADING Redis is loading the dataset in memory",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ] {
        assert_eq!(said(line), Some(Redirect::Wait), "{line}");
    }
    for line in ["ERR no", "READONLY no", "NOPERM no", "WRONGTYPE no", "NOSCRIPT no", "OOM no"] {
        assert_eq!(said(line), None, "{line}");
    }
}

#[test]
fn the_owner_is_asked_first_and_seeds_after_it() {
    let slots = Slots::new(vec![at("a", 1), at("b", 2)]);
    assert_eq!(slots.candidates(), [at("a", 1), at("b", 2)]);
    assert!(!slots.has_left(&at("a", 1)));
    slots.learn(&at("b", 2));
    assert_eq!(slots.candidates(), [at("b", 2), at("a", 1)]);
    assert!(slots.has_left(&at("a", 1)) && !slots.has_left(&at("b", 2)));
    slots.learn(&at("c", 3));
    assert_eq!(slots.candidates(), [at("c", 3), at("a", 1), at("b", 2)]);
}
