//! `store.kind = "redis"`: what may be said, and that a password never is.

use std::path::PathBuf;
use std::time::Duration;

use countersign::config::{
    InitPolicy, RedisConfig, RedisDurability, RedisTls, ServerAddress, StoreBackend, Topology,
};

use super::Given;

const KEKS: &str = "[keys]\nkek_dir = \"/k\"\nseal_with = \"k1\"\n";

fn redis(options: &str) -> Given {
    Given::file(&format!("{KEKS}[store]\nkind = \"redis\"\n{options}\n"))
}

fn loaded(options: &str) -> RedisConfig {
    match redis(options).config().store.backend {
        StoreBackend::Redis(redis) => *redis,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_url_names_server_user_password_and_database() {
    let plain = loaded("url = \"redis://redis.internal\"");
    assert_eq!(plain, RedisConfig::at(Topology::Standalone(at("redis.internal", 6379))));
    assert!(plain.user.is_none() && plain.password.is_none());
    assert_eq!(plain.durability, RedisDurability::Server);
    let full = loaded("url = \"redis://me:s%3Acret%40@[::1]:7000/3\"\ndurability = \"fsync\"");
    assert_eq!((&full.topology, full.database), (&Topology::Standalone(at("::1", 7000)), 3));
    assert_eq!(full.user.as_deref(), Some("me"));
    assert!(full.password.as_ref().unwrap().ct_eq(b"s:cret@"));
    assert_eq!(full.durability, RedisDurability::Fsync);
    assert_eq!(full.to_string(), "redis://me:***@[::1]:7000/3");
    assert!(!format!("{full:?}").contains("cret"));
    assert_eq!(loaded("url = \"redis://:pw@a\"").user, None);
    assert_ne!(loaded("url = \"redis://:pw@a\""), loaded("url = \"redis://:other@a\""));
    let store = redis("url = \"redis://a\"").config().store;
    assert_eq!(store.init, InitPolicy::Never);
}

fn at(host: &str, port: u16) -> ServerAddress {
    ServerAddress { host: host.to_owned(), port }
}

#[test]
fn a_url_with_several_servers_says_how_they_are_arranged() {
    let sentinel = loaded("url = \"redis+sentinel://me:s3cret@S1,[::1]:7000/my.master/2\"");
    let (sentinels, master) = (vec![at("s1", 26379), at("::1", 7000)], "my.master".to_owned());
    assert_eq!(sentinel.topology, Topology::Sentinel { sentinels, master });
    assert_eq!((sentinel.user.as_deref(), sentinel.database), (Some("me"), 2));
    assert_eq!(sentinel.to_string(), "redis+sentinel://me:***@s1:26379,[::1]:7000/my.master/2");
    assert_eq!(sentinel.place(), "redis+sentinel://s1:26379,[::1]:7000/my.master/2");
    let cluster = loaded("url = \"redis+cluster://me@n1,n2:7001\"");
    assert_eq!(cluster.topology, Topology::Cluster { seeds: vec![at("n1", 6379), at("n2", 7001)] });
    assert_eq!(cluster.to_string(), "redis+cluster://me@n1:6379,n2:7001");
}

#[test]
fn rediss_is_tls_in_every_arrangement() {
    for (url, shown) in [
        ("rediss://a", "rediss://a:6379/0"),
        ("rediss+sentinel://a/m", "rediss+sentinel://a:26379/m/0"),
        ("rediss+cluster://a", "rediss+cluster://a:6379"),
    ] {
        let config = loaded(&format!("url = \"{url}\"\nca_file = \"/ca\""));
        assert_eq!(config.tls, Some(RedisTls { ca_file: PathBuf::from("/ca"), client: None }));
        assert_eq!(config.to_string(), shown);
    }
    let both = "url = \"rediss://a\"\nca_file = \"/ca\"\ncert_file = \"/c\"\nkey_file = \"/k\"";
    assert_eq!(loaded(both).tls.unwrap().client, Some((PathBuf::from("/c"), PathBuf::from("/k"))));
}

#[test]
fn timeouts_replicas_and_sentinels_with_a_login_of_their_own_can_be_set() {
    let config = loaded(
        "url = \"redis+sentinel://a/m\"\nsentinel_user = \"watcher\"\nsentinel_password_file = \"/p\"\n\
         connect_timeout = \"500ms\"\nresponse_timeout = \"2s\"\ndurability = \"replicas:2\"",
    );
    assert_eq!(config.sentinel_user.as_deref(), Some("watcher"));
    assert_eq!(config.sentinel_password_file, Some(PathBuf::from("/p")));
    assert_eq!(config.connect_timeout, Duration::from_millis(500));
    assert_eq!(config.response_timeout, Duration::from_secs(2));
    assert_eq!(config.durability, RedisDurability::Replicas(2));
}

#[test]
fn what_cannot_be_is_a_fault_without_the_password() {
    for (options, expected) in [
        ("", "store.url: expected a value"),
        ("url = \"rediss://:s3cret@a\"", "store.ca_file: expected the PEM file of the authorities"),
        ("url = \"redis://a\"\nca_file = \"/ca\"", "a store.url that begins with rediss beside it"),
        ("url = \"redis://a\"\nkey_file = \"/k\"", "a store.url that begins with rediss beside it"),
        ("url = \"rediss://a\"\nca_file = \"/ca\"\ncert_file = \"/c\"", "store.key_file beside it"),
        ("url = \"rediss://a\"\nca_file = \"/ca\"\nkey_file = \"/k\"", "store.cert_file beside it"),
        ("url = \"redis://:s3cret@a,b\"", "several servers are a \"redis+sentinel://\""),
        ("url = \"redis+sentinel://:s3cret@a\"", "the name of the master in \"sentinel monitor\""),
        ("url = \"redis+sentinel://a,/m\"", "expected \"redis+sentinel://"),
        ("url = \"redis+sentinel://a,A:26379/m\"", "each server once"),
        ("url = \"redis+sentinel://a/m/x\"", "the database is a number"),
        ("url = \"redis+cluster://:s3cret@a/1\"", "a Cluster has database 0 only"),
        ("url = \"redis://a\"\nsentinel_user = \"u\"", "a store.url with +sentinel beside it"),
        ("url = \"redis+sentinel://a/m\"\nsentinel_user = \"u\"", "store.sentinel_password_file beside it"),
        ("url = \"redis://a\"\nconnect_timeout = \"0s\"", "a duration from 50ms to 10s"),
        ("url = \"redis://a\"\nresponse_timeout = \"1m\"", "a duration from 50ms to 10s"),
        ("url = \"http://a\"", "store.url = \"http://a\": expected \"redis://"),
        ("url = \"redis://:s3cret@a:0\"", "store.url = \"redis://***@a:0\""),
        ("url = \"redis://:s3cret@a/x\"", "the database is a number"),
        ("url = \"redis://a?db=1\"", "without query"),
        ("url = \"redis://:s3cret@a\"\npassword_file = \"/p\"", "no password in store.url beside it"),
        ("url = \"redis://a\"\ndurability = \"replicas:0\"", "\"replicas:N\" with N from 1 to 16"),
        ("url = \"redis://a\"\ndurability = \"none\"", "one of \"server\", \"fsync\" or \"replicas:N\""),
    ] {
        let fault = redis(options).fault();
        assert!(fault.contains(expected) && !fault.contains("s3cret"), "{options}: {fault}");
    }
    let fault = Given::file("[store]\nkind = \"redis\"\nurl = \"redis://a\"\n").fault();
    assert!(fault.starts_with("keys.kek_dir: expected a directory of key files"), "{fault}");
    let fault = Given::file("[store]\nurl = \"redis://:s3cret@a\"\n").fault();
    assert!(fault.contains("store.kind = \"redis\" beside it") && !fault.contains("s3cret"), "{fault}");
}
