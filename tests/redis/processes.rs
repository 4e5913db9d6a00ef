//! Two `countersign serve` processes on one Redis, as they are deployed: killed and restarted at will.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::http::Call;
use crate::support::process::{Serve, text};
use crate::support::redis::{Server, kek_dir};
use crate::support::sidecar::{Key, until};
use crate::support::upstream::Upstream;

/// The command of a process on this Redis, with the keys of `keks`.
pub(super) fn command(dir: &Path, server: &Server, keks: &Path, upstream: &Upstream) -> Command {
    let mut command = Serve::command(dir, &upstream.url);
    command
        .env_remove("COUNTERSIGN_STORE__PATH")
        .env("COUNTERSIGN_STORE__KIND", "redis")
        .env("COUNTERSIGN_STORE__URL", server.url())
        .env("COUNTERSIGN_STORE__INIT", "if-empty")
        .env("COUNTERSIGN_KEYS__KEK_DIR", keks)
        .env("COUNTERSIGN_KEYS__SEAL_WITH", "k1");
    command
}

fn status(serve: &Serve, key: &Key) -> u16 {
    Call::get("/orders").header("X-API-Key", &key.api_key).send(serve.traffic).status
}

#[test]
fn two_processes_share_every_change_and_survive_kill_9() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (keks, dir, upstream) = (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap(), Upstream::start());
    let start = || Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let (mut a, mut b) = (start(), start());

    let workspace = a.workspace("shared");
    let [kept, deleted, disabled] = ["kept", "deleted", "disabled"].map(|name| a.key(&workspace, name));
    for key in [&kept, &deleted, &disabled] {
        until("a key made on A works on B", || status(&b, key) == 200);
    }
    let path = |key: &Key| format!("/api/webhook-keys/{}", key.id);
    assert_eq!(a.admin("DELETE", &path(&deleted), None).status, 204);
    let off = Some(json!({ "isActive": false }));
    assert_eq!(b.admin("PATCH", &path(&disabled), off).status, 200);
    // Whoever took the call refuses at once; the other as soon as it hears.
    assert_eq!((status(&a, &deleted), status(&b, &disabled)), (401, 401));
    until("a key deleted on A is refused on B", || status(&b, &deleted) == 401);
    until("a key disabled on B is refused on A", || status(&a, &disabled) == 401);

    for _ in 0..2 {
        a.process.kill();
        assert_eq!(status(&b, &kept), 200);
        a = start();
        b.process.kill();
        b = start();
        for serve in [&a, &b] {
            let verdicts = [&kept, &deleted, &disabled].map(|key| status(serve, key));
            assert_eq!(verdicts, [200, 401, 401]);
        }
    }
}

#[test]
fn the_token_of_an_admin_who_is_deleted_on_a_opens_nothing_on_b() {
    let server = Server::start(&[]);
    let (keks, dir, upstream) = (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap(), Upstream::start());
    let start = || Serve::of(command(dir.path(), &server, keks.path(), &upstream));
    let (a, b) = (start(), start());
    let asks = |serve: &Serve, token: &str| {
        let call = Call::get("/api/workspaces").header("Authorization", format!("Bearer {token}"));
        call.ask(serve.admin).status
    };
    let admin = |serve: &Serve, name: &str, role: &str| {
        let made = serve.admin("POST", "/api/admins", Some(json!({ "name": name, "role": role }))).json();
        (text(&made["id"]), text(&made["token"]))
    };
    let (deleted, gone) = admin(&a, "deleted", "platform-admin");
    let (rotated, former) = admin(&a, "rotated", "auditor");
    let (_, stays) = admin(&a, "stays", "auditor");
    for token in [&gone, &former, &stays] {
        until("a token made on A opens B", || asks(&b, token) == 200);
    }
    assert_eq!(a.admin("DELETE", &format!("/api/admins/{deleted}"), None).status, 204);
    let fresh = a.admin("POST", &format!("/api/admins/{rotated}/rotate-token"), None).json();
    assert_eq!((asks(&a, &gone), asks(&a, &former)), (401, 401));
    until("the deleted admin's token opens nothing on B", || asks(&b, &gone) == 401);
    until("the former token opens nothing on B", || asks(&b, &former) == 401);
    assert_eq!((asks(&b, &stays), asks(&b, &text(&fresh["token"]))), (200, 200));
}
