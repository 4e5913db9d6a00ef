//! The files in `deploy/`: they parse and render, their configuration passes `countersign check`, and what
//! they say in two places agrees.

mod tls;

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::process::{Ended, Process, countersign, text, tool, tool_command};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap()
}

/// The documents of YAML text, as a parser of somebody else's sees them.
fn documents(yaml: &str) -> Vec<Value> {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("in.yaml"), yaml).unwrap();
    let program = "import json, yaml; print(json.dumps(list(yaml.safe_load_all(open('in.yaml')))))";
    // A Python that is first on the path may lack the module that Debian's own has.
    for python in [tool("python3"), "/usr/bin/python3".to_owned()] {
        let known = tool_command(&python, dir.path(), &["-c", "import yaml"]).output();
        if known.is_ok_and(|output| output.status.success()) {
            let output = tool_command(&python, dir.path(), &["-c", program]).output().unwrap();
            assert!(output.status.success(), "{}\n{yaml}", String::from_utf8_lossy(&output.stderr));
            return serde_json::from_slice(&output.stdout).unwrap();
        }
    }
    panic!("Python's yaml is missing: run tests/run, or `apt-get install python3-yaml`")
}

/// Every resource, by kind: the files that the kustomization names.
fn resources() -> BTreeMap<String, Value> {
    let kustomization = documents(&read("deploy/kubernetes/kustomization.yaml")).remove(0);
    let files = kustomization["resources"].as_array().unwrap();
    let all = files.iter().flat_map(|file| documents(&read(&format!("deploy/kubernetes/{}", text(file)))));
    all.map(|resource| (text(&resource["kind"]), resource)).collect()
}

fn pod() -> Value {
    resources()["Deployment"]["spec"]["template"]["spec"].clone()
}

/// The item of a list with this name.
fn named<'l>(list: &'l Value, name: &str) -> &'l Value {
    list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

fn run(command: Command) -> Ended {
    Process::start(command).finish()
}

/// What `check --json` says of the configuration in the ConfigMap.
fn checked() -> Value {
    let config = repository("deploy/kubernetes/countersign.toml").display().to_string();
    let dir = tempdir().unwrap();
    let ended = run(countersign(dir.path(), &["check", "--json", "--config", &config]));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn port(address: &Value) -> u64 {
    text(address).rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn the_pods_configuration_passes_check_and_agrees_with_its_ports() {
    let checked = checked();
    assert_eq!(checked["ok"], true);
    assert_eq!(checked["adminToken"], true);
    assert!(text(&checked["admin"]).starts_with("127.0.0.1:"), "the admin port is the pod's own");
    let (traffic, ops) = (port(&checked["listener"]), port(&checked["ops"]));

    let pod = pod();
    let sidecar = named(&pod["initContainers"], "countersign");
    assert_eq!(named(&sidecar["ports"], "traffic")["containerPort"], traffic);
    assert_eq!(named(&sidecar["ports"], "ops")["containerPort"], ops);
    for (probe, path) in
        [("startupProbe", "/startupz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
    {
        assert_eq!(sidecar[probe]["httpGet"]["path"], path);
        assert_eq!(sidecar[probe]["httpGet"]["port"], ops, "{probe}");
    }
    assert_eq!(resources()["Service"]["spec"]["ports"][0]["targetPort"], traffic);
    let open = &resources()["NetworkPolicy"]["spec"]["ingress"][0]["ports"];
    let open: Vec<&Value> = open.as_array().unwrap().iter().map(|port| &port["port"]).collect();
    assert_eq!(open, [traffic, ops]);
    let application = text(&checked["upstream"]).replace("http://", "-listen=");
    assert_eq!(named(&pod["containers"], "app")["args"][0], application);
}

#[test]
fn the_pods_configuration_with_redis_passes_check_and_its_password_is_mounted() {
    let dir = tempdir().unwrap();
    let file = repository("deploy/kubernetes-redis/countersign.toml");
    let checked = run(countersign(dir.path(), &["check", "--config", file.to_str().unwrap()]));
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);

    let kustomization = documents(&read("deploy/kubernetes-redis/kustomization.yaml")).remove(0);
    let mut patched = Vec::new();
    for patch in kustomization["patches"].as_array().unwrap() {
        patched.extend(documents(&read(&format!("deploy/kubernetes-redis/{}", text(&patch["path"])))));
    }
    let base = resources();
    for patch in &patched {
        let of = &base[&text(&patch["kind"])];
        assert_eq!(patch["metadata"]["name"], of["metadata"]["name"], "a patch of what is not there");
    }
    let deployment = patched.iter().find(|patch| patch["kind"] == "Deployment").unwrap();
    let sidecar = named(&deployment["spec"]["template"]["spec"]["initContainers"], "countersign");
    let mount = named(&sidecar["volumeMounts"], "redis-password");
    let config = read("deploy/kubernetes-redis/countersign.toml");
    assert!(config.contains(&format!("password_file = \"{}/", text(&mount["mountPath"]))));
}

#[test]
fn data_pods_have_no_token_and_the_admin_pod_has_what_its_configuration_names() {
    let dir = tempdir().unwrap();
    let at = |name: &str| format!("deploy/kubernetes-data/{name}");
    let checked = |name: &str| {
        let file = repository(&at(name));
        let ended = run(countersign(dir.path(), &["check", "--json", "--config", file.to_str().unwrap()]));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}: {}", ended.stdout);
        serde_json::from_str::<Value>(&ended.stdout).unwrap()
    };
    let (data, admin) = (checked("countersign.toml"), checked("admin.toml"));
    for (checked, role, user) in [(&data, "data", "countersign-data"), (&admin, "admin", "countersign")] {
        assert_eq!((&checked["role"], &checked["warnings"]), (&role.into(), &serde_json::json!([])));
        let store = text(&checked["store"]);
        assert!(store.contains(&format!("//{user}:")), "{store}");
    }

    let patch = documents(&read(&at("no-token.yaml"))).remove(0);
    let pod = &patch["spec"]["template"]["spec"];
    let token = named(&pod["volumes"], "admin-token");
    assert_eq!(token["$patch"], "delete");
    let deleted = &named(&pod["initContainers"], "countersign")["volumeMounts"][0];
    let base = resources()["Deployment"]["spec"]["template"]["spec"].clone();
    let mounted = named(&named(&base["initContainers"], "countersign")["volumeMounts"], "admin-token");
    assert_eq!((&deleted["$patch"], &deleted["mountPath"]), (&"delete".into(), &mounted["mountPath"]));
    let secret = |pod: &Value| named(&pod["volumes"], "redis-password")["secret"]["secretName"].clone();
    assert_eq!(secret(pod), "countersign-redis-data");

    let images = |name: &str| documents(&read(name)).remove(0)["images"].clone();
    let ours = images(&at("kustomization.yaml"));
    for image in ours.as_array().unwrap() {
        assert_eq!(image, named(&images("deploy/kubernetes/kustomization.yaml"), &text(&image["name"])));
    }

    let deployment = documents(&read(&at("admin.yaml"))).remove(0);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(secret(pod), "countersign-redis");
    assert_eq!(named(&pod["initContainers"], "keks"), named(&base["initContainers"], "keks"));
    let mounts = named(&pod["containers"], "countersign")["volumeMounts"].as_array().unwrap();
    let config: toml::Table = read(&at("admin.toml")).parse().unwrap();
    for (section, option) in [("admin", "token_file"), ("store", "password_file"), ("keys", "kek_dir")] {
        let used = config[section][option].as_str().unwrap();
        let found = mounts.iter().any(|mount| Path::new(used).starts_with(text(&mount["mountPath"])));
        assert!(found, "{used} is on no volume");
    }
}

#[test]
fn every_container_of_the_pod_is_confined() {
    let pod = pod();
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(named(&pod["initContainers"], "countersign")["restartPolicy"], "Always");
    let containers =
        ["initContainers", "containers"].map(|list| pod[list].as_array().unwrap().clone()).concat();
    assert_eq!(containers.len(), 3);
    for container in containers {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
        assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]), "{container}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
    }
}

#[test]
fn what_the_configuration_names_is_mounted() {
    let config: toml::Table = read("deploy/kubernetes/countersign.toml").parse().unwrap();
    let path = |section: &str, option: &str| config[section][option].as_str().unwrap().to_owned();
    let pod = pod();
    let sidecar = named(&pod["initContainers"], "countersign");
    let mounts = sidecar["volumeMounts"].as_array().unwrap();
    for (used, read_only, volume) in [
        (path("store", "path"), false, "persistentVolumeClaim"),
        (path("keys", "kek_dir"), true, "emptyDir"),
        (path("admin", "token_file"), true, "secret"),
        (text(&sidecar["args"][2]), true, "configMap"),
    ] {
        let under = |mount: &&Value| Path::new(&used).starts_with(text(&mount["mountPath"]));
        let mount = mounts.iter().find(under).unwrap_or_else(|| panic!("{used} is on no volume"));
        assert_eq!(mount["readOnly"].as_bool().unwrap_or(false), read_only, "{used}");
        assert!(named(&pod["volumes"], &text(&mount["name"]))[volume].is_object(), "{used}");
    }
    // The key that seals is the one that the README makes.
    assert!(read("deploy/README.md").contains(&format!("--id {}\n", path("keys", "seal_with"))));
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    let sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    let seconds = |key: &str| path("drain", key).trim_end_matches('s').parse::<u64>().unwrap();
    let (delay, drain) = (seconds("delay"), seconds("timeout"));
    assert!(sleep + delay + drain < grace, "{sleep} + {delay} + {drain} s do not fit into {grace}");
    // It ends after its application: there is nothing to wait for.
    assert!(delay + drain <= 10, "{delay} + {drain} s are no short drain");
}

#[test]
fn the_init_container_makes_keys_that_are_accepted_where_those_of_a_secret_are_not() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let made = run(countersign(dir.path(), &["keks", "new", "--dir", "made", "--id", "kek-1"]));
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    // As the kubelet lays a Secret out under fsGroup: links into a directory that it swaps, mode 0440.
    std::fs::create_dir_all(at("secret/..2026")).unwrap();
    std::fs::create_dir(at("keks")).unwrap();
    std::fs::copy(at("made/kek-1.key"), at("secret/..2026/kek-1.key")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o440);
    std::fs::set_permissions(at("secret/..2026/kek-1.key"), mode).unwrap();
    symlink("..2026", at("secret/..data")).unwrap();
    symlink("..data/kek-1.key", at("secret/kek-1.key")).unwrap();

    let init = |keks: &str| {
        let mut command = countersign(dir.path(), &["store", "init"]);
        command.env("COUNTERSIGN_KEYS__KEK_DIR", keks).env("COUNTERSIGN_KEYS__SEAL_WITH", "kek-1");
        run(command)
    };
    let refused = init("secret");
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("kek-1.key"), "{}", refused.stderr);

    let pod = pod();
    let command = named(&pod["initContainers"], "keks")["command"].clone();
    let line = text(&command[2])
        .replace("/run/secrets/countersign-keks", "secret")
        .replace("/run/countersign/keks", "keks");
    assert_eq!((&command[0], &command[1]), (&"/bin/sh".into(), &"-c".into()));
    // Twice, because the kubelet may run an init container again.
    for _ in 0..2 {
        let copied = run(tool_command("/bin/sh", dir.path(), &["-c", &line]));
        assert_eq!(copied.code, Some(0), "{}", copied.stderr);
    }
    let accepted = init("keks");
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
}

#[test]
fn the_kustomization_names_this_version_and_renders() {
    let kustomization = documents(&read("deploy/kubernetes/kustomization.yaml")).remove(0);
    assert_eq!(named(&kustomization["images"], "countersign")["newTag"], env!("CARGO_PKG_VERSION"));
    let pod = pod();
    let containers =
        ["initContainers", "containers"].map(|list| pod[list].as_array().unwrap().clone()).concat();
    for container in &containers {
        named(&kustomization["images"], &text(&container["image"]));
    }
    assert_eq!(kustomization["configMapGenerator"][0]["files"][0], "countersign.toml");

    // Not a package of Debian's: rendered where it is installed.
    let dir = repository("deploy/kubernetes");
    let Ok(output) = tool_command("kubectl", &dir, &["kustomize", "."]).output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rendered = documents(&String::from_utf8(output.stdout).unwrap());
    let of = |kind: &str| rendered.iter().find(|resource| resource["kind"] == kind).unwrap();
    let config = of("ConfigMap");
    assert_eq!(config["data"]["countersign.toml"], read("deploy/kubernetes/countersign.toml"));
    let pod = &of("Deployment")["spec"]["template"]["spec"];
    assert_eq!(named(&pod["volumes"], "config")["configMap"]["name"], config["metadata"]["name"]);
    let image = text(&named(&pod["initContainers"], "countersign")["image"]);
    assert!(image.ends_with(concat!("/countersign:", env!("CARGO_PKG_VERSION"))), "{image}");
}

#[test]
fn the_compose_file_configures_a_sidecar_that_passes_check() {
    let compose = documents(&read("deploy/compose.yaml")).remove(0);
    let sidecar = &compose["services"]["countersign"];
    let dir = tempdir().unwrap();
    let mut command = countersign(dir.path(), &["check", "--json"]);
    for (name, value) in sidecar["environment"].as_object().unwrap() {
        let value = text(value);
        // The one that whoever starts it must set.
        let set = if value.starts_with("${") { "0123456789abcdef0123456789abcdef" } else { &value };
        command.env(name, set);
    }
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let checked: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(checked["ignoredEnvironment"], serde_json::json!([]));
    let ports: Vec<String> = sidecar["ports"].as_array().unwrap().iter().map(text).collect();
    let [traffic, admin, ops] = ["listener", "admin", "ops"].map(|name| port(&checked[name]));
    let expected = [
        format!("{traffic}:{traffic}"),
        format!("127.0.0.1:{admin}:{admin}"),
        format!("127.0.0.1:{ops}:{ops}"),
    ];
    assert_eq!(ports, expected);
    let application = text(&checked["upstream"]).replace("http://", "-listen=");
    assert_eq!(compose["services"]["app"]["command"][0], application);
    assert_eq!(text(&sidecar["image"]), concat!("countersign:", env!("CARGO_PKG_VERSION")));
}

/// Rust files below a directory.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_image_is_built_from_everything_that_the_binary_embeds() {
    let dockerfile = read("deploy/Dockerfile");
    let ignored = read("deploy/Dockerfile.dockerignore");
    let copied: Vec<PathBuf> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--")))
        .flat_map(|rest| {
            let words: Vec<&str> = rest.split_whitespace().collect();
            words[..words.len() - 1].iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
        })
        .map(|name| {
            assert!(ignored.lines().any(|line| line == format!("!{name}")), "{name} is ignored");
            repository(&name).canonicalize().unwrap()
        })
        .collect();
    let mut files = Vec::new();
    sources(&repository("src"), &mut files);
    let mut embedded = 0;
    let is_test = |file: &PathBuf| file.ends_with("tests.rs") || file.iter().any(|part| part == "tests");
    files.retain(|file| !is_test(&file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned()));
    for file in files {
        // What only tests embed is not built there.
        let source = std::fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for macro_name in ["include_str!(\"", "include_bytes!(\""] {
            for rest in source.split(macro_name).skip(1) {
                let path = file.parent().unwrap().join(rest.split('"').next().unwrap());
                let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert!(copied.iter().any(|root| path.starts_with(root)), "{} is not copied", path.display());
                embedded += 1;
            }
        }
    }
    assert!(embedded > 0);
    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
    let rust = format!("rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(dockerfile.contains(&rust), "the image is built with the version that Cargo.toml names");
}
