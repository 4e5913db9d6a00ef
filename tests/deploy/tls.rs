//! The manifests with TLS on both sides.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use tempfile::tempdir;

use super::{documents, named, port, read, repository, resources, run};
use crate::support::certificates::Authority;
use crate::support::process::{countersign, text, tool_command};

#[test]
fn the_pods_configuration_under_tls_passes_check_with_the_files_that_are_mounted() {
    let at = |name: &str| format!("deploy/kubernetes-tls/{name}");
    let kustomization = documents(&read(&at("kustomization.yaml"))).remove(0);
    assert_eq!(kustomization["resources"][0], "../kubernetes");
    let base = resources();
    let mut patched = BTreeMap::new();
    for patch in kustomization["patches"].as_array().unwrap() {
        let patch = documents(&read(&at(&text(&patch["path"])))).remove(0);
        let of = &base[&text(&patch["kind"])];
        assert_eq!(patch["metadata"]["name"], of["metadata"]["name"], "a patch of what is not there");
        patched.insert(text(&patch["kind"]), patch);
    }

    // What the Secrets hold, where they are mounted: the configuration is judged with it.
    let dir = tempdir().unwrap();
    let authority = Authority::new("applications");
    let pair = authority.vouch("tls", &["hooks.example.com"]);
    let mut config = read(&at("countersign.toml"));
    let pod = &patched["Deployment"]["spec"]["template"]["spec"];
    let mounts = &named(&pod["initContainers"], "countersign")["volumeMounts"];
    for (volume, secret, files) in [
        ("tls", "countersign-tls", vec![(&pair.cert, "tls.crt"), (&pair.key, "tls.key")]),
        ("app-ca", "countersign-app-ca", vec![(&authority.file(), "ca.crt")]),
    ] {
        assert_eq!(named(&pod["volumes"], volume)["secret"]["secretName"], secret);
        let mount = named(mounts, volume);
        assert_eq!(mount["readOnly"], true);
        let mounted = dir.path().join(volume);
        std::fs::create_dir(&mounted).unwrap();
        for (from, name) in files {
            // As the kubelet with fsGroup leaves it.
            std::fs::copy(from, mounted.join(name)).unwrap();
            std::fs::set_permissions(mounted.join(name), std::fs::Permissions::from_mode(0o440)).unwrap();
        }
        let path = text(&mount["mountPath"]);
        assert!(config.contains(&format!("\"{path}/")), "{path} is mounted for nothing");
        config = config.replace(&format!("{path}/"), &format!("{}/", mounted.display()));
    }
    std::fs::write(dir.path().join("countersign.toml"), config).unwrap();
    let ended = run(countersign(dir.path(), &["check", "--json", "--config", "countersign.toml"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let checked: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(text(&checked["upstream"]).starts_with("https://127.0.0.1:"), "{checked}");

    let ports = patched["Service"]["spec"]["ports"].as_array().unwrap();
    let replaced = &base["Service"]["spec"]["ports"][0];
    assert_eq!((&ports[0]["port"], &ports[0]["$patch"]), (&replaced["port"], &"delete".into()));
    assert_eq!((&ports[1]["port"], &ports[1]["targetPort"]), (&443.into(), &replaced["targetPort"]));
    assert_eq!(port(&checked["listener"]), replaced["targetPort"]);

    // Not a package of Debian's: rendered where it is installed.
    let Ok(output) =
        tool_command("kubectl", &repository("deploy/kubernetes-tls"), &["kustomize", "."]).output()
    else {
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rendered = documents(&String::from_utf8(output.stdout).unwrap());
    let service = rendered.iter().find(|resource| resource["kind"] == "Service").unwrap();
    assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 1);
}
