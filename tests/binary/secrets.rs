//! Secrets of the process: where they may come from, what they are made of, and how long they stay.

use std::io::{Read, Seek, SeekFrom};

use memchr::memmem;
use serde_json::Value;
use tempfile::tempdir;

use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::process::{BINARY, Process, Serve, tool, tool_command};
use crate::support::redis::Server;
use crate::support::sidecar::{TOKEN, until};
use crate::support::upstream::{Upstream, nobody};

#[test]
fn s07_a_store_without_its_keks_is_refused_and_gets_no_new_ones() {
    let dir = tempdir().unwrap();
    let serve = Serve::start(dir.path(), &nobody());
    serve.workspace("w");
    drop(serve);
    let (keks, aside) = (dir.path().join("keys.redb.keks"), dir.path().join("aside"));
    std::fs::rename(&keks, &aside).unwrap();
    for prepared in [false, true] {
        if prepared {
            std::fs::create_dir_all(&keks).unwrap();
        }
        let ended = Process::start(Serve::command(dir.path(), &nobody())).finish();
        assert!(matches!(ended.code, Some(1 | 78)), "{:?} {}", ended.code, ended.stderr);
        assert!(ended.stderr.contains("keys.redb.keks"), "{}", ended.stderr);
        assert!(!keks.join("default.key").exists(), "another key was made: {}", ended.stderr);
    }
    std::fs::remove_dir(&keks).unwrap();
    std::fs::rename(&aside, &keks).unwrap();
    let serve = Serve::start(dir.path(), &nobody());
    assert_eq!(serve.admin("GET", "/api/workspaces", None).json()["items"][0]["name"], "w");
}

/// The process's own memory holds the text.
fn remembers(serve: &Serve, text: &str) -> std::io::Result<bool> {
    let id = serve.process.id();
    let mut memory = std::fs::File::open(format!("/proc/{id}/mem"))?;
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps"))?;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
        let [from, to] = [range.0, range.1].map(|end| u64::from_str_radix(end, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        memory.seek(SeekFrom::Start(from))?;
        // What the kernel keeps to itself cannot be read, nor hold anything of the process's.
        if memory.read_exact(&mut bytes).is_ok() && memmem::find(&bytes, text.as_bytes()).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process has read the secret from its store, judged by it, and never had it in a request or an answer: those
/// buffers are hyper's, and are not zeroed.
#[test]
fn s13_a_deleted_secret_is_in_no_memory_of_the_process() {
    let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
    let first = Serve::start(dir.path(), &upstream.url);
    let secret = first.integration("hook", "generic");
    first.process.signal("TERM");
    assert_eq!(first.process.finish().code, Some(0));

    let serve = Serve::start(dir.path(), &upstream.url);
    let deliver = || {
        let call = Call::post("/webhooks/hook", "{}");
        call.header("X-Webhook-Signature", hmac_hex(&secret, &[b"{}"])).send(serve.traffic).status
    };
    assert_eq!(deliver(), 200);
    // The searcher finds what is there: whose name is not secret is kept as it is.
    match remembers(&serve, "countersign is up") {
        Ok(found) => assert!(found || remembers(&serve, "webhooks").unwrap()),
        // Then nobody of this user can look for it, either.
        Err(error) => return assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
    }
    assert_eq!(serve.admin("DELETE", "/api/integrations/hook", None).status, 204);
    assert_eq!(deliver(), 401);
    until("the secret is gone from memory", || !remembers(&serve, &secret).unwrap());
}

#[test]
fn s14_a_secret_in_the_environment_is_warned_of_and_a_file_is_not() {
    let dir = tempdir().unwrap();
    let serve = Serve::start(dir.path(), &nobody());
    let warnings = |serve: &Serve| {
        let lines = serve.process.stderr();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_secrets = lines.filter(|line| line["message"].to_string().contains("from the environment"));
        of_secrets.map(|line| line["variable"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    until("it warns", || warnings(&serve) == ["COUNTERSIGN_ADMIN_TOKEN"]);
    assert!(!serve.process.stderr().contains(TOKEN));
    drop(serve);

    std::fs::write(dir.path().join("token"), TOKEN).unwrap();
    let mut command = Serve::command(dir.path(), &nobody());
    command.env_remove("COUNTERSIGN_ADMIN_TOKEN").env("COUNTERSIGN_ADMIN__TOKEN_FILE", "token");
    let serve = Serve::of(command);
    assert_eq!(warnings(&serve), Vec::<String>::new());
    drop(serve);

    let server = Server::start(&["--requirepass", "a-password-of-the-store"]);
    let url = server.url().replace("redis://", "redis://:a-password-of-the-store@");
    let keks = crate::support::redis::kek_dir(&[("k1", 'a')]);
    let mut command = Serve::command(dir.path(), &nobody());
    command
        .env_remove("COUNTERSIGN_STORE__PATH")
        .env("COUNTERSIGN_STORE__KIND", "redis")
        .env("COUNTERSIGN_STORE__URL", url)
        .env("COUNTERSIGN_STORE__INIT", "if-empty")
        .env("COUNTERSIGN_KEYS__KEK_DIR", keks.path())
        .env("COUNTERSIGN_KEYS__SEAL_WITH", "k1");
    let serve = Serve::of(command);
    until("it warns", || warnings(&serve) == ["COUNTERSIGN_ADMIN_TOKEN", "COUNTERSIGN_STORE__URL"]);
    assert!(!serve.process.stderr().contains("a-password-of-the-store"));
    drop(serve);

    // A key-encryption key has no variable at all.
    let mut command = Serve::command(dir.path(), &nobody());
    command.env("COUNTERSIGN_KEYS__KEK", "ab".repeat(32));
    let ended = Process::start(command).finish();
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("COUNTERSIGN_KEYS__KEK"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("abab"), "{}", ended.stderr);
}

/// Runs a program in which getrandom(2) fails with this error: seccomp(2), which survives exec.
const WITHOUT_RANDOM: &str = "
import ctypes, os, platform, struct, sys
number = {'x86_64': 318, 'aarch64': 278}[platform.machine()]
step = lambda code, yes, no, value: struct.pack('HBBI', code, yes, no, value)
fails = 0x00050000 | int(sys.argv[1])
code = step(0x20, 0, 0, 0) + step(0x15, 0, 1, number) + step(0x06, 0, 0, fails) + step(0x06, 0, 0, 0x7fff0000)
code = ctypes.create_string_buffer(code)
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(code))), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])";

#[test]
fn s16_without_random_numbers_no_key_is_made() {
    let dir = tempdir().unwrap();
    let made = |error: &str| {
        let args = ["-c", WITHOUT_RANDOM, error, BINARY, "key", "new", "--offline", "--json"];
        let ended = Process::start(tool_command(&tool("python3"), dir.path(), &args)).finish();
        (ended.code, ended.stdout)
    };
    // EPERM, EIO, EFAULT: there is no other source to fall back on.
    for error in ["1", "5", "14"] {
        let (code, stdout) = made(error);
        assert!(code != Some(0) && stdout.is_empty(), "{error}: {code:?} {stdout}");
    }
    // ENOSYS: a kernel older than the call has the same numbers in /dev/urandom.
    let keys: Vec<Value> = (0..2).map(|_| serde_json::from_str(&made("38").1).unwrap()).collect();
    assert_ne!(keys[0]["apiKey"], keys[1]["apiKey"]);
}
