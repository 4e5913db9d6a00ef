//! The binary: hands its arguments to `cli` and returns its exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::run()
}
