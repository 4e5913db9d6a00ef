//! `admin create|list|get|update|rotate-token|delete`, asked of a running sidecar.
//!
//! Not the records (`admin/admins/`). Invariant: a token is printed by the command that made it, once.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Map, Value, json};

use super::fleet::AskArgs;
use super::records::lookup::{self, segment};
use super::records::{ChangeArgs, DeleteArgs, ended, print, set, show};
use super::remote::Remote;
use super::{Exit, complain};

const EXAMPLES: &str = "\
An admin is named by name or id.

Examples:
  countersign admin create Ann --role platform-admin
  countersign admin create Wim --role workspace-admin --workspace Acme
  countersign admin update Wim --role auditor
  countersign admin rotate-token Ann                   the former token ends now
  countersign admin delete Ann --yes                   what they made stays";

const FIRST: [&str; 5] = ["id", "name", "role", "workspaces", "tokenPrefix"];
const LISTED: [&str; 6] = ["id", "name", "role", "workspaces", "tokenPrefix", "createdAt"];

/// `admin …`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum AdminCommand {
    /// Make an admin: prints a token this once.
    Create(CreateArgs),
    /// List them, oldest first.
    List(AskArgs),
    /// Show one, without its token.
    Get(OneArgs),
    /// Change name, role or workspaces; what is not named stays.
    Update(UpdateArgs),
    /// Replace the token by a new one, printed this once; the former one ends now.
    RotateToken(ChangeOneArgs),
    /// Delete one, whose token ends now. What they made stays.
    Delete(AdminDeleteArgs),
}

/// The roles, by the names that the API has for them.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Role {
    /// Everything.
    PlatformAdmin,
    /// The keys of its workspaces.
    WorkspaceAdmin,
    /// Reads everything but secrets.
    Auditor,
}

/// `admin create`.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// A name, unique.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What they may do.
    #[arg(long, value_enum)]
    pub role: Role,
    /// With workspace-admin: name or id of a workspace. Repeatable.
    #[arg(long = "workspace", value_name = "WORKSPACE")]
    pub workspaces: Vec<String>,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `admin get`.
#[derive(Debug, Clone, Args)]
pub struct OneArgs {
    /// Name or id.
    #[arg(value_name = "ADMIN")]
    pub admin: String,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `admin rotate-token`.
#[derive(Debug, Clone, Args)]
pub struct ChangeOneArgs {
    /// Name or id.
    #[arg(value_name = "ADMIN")]
    pub admin: String,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `admin update`.
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Name or id.
    #[arg(value_name = "ADMIN")]
    pub admin: String,
    /// Another name.
    #[arg(long = "name", value_name = "NEW NAME")]
    pub renamed: Option<String>,
    /// Another role.
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// All workspaces of a workspace-admin from now on: name or id. Repeatable.
    #[arg(long = "workspace", value_name = "WORKSPACE")]
    pub workspaces: Vec<String>,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `admin delete`.
#[derive(Debug, Clone, Args)]
pub struct AdminDeleteArgs {
    /// Name or id.
    #[arg(value_name = "ADMIN")]
    pub admin: String,
    /// As every deletion.
    #[command(flatten)]
    pub delete: DeleteArgs,
}

/// Runs it.
#[must_use]
pub fn run(command: &AdminCommand) -> Exit {
    ended(match command {
        AdminCommand::Create(args) => create(args),
        AdminCommand::List(args) => list(args),
        AdminCommand::Get(args) => get(args),
        AdminCommand::Update(args) => update(args),
        AdminCommand::RotateToken(args) => rotate(args),
        AdminCommand::Delete(args) => delete(args),
    })
}

fn create(args: &CreateArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let body = body(&remote, Some(&args.name), Some(args.role), &args.workspaces)?;
    let made = remote.ask_once("/api/admins", Some(&Value::Object(body)), None)?;
    shown_once(&args.ask, &made);
    Ok(())
}

fn list(args: &AskArgs) -> Result<(), Exit> {
    let all = lookup::list(&args.remote.connect()?, "/api/admins", "")?;
    show(args, &all, |all| print::table(all, LISTED));
    Ok(())
}

fn get(args: &OneArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let found = remote.ask(Method::GET, &path(&remote, &args.admin)?, None)?;
    show(&args.ask, &found, |found| print::record(found, &FIRST));
    Ok(())
}

fn update(args: &UpdateArgs) -> Result<(), Exit> {
    let remote = args.change.ask.remote.connect()?;
    let body = body(&remote, args.renamed.as_deref(), args.role, &args.workspaces)?;
    if body.is_empty() {
        complain("nothing to change: name a field, as in --role auditor; --help lists them");
        return Err(Exit::Usage);
    }
    let changed = args.change.ask(&remote, Method::PATCH, &path(&remote, &args.admin)?, Some(body))?;
    show(&args.change.ask, &changed, |changed| print::record(changed, &FIRST));
    Ok(())
}

fn rotate(args: &ChangeOneArgs) -> Result<(), Exit> {
    let remote = args.change.ask.remote.connect()?;
    let path = format!("{}/rotate-token", path(&remote, &args.admin)?);
    let rotated = args.change.ask_once(&remote, &path, Map::new())?;
    shown_once(&args.change.ask, &rotated);
    Ok(())
}

fn delete(args: &AdminDeleteArgs) -> Result<(), Exit> {
    let what = format!("the admin `{}`", args.admin);
    args.delete.confirm(&what)?;
    let remote = args.delete.change.ask.remote.connect()?;
    args.delete.delete(&remote, &path(&remote, &args.admin)?, &what)
}

fn body(
    remote: &Remote,
    name: Option<&str>,
    role: Option<Role>,
    workspaces: &[String],
) -> Result<Map<String, Value>, Exit> {
    let mut body = Map::new();
    set(&mut body, "name", name);
    let role = role.and_then(|role| role.to_possible_value());
    set(&mut body, "role", role.map(|role| json!(role.get_name())));
    let ids: Result<Vec<String>, Exit> =
        workspaces.iter().map(|named| lookup::workspace(remote, named)).collect();
    set(&mut body, "workspaces", Some(ids?).filter(|ids| !ids.is_empty()));
    Ok(body)
}

fn shown_once(args: &AskArgs, made: &Value) {
    show(args, made, |made| format!("{}\n\n{}", print::brief(made, &FIRST), print::secrets(made)));
    if !args.json {
        print::note(made);
    }
}

fn path(remote: &Remote, named: &str) -> Result<String, Exit> {
    Ok(format!("/api/admins/{}", segment(&lookup::admin(remote, named)?)))
}
