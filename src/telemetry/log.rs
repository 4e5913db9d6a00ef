//! The process's log: one line per event on standard error, as text or as JSON.
//!
//! Not the decision record's content, only its carrier. Invariant: a client cannot break a line in two: the
//! formatter escapes control characters in text, and JSON strings in JSON.

use crate::config::LogFormat;

/// Starts logging. Further calls in one process change nothing: the first subscriber stays.
pub fn init(format: LogFormat, level: tracing::Level) {
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let started = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(is_terminal).try_init(),
        LogFormat::Auto if is_terminal => builder.try_init(),
        LogFormat::Auto => builder.json().flatten_event(true).try_init(),
    };
    // An error means that a subscriber stands already, which is the case described above.
    let _already = started.is_err();
}
