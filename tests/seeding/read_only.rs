//! Whose a record is: the admin port leaves the file's alone, and the file the admin port's.

use serde_json::{Value, json};

use super::{NEW, OLD, Seeding, WORKSPACE, api_key, delivery, integration, key, with_api_key};

#[test]
fn the_admin_port_shows_what_the_file_made_and_changes_none_of_it() {
    let mut seeding = Seeding::start();
    let ci = api_key();
    seeding.files.write("hook", OLD);
    seeding.seed(&[WORKSPACE, &key("ci", &ci.lines), &integration("hook", "")].concat());
    let before = seeding.everything();
    let workspace = format!("/api/workspaces/{}", seeding.workspace());
    let one_key = format!("/api/webhook-keys/{}", seeding.keys()[0]["id"].as_str().unwrap());
    let hook = "/api/integrations/hook";
    let calls = [
        ("PATCH", workspace.clone(), Some(json!({ "name": "another" }))),
        ("DELETE", workspace, None),
        ("PATCH", one_key.clone(), Some(json!({ "isActive": false }))),
        ("DELETE", one_key.clone(), None),
        ("POST", format!("{one_key}/rotate"), None),
        ("POST", format!("{one_key}/retire-previous"), None),
        ("PATCH", hook.to_owned(), Some(json!({ "isActive": false }))),
        ("DELETE", hook.to_owned(), None),
        ("POST", format!("{hook}/rotate-secret"), None),
        ("POST", format!("{hook}/retire-previous"), None),
        ("POST", format!("{hook}/handshake/reveal"), None),
    ];
    for (method, target, body) in calls {
        let answer = seeding.sidecar.admin(method, &target, body);
        assert_eq!(answer.status, 409, "{method} {target}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:countersign:problem:managed-by-seed", "{method} {target}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("seed.file") && detail.contains("seed.prune"), "{detail}");
    }
    assert_eq!(seeding.everything(), before);
    seeding.sidecar.passes(&with_api_key(&ci));
    seeding.sidecar.passes(&delivery("hook", OLD));
}

#[test]
fn a_name_that_the_admin_port_gave_is_not_taken_over_and_nothing_is_applied() {
    let mut seeding = Seeding::start();
    seeding.sidecar.workspace("acme");
    let secret = seeding.sidecar.integration(json!({ "name": "hook", "type": "generic" }));
    let before = seeding.everything();
    let ci = api_key();
    seeding.files.write("hook", NEW);
    seeding.files.write("free", NEW);
    let text =
        [WORKSPACE, &key("ci", &ci.lines), &integration("hook", ""), &integration("free", "")].concat();
    let said = seeding.seed(&text);
    let taken = "is held by a record that was made over the admin port, and is not taken over";
    assert_eq!(
        said[1..],
        [
            format!("seed.toml:2: workspaces[0].name: {taken}"),
            format!("seed.toml:10: integrations[0].name: {taken}"),
        ]
    );
    assert_eq!(seeding.everything(), before);
    seeding.sidecar.passes(&delivery("hook", &secret));
    seeding.sidecar.refuses(&delivery("free", NEW), 401);

    // It needs no second change of the file once the names are free.
    seeding.sidecar.admin("DELETE", "/api/integrations/hook", None);
    seeding.sidecar.admin("DELETE", &format!("/api/workspaces/{}", seeding.workspace()), None);
    seeding.round();
    assert_eq!(seeding.said(), ["in force (4 records)"]);
    seeding.sidecar.passes(&delivery("hook", NEW));
    seeding.sidecar.refuses(&delivery("hook", &secret), 401);
    seeding.sidecar.passes(&with_api_key(&ci));
}

#[test]
fn a_key_of_the_admin_port_keeps_its_name_its_digest_and_its_place_among_those_tried() {
    let mut seeding = Seeding::start();
    seeding.seed(WORKSPACE);
    let workspace = seeding.workspace();
    let own: Vec<_> = (0..4).map(|_| seeding.sidecar.key(&workspace, json!({}))).collect();
    let digest = crate::support::mac::sha256_hex(own[0].api_key.as_bytes());
    seeding.files.write("signing", OLD);
    let signing = "secretFile = \"{dir}/signing\"";
    let text = [
        WORKSPACE,
        &key("key", &api_key().lines),
        &key("copy", &format!("apiKeyDigest = \"{digest}\"")),
        &key("fifth", signing),
    ];
    let said = seeding.seed(&text.concat()).join("\n");
    assert!(said.contains("webhookKeys[0].name: is held by a record that was made over"), "{said}");
    assert!(said.contains("webhookKeys[1].apiKeyDigest: is held by a key that was made over"), "{said}");
    assert!(said.contains("webhookKeys[2].requireKeyId: must be true: the workspace has more"), "{said}");
    assert_eq!(seeding.keys().len(), 4);
    seeding.seed(&[WORKSPACE, &key("fifth", &format!("{signing}\nrequireKeyId = true"))].concat());
    assert_eq!(seeding.keys().len(), 5);
    for key in &own {
        seeding.sidecar.passes(&super::signed(&workspace, &key.secret));
    }
    assert_eq!(seeding.said()[1..], [""; 0]);
    let managed: Vec<Value> = seeding.keys().iter().map(|key| key["managedBy"].clone()).collect();
    assert_eq!(managed, ["api", "api", "api", "api", "seed"]);
}
