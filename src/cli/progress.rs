//! How far a long command is: one line on a terminal, nothing elsewhere.

use std::io::{IsTerminal, Write};

/// Records between two signs of life.
const STEP: u64 = 1000;

/// A function to tell how many of how many are done.
pub(super) fn on_terminal(what: &'static str) -> impl FnMut(u64, u64) + Send {
    let shown = std::io::stderr().is_terminal();
    move |done, of| {
        if shown && of > STEP && (done.is_multiple_of(STEP) || done == of) {
            let end = if done == of { "\n" } else { "" };
            // A terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr().lock(), "\r{what} {done} of {of}{end}");
        }
    }
}
