//! `/api/schemes`: what `countersign schemes --json` prints, for whoever sees the admin port only.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::admin_port::Port;

fn printed(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("schemes").args(args).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_presets_are_those_that_the_command_lists() {
    let port = Port::open().await;
    let listed = port.get("/api/schemes").await;
    assert_eq!(listed.status, 200);
    assert_eq!(listed.json["items"], printed(&["--json"])["items"]);
    assert_eq!(listed.json["nextCursor"], Value::Null);
    for name in ["stripe", "box", "rfc9421"] {
        let shown = port.get(&format!("/api/schemes/{name}")).await;
        assert_eq!(shown.status, 200);
        assert_eq!(shown.json, printed(&[name, "--json"]), "{name}");
    }
    assert_eq!(port.get("/api/schemes/nobody").await.status, 404);
    assert_eq!(port.call("POST", "/api/schemes", Some(json!({}))).await.status, 405);
    assert_eq!(port.call("DELETE", "/api/schemes/stripe", None).await.status, 405);
    let bare = http::Request::get("/api/schemes").body(axum::body::Body::empty()).unwrap();
    assert_eq!(port.send(bare).await.status, 401);
}

#[tokio::test]
async fn a_scheme_that_is_shown_can_be_given_back() {
    let port = Port::open().await;
    let mut shown = port.get("/api/schemes/stripe").await.json;
    let made = port.integration(json!({ "name": "x", "scheme": shown["scheme"].take() })).await;
    assert_eq!(made.json["scheme"]["signed"], "{timestamp}.{body}");
}
