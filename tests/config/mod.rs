//! The configuration as operators meet it: layers, faults, and the commands that read it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod commands;
mod faults;
mod redis;
mod roles;

use std::path::PathBuf;
use std::time::Duration;

use countersign::client::TrustedProxies;
use countersign::config::{
    self, Config, Fault, InitPolicy, LogFormat, Sources, StoreBackend, UpstreamTarget,
};
use countersign::proxy::route::{CredentialKind, Verify};

/// Sources of one test; the file lives as long as this does.
struct Given {
    dir: tempfile::TempDir,
    sources: Sources,
}

impl Given {
    fn nothing() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    fn file(text: &str) -> Self {
        let mut given = Self::nothing();
        let path = given.dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        given.sources.file = Some(path);
        given
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, option: &str, value: &str) -> Self {
        self.sources.overrides.push((option.to_owned(), value.to_owned()));
        self
    }

    fn config(&self) -> Config {
        config::load(&self.sources).unwrap_or_else(|faults| panic!("{faults}")).config
    }

    fn faults(&self) -> Vec<Fault> {
        config::load(&self.sources).map(|loaded| panic!("loaded: {loaded:?}")).unwrap_err().0
    }

    /// The only fault, as printed but for the file's directory.
    fn fault(&self) -> String {
        let faults = self.faults();
        assert_eq!(faults.len(), 1, "{faults:#?}");
        let dir = format!("{}/", self.dir.path().display());
        faults[0].to_string().replace(&dir, "")
    }
}

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

const ROUTE: &str = "[[routes]]\nname = \"a\"\npath = \"/a\"\nverify = [\"api-key\"]\n";

#[test]
fn the_defaults_load_and_are_those_of_the_contract() {
    let config = Given::nothing().config();
    assert_eq!(config.listener.address.to_string(), "0.0.0.0:8080");
    assert_eq!((config.listener.threads, config.listener.public_url), (0, None));
    assert_eq!(config.listener.trusted_proxies, TrustedProxies::default());
    assert_eq!(config.admin.address.to_string(), "127.0.0.1:9901");
    assert_eq!(config.ops.address.to_string(), "0.0.0.0:9902");
    assert_eq!(
        config.upstream.target,
        UpstreamTarget::Tcp { host: "127.0.0.1".to_owned(), port: 3000, is_https: false }
    );
    assert_eq!(config.upstream.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.upstream.idle_connections, 256);
    assert_eq!(config.store.backend, StoreBackend::Embedded { path: "countersign.redb".into() });
    assert_eq!(config.store.init, InitPolicy::IfEmpty);
    assert_eq!(config.keys.max_stale, Duration::from_secs(30));
    assert_eq!((config.limits.max_body, config.limits.body_budget), (1 << 20, 64 << 20));
    assert_eq!((config.limits.candidate_secrets, config.limits.connections), (4, 10_000));
    assert_eq!((config.drain.delay, config.drain.timeout), (Duration::from_secs(5), Duration::from_secs(20)));
    assert_eq!(config.log.format, LogFormat::Auto);
    let routes: Vec<_> = config.routes.iter().map(|r| (r.name.as_str(), r.pattern.as_str())).collect();
    assert_eq!(routes, [("webhooks", "/webhooks/{integration}"), ("default", "/{*rest}")]);
    let kinds = vec![CredentialKind::Signature, CredentialKind::ApiKey];
    assert_eq!(config.routes[1].verify, Verify::Kinds { kinds, all: false });
}

#[test]
fn default_toml_documents_every_option() {
    let mut section = String::new();
    let mut documented = Vec::new();
    for line in config::defaults().lines() {
        if let Some(name) = line.strip_prefix("[").and_then(|line| line.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']).to_owned();
        }
        let line = line.trim_start_matches(['#', ' ']);
        if let Some(key) = line.split([' ', '=']).next() {
            documented.push(format!("{section}.{key}").trim_start_matches('.').to_owned());
            // Optional keys of routes are explained above the first of them.
            documented.push(format!("routes[].{key}"));
        }
    }
    let options = config::options();
    assert!(options.len() > 35, "{options:?}");
    for option in options.iter().filter(|option| *option != "routes") {
        assert!(documented.contains(option), "{option} is not documented in default.toml");
    }
}

#[test]
fn what_changes_without_a_restart_exists() {
    let options = config::options();
    for live in config::LIVE.iter().filter(|live| **live != "routes") {
        assert!(options.iter().any(|option| option == live), "{live} is no option");
    }
}

#[test]
fn the_example_loads() {
    let sources = Sources { file: Some(repository("config/example.toml")), ..Sources::default() };
    let config = config::load(&sources).unwrap_or_else(|faults| panic!("{faults}")).config;
    assert_eq!(config.upstream.target, UpstreamTarget::Unix("/run/app/app.sock".into()));
    assert_eq!(config.routes.iter().filter(|route| route.verify == Verify::None).count(), 1);
}

#[test]
fn flags_beat_env_beat_file_beat_defaults() {
    let file = "[upstream]\nurl = \"http://file:1\"\nconnect_timeout = \"1s\"\nresponse_timeout = \"1s\"\n";
    let given = Given::file(file)
        .env("COUNTERSIGN_UPSTREAM__URL", "http://env:2")
        .env("COUNTERSIGN_UPSTREAM__CONNECT_TIMEOUT", "2s")
        .flag("upstream.url", "http://flag:3");
    let upstream = given.config().upstream;
    assert_eq!(upstream.target, UpstreamTarget::Tcp { host: "flag".to_owned(), port: 3, is_https: false });
    assert_eq!(upstream.connect_timeout, Duration::from_secs(2));
    assert_eq!(upstream.response_timeout, Duration::from_secs(1));
    assert_eq!(upstream.idle_timeout, Duration::from_secs(30));
}

#[test]
fn a_files_routes_replace_the_default_ones() {
    let routes = Given::file(ROUTE).config().routes;
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0].name, "a");
}

#[test]
fn text_from_the_environment_becomes_numbers() {
    let config = Given::nothing()
        .env("COUNTERSIGN_LISTENER__THREADS", "8")
        .env("COUNTERSIGN_LIMITS__MAX_BODY", "2048")
        .config();
    assert_eq!((config.listener.threads, config.limits.max_body), (8, 2048));
    let quoted = Given::file("[listener]\nthreads = \"8\"\n");
    assert_eq!(
        quoted.fault(),
        "listener.threads = \"8\": expected a whole number from 0 to 256 (config.toml)"
    );
}

#[test]
fn a_pods_service_link_variables_are_ignored() {
    let given = Given::nothing()
        .env("COUNTERSIGN_SERVICE_HOST", "10.0.0.1")
        .env("COUNTERSIGN_SERVICE_PORT", "8080")
        .env("COUNTERSIGN_PORT", "tcp://10.0.0.1:8080")
        .env("COUNTERSIGN_PORT_8080_TCP_ADDR", "10.0.0.1")
        .env("COUNTERSIGN_CLI_URL", "http://127.0.0.1:9901")
        .env("COUNTERSIGN_CLI_TOKEN_FILE", "/token")
        .env("COUNTERSIGN_ADMIN_TOKEN", "0123456789abcdef\n")
        .env("PATH", "/bin");
    let loaded = config::load(&given.sources).unwrap();
    assert_eq!(loaded.config, Given::nothing().config());
    assert_eq!(
        loaded.ignored_env,
        [
            "COUNTERSIGN_PORT",
            "COUNTERSIGN_PORT_8080_TCP_ADDR",
            "COUNTERSIGN_SERVICE_HOST",
            "COUNTERSIGN_SERVICE_PORT"
        ]
    );
    assert!(loaded.admin_token.unwrap().ct_eq(b"0123456789abcdef"));
}

#[test]
fn an_unusable_admin_token_is_a_fault_and_is_not_shown() {
    for token in ["", "\n", "two words secret", "caf\u{e9}-secret"] {
        let fault = Given::nothing().env("COUNTERSIGN_ADMIN_TOKEN", token).fault();
        assert!(fault.starts_with("COUNTERSIGN_ADMIN_TOKEN: expected a token"), "{fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
}
