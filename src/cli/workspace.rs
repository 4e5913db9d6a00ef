//! `workspace create|list|get|delete`, asked of a running sidecar.
//!
//! Not the records (`admin/workspaces.rs`).

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use super::Exit;
use super::fleet::AskArgs;
use super::records::lookup::{self, segment};
use super::records::{DeleteArgs, ended, print, show};

const EXAMPLES: &str = "\
Examples:
  countersign workspace create Acme
  countersign workspace list
  countersign workspace get Acme --json | jq -r .id
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
