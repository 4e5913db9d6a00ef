//! `key …`: the webhook keys of workspaces, asked of a running sidecar; `key new --offline` asks nobody (`new.rs`).
//!
//! Not the records (`admin/webhook_keys/`). Invariant: API key and secret are printed by the command that made them,
//! once.

mod new;
mod update;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Map, Value, json};

use super::fleet::AskArgs;
use super::records::lookup::{self, segment};
use super::records::{ChangeArgs, DeleteArgs, RotationArgs, ended, many, print, set, show};
use super::{Exit, KeyNewArgs};
pub use update::UpdateArgs;

const EXAMPLES: &str = "\
A key is named by its id, or by its name: then --workspace says whose, unless no other workspace has one of that name.

Examples:
  countersign key create ci --workspace Acme --scheme signed-request --cidr 10.0.0.0/8
  countersign key list --workspace Acme
  countersign key update ci --expires-at 2027-01-31T00:00:00Z
  countersign key disable ci --workspace Acme             refuses at once, keeps the record
  countersign key rotate ci --overlap 3600                both values; former ones an hour more
  countersign key rotate ci --overlap 0 --force           it has leaked";

const LISTED: [&str; 8] =
    ["id", "name", "scheme", "isActive", "apiKeyPrefix", "secretPrefix", "expiresAt", "lastUsedAt"];
const FIRST: [&str; 5] = ["id", "name", "workspaceId", "scheme", "isActive"];
const CHANGED: [&str; 12] = [
    "id",
    "name",
    "workspaceId",
    "scheme",
    "isActive",
    "requireKeyId",
    "expiresAt",
    "allowedCidrs",
    "routes",
    "previous",
    "revision",
    "updatedAt",
];

/// `key …`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum KeyCommand {
    /// Make a webhook key: an API key and an HMAC secret, printed this once.
    Create(CreateArgs),
    /// List the keys of a workspace, oldest first.
    List(ListArgs),
    /// Show one, without its values.
    Get(GetArgs),
    /// Change anything but its values; what is not named stays.
    #[command(after_help = update::EXAMPLES)]
    Update(UpdateArgs),
    /// Let a disabled key in again.
    Enable(SwitchArgs),
    /// Refuse a key at once, and keep its record.
    Disable(SwitchArgs),
    /// Replace its values by new ones, printed this once; the former ones stay valid for the overlap.
    Rotate(RotateArgs),
    /// End the values before the last rotation now.
    RetirePrevious(SwitchArgs),
    /// Delete a key: it is refused at once.
    Delete(KeyDeleteArgs),
    /// Make a new API key, and the digest that a seed file names it by.
    ///
    /// Prints the key this once: give it to its holder, and keep no copy. The digest is no secret; paste the printed
    /// lines into the seed file (seed.file).
    #[command(after_help = "Example:\n  countersign key new --offline --json | jq -r .apiKeyDigest")]
    New(KeyNewArgs),
}

/// Which key.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// Its id, or its name.
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Whose: name or id of the workspace in which a name is looked up. Default: all.
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: Option<String>,
}

/// `key create`.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// A name, for people.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Whose: name or id of the workspace.
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: String,
    /// How it signs: workspace (the default), or signed-request (recommended: covers time, method and target too).
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<String>,
    /// What it is good for.
    #[command(flatten)]
    pub bounds: BoundArgs,
    /// Try its signatures only when X-Webhook-Key-Id names it.
    #[arg(long)]
    pub require_key_id: bool,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Until when, from where and for what a key is good.
#[derive(Debug, Clone, Args)]
pub struct BoundArgs {
    /// When it ends by itself, such as 2027-01-31T00:00:00Z. Default: never.
    #[arg(long, value_name = "TIME")]
    pub expires_at: Option<String>,
    /// An address or range that may use it, such as 10.0.0.0/8. Repeatable: all that may. Default: any.
    #[arg(long = "cidr", value_name = "CIDR")]
    pub cidrs: Vec<String>,
    /// Name of a configured route that it is good for. Repeatable: all that it is good for. Default: every one.
    #[arg(long = "route", value_name = "NAME")]
    pub routes: Vec<String>,
}

impl BoundArgs {
    /// Puts those that were given into a body.
    fn add(&self, body: &mut Map<String, Value>) {
        set(body, "expiresAt", self.expires_at.as_deref());
        set(body, "allowedCidrs", many(&self.cidrs));
        set(body, "routes", many(&self.routes));
    }
}

/// `key list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Whose: name or id of the workspace.
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: String,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `key get`.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// Which.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `key enable`, `disable` and `retire-previous`.
#[derive(Debug, Clone, Args)]
pub struct SwitchArgs {
    /// Which.
    #[command(flatten)]
    pub key: KeyArgs,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `key rotate`.
#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// Which.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Which of its values.
    #[arg(long, value_enum)]
    pub what: Option<What>,
    /// As every rotation.
    #[command(flatten)]
    pub rotation: RotationArgs,
}

/// The values of a key, by the names that the API has for them.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum What {
    /// The API key alone.
    #[value(name = "apiKey")]
    ApiKey,
    /// The HMAC secret alone.
    #[value(name = "secret")]
    Secret,
    /// Both: the default.
    #[value(name = "both")]
    Both,
}

/// `key delete`.
#[derive(Debug, Clone, Args)]
pub struct KeyDeleteArgs {
    /// Which.
    #[command(flatten)]
    pub key: KeyArgs,
    /// As every deletion.
    #[command(flatten)]
    pub delete: DeleteArgs,
}

/// Runs it.
#[must_use]
pub fn run(command: &KeyCommand) -> Exit {
    ended(match command {
        KeyCommand::New(args) => return new::new(args),
        KeyCommand::Create(args) => create(args),
        KeyCommand::List(args) => list(args),
        KeyCommand::Get(args) => get(args),
        KeyCommand::Update(args) => update::update(args),
        KeyCommand::Enable(args) => switch(args, true),
        KeyCommand::Disable(args) => switch(args, false),
        KeyCommand::Rotate(args) => rotate(args),
        KeyCommand::RetirePrevious(args) => retire(args),
        KeyCommand::Delete(args) => delete(args),
    })
}

fn create(args: &CreateArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let workspace = lookup::workspace(&remote, &args.workspace)?;
    let mut body = Map::new();
    set(&mut body, "name", Some(args.name.as_str()));
    set(&mut body, "scheme", args.scheme.as_deref());
    args.bounds.add(&mut body);
    set(&mut body, "requireKeyId", args.require_key_id.then_some(true));
    let made = remote.ask_once(&keys_of(&workspace), Some(&Value::Object(body)), None)?;
    shown_once(&args.ask, &made);
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let workspace = lookup::workspace(&remote, &args.workspace)?;
    let keys = lookup::list(&remote, &keys_of(&workspace), "")?;
    show(&args.ask, &keys, |keys| print::table(keys, LISTED));
    Ok(())
}

fn get(args: &GetArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let path = args.key.path(&remote)?;
    let found = remote.ask(Method::GET, &path, None)?;
    show(&args.ask, &found, |found| print::record(found, &FIRST));
    Ok(())
}

fn switch(args: &SwitchArgs, is_active: bool) -> Result<(), Exit> {
    let remote = args.change.ask.remote.connect()?;
    let path = args.key.path(&remote)?;
    let mut body = Map::new();
    set(&mut body, "isActive", Some(is_active));
    let changed = args.change.ask(&remote, Method::PATCH, &path, Some(body))?;
    show(&args.change.ask, &changed, |changed| print::brief(changed, &CHANGED));
    if !args.change.ask.json {
        print::note(&changed);
    }
    Ok(())
}

fn rotate(args: &RotateArgs) -> Result<(), Exit> {
    let change = &args.rotation.change;
    let remote = change.ask.remote.connect()?;
    let path = format!("{}/rotate", args.key.path(&remote)?);
    let mut body = args.rotation.body();
    let what = args.what.and_then(|what| what.to_possible_value());
    set(&mut body, "what", what.map(|what| json!(what.get_name())));
    let rotated = change.ask_once(&remote, &path, body)?;
    shown_once(&change.ask, &rotated);
    Ok(())
}

fn retire(args: &SwitchArgs) -> Result<(), Exit> {
    let remote = args.change.ask.remote.connect()?;
    let path = format!("{}/retire-previous", args.key.path(&remote)?);
    let retired = args.change.ask(&remote, Method::POST, &path, None)?;
    show(&args.change.ask, &retired, |retired| print::brief(retired, &CHANGED));
    Ok(())
}

fn delete(args: &KeyDeleteArgs) -> Result<(), Exit> {
    let what = format!("the webhook key `{}`", args.key.key);
    args.delete.confirm(&what)?;
    let remote = args.delete.change.ask.remote.connect()?;
    args.delete.delete(&remote, &args.key.path(&remote)?, &what)
}

fn shown_once(args: &AskArgs, made: &Value) {
    show(args, made, |made| format!("{}\n\n{}", print::brief(made, &CHANGED), print::secrets(made)));
    if !args.json {
        print::note(made);
    }
}

fn keys_of(workspace: &str) -> String {
    format!("/api/workspaces/{}/webhook-keys", segment(workspace))
}

impl KeyArgs {
    fn path(&self, remote: &super::remote::Remote) -> Result<String, Exit> {
        let id = lookup::key(remote, &self.key, self.workspace.as_deref())?;
        Ok(format!("/api/webhook-keys/{}", segment(&id)))
    }
}
