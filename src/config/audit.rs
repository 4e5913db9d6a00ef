//! `[audit]`: how long the audit log keeps its events. Removing them is the work of `store/retention.rs`.

use std::time::Duration;

use super::reader::Section;
use super::units::{self, DAY};

/// What is kept of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditConfig {
    /// How long an event stays. Default: for ever; 1 d to 36500 d.
    pub keep: Option<Duration>,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<AuditConfig> {
    let mut section = root.section("audit");
    let keep = section.optional("keep", units::age(DAY..=DAY * 36_500));
    section.finish();
    Some(AuditConfig { keep })
}
