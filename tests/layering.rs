//! What the folders promise each other, read from the sources themselves.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path under `src/`, and its code without comments and unit tests.
struct Source {
    path: String,
    whole: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<Source> = files
        .into_iter()
        .map(|file| {
            let whole = fs::read_to_string(&file).unwrap();
            let path = file.strip_prefix(&root).unwrap().display().to_string();
            let code = whole.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            Source { path, code: code.join("\n"), whole }
        })
        .collect();
    assert!(sources.len() > 80, "only {} sources were found", sources.len());
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("tests.rs")
}

/// The files, without tests, in whose code a text occurs.
fn mentioning<'s>(sources: &'s [Source], text: &str) -> Vec<&'s str> {
    let found = sources.iter().filter(|source| !is_test(&source.path) && source.code.contains(text));
    let mut paths: Vec<&str> = found.map(|source| source.path.as_str()).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn extraction_and_verification_are_pure() {
    let forbidden = [
        "tokio",
        "redis",
        "redb",
        "hyper::",
        "axum",
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "std::io",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "UnixStream",
        "SystemTime",
        "Instant",
        "SystemClock",
        "rand::",
        "aws_lc_rs::rand",
        "tracing::",
        "async fn",
        ".await",
        "crate::store",
        "crate::proxy",
        "crate::upstream",
        "crate::admin",
        "crate::config",
        "crate::listener",
        "crate::guard",
        "crate::telemetry",
        "crate::app",
    ];
    let sources = sources();
    let pure = |path: &str| path.starts_with("credential/") || path.starts_with("verify/");
    let mut files = 0;
    for source in sources.iter().filter(|source| pure(&source.path) && !is_test(&source.path)) {
        files += 1;
        for word in forbidden {
            let line = source.code.lines().find(|line| line.contains(word));
            assert_eq!(line, None, "{} mentions {word}", source.path);
        }
    }
    assert!(files >= 15, "only {files} pure files were found");
}

#[test]
fn only_the_guard_admits() {
    let sources = sources();
    assert_eq!(mentioning(&sources, "struct Admitted"), ["guard/mod.rs"]);
    for source in sources.iter().filter(|source| source.path != "guard/mod.rs") {
        assert!(!source.code.contains("Admitted {"), "{} makes an Admitted", source.path);
    }
    let guard = sources.iter().find(|source| source.path == "guard/mod.rs").unwrap();
    let constructors =
        guard.code.matches("Ok(Admitted {").count() + guard.code.matches("Some(Self {").count();
    assert_eq!(constructors, 2, "Admitted has two constructors: admit and by_policy");
    let public_field = guard.code.lines().skip_while(|line| !line.contains("struct Admitted"));
    assert!(
        public_field
            .take_while(|line| *line != "}")
            .all(|line| !line.trim_start().starts_with("pub ") || line.contains("struct"))
    );
}

#[test]
fn the_exception_can_be_found_by_its_name() {
    assert_eq!(mentioning(&sources(), "by_policy"), ["guard/mod.rs", "proxy/pipeline.rs"]);
}

#[test]
fn only_verification_authenticates() {
    let sources = sources();
    for constructor in ["Authentic::api_key(", "Authentic::signed("] {
        assert_eq!(mentioning(&sources, constructor), ["verify/mod.rs"], "{constructor}");
    }
    let others =
        sources.iter().filter(|source| source.path != "verify/authentic.rs" && !is_test(&source.path));
    for source in others {
        let made = source.code.contains("Authentic {") && !source.code.contains("struct Authentic");
        assert!(!made, "{} makes an Authentic", source.path);
    }
}

#[test]
fn one_place_turns_a_cause_into_a_status() {
    let sources = sources();
    let data_path = ["proxy/", "credential/", "verify/", "guard/", "keys/", "upstream/", "listener/"];
    for status in [
        "UNAUTHORIZED",
        "FORBIDDEN",
        "SERVICE_UNAVAILABLE",
        "BAD_GATEWAY",
        "GATEWAY_TIMEOUT",
        "PAYLOAD_TOO_LARGE",
    ] {
        let found = mentioning(&sources, &format!("StatusCode::{status}"));
        let found: Vec<&str> =
            found.into_iter().filter(|path| data_path.iter().any(|stage| path.starts_with(stage))).collect();
        assert_eq!(found, ["proxy/rejection.rs"], "{status}");
    }
    assert_eq!(mentioning(&sources, "GONE"), Vec::<&str>::new(), "410 makes senders give up");
}

#[test]
fn only_the_upstream_opens_connections_to_the_application() {
    let sources = sources();
    let found = mentioning(&sources, "client::conn");
    let found: Vec<&str> = found.into_iter().filter(|path| !path.starts_with("cli/")).collect();
    // The first talks to our own pipeline, in memory.
    let (rehearsal, upstream) = found.split_first().unwrap();
    assert_eq!(*rehearsal, "proxy/rehearsal.rs");
    assert!(upstream.iter().all(|path| path.starts_with("upstream/")), "{upstream:?}");
    let rehearsal = sources.iter().find(|source| source.path == "proxy/rehearsal.rs").unwrap();
    assert!(rehearsal.code.contains("duplex(") && !rehearsal.code.contains("connect("));
    let forward = [mentioning(&sources, "fn forward("), mentioning(&sources, "fn forward<")].concat();
    assert_eq!(forward, ["upstream/mod.rs"]);
    let forward = sources.iter().find(|source| source.path == "upstream/mod.rs").unwrap();
    assert!(forward.code.contains("admitted: Admitted,"), "forward takes an Admitted by value");
}

#[test]
fn nothing_is_unsafe_and_no_secret_is_compared_in_variable_time() {
    for source in sources() {
        let code = source.code.replace("unsafe_code", "");
        assert!(!code.contains("unsafe "), "{} is unsafe", source.path);
    }
    let mac = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify/mac.rs")).unwrap();
    let tag = mac.split("pub struct Tag").next().unwrap();
    let derives = tag.rsplit("#[derive").next().unwrap();
    assert!(!derives.contains("PartialEq"), "a Tag must not be comparable with ==");
}

#[test]
fn a_file_fits_on_a_few_screens() {
    for source in sources() {
        let lines = source.whole.lines().count();
        let limit = if is_test(&source.path) { 600 } else { 400 };
        assert!(lines <= limit, "{} has {lines} lines", source.path);
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = Vec::new();
    collect(&tests, &mut files);
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}

#[test]
fn no_test_is_ignored() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = Vec::new();
    collect(&tests, &mut files);
    let marker = ["#[", "ignore"].concat();
    for file in files {
        assert!(!fs::read_to_string(&file).unwrap().contains(&marker), "{}", file.display());
    }
}
