//! What is logged, and how. Setting the logger up is telemetry's work.

use super::reader::Section;
use super::units;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One object per line, for machines.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Default auto.
    pub format: LogFormat,
    /// The least severe level that is logged. Default info.
    pub level: tracing::Level,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<LogConfig> {
    let mut section = root.section("log");
    let format = section.required(
        "format",
        units::word(&[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)]),
    );
    let level = section.required(
        "level",
        units::word(&[
            ("error", tracing::Level::ERROR),
            ("warn", tracing::Level::WARN),
            ("info", tracing::Level::INFO),
            ("debug", tracing::Level::DEBUG),
            ("trace", tracing::Level::TRACE),
        ]),
    );
    section.finish();
    Some(LogConfig { format: format?, level: level? })
}
