//! `store.kind = "redis"`: what may be said, and that a password never is.

use countersign::config::{InitPolicy, RedisConfig, RedisDurability, StoreBackend};

use super::Given;

const KEKS: &str = "[keys]\nkek_dir = \"/k\"\nseal_with = \"k1\"\n";

fn redis(options: &str) -> Given {
    Given::file(&format!("{KEKS}[store]\nkind = \"redis\"\n{options}\n"))
}

fn loaded(options: &str) -> RedisConfig {
    match redis(options).config().store.backend {
        StoreBackend::Redis(redis) => redis,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_url_names_server_user_password_and_database() {
    let plain = loaded("url = \"redis://redis.internal\"");
    assert_eq!((plain.host.as_str(), plain.port, plain.database), ("redis.internal", 6379, 0));
    assert!(plain.user.is_none() && plain.password.is_none());
    assert_eq!(plain.durability, RedisDurability::Server);
    let full = loaded("url = \"redis://me:s%3Acret%40@[::1]:7000/3\"\ndurability = \"fsync\"");
    assert_eq!((full.host.as_str(), full.port, full.database), ("::1", 7000, 3));
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

#[test]
fn what_cannot_be_is_a_fault_without_the_password() {
    for (options, expected) in [
        ("", "store.url: expected a value"),
        ("url = \"rediss://:s3cret@a\"", "TLS is not available in this version"),
        ("url = \"http://a\"", "store.url = \"http://a\": expected \"redis://"),
        ("url = \"redis://:s3cret@a:0\"", "store.url = \"redis://***@a:0\""),
        ("url = \"redis://:s3cret@a/x\"", "the database is a number"),
        ("url = \"redis://a?db=1\"", "without query"),
        ("url = \"redis://:s3cret@a\"\npassword_file = \"/p\"", "no password in store.url beside it"),
        ("url = \"redis://a\"\ndurability = \"replicas:1\"", "not available in this version"),
        ("url = \"redis://a\"\ndurability = \"none\"", "one of \"server\", \"fsync\""),
    ] {
        let fault = redis(options).fault();
        assert!(fault.contains(expected) && !fault.contains("s3cret"), "{options}: {fault}");
    }
    let fault = Given::file("[store]\nkind = \"redis\"\nurl = \"redis://a\"\n").fault();
    assert!(fault.starts_with("keys.kek_dir: expected a directory of key files"), "{fault}");
    let fault = Given::file("[store]\nurl = \"redis://:s3cret@a\"\n").fault();
    assert!(fault.contains("store.kind = \"redis\" beside it") && !fault.contains("s3cret"), "{fault}");
}
