//! Reads the entries of a seed file one by one, as the admin API reads the body of a create.
//!
//! Not what several entries say together (`entries.rs`). Invariants: an entry's faults hide none of another's; what
//! the admin API takes in the clear is named as a file here, and refused in the clear.

use serde_json::{Map, Value};

use super::SeedSettings;
use super::entries::{Absent, IntegrationEntry, KeyEntry, Place, Seed, WorkspaceEntry};
use super::fault::SeedFault;
use super::parse;
use super::source::Read;
use super::values::{digest, member, prefix, refuse_clear};
use crate::admin::fields::{Change, Fields};
use crate::admin::formats;
use crate::admin::integrations::create::Wanted;
use crate::admin::integrations::handshake::HandshakeInput;
use crate::admin::integrations::input;
use crate::admin::problem::{Fault, Problem};
use crate::admin::rotation::overlap_seconds;
use crate::admin::webhook_keys::input::Settings;
use crate::secret::Secret;
use crate::verify::handshake::Shape;
use crate::verify::scheme;

/// The lists of a file.
const LISTS: [&str; 3] = ["workspaces", "webhookKeys", "integrations"];

struct Judge<'r> {
    read: &'r Read,
    settings: &'r SeedSettings,
    absent: Absent,
    seed: Seed,
    faults: Vec<SeedFault>,
}

/// Judges every entry; gives those without a fault, and the faults.
pub(super) fn judged(
    members: Map<String, Value>,
    seed: Seed,
    read: &Read,
    settings: &SeedSettings,
    absent: Absent,
) -> (Seed, Vec<SeedFault>) {
    let mut judge = Judge { read, settings, absent, seed, faults: Vec::new() };
    judge.lists(members);
    (judge.seed, judge.faults)
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
