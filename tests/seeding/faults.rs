//! Faulty files: everything is said at once, with its line, and nothing is applied.

use super::{NEW, OLD, Seeding, WORKSPACE, api_key, delivery, integration, key, with_api_key};

/// A file with a fault in most lines.
const FAULTY: &str = "[[workspaces]]
name = \"other\"
colour = \"red\"
[[webhookKeys]]
workspace = \"acme\"
name = \"ci\"
apiKeyDigest = \"wk_0123456789\"
routes = [\"default\", \"nowhere\"]
[[webhookKeys]]
workspace = \"other\"
name = \"\"
secretFile = \"{dir}/none\"
[[integrations]]
name = \"hook\"
type = \"strype\"
secretFile = \"{dir}/short\"
webhookSecret = \"a secret in the wrong place\"
[[integrations]]
name = \"Hook\"
toleranceSeconds = 0
[[sender]]
name = \"x\"
";

/// The place of each fault, and some of what is said of it.
const EXPECTED: &[(&str, &str)] = &[
    ("seed.toml:3: workspaces[0].colour: ", "there is no such field"),
    ("seed.toml:7: webhookKeys[0].apiKeyDigest: ", "must be the digest and not the key"),
    ("seed.toml:8: webhookKeys[0].routes[1]: ", "must be one of the configured routes"),
    ("seed.toml:11: webhookKeys[1].name: ", "must have at least one character"),
    ("seed.toml:12: webhookKeys[1].secretFile: ", "none cannot be read: No such file"),
    ("seed.toml:17: integrations[0].webhookSecret: ", "must not stand in this file"),
    ("seed.toml:15: integrations[0].type: ", "must be one of"),
    ("seed.toml:16: integrations[0].secretFile: ", "must decode to at least 16 bytes"),
    ("seed.toml:19: integrations[1].secretFile: ", "secretFile is required"),
    ("seed.toml:19: integrations[1].name: ", "must be 1 to 63 of a-z"),
    ("seed.toml:20: integrations[1].toleranceSeconds: ", "must be from 1 to"),
    ("seed.toml: sender: ", "there is no such list; there are workspaces, webhookKeys, integrations"),
];

#[test]
fn every_fault_is_said_at_once_and_the_last_good_file_stays_in_force() {
    let mut seeding = Seeding::pruning();
    let ci = api_key();
    seeding.files.write("hook", OLD);
    seeding.files.write("short", "abc");
    let good = [WORKSPACE, &key("ci", &ci.lines), &integration("hook", "")].concat();
    seeding.seed(&good);
    let before = seeding.everything();
    let faulty = "[[workspaces]]
name = \"other\"
colour = \"red\"
[[webhookKeys]]
workspace = \"acme\"
name = \"ci\"
apiKeyDigest = \"wk_0123456789\"
expiresAt = 2030-13-01
";
    let said = seeding.seed(faulty);
    assert!(said[1].starts_with("seed.toml:8: is not TOML"), "{said:?}");
    assert_eq!(seeding.everything(), before);

    let said = seeding.seed(FAULTY);
    for (place, detail) in EXPECTED {
        let found = said.iter().any(|line| line.starts_with(place) && line.contains(detail));
        assert!(found, "{place}{detail}:\n{}", said.join("\n"));
    }
    assert_eq!(said.len(), EXPECTED.len() + 1, "{}", said.join("\n"));
    assert!(said[0].starts_with("NOT in force as it stands, and nothing of it was applied: 12 faults"));
    for text in ["a secret in the wrong place", "wk_0123456789", "nowhere", "strype"] {
        assert!(!said.join("\n").contains(text), "{text} was repeated");
    }
    assert_eq!(seeding.everything(), before);
    seeding.sidecar.passes(&with_api_key(&ci));
    seeding.sidecar.passes(&delivery("hook", OLD));

    // The file is gone, is empty, is no file: all the same.
    std::fs::remove_file(seeding.files.path("seed.toml")).unwrap();
    assert!(seeding.settle()[1].contains("seed.toml: the seed file cannot be read: No such file"));
    assert!(seeding.seed("# nothing\n")[1].contains("seed.toml: declares nothing at all"));
    assert_eq!(seeding.everything(), before);
    assert_eq!(seeding.seed(&good), ["in force (3 records)"]);
    assert_eq!(seeding.events().len(), 1);
}

#[test]
fn entries_that_contradict_each_other_are_refused() {
    let mut seeding = Seeding::start();
    let ci = api_key();
    seeding.files.write("hook", NEW);
    let text = [
        WORKSPACE,
        WORKSPACE,
        &key("ci", &ci.lines),
        &key("ci", "secretFile = \"{dir}/hook\""),
        &key("cd", &ci.lines),
        "[[webhookKeys]]\nworkspace = \"nobody\"\nname = \"x\"\nsecretFile = \"{dir}/hook\"\n",
        &key("useless", ""),
        &key("unsigned", &format!("{}requireKeyId = false", api_key().lines)),
        &integration("hook", ""),
        &integration("hook", "workspace = \"nobody\""),
        &integration("notion", "type = \"notion\"\nhandshake = true"),
    ];
    seeding.files.write("notion", NEW);
    let said = seeding.seed(&text.concat()).join("\n");
    for expected in [
        "workspaces[1].name: is the name of an earlier entry",
        "webhookKeys[1].name: is the name of an earlier key of this workspace",
        "webhookKeys[2].apiKeyDigest: is the API key of webhookKeys[0] already",
        "webhookKeys[3].workspace: must be a workspace of this file; declare it",
        "webhookKeys[4]: must name apiKeyDigest, secretFile or both",
        "webhookKeys[5].requireKeyId: must be true or left out",
        "integrations[1].name: is the name of an earlier entry",
        "integrations[1].workspace: must be a workspace of this file",
        "integrations[2].handshake: must be left out: this sender hands over the secret",
    ] {
        assert!(said.contains(expected), "{expected}:\n{said}");
    }
    assert!(said.starts_with("NOT in force as it stands, and nothing of it was applied: 9 faults"), "{said}");
    assert!(seeding.everything().is_empty());
}

#[test]
fn a_secret_file_that_vanishes_changes_nothing() {
    let mut seeding = Seeding::start();
    seeding.files.write("hook", OLD);
    seeding.seed(&integration("hook", ""));
    std::fs::remove_file(seeding.files.path("hook")).unwrap();
    assert!(seeding.settle()[1].contains("integrations[0].secretFile: hook cannot be read"));
    seeding.sidecar.passes(&delivery("hook", OLD));
    for (content, why) in [("", "must not be blank"), ("short", "must decode to at least 16 bytes")] {
        let said = seeding.secret("hook", content);
        assert!(said[1].contains(why), "{said:?}");
        seeding.sidecar.passes(&delivery("hook", OLD));
    }
    assert_eq!(seeding.secret("hook", OLD), ["in force (1 records)"]);
    assert_eq!(seeding.events().len(), 1);
}
