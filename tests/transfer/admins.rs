//! Admins on their way from one kind of store to another: roles, tokens, what they made; and who was revoked stays so.

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{at_redis, embedded, in_redis, well};
use crate::support::http::{Answer, Call};
use crate::support::process::{Serve, text};
use crate::support::redis::{kek_dir, namespace, shared};

/// Who there is, and what they have.
struct Admins {
    workspace: String,
    platform: (String, String),
    of_workspace: (String, String),
    auditor: (String, String),
    /// A token that was replaced, and the one of an admin who was deleted.
    revoked: [String; 2],
    /// What the workspace admin and the deleted one made.
    made: [String; 2],
}

fn ask(serve: &Serve, token: &str, method: &str, target: &str, body: Option<Value>) -> Answer {
    let mut call = Call::new(method, target).header("Authorization", format!("Bearer {token}"));
    if let Some(body) = body {
        call = call.header("Content-Type", "application/json");
        call.body = body.to_string().into_bytes();
    }
    call.ask(serve.admin)
}

fn admin(serve: &Serve, body: Value) -> (String, String) {
    let answer = serve.admin("POST", "/api/admins", Some(body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    (text(&answer.json()["id"]), text(&answer.json()["token"]))
}

impl Admins {
    fn make(serve: &Serve) -> Self {
        let workspace = serve.workspace("Acme");
        let platform = admin(serve, json!({ "name": "Ann", "role": "platform-admin" }));
        let workspaces = json!({ "name": "Wim", "role": "workspace-admin", "workspaces": [workspace] });
        let of_workspace = admin(serve, workspaces);
        let auditor = admin(serve, json!({ "name": "Aud", "role": "auditor" }));
        let deleted = admin(serve, json!({ "name": "Del", "role": "platform-admin" }));
        let keys = format!("/api/workspaces/{workspace}/webhook-keys");
        let made = [&of_workspace.1, &deleted.1].map(|token| {
            let answer = ask(serve, token, "POST", &keys, Some(json!({ "name": "a key" })));
            assert_eq!(answer.status, 201, "{}", answer.text());
            format!("/api/webhook-keys/{}", text(&answer.json()["id"]))
        });
        let answer = serve.admin("DELETE", &format!("/api/admins/{}", deleted.0), None);
        assert_eq!(answer.status, 204, "{}", answer.text());
        let path = format!("/api/admins/{}/rotate-token", auditor.0);
        let rotated = serve.admin("POST", &path, None);
        assert_eq!(rotated.status, 200, "{}", rotated.text());
        let revoked = [auditor.1, deleted.1];
        let auditor = (auditor.0, text(&rotated.json()["token"]));
        Self { workspace, platform, of_workspace, auditor, revoked, made }
    }

    /// Everybody may what they may, and no more.
    fn check(&self, serve: &Serve) {
        let status = |token: &str, method: &str, target: &str, body: Option<Value>| {
            ask(serve, token, method, target, body).status
        };
        let admins = ask(serve, &self.platform.1, "GET", "/api/admins", None).json();
        let known: Vec<(String, String)> = admins["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|admin| (text(&admin["name"]), text(&admin["role"])))
            .collect();
        let expected = [("Ann", "platform-admin"), ("Wim", "workspace-admin"), ("Aud", "auditor")];
        assert_eq!(known, expected.map(|(name, role)| (name.to_owned(), role.to_owned())));
        let (_, wim) = &self.of_workspace;
        let keys = format!("/api/workspaces/{}/webhook-keys", self.workspace);
        assert_eq!(status(wim, "GET", &keys, None), 200);
        assert_eq!(status(wim, "POST", "/api/workspaces", Some(json!({ "name": "mine" }))), 403);
        assert_eq!(status(&self.auditor.1, "GET", "/api/audit-events", None), 200);
        assert_eq!(status(&self.auditor.1, "POST", &keys, Some(json!({ "name": "k" }))), 403);
        for token in &self.revoked {
            assert_eq!(status(token, "GET", &keys, None), 401);
        }
        let by = |path: &str| serve.admin("GET", path, None).json()["createdBy"].clone();
        assert_eq!(self.made.each_ref().map(|path| by(path)), [json!("Wim"), Value::Null]);
        // Names are taken, whatever their case.
        let again = Some(json!({ "name": "ann", "role": "auditor" }));
        assert_eq!(serve.admin("POST", "/api/admins", again).status, 409);
    }
}

#[test]
fn s17_admins_move_with_their_roles_and_tokens_and_who_was_revoked_stays_so() {
    let (first, second, third) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let mut serve = Serve::start(first.path(), "http://127.0.0.1:1");
    let admins = Admins::make(&serve);
    admins.check(&serve);
    serve.process.kill();
    well(&embedded(first.path(), &["export", "--out", "keys.export"]));
    let file = first.path().join("keys.export");
    let bytes = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
    let tokens = [&admins.platform.1, &admins.of_workspace.1, &admins.auditor.1];
    for token in tokens.into_iter().chain(&admins.revoked) {
        assert!(!bytes.contains(token.as_str()), "a token in the clear");
    }

    // Into the other kind of store, another namespace and under another key.
    let (server, namespace, keks) = (shared(), namespace(), kek_dir(&[("k1", 'a')]));
    let from = first.path().join("keys.redb.keks");
    let import = ["import", "--keks", from.to_str().unwrap(), file.to_str().unwrap()];
    well(&in_redis(second.path(), &import, server, &namespace, keks.path()));
    let mut command = Serve::command(second.path(), "http://127.0.0.1:1");
    at_redis(&mut command, server, &namespace, keks.path());
    let serve = Serve::of(command);
    admins.check(&serve);

    // And back, without the one who goes meanwhile.
    let answer = serve.admin("DELETE", &format!("/api/admins/{}", admins.of_workspace.0), None);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let export = ["export", "--out", "keys.export"];
    well(&in_redis(second.path(), &export, server, &namespace, keks.path()));
    let file = second.path().join("keys.export");
    let import = ["import", "--keks", keks.path().to_str().unwrap(), file.to_str().unwrap()];
    well(&embedded(third.path(), &import));
    let serve = Serve::start(third.path(), "http://127.0.0.1:1");
    let status = |token: &str| ask(&serve, token, "GET", "/api/workspaces", None).status;
    assert_eq!([&admins.platform.1, &admins.auditor.1].map(|token| status(token)), [200, 200]);
    assert_eq!(status(&admins.of_workspace.1), 401);
    assert_eq!(serve.admin("GET", &admins.made[0], None).json()["createdBy"], Value::Null);
}
