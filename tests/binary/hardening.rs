//! What a process that holds secrets forbids itself: dumps of its memory.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::support::process::{BINARY, Process, Serve};
use crate::support::upstream::Upstream;

/// `nobody`: for root, every file below `/proc/<pid>` is its own.
const NOBODY: u32 = 65534;

fn owner(pid: u32) -> u32 {
    std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid()
}

fn core_limit(pid: u32) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// As somebody who is not root, in a directory of theirs.
fn as_nobody(command: &mut Command, dir: &Path) -> u32 {
    let me = std::fs::metadata("/proc/self").unwrap().uid();
    if me != 0 {
        return me;
    }
    chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    command.uid(NOBODY).gid(NOBODY);
    NOBODY
}

#[test]
fn s12_a_process_that_holds_secrets_can_be_dumped_by_nobody_but_root() {
    let (dir, upstream) = (tempdir().unwrap(), Upstream::start());
    // The build's directory may be closed to others.
    let program = dir.path().join("countersign");
    std::fs::copy(BINARY, &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let serve = Serve::command(dir.path(), &upstream.url);
    // Core files as large as the system allows, until it says otherwise.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\""]).arg(&program);
    command.args(serve.get_args()).current_dir(dir.path()).env_clear();
    command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let user = as_nobody(&mut command, dir.path());
    let mut process = Process::start(command);
    process.is_up();
    assert_eq!((owner(process.id()), core_limit(process.id())), (0, "0 0".to_owned()));

    // Any other process of that user belongs to them: it is the sidecar that forbids it.
    let mut other = Command::new("/bin/sleep");
    let elsewhere = tempdir().unwrap();
    as_nobody(&mut other, elsewhere.path());
    let mut other = other.arg("60").stdin(Stdio::null()).spawn().unwrap();
    let of_other = owner(other.id());
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(of_other, user);
}
