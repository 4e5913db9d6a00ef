//! What a seed file declares, judged by itself: every fault that needs no store to be seen.
//!
//! Not what it changes (`plan.rs`). The fields and their rules are those of the admin API's create, but for the
//! secrets: they are in files. Invariants: an entry that names a workspace names one of the same file; no two entries
//! name the same record or the same API key; a file that declares nothing says so by an empty list, because an empty
//! file is more likely a slip.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::fault::SeedFault;
use super::parse::{self, Lines};
use super::source::Read;
use super::{SeedSettings, judge};
use crate::admin::integrations::create::Wanted;
use crate::admin::webhook_keys::input::Settings;
use crate::keys::record::ApiKeyDigest;
use crate::secret::Secret;

/// Whether a secret file that is not there is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// No: the check may run where no secrets are.
    Allowed,
    /// Yes.
    Fault,
}

/// Which entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) list: &'static str,
    pub(super) index: usize,
}

/// A workspace.
pub(super) struct WorkspaceEntry {
    pub(super) at: Place,
    pub(super) name: String,
}

/// A webhook key.
pub(super) struct KeyEntry {
    pub(super) at: Place,
    pub(super) workspace: String,
    pub(super) name: String,
    /// Digest and redacted form of its API key; `None` = it has none.
    pub(super) api_key: Option<(ApiKeyDigest, String)>,
    /// Its signing secret; `None` = it has none.
    pub(super) secret: Option<Secret>,
    pub(super) settings: Settings,
    pub(super) overlap_seconds: u32,
}

/// An integration.
pub(super) struct IntegrationEntry {
    pub(super) at: Place,
    pub(super) workspace: Option<String>,
    /// As a create's body; `given` is there unless the check allows its absence.
    pub(super) wanted: Wanted,
    pub(super) overlap_seconds: u32,
}

/// Everything that a file declares.
pub(super) struct Seed {
    pub(super) workspaces: Vec<WorkspaceEntry>,
    pub(super) keys: Vec<KeyEntry>,
    pub(super) integrations: Vec<IntegrationEntry>,
    pub(super) file: PathBuf,
    lines: Lines,
}

impl Seed {
    /// Reads and judges every entry.
    pub(super) fn of(read: &Read, settings: &SeedSettings, absent: Absent) -> Result<Self, Vec<SeedFault>> {
        let whole = |detail: String| {
            let source = parse::place(&read.file, None);
            vec![SeedFault { source, path: String::new(), detail, hint: None }]
        };
        let text = read.text.as_ref().map_err(|why| whole(why.clone()))?;
        let value = parse::value(&read.file, text).map_err(|fault| vec![fault])?;
        let Value::Object(members) = value else { return Err(whole("must be an object".to_owned())) };
        let seed = Self {
            workspaces: Vec::new(),
            keys: Vec::new(),
            integrations: Vec::new(),
            file: read.file.clone(),
            lines: Lines::of(&read.file, text),
        };
        let (seed, mut faults) = judge::judged(members, seed, read, settings, absent);
        // Where a workspace's own entry is faulty, those that name it are not to blame.
        let all_read = !faults.iter().any(|fault| fault.path.starts_with("workspaces"));
        faults.extend(seed.clashes(all_read));
        if faults.is_empty() { Ok(seed) } else { Err(faults) }
    }

    /// How many records it declares.
    pub(super) fn len(&self) -> usize {
        self.workspaces.len() + self.keys.len() + self.integrations.len()
    }

    /// A fault of one member of an entry; of the entry where the member is empty.
    pub(super) fn fault(&self, at: Place, member: &str, detail: impl Into<String>) -> SeedFault {
        let line = self.lines.find(at.list, at.index, member.split(['.', '[']).next().unwrap_or_default());
        let dot = if member.is_empty() { "" } else { "." };
        SeedFault {
            source: parse::place(&self.file, line),
            path: format!("{}[{}]{dot}{member}", at.list, at.index),
            detail: detail.into(),
            hint: None,
        }
    }

    /// Names and API keys that occur twice and, where every workspace's entry could be read, workspaces that nobody
    /// declares.
    fn clashes(&self, all_read: bool) -> Vec<SeedFault> {
        let mut faults = Vec::new();
        let seed = self;
        let mut workspaces = BTreeSet::new();
        for entry in &seed.workspaces {
            if !workspaces.insert(entry.name.as_str()) {
                faults.push(seed.fault(entry.at, "name", "is the name of an earlier entry"));
            }
        }
        let mut keys = BTreeSet::new();
        let mut digests = BTreeMap::new();
        for entry in &seed.keys {
            if !keys.insert((entry.workspace.as_str(), entry.name.as_str())) {
                faults.push(seed.fault(entry.at, "name", "is the name of an earlier key of this workspace"));
            }
            if let Some((digest, _)) = &entry.api_key
                && let Some(other) = digests.insert(digest.0, entry.at.index)
            {
                let detail = format!("is the API key of webhookKeys[{other}] already");
                faults.push(seed.fault(entry.at, "apiKeyDigest", detail));
            }
        }
        let mut integrations = BTreeSet::new();
        for entry in &seed.integrations {
            if !integrations.insert(entry.wanted.name.as_str()) {
                faults.push(seed.fault(entry.at, "name", "is the name of an earlier entry"));
            }
        }
        let named = seed.keys.iter().map(|entry| (entry.at, Some(&entry.workspace)));
        let named = named.chain(seed.integrations.iter().map(|entry| (entry.at, entry.workspace.as_ref())));
        for (at, name) in named.filter(|_| all_read) {
            if name.is_some_and(|name| !workspaces.contains(name.as_str())) {
                let mut fault = seed.fault(at, "workspace", "must be a workspace of this file");
                fault.hint = Some("declare it with [[workspaces]] and name".to_owned());
                faults.push(fault);
            }
        }
        faults
    }
}
