//! What a check of the audit chain came to, added up over its pieces, and how it is told.
//!
//! Invariant: it is `intact` only where every event holds and a head that was asked for was found.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::{Exit, progress, say};

/// Findings that are kept; all are counted.
const FINDINGS: usize = 1000;

/// What all pieces came to.
#[derive(Default)]
pub(super) struct Report {
    epoch: String,
    events: u64,
    checked: u64,
    broken: u64,
    findings: Vec<Value>,
    unverified: BTreeMap<String, u64>,
    beginning: Value,
    head: String,
    head_found: bool,
}

impl Report {
    /// Adds a piece.
    pub(super) fn take(&mut self, piece: &Value) {
        let count = |name: &str| piece[name].as_u64().unwrap_or_default();
        let text = |name: &str| piece[name].as_str().unwrap_or_default().to_owned();
        (self.epoch, self.head, self.events) = (text("epoch"), text("head"), count("events"));
        self.checked += count("checked");
        self.broken += count("broken");
        self.head_found |= piece["headFound"] == Value::Bool(true);
        for (kek, events) in piece["unverified"].as_object().into_iter().flatten() {
            *self.unverified.entry(kek.clone()).or_default() += events.as_u64().unwrap_or_default();
        }
        let findings = piece["findings"].as_array().into_iter().flatten();
        self.findings.extend(findings.take(FINDINGS.saturating_sub(self.findings.len())).cloned());
        if piece["beginning"].is_object() {
            self.beginning = piece["beginning"].clone();
        }
        progress::on_terminal("checked")(self.walked(), self.events);
    }

    fn walked(&self) -> u64 {
        self.checked + self.unverified.values().sum::<u64>() + self.broken
    }

    /// Prints it. `head`: the one that was asked for.
    pub(super) fn finish(self, head: Option<&str>, as_json: bool) -> Exit {
        let missing = head.filter(|_| !self.head_found);
        let verdict = match (self.broken, missing, self.unverified.is_empty()) {
            (0, None, true) => "intact",
            (0, None, false) => "incomplete",
            _ => "broken",
        };
        if as_json {
            let found = head.map(|_| self.head_found);
            let report = json!({
                "verdict": verdict, "epoch": self.epoch, "events": self.events, "checked": self.checked,
                "unverified": self.unverified, "broken": self.broken, "findings": self.findings,
                "beginning": self.beginning, "head": self.head, "headFound": found,
            });
            say(&report.to_string());
        } else {
            say(&self.lines(verdict, missing).join("\n"));
        }
        if verdict == "intact" { Exit::Ok } else { Exit::Failed }
    }

    fn lines(&self, verdict: &str, missing: Option<&str>) -> Vec<String> {
        let mut lines = vec![format!("{verdict}: {} of {} events hold", self.checked, self.events)];
        lines.extend(self.findings.iter().map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            let id = finding["id"].as_str().map(|id| format!(" ({id})")).unwrap_or_default();
            format!("{} at {}{id}: {}", text("code"), text("position"), text("detail"))
        }));
        let unnamed = self.broken.saturating_sub(self.findings.len() as u64);
        if unnamed > 0 {
            lines.push(format!("and {unnamed} more faults"));
        }
        for (kek, events) in &self.unverified {
            lines.push(format!(
                "not checked: {events} events under the key-encryption key {kek}, which is not in keys.kek_dir"
            ));
        }
        lines.extend(missing.map(|head| {
            format!("the head {head} is not in this log: its end was cut off, or it is another log")
        }));
        lines.push(beginning(&self.beginning));
        lines.push(format!("head {}", self.head));
        lines
    }
}

fn beginning(of: &Value) -> String {
    let source = &of["source"];
    if source.is_object() {
        return format!(
            "it begins with the import of {} records of the epoch {} (namespace {}), whose log ended at the head {}",
            source["records"],
            source["sourceEpoch"].as_str().unwrap_or_default(),
            source["sourceNamespace"],
            source["sourceAuditHead"].as_str().unwrap_or_default(),
        );
    }
    match of["origin"].as_str() {
        Some("command") => "it begins with `countersign store init`".to_owned(),
        Some("import") => {
            "the store says that it was imported, and the log does not begin with that".to_owned()
        }
        _ => "it begins with a sidecar that found the namespace empty".to_owned(),
    }
}
