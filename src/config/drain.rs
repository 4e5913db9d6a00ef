//! The way out: how long after SIGTERM requests are still taken, and how long those in flight may last. Acting on
//! it is `app`'s and the listener's work. Invariant: both have an upper end, so that every stop comes to one.

use std::time::Duration;

use super::reader::Section;
use super::units::{self, HOUR, MINUTE};

/// The way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainConfig {
    /// From SIGTERM until no connection is accepted any more. Default 5 s; 0 s to 10 min.
    pub delay: Duration,
    /// From then on: how long requests in flight may take to end. Default 20 s; 0 s to 1 h.
    pub timeout: Duration,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<DrainConfig> {
    let none = Duration::ZERO;
    let mut section = root.section("drain");
    let delay = section.required("delay", units::duration(none..=MINUTE * 10));
    let timeout = section.required("timeout", units::duration(none..=HOUR));
    section.finish();
    Some(DrainConfig { delay: delay?, timeout: timeout? })
}
