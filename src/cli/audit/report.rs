//! What a check of the audit chain came to, added up over its pieces, and how it is told.
//!
//! Invariants: it is `intact` only where every event holds, and the checkpoint that the log begins with; a head that was
//! asked for is there then, or was noted at a number of events that retention is known to have removed.

use std::collections::{BTreeMap, BTreeSet};

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
    checkpoint: Value,
    retentions: BTreeSet<u64>,
    head: String,
    head_found: bool,
}

/// A head that somebody noted, and the number of events that there were by then.
#[derive(Clone, Copy)]
pub(super) struct Noted<'n> {
    pub(super) head: &'n str,
    pub(super) events: Option<u64>,
}

/// What became of a head that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sought {
    /// It is the MAC of an event, or the one that the log begins with.
    Found,
    /// Retention has removed it, and more: the log has gone on behind it.
    Trimmed,
    /// Retention may have removed it.
    Unknown,
    /// It was never in this log, or its end was cut off.
    Missing,
}

impl Sought {
    fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Trimmed => "trimmed",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
        }
    }
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
        self.checkpoint = piece["checkpoint"].clone();
        self.retentions
            .extend(piece["retentions"].as_array().into_iter().flatten().filter_map(Value::as_u64));
        progress::on_terminal("checked")(self.walked(), self.events);
    }

    fn walked(&self) -> u64 {
        self.checked + self.unverified.values().sum::<u64>() + self.broken
    }

    /// Events that retention has removed, as a checkpoint says that holds or whose key is not at hand.
    fn removed(&self) -> Option<u64> {
        self.checkpoint.get("removed")?.as_u64()
    }

    /// A checkpoint is committed with an event that names it, which stays until there is another one.
    fn lacks_retention(&self) -> bool {
        self.removed().is_some_and(|removed| !self.retentions.contains(&removed))
    }

    fn sought(&self, noted: Noted<'_>) -> Sought {
        match (self.removed(), noted.events) {
            _ if self.head_found => Sought::Found,
            (Some(removed), Some(events)) if events <= removed => Sought::Trimmed,
            (Some(_), None) => Sought::Unknown,
            _ => Sought::Missing,
        }
    }

    /// Prints it. `noted`: the head that was asked for.
    pub(super) fn finish(mut self, noted: Option<Noted<'_>>, as_json: bool) -> Exit {
        if self.lacks_retention() {
            self.broken += 1;
            self.findings.push(json!({
                "code": "truncated", "position": "0-0", "id": null,
                "detail": "the event of the retention that left the checkpoint is not in the log as it was written: the end was cut off",
            }));
        }
        let sought = noted.map(|noted| self.sought(noted));
        let is_checked =
            self.unverified.is_empty() && self.checkpoint.get("verified") != Some(&Value::Bool(false));
        let verdict = match (self.broken, sought) {
            (0, None | Some(Sought::Found | Sought::Trimmed)) if is_checked => "intact",
            (0, None | Some(Sought::Found | Sought::Trimmed | Sought::Unknown)) => "incomplete",
            _ => "broken",
        };
        if as_json {
            let report = json!({
                "verdict": verdict, "epoch": self.epoch, "events": self.events, "checked": self.checked,
                "unverified": self.unverified, "broken": self.broken, "findings": self.findings,
                "beginning": self.beginning, "checkpoint": self.checkpoint, "head": self.head,
                "headFound": noted.map(|_| self.head_found), "noted": sought.map(Sought::name),
            });
            say(&report.to_string());
        } else {
            say(&self.lines(verdict, noted.zip(sought)).join("\n"));
        }
        if verdict == "intact" { Exit::Ok } else { Exit::Failed }
    }

    fn lines(&self, verdict: &str, noted: Option<(Noted<'_>, Sought)>) -> Vec<String> {
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
        lines.extend(noted.and_then(|(noted, sought)| self.about(noted, sought)));
        lines.extend(self.about_checkpoint());
        lines.push(beginning(&self.beginning));
        lines.push(format!("head {}", self.head));
        lines
    }

    fn about(&self, Noted { head, events }: Noted<'_>, sought: Sought) -> Option<String> {
        let removed = self.removed().unwrap_or_default();
        match sought {
            Sought::Found => None,
            Sought::Trimmed => Some(format!(
                "the head {head} was noted at {} events, and retention has removed 1 to {removed} since: trimmed, consistent \
                 with the checkpoint",
                events.unwrap_or_default()
            )),
            Sought::Unknown => Some(format!(
                "the head {head} is not in this log: retention has removed it with the events 1 to {removed}, or its end was \
                 cut off; to tell which, name the number of events that was noted with it: --events N"
            )),
            Sought::Missing => {
                Some(format!("the head {head} is not in this log: its end was cut off, or it is another log"))
            }
        }
    }

    fn about_checkpoint(&self) -> Option<String> {
        let text = |name: &str| self.checkpoint.get(name).and_then(Value::as_str).unwrap_or_default();
        let removed = self.removed()?;
        let doubt = match self.checkpoint.get("verified") {
            Some(Value::Bool(false)) => format!(
                "; not checked: the checkpoint is under the key-encryption key {}, which is not in keys.kek_dir",
                text("kek")
            ),
            _ => String::new(),
        };
        Some(format!(
            "the events 1 to {removed}, the last of {}, were removed by retention, most recently on {}; the chain goes on \
             from the checkpoint {}{doubt}",
            text("lastAt"),
            text("at"),
            text("head"),
        ))
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
