//! `workspace rename` and `key update`, as an admin runs them against a running sidecar.

use serde_json::Value;

use super::admin_commands::{Place, value};
use crate::support::http::Call;

#[test]
fn a_workspace_gets_another_name() {
    let place = Place::start();
    place.ok(&["workspace", "create", "Acme Ltd"]);
    place.ok(&["workspace", "create", "Beta"]);
    let renamed = place.ok(&["workspace", "rename", "Beta", "Gamma", "--if-match", "1"]);
    assert_eq!((value(&renamed, "name"), value(&renamed, "revision")), ("Gamma".to_owned(), "2".to_owned()));
    assert_eq!(place.json(&["workspace", "rename", "Gamma", "Beta"])["name"], "Beta");
    place.refused(&["workspace", "rename", "Beta", "acme ltd"], 1, &["409: name: ", "Next: "]);
    place.refused(&["workspace", "rename", "Beta", "x", "--if-match", "1"], 1, &["412: ", "--if-match"]);
    place.refused(&["workspace", "rename", "Nobody", "x"], 1, &["there is no workspace `Nobody`"]);
    place.refused(&["workspace", "rename", "Beta"], 2, &["<NEW NAME>"]);
}

#[test]
fn everything_of_a_key_but_its_values_changes_and_what_is_not_named_stays() {
    let place = Place::start();
    place.ok(&["workspace", "create", "w"]);
    let create =
        ["key", "create", "ci", "--workspace", "w", "--scheme", "signed-request", "--require-key-id"];
    let created = place.json(&[&create[..], &["--cidr", "127.0.0.0/8"]].concat());
    let works = || {
        let call = Call::get("/x").header("X-API-Key", created["apiKey"].as_str().unwrap());
        call.send(place.serve.traffic).status
    };
    assert_eq!(works(), 200);
    let update = ["key", "update", "ci", "--workspace", "w"];
    let changes =
        ["--name", "deploy", "--scheme", "workspace", "--require-key-id", "false", "--route", "webhooks"];
    let changed = place.ok(&[&update[..], &changes, &["--expires-at", "2098-01-01T00:00:00Z"]].concat());
    for (name, said) in [
        ("name", "deploy"),
        ("scheme", "workspace"),
        ("requireKeyId", "no"),
        ("routes", "webhooks"),
        ("expiresAt", "2098-01-01T00:00:00.000Z"),
        ("allowedCidrs", "127.0.0.0/8"),
    ] {
        assert_eq!(value(&changed, name), said);
    }
    assert_eq!(works(), 403, "another route than that");
    let update = ["key", "update", "deploy"];
    let clear =
        ["--clear", "route", "--clear", "expires-at", "--clear", "cidr", "--name", "ci", "--active", "true"];
    let cleared = place.json(&[&update[..], &clear].concat());
    for name in ["routes", "expiresAt", "allowedCidrs"] {
        assert_eq!(cleared[name], Value::Null, "{name}");
    }
    assert_eq!(works(), 200);
    let update = ["key", "update", "ci"];
    for (flags, code, said) in [
        (&[][..], 2, "nothing to change"),
        (&["--route", "webhooks", "--clear", "route"], 2, "routes is both set and cleared"),
        (&["--active", "perhaps"], 2, "--active"),
        (&["--expires-at", "tomorrow"], 1, "422: --expires-at: "),
        (&["--route", "nowhere"], 1, "422: --route: "),
        (&["--cidr", "10.0.0.0/99"], 1, "422: --cidr: "),
        (&["--scheme", "none"], 1, "422: --scheme: "),
        (&["--active", "false", "--if-match", "1"], 1, "412: "),
    ] {
        place.refused(&[&update[..], flags].concat(), code, &[said]);
    }
}
