//! What this process forbids itself before it reads a secret: memory dumps, by others and by its own crash.
//!
//! Not a sandbox. prctl(2) `PR_SET_DUMPABLE`: no core file, and neither ptrace nor `/proc/<pid>/mem` for processes of
//! the same user; setrlimit(2) `RLIMIT_CORE`: no core file even where the first is undone. Root, and whoever has
//! `CAP_SYS_PTRACE`, still may. Invariant: a process that holds secrets runs with both or not at all.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Why the process cannot be protected.
#[derive(Debug, thiserror::Error)]
#[error("{what} is refused by the system ({source}), so secrets could end up in a memory dump; not started")]
pub struct HardenError {
    what: &'static str,
    source: std::io::Error,
}

/// Forbids dumps of this process's memory, for as long as it lives.
///
/// # Errors
/// Where the system refuses, as a seccomp filter may.
pub fn forbid_dumps() -> Result<(), HardenError> {
    let refused = |what| move |errno: rustix::io::Errno| HardenError { what, source: errno.into() };
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused("prctl(PR_SET_DUMPABLE, 0)"))?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(refused("setrlimit(RLIMIT_CORE, 0)"))
}
