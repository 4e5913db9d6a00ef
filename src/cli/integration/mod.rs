//! `integration …`: the senders of webhooks, asked of a running sidecar.
//!
//! Not the records (`admin/integrations/`). Invariants: a secret is read from a file or made by the sidecar, and printed
//! by the command that had it made, once.

mod args;
mod fields;
mod sample;

use http::Method;
use serde_json::{Map, Value};

use super::records::lookup::{self, segment};
use super::records::{cleared, ended, print, set, show};
use super::{Exit, complain};
pub use args::IntegrationCommand;
use args::{
    CreateArgs, GetArgs, IntegrationDeleteArgs, ListArgs, OneArgs, RotateArgs, SecretArgs, UpdateArgs,
};

const LISTED: [&str; 7] = ["id", "name", "type", "isActive", "path", "secretPrefix", "lastWebhookAt"];
const FIRST: [&str; 7] = ["id", "name", "type", "workspaceId", "isActive", "url", "path"];
const CHANGED: [&str; 15] = [
    "id",
    "name",
    "type",
    "workspaceId",
    "isActive",
    "url",
    "path",
    "scheme",
    "signatureHeader",
    "toleranceSeconds",
    "allowedCidrs",
    "rejectStatus",
    "handshake",
    "previous",
    "revision",
];

/// Runs it.
#[must_use]
pub fn run(command: &IntegrationCommand) -> Exit {
    ended(match command {
        IntegrationCommand::Create(args) => create(args),
        IntegrationCommand::List(args) => list(args),
        IntegrationCommand::Get(args) => get(args),
        IntegrationCommand::Update(args) => update(args),
        IntegrationCommand::RotateSecret(args) => rotate(args),
        IntegrationCommand::RetirePrevious(args) => retire(args),
        IntegrationCommand::Reveal(args) => reveal(args),
        IntegrationCommand::Test(args) => test(args),
        IntegrationCommand::Delete(args) => delete(args),
    })
}

fn create(args: &CreateArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let mut body = args.fields.body(&remote)?;
    set(&mut body, "name", Some(args.name.as_str()));
    args.secret.add(&mut body)?;
    let made = remote.ask_once("/api/integrations", Some(&Value::Object(body)), None)?;
    if args.ask.json {
        super::say(&made.to_string());
        return Ok(());
    }
    let sample = sample::Sample::of(&made, args.secret.secret_file.as_deref(), remote.traffic());
    super::say(
        &[Some(args.secret.shown(&made)), sample.setup(), sample.curl()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("\n\n"),
    );
    args.secret.note(&made);
    if made.get("path").is_some_and(Value::is_string) && sample.url().is_none() {
        complain(
            "the sender calls that path of the listener; with listener.public_url set, the whole URL stands here",
        );
    }
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let filter = match &args.workspace {
        Some(workspace) => format!("&workspaceId={}", segment(&lookup::workspace(&remote, workspace)?)),
        None => String::new(),
    };
    let all = lookup::list(&remote, "/api/integrations", &filter)?;
    show(&args.ask, &all, |all| print::table(all, LISTED));
    Ok(())
}

fn get(args: &GetArgs) -> Result<(), Exit> {
    let found = args.ask.remote.connect()?.ask(Method::GET, &path(&args.integration), None)?;
    show(&args.ask, &found, |found| print::record(found, &FIRST));
    Ok(())
}

fn update(args: &UpdateArgs) -> Result<(), Exit> {
    let ask = &args.change.ask;
    let remote = ask.remote.connect()?;
    let mut body = args.fields.body(&remote)?;
    set(&mut body, "name", args.renamed.as_deref());
    cleared(&mut body, args.clear.iter().map(|what| what.field()))?;
    if body.is_empty() {
        complain("nothing to change: name a field, as in --active false; --help lists them");
        return Err(Exit::Usage);
    }
    let changed = args.change.ask(&remote, Method::PATCH, &path(&args.integration), Some(body))?;
    show(ask, &changed, |changed| print::brief(changed, &CHANGED));
    Ok(())
}

fn rotate(args: &RotateArgs) -> Result<(), Exit> {
    let change = &args.rotation.change;
    let remote = change.ask.remote.connect()?;
    let mut body = args.rotation.body();
    args.secret.add(&mut body)?;
    let path = format!("{}/rotate-secret", path(&args.integration));
    let rotated = change.ask_once(&remote, &path, body)?;
    show(&change.ask, &rotated, |rotated| args.secret.shown(rotated));
    if !change.ask.json {
        args.secret.note(&rotated);
    }
    Ok(())
}

fn retire(args: &OneArgs) -> Result<(), Exit> {
    let remote = args.change.ask.remote.connect()?;
    let path = format!("{}/retire-previous", path(&args.integration));
    let retired = args.change.ask(&remote, Method::POST, &path, None)?;
    show(&args.change.ask, &retired, |retired| print::brief(retired, &CHANGED));
    Ok(())
}

fn reveal(args: &OneArgs) -> Result<(), Exit> {
    let remote = args.change.ask.remote.connect()?;
    let path = format!("{}/handshake/reveal", path(&args.integration));
    let revealed = args.change.ask(&remote, Method::POST, &path, None)?;
    show(&args.change.ask, &revealed, print::secrets);
    if !args.change.ask.json {
        print::note(&revealed);
    }
    Ok(())
}

fn test(args: &GetArgs) -> Result<(), Exit> {
    let path = format!("{}/test", path(&args.integration));
    let tested = args.ask.remote.connect()?.ask(Method::POST, &path, None)?;
    show(&args.ask, &tested, |tested| {
        let stages = serde_json::json!({ "items": tested.get("stages") });
        print::table(&stages, ["stage", "ok", "millis", "detail"])
    });
    // The report is on standard output; scripts go by this.
    if tested.get("ok") == Some(&Value::Bool(true)) { Ok(()) } else { Err(Exit::Failed) }
}

fn delete(args: &IntegrationDeleteArgs) -> Result<(), Exit> {
    let what = format!("the integration `{}`", args.integration);
    args.delete.confirm(&what)?;
    let remote = args.delete.change.ask.remote.connect()?;
    args.delete.delete(&remote, &path(&args.integration), &what)
}

fn path(named: &str) -> String {
    format!("/api/integrations/{}", segment(named))
}

impl SecretArgs {
    /// Puts the secret of the file into a body.
    fn add(&self, body: &mut Map<String, Value>) -> Result<(), Exit> {
        if let Some(secret) = self.secret_file.as_deref().map(fields::secret_of).transpose()? {
            set(body, "webhookSecret", Some(secret));
        }
        Ok(())
    }

    /// The record, and apart the secret that was made; one that came from a file is known already.
    fn shown(&self, made: &Value) -> String {
        let record = print::brief(made, &CHANGED);
        match print::secrets(made) {
            secrets if self.secret_file.is_none() && !secrets.is_empty() => format!("{record}\n\n{secrets}"),
            _ => record,
        }
    }

    fn note(&self, made: &Value) {
        if self.secret_file.is_none() {
            print::note(made);
        }
    }
}
