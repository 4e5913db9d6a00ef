//! What another content does: fields, rotations, removals, swapped directories, half-written files.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::{NEW, OLD, Seeding, WORKSPACE, api_key, delivery, integration, key, signed, with_api_key};
use crate::support::http::Call;

#[test]
fn what_an_entry_no_longer_says_has_its_default_again() {
    let mut seeding = Seeding::start();
    let ci = api_key();
    let off = format!("{}isActive = false\nallowedCidrs = [\"192.0.2.0/24\"]", ci.lines);
    seeding.seed(&[WORKSPACE, &key("ci", &off)].concat());
    seeding.sidecar.refuses(&with_api_key(&ci), 401);
    seeding.seed(&[WORKSPACE, &key("ci", &ci.lines)].concat());
    seeding.sidecar.passes(&with_api_key(&ci));
    let [shown] = <[Value; 1]>::try_from(seeding.keys()).unwrap();
    assert_eq!((&shown["revision"], &shown["allowedCidrs"]), (&json!(2), &Value::Null));
    let changes = seeding.events()[1]["metadata"]["changes"].clone();
    assert_eq!(changes[0]["action"], "webhook_key.updated");
    assert_eq!(changes[0]["fields"], json!(["isActive", "allowedCidrs"]));
}

#[test]
fn another_secret_rotates_and_the_former_one_ends_after_the_overlap() {
    let mut seeding = Seeding::start();
    seeding.files.write("hook", OLD);
    seeding.files.write("signing", OLD);
    let signing = key("ci", "secretFile = \"{dir}/signing\"\noverlapSeconds = 60");
    seeding.seed(&[WORKSPACE, &signing, &integration("hook", "overlapSeconds = 60")].concat());
    let workspace = seeding.workspace();
    seeding.files.write("signing", NEW);
    seeding.secret("hook", NEW);
    for secret in [OLD, NEW] {
        seeding.sidecar.passes(&delivery("hook", secret));
        seeding.sidecar.passes(&signed(&workspace, secret));
    }
    seeding.sidecar.advance(61);
    seeding.sidecar.passes(&delivery("hook", NEW));
    seeding.sidecar.passes(&signed(&workspace, NEW));
    seeding.sidecar.refuses(&delivery("hook", OLD), 401);
    seeding.sidecar.refuses(&signed(&workspace, OLD), 401);
    let actions: Vec<Value> = seeding.events()[1]["metadata"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["action"].clone())
        .collect();
    assert_eq!(actions, ["webhook_key.rotated", "integration.secret_rotated"]);
}

#[test]
fn another_api_key_rotates_and_without_an_overlap_the_former_one_ends_at_once() {
    let mut seeding = Seeding::start();
    let [first, second, third] = [api_key(), api_key(), api_key()];
    seeding.seed(&[WORKSPACE, &key("ci", &first.lines)].concat());
    seeding.seed(&[WORKSPACE, &key("ci", &second.lines)].concat());
    seeding.sidecar.passes(&with_api_key(&first));
    seeding.sidecar.passes(&with_api_key(&second));
    let said = seeding.seed(&[WORKSPACE, &key("ci", &format!("{}overlapSeconds = 0", third.lines))].concat());
    assert!(said[1].contains("\"ci\" was rotated while an earlier value was still valid"), "{said:?}");
    seeding.sidecar.refuses(&with_api_key(&first), 401);
    seeding.sidecar.refuses(&with_api_key(&second), 401);
    seeding.sidecar.passes(&with_api_key(&third));
}

#[test]
fn an_entry_that_is_gone_stays_in_force_unless_it_is_pruned() {
    let (ci, cd) = (api_key(), api_key());
    let both = [WORKSPACE, &key("ci", &ci.lines), &key("cd", &cd.lines)].concat();
    let one = [WORKSPACE, &key("ci", &ci.lines)].concat();

    let mut keeping = Seeding::start();
    keeping.seed(&both);
    let said = keeping.seed(&one);
    assert_eq!(
        said,
        [
            "in force (2 records)",
            "webhook-key \"cd\" is not in the file and stays as it was; seed.prune = true deletes it",
        ]
    );
    keeping.sidecar.passes(&with_api_key(&cd));

    let mut pruning = Seeding::pruning();
    pruning.seed(&both);
    pruning.sidecar.passes(&with_api_key(&cd));
    assert_eq!(pruning.seed(&one), ["in force (2 records)"]);
    pruning.sidecar.refuses(&with_api_key(&cd), 401);
    pruning.sidecar.passes(&with_api_key(&ci));
    assert_eq!(pruning.seed("workspaces = []"), ["in force (0 records)"]);
    pruning.sidecar.refuses(&with_api_key(&ci), 401);
    assert_eq!(pruning.everything(), [Value::Null; 0]);
}

#[test]
fn pruning_leaves_what_the_admin_port_made_and_the_workspace_that_holds_it() {
    let mut seeding = Seeding::pruning();
    let ci = api_key();
    seeding.seed(&[WORKSPACE, &key("ci", &ci.lines)].concat());
    let own = seeding.sidecar.key(&seeding.workspace(), json!({}));
    seeding.sidecar.integration(json!({ "name": "own", "type": "generic" }));
    let said = seeding.seed("workspaces = []");
    assert_eq!(
        said[1..],
        ["workspace \"acme\" is not in the file and stays: 1 of its records were not made by the file"]
    );
    seeding.sidecar.refuses(&with_api_key(&ci), 401);
    let call = Call::get("/orders").header("X-API-Key", &own.api_key);
    seeding.sidecar.passes(&call);
    assert_eq!(seeding.list("/api/integrations").len(), 1);
}

#[test]
fn an_entry_is_renamed_without_a_moment_in_which_its_key_is_refused() {
    let ci = api_key();
    let (before, after) = (key("ci", &ci.lines), key("builds", &ci.lines));
    let mut pruning = Seeding::pruning();
    pruning.seed(&[WORKSPACE, &before].concat());
    assert_eq!(pruning.seed(&[WORKSPACE, &after].concat()), ["in force (2 records)"]);
    pruning.sidecar.passes(&with_api_key(&ci));
    assert_eq!(pruning.events().len(), 2, "one commit, so no moment between the two");

    let mut keeping = Seeding::start();
    keeping.seed(&[WORKSPACE, &before].concat());
    let said = keeping.seed(&[WORKSPACE, &after].concat());
    assert_eq!(
        said[1..],
        [
            "seed.toml:6: webhookKeys[0].apiKeyDigest: is held by the key \"ci\", which is not in the file and \
             stays; seed.prune = true deletes it"
        ]
    );
}

#[test]
fn a_file_that_is_being_written_counts_once_it_stands_still() {
    let mut seeding = Seeding::pruning();
    let (ci, cd) = (api_key(), api_key());
    let whole = [WORKSPACE, &key("ci", &ci.lines), &key("cd", &cd.lines)].concat();
    seeding.seed(&whole);
    // Half of it is a valid file, too.
    seeding.files.write("seed.toml", &[WORKSPACE, &key("ci", &ci.lines)].concat());
    seeding.round();
    seeding.files.write("seed.toml", &whole);
    seeding.settle();
    seeding.sidecar.passes(&with_api_key(&cd));
    assert_eq!(seeding.events().len(), 1);
}

#[test]
fn a_mounted_directory_is_swapped_by_its_link() {
    let (ci, cd) = (api_key(), api_key());
    let mut seeding = Seeding::with("mount/seed.toml", true);
    let dir = seeding.files.path("");
    for (version, key_lines) in [("v1", &ci.lines), ("v2", &cd.lines)] {
        std::fs::create_dir(dir.join(version)).unwrap();
        let text = [WORKSPACE, &key("ci", &format!("{key_lines}overlapSeconds = 0"))].concat();
        std::fs::write(dir.join(version).join("seed.toml"), text).unwrap();
    }
    // As the kubelet does it: the file is a link through ..data, and only that link is replaced.
    std::fs::create_dir(dir.join("mount")).unwrap();
    symlink("../v1", dir.join("mount/..data")).unwrap();
    symlink("..data/seed.toml", dir.join("mount/seed.toml")).unwrap();
    seeding.settle();
    seeding.sidecar.passes(&with_api_key(&ci));
    symlink("../v2", dir.join("mount/..new")).unwrap();
    std::fs::rename(dir.join("mount/..new"), dir.join("mount/..data")).unwrap();
    seeding.settle();
    seeding.sidecar.passes(&with_api_key(&cd));
    seeding.sidecar.refuses(&with_api_key(&ci), 401);
}

#[test]
fn a_scheme_that_cannot_use_the_former_secret_ends_it() {
    let mut seeding = Seeding::start();
    let whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    seeding.files.write("hook", OLD);
    seeding.seed(&integration("hook", ""));
    seeding.files.write("hook", whsec);
    let said = seeding.seed(&integration("hook", "type = \"standard-webhooks\""));
    assert_eq!(said[0], "in force (1 records)");
    let [shown] = <[Value; 1]>::try_from(seeding.list("/api/integrations")).unwrap();
    assert_eq!((&shown["type"], &shown["previous"]), (&json!("standard-webhooks"), &Value::Null));
    assert!(said[1].contains("cannot use its former secret"), "{said:?}");
}

#[test]
fn a_handshake_is_answered_with_the_token_in_its_file() {
    let mut seeding = Seeding::start();
    let challenge = |token: &str| {
        let query = format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
        Call::get(&format!("/webhooks/hook?{query}"))
    };
    let (first, second) = ("a-verify-token-of-some-length", "another-token-of-some-length");
    seeding.files.write("hook", OLD);
    seeding.files.write("token", first);
    let with_token =
        "workspace = \"acme\"\ntype = \"meta\"\nhandshake = { verifyTokenFile = \"{dir}/token\" }";
    let text = [WORKSPACE, &integration("hook", with_token)].concat();
    assert_eq!(seeding.seed(&text), ["in force (2 records)"]);
    assert_eq!(seeding.sidecar.send(&challenge(first)).text(), "1158201444");
    seeding.seed(&format!("{text}# the same\n"));
    assert_eq!(seeding.events().len(), 1, "the same token is not sealed anew");

    seeding.secret("token", second);
    assert_eq!(seeding.sidecar.send(&challenge(second)).text(), "1158201444");
    seeding.sidecar.refuses(&challenge(first), 401);
    assert_eq!(seeding.events()[1]["metadata"]["changes"][0]["fields"], json!(["handshake"]));
    let [shown] = <[Value; 1]>::try_from(seeding.list("/api/integrations")).unwrap();
    assert_eq!(shown["workspaceId"], seeding.workspace());
}
