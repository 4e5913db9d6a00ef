//! `[scope]`: what a sidecar holds of a key set that several share.

use std::path::Path;

use serde_json::{Value, json};

use super::processes::command;
use crate::support::http::Call;
use crate::support::process::{Serve, text};
use crate::support::redis::{Server, kek_dir};
use crate::support::sidecar::{Key, until};
use crate::support::upstream::Upstream;

struct World {
    server: Server,
    keks: tempfile::TempDir,
    dir: tempfile::TempDir,
    upstream: Upstream,
}

impl World {
    fn new() -> Self {
        let (keks, dir) = (kek_dir(&[("k1", 'a')]), tempfile::tempdir().unwrap());
        Self { server: Server::start(&[]), keks, dir, upstream: Upstream::start() }
    }

    /// A sidecar with every port, and a scope of these.
    fn serve(&self, workspaces: &[&str], integrations: &[&str]) -> Serve {
        let dir: &Path = self.dir.path();
        let mut command = command(dir, &self.server, self.keks.path(), &self.upstream);
        for (option, list) in [("WORKSPACES", workspaces), ("INTEGRATIONS", integrations)] {
            if !list.is_empty() {
                command.env(format!("COUNTERSIGN_SCOPE__{option}"), json!(list).to_string());
            }
        }
        Serve::of(command)
    }

    /// The status that the holder of a key gets; nothing may reach the application unless it is 200.
    fn status(&self, serve: &Serve, key: &Key) -> u16 {
        self.judged(serve, &Call::get("/orders").header("X-API-Key", &key.api_key))
    }

    /// The same for a sender of type `datadog`.
    fn hook(&self, serve: &Serve, name: &str, secret: &str) -> u16 {
        let target = format!("/webhooks/{name}");
        self.judged(serve, &Call::post(&target, "{}").header("X-Datadog-Token", secret))
    }

    fn judged(&self, serve: &Serve, call: &Call) -> u16 {
        drop(self.upstream.take());
        let status = call.send(serve.traffic).status;
        assert_eq!(self.upstream.count(), usize::from(status == 200), "status {status}");
        status
    }
}

/// How many records of each kind are held: workspaces, webhook keys, integrations, damaged.
fn held(serve: &Serve) -> [u64; 4] {
    let text = serve.ops("/metrics").text();
    ["workspace", "webhook-key", "integration", "damaged"].map(|kind| {
        let line = format!("countersign_keys_records{{kind=\"{kind}\"}} ");
        let value = text.lines().find_map(|found| found.strip_prefix(&line));
        value.unwrap_or_else(|| panic!("no {line}in {text}")).parse().unwrap()
    })
}

fn integration(serve: &Serve, name: &str, workspace: Option<&str>) -> (String, String) {
    let body = json!({ "name": name, "type": "datadog", "workspaceId": workspace });
    let made = serve.admin("POST", "/api/integrations", Some(body));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    (text(&made["id"]), text(&made["webhookSecret"]))
}

#[test]
fn keys_outside_the_scope_are_refused_and_not_held() {
    let world = World::new();
    let whole = world.serve(&[], &[]);
    let [ours, theirs] = ["ours", "theirs"].map(|name| whole.workspace(name));
    let (our_key, their_key) = (whole.key(&ours, "k"), whole.key(&theirs, "k"));
    let hooks =
        [("our-hook", Some(&ours)), ("their-hook", Some(&theirs)), ("listed", None), ("unlisted", None)];
    let [our_hook, their_hook, listed, unlisted] =
        hooks.map(|(name, owner)| integration(&whole, name, owner.map(String::as_str)).1);
    assert_eq!(held(&whole), [2, 2, 4, 0]);

    let scoped = world.serve(&[&ours], &["listed"]);
    assert_eq!(held(&scoped), [1, 1, 2, 0]);
    assert_eq!((world.status(&scoped, &our_key), world.status(&scoped, &their_key)), (200, 401));
    assert_eq!(world.hook(&scoped, "our-hook", &our_hook), 200);
    assert_eq!(world.hook(&scoped, "listed", &listed), 200);
    assert_eq!(world.hook(&scoped, "their-hook", &their_hook), 401);
    assert_eq!(world.hook(&scoped, "unlisted", &unlisted), 401);
    // They are good: a sidecar that serves everything takes them.
    assert_eq!(world.status(&whole, &their_key), 200);
    assert_eq!(world.hook(&whole, "their-hook", &their_hook), 200);
    assert_eq!(world.hook(&whole, "unlisted", &unlisted), 200);

    // What comes over the change log is judged alike: the last change is in scope, so the others were seen.
    let their_second = whole.key(&theirs, "second");
    assert_eq!(whole.admin("DELETE", &format!("/api/webhook-keys/{}", their_key.id), None).status, 204);
    let our_second = whole.key(&ours, "second");
    until("a new key in scope works", || world.status(&scoped, &our_second) == 200);
    assert_eq!(world.status(&scoped, &their_second), 401);
    assert_eq!(held(&scoped), [1, 2, 2, 0]);
}

#[test]
fn an_integration_that_moves_out_of_scope_is_dropped_and_may_come_back() {
    let world = World::new();
    let whole = world.serve(&[], &[]);
    let (id, secret) = integration(&whole, "listed", None);
    let scoped = world.serve(&[], &["listed"]);
    let rename = |name: &str| {
        let path = format!("/api/integrations/{id}");
        let renamed = whole.admin("PATCH", &path, Some(json!({ "name": name })));
        assert_eq!(renamed.status, 200, "{}", renamed.text());
    };
    assert_eq!(world.hook(&scoped, "listed", &secret), 200);
    rename("moved");
    until("it is dropped", || world.hook(&scoped, "listed", &secret) == 401);
    assert_eq!(world.hook(&scoped, "moved", &secret), 401);
    assert_eq!(world.hook(&whole, "moved", &secret), 200);
    assert_eq!(held(&scoped), [0, 0, 0, 0]);
    // Its name is free for another, which is then in scope.
    let (_, other) = integration(&whole, "listed", None);
    until("the other one is held", || world.hook(&scoped, "listed", &other) == 200);
    assert_eq!(world.hook(&scoped, "listed", &secret), 401);
    assert_eq!(held(&scoped), [0, 0, 1, 0]);
}

#[test]
fn what_moved_out_of_scope_unseen_stays_out_when_the_store_forgets_the_move() {
    let world = World::new();
    let whole = world.serve(&[], &[]);
    let (id, secret) = integration(&whole, "listed", None);
    let mut scoped = world.serve(&[], &["listed"]);
    assert_eq!(world.hook(&scoped, "listed", &secret), 200);
    let keys = ["meta", "records", "claims", "log", "audit"];
    let copy = |from: &str, to: &str| {
        for key in keys {
            let words = ["COPY", &format!("{{{from}}}:{key}"), &format!("{{{to}}}:{key}"), "REPLACE"];
            assert_eq!(world.server.ask::<u64>(&words), 1);
        }
    };
    copy("countersign", "backup");

    // It moves while the sidecar neither runs nor has a connection, and the log forgets it.
    scoped.process.signal("STOP");
    world.server.do_it(&["CLIENT", "KILL", "TYPE", "normal"]);
    let path = format!("/api/integrations/{id}");
    let rename = || whole.admin("PATCH", &path, Some(json!({ "name": "moved" }))).status;
    until("it is renamed", || rename() == 200);
    world.server.do_it(&["XTRIM", "{countersign}:log", "MAXLEN", "0"]);
    scoped.process.signal("CONT");
    until("a rebuild drops it", || world.hook(&scoped, "listed", &secret) == 401);
    assert_eq!(held(&scoped), [0, 0, 0, 0]);

    copy("backup", "countersign");
    // Without the log, nobody can tell what else became of the records meanwhile.
    scoped.process.wait_for("it says that changes are lost", |_, stderr| {
        stderr.contains("the store went back to before anything").then_some(())
    });
    assert_eq!(world.hook(&scoped, "listed", &secret), 401);
}

#[test]
fn a_damaged_record_counts_in_its_own_scope_where_its_mac_tells_and_everywhere_else_where_not() {
    let world = World::new();
    let whole = world.serve(&[], &[]);
    let [ours, theirs] = ["ours", "theirs"].map(|name| whole.workspace(name));
    let (our_key, their_key) = (whole.key(&ours, "k"), whole.key(&theirs, "k"));
    // Altered by hand: nobody can tell any more whose it is.
    let field = format!("webhook-key/{}", their_key.id);
    let edit = |from: &str, to: &str| {
        let stored: String = world.server.ask(&["HGET", "{countersign}:records", &field]);
        assert!(stored.contains(from), "{stored}");
        world.server.do_it(&["HSET", "{countersign}:records", &field, &stored.replace(from, to)]);
    };
    edit("\"isActive\":true", "\"isActive\":false");
    let scoped = world.serve(&[&ours], &[]);
    assert_eq!(held(&scoped), [1, 1, 0, 1]);
    assert_eq!((world.status(&scoped, &our_key), world.status(&scoped, &their_key)), (200, 503));
    // Intact again, it is somebody else's.
    edit("\"isActive\":false", "\"isActive\":true");
    let scoped = world.serve(&[&ours], &[]);
    assert_eq!(held(&scoped), [1, 1, 0, 0]);
    assert_eq!(world.status(&scoped, &their_key), 401);
}

#[test]
fn an_admin_port_with_a_scope_shows_what_is_in_it_and_makes_nothing_outside() {
    let world = World::new();
    let whole = world.serve(&[], &[]);
    let [ours, theirs] = ["ours", "theirs"].map(|name| whole.workspace(name));
    let their_key = whole.key(&theirs, "k");
    let scoped = world.serve(&[&ours], &["listed"]);
    let ids = |target: &str| -> Vec<Value> {
        let items = scoped.admin("GET", target, None).json()["items"].clone();
        items.as_array().unwrap().iter().map(|item| item["id"].clone()).collect()
    };
    assert_eq!(ids("/api/workspaces"), [Value::from(ours.clone())]);
    assert_eq!(scoped.admin("DELETE", &format!("/api/workspaces/{theirs}"), None).status, 404);
    assert_eq!(scoped.admin("DELETE", &format!("/api/webhook-keys/{}", their_key.id), None).status, 404);

    let made = scoped.key(&ours, "k");
    assert_eq!(world.status(&scoped, &made), 200);
    let (id, _) = integration(&scoped, "listed", None);
    let path = format!("/api/integrations/{id}");
    until("the other sidecar knows it", || whole.admin("GET", &path, None).status == 200);
    for (method, target, body) in [
        ("POST", "/api/workspaces".to_owned(), json!({ "name": "another" })),
        ("POST", "/api/integrations".to_owned(), json!({ "name": "unlisted", "type": "datadog" })),
        ("PATCH", path, json!({ "name": "unlisted" })),
    ] {
        let before = whole.admin("GET", "/api/integrations", None).text();
        let answer = scoped.admin(method, &target, Some(body));
        assert_eq!(answer.status, 409, "{method} {target}: {}", answer.text());
        assert!(answer.text().contains("scope"), "{}", answer.text());
        assert_eq!(whole.admin("GET", "/api/integrations", None).text(), before);
    }
    assert_eq!(world.status(&whole, &their_key), 200);
}
