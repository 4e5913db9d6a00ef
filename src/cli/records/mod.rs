//! What the commands for workspaces, webhook keys and integrations have in common: their flags, how they ask before
//! they delete, and how they end.
//!
//! Not the records: the sidecar that is asked judges every field. Invariants: a secret is read from a file or shown in
//! the one answer that has it, and is no argument; nothing is deleted without a yes.

pub(super) mod lookup;
pub(super) mod print;

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use http::Method;
use serde_json::{Map, Value};

use super::Exit;
use super::fleet::AskArgs;
use super::remote::Remote;

/// What every change takes.
#[derive(Debug, Clone, Args)]
pub struct ChangeArgs {
    /// Change nothing unless the record is still at this revision, which `get` shows.
    #[arg(long, value_name = "REVISION")]
    pub if_match: Option<u64>,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// What a deletion takes.
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// Do not ask. Needed where nobody can be asked: in a script.
    #[arg(long)]
    pub yes: bool,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// What a rotation takes.
#[derive(Debug, Clone, Args)]
pub struct RotationArgs {
    /// How long the former values stay valid: 0 (they end now) to 604800 (a week). Default: 86400 (a day).
    #[arg(long, value_name = "SECONDS")]
    pub overlap: Option<u32>,
    /// Also within the overlap of the last rotation, whose former values then end now.
    #[arg(long)]
    pub force: bool,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl RotationArgs {
    /// The fields of the body.
    pub(super) fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        set(&mut body, "overlapSeconds", self.overlap);
        set(&mut body, "force", self.force.then_some(true));
        body
    }
}

impl ChangeArgs {
    /// Asks for the change.
    pub(super) fn ask(
        &self,
        remote: &Remote,
        method: Method,
        path: &str,
        body: Option<Map<String, Value>>,
    ) -> Result<Value, Exit> {
        remote.ask_at(method, path, body.map(Value::Object).as_ref(), self.if_match)
    }
}

impl ChangeArgs {
    /// Asks for a rotation.
    pub(super) fn ask_once(
        &self,
        remote: &Remote,
        path: &str,
        body: Map<String, Value>,
    ) -> Result<Value, Exit> {
        remote.ask_once(path, Some(&Value::Object(body)), self.if_match)
    }
}

impl DeleteArgs {
    /// Asks the person for a yes, unless it was given; `what` names what goes.
    pub(super) fn confirm(&self, what: &str) -> Result<(), Exit> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            super::complain(&format!("this deletes {what}, for good: say --yes"));
            return Err(Exit::Usage);
        }
        let _ = write!(std::io::stderr().lock(), "Delete {what}, for good? [y/N] ");
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        super::complain("nothing was deleted");
        Err(Exit::Failed)
    }

    /// Deletes, and says so.
    pub(super) fn delete(&self, remote: &Remote, path: &str, what: &str) -> Result<(), Exit> {
        let answer = self.change.ask(remote, Method::DELETE, path, None)?;
        show(&self.change.ask, &answer, |_| format!("deleted {what}"));
        Ok(())
    }
}

/// Sets a field, where the command line says it.
pub(super) fn set(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value.into());
    }
}

/// Sets fields to nothing, where the command line does not set them to something as well.
pub(super) fn cleared(
    body: &mut Map<String, Value>,
    fields: impl Iterator<Item = &'static str>,
) -> Result<(), Exit> {
    for field in fields {
        if body.insert(field.to_owned(), Value::Null).is_some_and(|value| !value.is_null()) {
            super::complain(&format!("{field} is both set and cleared"));
            return Err(Exit::Usage);
        }
    }
    Ok(())
}

/// A flag that may be repeated, as a field: absent where it was not given.
pub(super) fn many(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// Prints an answer: as JSON, or in words.
pub(super) fn show(args: &AskArgs, answer: &Value, words: impl FnOnce(&Value) -> String) {
    match (args.json, answer) {
        // A deletion is answered with nothing.
        (true, Value::Null) => {}
        (true, answer) => super::say(&answer.to_string()),
        (false, answer) => super::say(&words(answer)),
    }
}

/// How a command ends.
pub(super) fn ended(result: Result<(), Exit>) -> Exit {
    result.err().unwrap_or(Exit::Ok)
}
