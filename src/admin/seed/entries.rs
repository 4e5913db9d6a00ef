//! What a seed file declares, judged by itself: every fault that needs no store to be seen.
//!
//! Not what it changes (`plan.rs`). The fields and their rules are those of the admin API's create, but for the
//! secrets: they are in files. Invariants: an entry that names a workspace names one of the same file; no two entries
//! name the same record or the same API key; a file that declares nothing says so by an empty list, because an empty
//! file is more likely a slip.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::SeedSettings;
use super::fault::SeedFault;
use super::parse::{self, Lines};
use super::source::{NAMING, Read};
use crate::admin::fields::{Change, Fields};
use crate::admin::formats::{self, Checked, wrong};
use crate::admin::integrations::create::Wanted;
use crate::admin::integrations::handshake::HandshakeInput;
use crate::admin::integrations::input;
use crate::admin::problem::{Fault, Problem};
use crate::admin::rotation::overlap_seconds;
use crate::admin::webhook_keys::input::Settings;
use crate::credential::api_key::PREFIX;
use crate::keys::record::ApiKeyDigest;
use crate::secret::Secret;
use crate::verify::handshake::Shape;
use crate::verify::scheme;

/// The lists of a file.
const LISTS: [&str; 3] = ["workspaces", "webhookKeys", "integrations"];

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
    list: &'static str,
    index: usize,
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
    file: PathBuf,
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
        let mut judge = Judge { read, settings, absent, seed, faults: Vec::new() };
        judge.lists(members);
        judge.among_themselves();
        if judge.faults.is_empty() { Ok(judge.seed) } else { Err(judge.faults) }
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
}

struct Judge<'r> {
    read: &'r Read,
    settings: &'r SeedSettings,
    absent: Absent,
    seed: Seed,
    faults: Vec<SeedFault>,
}

impl Judge<'_> {
    fn lists(&mut self, mut members: Map<String, Value>) {
        let mut found = 0;
        for list in LISTS {
            let Some(value) = members.remove(list) else { continue };
            found += 1;
            let Value::Array(entries) = value else {
                self.whole(
                    list,
                    "must be a list",
                    Some(format!("in TOML, each entry begins with [[{list}]]")),
                );
                continue;
            };
            for (index, entry) in entries.into_iter().enumerate() {
                let at = Place { list, index };
                let judged = match list {
                    "workspaces" => self.workspace(at, entry),
                    "webhookKeys" => self.key(at, entry),
                    _ => self.integration(at, entry),
                };
                if let Err(problem) = judged {
                    self.refuse(at, problem);
                }
            }
        }
        for name in members.keys().take(10) {
            found += 1;
            let shown: String = name.chars().take(64).collect();
            self.whole(&shown, "there is no such list", Some(format!("there are {}", LISTS.join(", "))));
        }
        if found == 0 {
            let hint = "to declare nothing, write workspaces = [] (TOML) or {\"workspaces\": []} (JSON)";
            self.whole("", "declares nothing at all", Some(hint.to_owned()));
        }
    }

    fn workspace(&mut self, at: Place, value: Value) -> Result<(), Problem> {
        let mut fields = Fields::of(value)?;
        let name = fields.required("name", formats::display_name);
        let name = fields.finish(name)?;
        self.seed.workspaces.push(WorkspaceEntry { at, name });
        Ok(())
    }

    fn key(&mut self, at: Place, value: Value) -> Result<(), Problem> {
        let mut fields = Fields::of(value)?;
        refuse_clear(&mut fields);
        let workspace = fields.required("workspace", formats::display_name);
        let name = fields.required("name", formats::display_name);
        let (has_api_key, signs) = (fields.has("apiKeyDigest"), fields.has("secretFile"));
        let digest = fields.plain("apiKeyDigest", digest);
        let prefix = fields.plain("apiKeyPrefix", prefix);
        if prefix.is_some() && !has_api_key {
            fields.fault(Fault::at("/apiKeyPrefix", "unused", "goes with apiKeyDigest, which is not there"));
        }
        let secret =
            fields.plain("secretFile", formats::text).and_then(|path| self.secret(&mut fields, &path));
        if let Some(Err(detail)) = scheme::preset("workspace").zip(secret.as_ref()).map(usable) {
            fields.fault(Fault::at("/secretFile", "format", detail));
        }
        let overlap_seconds = overlap_seconds(&mut fields);
        let settings = Settings::of(&mut fields, &self.settings.route_names, name.clone());
        if !has_api_key && !signs {
            let detail = "must name apiKeyDigest, secretFile or both: else it is good for nothing";
            fields.fault(Fault::at("", "required", detail));
        }
        if !signs && settings.require_key_id == Some(false) {
            let detail = "must be true or left out: without secretFile the key signs nothing, and takes no place \
                          among those that are tried";
            fields.fault(Fault::at("/requireKeyId", "unused", detail));
        }
        let (workspace, name) = fields.finish(workspace.zip(name))?;
        let api_key = digest.map(|digest| (digest, prefix.unwrap_or_else(|| "...".to_owned())));
        self.seed.keys.push(KeyEntry { at, workspace, name, api_key, secret, settings, overlap_seconds });
        Ok(())
    }

    fn integration(&mut self, at: Place, value: Value) -> Result<(), Problem> {
        let mut fields = Fields::of(value)?;
        refuse_clear(&mut fields);
        let workspace = fields.plain("workspace", formats::display_name);
        let path = fields.required("secretFile", formats::text);
        let secret = path.and_then(|path| self.secret(&mut fields, &path));
        let overlap_seconds = overlap_seconds(&mut fields);
        self.verify_token(&mut fields);
        let wanted = Wanted::of(fields, secret, None, self.settings.public_url.as_deref())?;
        let is_on = matches!(wanted.settings.handshake, Change::Set(HandshakeInput::On { .. }));
        let handshake = wanted.scheme.handshake().filter(|_| is_on);
        if handshake.is_some_and(|handshake| handshake.shape() == Shape::Secret) {
            let detail = "must be left out: this sender hands over the secret, which has no file then; make the \
                          integration over the admin port";
            return Err(Problem::invalid(vec![Fault::at("/handshake", "unavailable", detail)]));
        }
        self.seed.integrations.push(IntegrationEntry { at, workspace, wanted, overlap_seconds });
        Ok(())
    }

    /// The secret in a file. `None`: a fault, or an absence that is none.
    fn secret(&self, fields: &mut Fields, path: &str) -> Option<Secret> {
        let secret = match self.read.secret(path) {
            Ok(secret) => secret,
            Err(missing) => {
                if !(missing.absent && self.absent == Absent::Allowed) {
                    fields.fault(Fault::at("/secretFile", "file", missing.why));
                }
                return None;
            }
        };
        match input::judged(secret) {
            Ok(secret) => Some(secret),
            Err(wrongs) => {
                for wrong in wrongs {
                    fields.fault(Fault::at("/secretFile", wrong.code, wrong.detail));
                }
                None
            }
        }
    }

    /// Puts the token of `handshake.verifyTokenFile` where the admin API has it.
    fn verify_token(&self, fields: &mut Fields) {
        let Some(mut value) = fields.take("handshake") else { return };
        if let Value::Object(members) = &mut value {
            if members.remove("verifyToken").is_some() {
                let detail = "verifyToken must not stand in this file: put it into a file of its own, and name \
                              that here";
                fields.fault(Fault::at("/handshake/verifyTokenFile", "clear", detail));
            }
            let path = members.remove("verifyTokenFile");
            match path.as_ref().map(Value::as_str) {
                None => {}
                Some(None) => {
                    fields.fault(Fault::at("/handshake/verifyTokenFile", "type", "must be a string"));
                }
                Some(Some(path)) => match self.read.secret(path) {
                    Ok(token) => {
                        let text = token.expose_text().unwrap_or_default().to_owned();
                        members.insert("verifyToken".to_owned(), Value::String(text));
                    }
                    // Nothing can be said of the rest of it.
                    Err(missing) if missing.absent && self.absent == Absent::Allowed => return,
                    Err(missing) => {
                        fields.fault(Fault::at("/handshake/verifyTokenFile", "file", missing.why));
                        return;
                    }
                },
            }
        }
        fields.put("handshake", value);
    }

    /// Names and API keys that occur twice, and workspaces that nobody declares.
    fn among_themselves(&mut self) {
        let mut faults = Vec::new();
        let seed = &self.seed;
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
        // Where a workspace's own entry is faulty, those that name it are not to blame.
        let all_read = !self.faults.iter().any(|fault| fault.path.starts_with("workspaces"));
        let named = seed.keys.iter().map(|entry| (entry.at, Some(&entry.workspace)));
        let named = named.chain(seed.integrations.iter().map(|entry| (entry.at, entry.workspace.as_ref())));
        for (at, name) in named.filter(|_| all_read) {
            if name.is_some_and(|name| !workspaces.contains(name.as_str())) {
                let mut fault = seed.fault(at, "workspace", "must be a workspace of this file");
                fault.hint = Some("declare it with [[workspaces]] and name".to_owned());
                faults.push(fault);
            }
        }
        self.faults.extend(faults);
    }

    fn whole(&mut self, path: &str, detail: &str, hint: Option<String>) {
        let source = parse::place(&self.seed.file, None);
        self.faults.push(SeedFault { source, path: path.to_owned(), detail: detail.to_owned(), hint });
    }

    /// The faults of an entry, at the members that this file has.
    fn refuse(&mut self, at: Place, problem: Problem) {
        for fault in problem.into_faults() {
            let (pointer, detail) = fault.parts();
            self.faults.push(self.seed.fault(at, &member(pointer), detail));
        }
    }
}

fn usable((scheme, secret): (&std::sync::Arc<scheme::Scheme>, &Secret)) -> Result<(), String> {
    input::usable(scheme, secret)
}

/// `/allowedCidrs/0` → `allowedCidrs[0]`; what the admin API takes in the clear is a file here.
fn member(pointer: &str) -> String {
    let pointer = match pointer {
        "/webhookSecret" => "/secretFile",
        "/handshake/verifyToken" => "/handshake/verifyTokenFile",
        pointer => pointer,
    };
    let mut path = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

/// A seed file is no place for a secret: it lies in a repository and a ConfigMap.
fn refuse_clear(fields: &mut Fields) {
    let [secret_file, _] = NAMING;
    for name in ["secret", "webhookSecret"] {
        if fields.take(name).is_some() {
            let detail = format!(
                "must not stand in this file: put it into a file of its own (a mounted Secret), and name that in \
                 {secret_file}; what stood here should be replaced"
            );
            fields.fault(Fault::at(format!("//{name}"), "clear", detail));
        }
    }
    if fields.take("apiKey").is_some() {
        let detail = "must not stand in this file: name its digest in apiKeyDigest, which `countersign key new \
                      --offline` prints; a key that stood here should be replaced";
        fields.fault(Fault::at("/apiKey", "clear", detail));
    }
    if fields.take("workspaceId").is_some() {
        fields.fault(Fault::at("/workspaceId", "unknown", "name the workspace instead: workspace = \"…\""));
    }
}

/// SHA-256 of an API key, 64 hex characters.
fn digest(value: Value) -> Checked<ApiKeyDigest> {
    let text = formats::text(value)?;
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        Some(bytes) => Ok(ApiKeyDigest(bytes)),
        None if text.starts_with(PREFIX) => wrong(
            "clear",
            "must be the digest and not the key, which should be replaced now; `countersign key new --offline` \
             prints both",
        ),
        None => wrong("format", "must be 64 hex characters, as `countersign key new --offline` prints them"),
    }
}

/// The redacted form of an API key: its first 8 characters and `...`.
fn prefix(value: Value) -> Checked<String> {
    let text = formats::text(value)?;
    let shown = text.strip_suffix("...").and_then(|text| text.strip_prefix(PREFIX));
    match shown {
        Some(shown) if shown.len() == 5 && shown.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(text),
        _ => wrong("format", "must be the first 8 characters of the key and \"...\": wk_1a2b3..."),
    }
}
