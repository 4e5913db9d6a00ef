//! What a newer version has added to a namespace of the same schema, and this one does not know: served around, never
//! dropped, and never taken for nothing.

use countersign::store::Position;
use serde_json::json;

use super::processes::command;
use crate::support::admin_port::Port;
use crate::support::http::Call;
use crate::support::process::{Process, Serve, countersign};
use crate::support::redis::{Server, kek_dir, keyring_of, shared};
use crate::support::upstream::Upstream;

/// A record of a kind that nobody here knows, with a claim.
fn plant(server: &Server, namespace: &str) {
    let (records, claims) = (format!("{{{namespace}}}:records"), format!("{{{namespace}}}:claims"));
    let gadget = "gadget/0190163d-8694-739b-aea5-966c26f8ad91";
    server.do_it(&["HSET", &records, gadget, "1\nv1.k1.00\n{}"]);
    server.do_it(&["HSET", &claims, "gadget-name/one", gadget]);
}

fn planted(server: &Server, namespace: &str) -> Vec<String> {
    let records: Vec<String> = server.ask(&["HKEYS", &format!("{{{namespace}}}:records")]);
    records.into_iter().filter(|field| field.starts_with("gadget/")).collect()
}

#[test]
fn a_record_of_an_unknown_kind_stays_and_the_others_serve() {
    let (server, keks, dir) = (Server::start(&[]), kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap());
    let upstream = Upstream::start();
    let serve = Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let workspace = serve.workspace("known");
    let key = serve.key(&workspace, "held");
    serve.process.signal("TERM");
    assert_eq!(serve.process.finish().code, Some(0));
    plant(&server, "countersign");

    let serve = Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    assert_eq!(Call::get("/").header("X-API-Key", &key.api_key).send(serve.traffic).status, 200);
    assert!(serve.process.stderr().contains("name no record of a known kind are left alone"));
    assert_eq!(serve.admin("DELETE", &format!("/api/workspaces/{workspace}"), None).status, 204);
    assert_eq!(planted(&server, "countersign").len(), 1);

    // A set that cannot be carried whole is not carried at all.
    let mut export = countersign(dir.path(), &["export", "--out", "keys.export"]);
    export.env_remove("COUNTERSIGN_STORE__PATH").envs([
        ("COUNTERSIGN_STORE__KIND", "redis".to_owned()),
        ("COUNTERSIGN_STORE__URL", server.url()),
        ("COUNTERSIGN_KEYS__KEK_DIR", keks.path().display().to_string()),
        ("COUNTERSIGN_KEYS__SEAL_WITH", "k1".to_owned()),
    ]);
    let ended = Process::start(export).finish();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("1 records of kinds that this version of countersign does not know"),
        "{ended:?}"
    );
    assert!(!dir.path().join("keys.export").exists());
}

#[tokio::test]
async fn while_there_is_an_unknown_kind_no_key_encryption_key_is_called_unused() {
    let port = Port::over_redis().await;
    port.workspace("known").await;
    plant(shared(), port.namespace());
    let later = port.beside_with(keyring_of(&[("k1", 'a'), ("k2", 'b')], "k2")).await;
    let rotate = async || later.post("/api/keks/rotate", json!({ "to": "k2" })).await;
    let mut answer = rotate().await;
    while answer.json["done"] == false {
        answer = rotate().await;
    }
    assert_eq!((&answer.json["done"], &answer.json["unused"]), (&json!(true), &json!([])), "{}", answer.text);
    assert_eq!(planted(shared(), port.namespace()).len(), 1);
    shared().do_it(&[
        "HDEL",
        &format!("{{{}}}:records", port.namespace()),
        &planted(shared(), port.namespace())[0],
    ]);
    assert_eq!(rotate().await.json["unused"], json!(["k1"]));
    assert!(port.store.audit(Position::default(), 100).await.unwrap().len() > 2);
}
