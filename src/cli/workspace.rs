//! `workspace create|list|get|rename|delete`, asked of a running sidecar.
//!
//! Not the records (`admin/workspaces.rs`).

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, json};

use super::Exit;
use super::fleet::AskArgs;
use super::records::lookup::{self, segment};
use super::records::{ChangeArgs, DeleteArgs, ended, print, set, show};

const EXAMPLES: &str = "\
Examples:
  countersign workspace create Acme
  countersign workspace list
  countersign workspace get Acme --json | jq -r .id
  countersign workspace rename Acme 'Acme Ltd'       its keys and integrations stay as they are
  countersign workspace delete Acme --yes            with every key and integration in it";

/// `workspace …`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum WorkspaceCommand {
    /// Make a workspace, which owns webhook keys.
    Create(NamedArgs),
    /// List all workspaces, oldest first.
    List(AskArgs),
    /// Show one.
    Get(NamedArgs),
    /// Give one another name. Its id, and everything in it, stays.
    Rename(RenameArgs),
    /// Delete one, with every webhook key and integration in it, in one step.
    Delete(WorkspaceDeleteArgs),
}

/// One workspace.
#[derive(Debug, Clone, Args)]
pub struct NamedArgs {
    /// Its name, unique; except to create, its id will do.
    #[arg(value_name = "NAME")]
    pub workspace: String,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `workspace rename`.
#[derive(Debug, Clone, Args)]
pub struct RenameArgs {
    /// Its name or its id.
    #[arg(value_name = "NAME")]
    pub workspace: String,
    /// The new name, unique.
    #[arg(value_name = "NEW NAME")]
    pub renamed: String,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `workspace delete`.
#[derive(Debug, Clone, Args)]
pub struct WorkspaceDeleteArgs {
    /// Its name or its id.
    #[arg(value_name = "NAME")]
    pub workspace: String,
    /// As every deletion.
    #[command(flatten)]
    pub delete: DeleteArgs,
}

/// Runs it.
#[must_use]
pub fn run(command: &WorkspaceCommand) -> Exit {
    ended(match command {
        WorkspaceCommand::Create(args) => create(args),
        WorkspaceCommand::List(args) => list(args),
        WorkspaceCommand::Get(args) => get(args),
        WorkspaceCommand::Rename(args) => rename(args),
        WorkspaceCommand::Delete(args) => delete(args),
    })
}

fn create(args: &NamedArgs) -> Result<(), Exit> {
    let body = json!({ "name": args.workspace });
    let made = args.ask.remote.connect()?.ask_once("/api/workspaces", Some(&body), None)?;
    show(&args.ask, &made, |made| print::record(made, &["id", "name"]));
    Ok(())
}

fn list(args: &AskArgs) -> Result<(), Exit> {
    let all = lookup::list(&args.remote.connect()?, "/api/workspaces", "")?;
    show(args, &all, |all| print::table(all, ["id", "name", "createdAt", "managedBy"]));
    Ok(())
}

fn get(args: &NamedArgs) -> Result<(), Exit> {
    let remote = args.ask.remote.connect()?;
    let id = lookup::workspace(&remote, &args.workspace)?;
    let found = remote.ask(Method::GET, &path(&id), None)?;
    show(&args.ask, &found, |found| print::record(found, &["id", "name"]));
    Ok(())
}

fn rename(args: &RenameArgs) -> Result<(), Exit> {
    let remote = args.change.ask.remote.connect()?;
    let id = lookup::workspace(&remote, &args.workspace)?;
    let mut body = Map::new();
    set(&mut body, "name", Some(args.renamed.as_str()));
    let renamed = args.change.ask(&remote, Method::PATCH, &path(&id), Some(body))?;
    show(&args.change.ask, &renamed, |renamed| print::record(renamed, &["id", "name"]));
    Ok(())
}

fn delete(args: &WorkspaceDeleteArgs) -> Result<(), Exit> {
    let what = format!("the workspace `{}` with every webhook key and integration in it", args.workspace);
    args.delete.confirm(&what)?;
    let remote = args.delete.change.ask.remote.connect()?;
    let id = lookup::workspace(&remote, &args.workspace)?;
    args.delete.delete(&remote, &path(&id), &what)
}

fn path(id: &str) -> String {
    format!("/api/workspaces/{}", segment(id))
}
