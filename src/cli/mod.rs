//! The command line: one file per command, and the exit codes that scripts rely on.
//!
//! Not the work: commands call into the library. Invariants: exit codes are 0 ok, 1 refused or failed,
//! 2 usage, 69 server unreachable, 78 configuration; results go to stdout, everything else to stderr; a
//! closed pipe is not a crash.

pub mod admin;
pub mod audit;
pub mod check;
pub mod client;
pub mod delivery;
pub mod dev;
pub mod export;
pub mod fleet;
pub mod import;
pub mod integration;
pub mod keks;
pub mod key;
pub mod records;
pub mod remote;
mod scheme_text;
pub mod schemes;
pub mod serve;
pub mod shell;
pub mod sign;
pub mod store;
pub mod verify;
pub mod workspace;

mod args;
mod follow;
mod inputs;
mod progress;
mod refusal;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use args::{
    CheckArgs, ConfigArgs, DevArgs, KeksCommand, KeksNewArgs, KeyNewArgs, ServeArgs, StoreCommand,
};

use crate::config::{self, Faults, Loaded, Sources};
use crate::harden;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Ok,
    /// 1: refused or failed.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 69: the server cannot be reached (`EX_UNAVAILABLE`).
    Unreachable,
    /// 78: the configuration is at fault (`EX_CONFIG`).
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 69,
            Exit::Config => 78,
        })
    }
}

/// Lets in only requests that prove who sent them.
///
/// Countersign stands in front of one application. It checks each request's API key or webhook signature,
/// refuses what does not prove its sender, and forwards the rest with `Countersign-*` headers, so that the
/// application needs no verification code of its own.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  countersign dev                                     try it: a demo with an application built in
  countersign check --config countersign.toml         find every fault of a file at once
  countersign serve --upstream http://127.0.0.1:3000  stand in front of an application
  countersign integration create github --type github let a sender in

Exit codes: 0 ok, 1 refused or failed, 2 usage, 69 server unreachable, 78 configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Stand in front of an application.
    ///
    /// Checks the whole configuration before anything is bound. Needs an admin token, unless its role is
    /// "data": set COUNTERSIGN_ADMIN_TOKEN, or admin.token_file. SIGTERM and Ctrl-C finish requests in flight first.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Check a configuration and print what would be in force.
    ///
    /// Offline: nothing is bound, opened or written. Prints the ports and the effective route table, or
    /// every fault at once and exit code 78. Reads the environment like `serve`, so run it with the same.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Manage the store that records live in.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Write the whole key set of a store to one sealed file, to keep or to move.
    ///
    /// The file (mode 0600) holds every workspace, webhook key and integration as the store does: secrets sealed under the
    /// key-encryption keys (KEKs), the whole under a MAC. Without those keys, whose ids are printed, it is of no
    /// use: keep them too, and elsewhere. The audit log stays where it is; the file says where it stood.
    #[command(after_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Put an exported key set into an empty store, of any kind and any namespace.
    ///
    /// Opens the file with the key-encryption keys (KEKs) that it needs, checks the whole of it, and seals every secret
    /// anew with keys.seal_with of this configuration. The namespace must be empty: one that was initialised and
    /// holds nothing else will do. The set counts only when it is there as a whole, so an import that was
    /// interrupted is simply run again. Sidecars that run on the store take the set without a restart.
    #[command(after_help = import::EXAMPLES)]
    Import(import::ImportArgs),
    /// Manage key-encryption keys (KEKs), which seal the secrets in the store.
    #[command(subcommand)]
    Keks(KeksCommand),
    /// List the sidecars that live: which version, role and KEKs each has.
    Sidecars(fleet::AskArgs),
    /// Raise the schema of the store to the one that this version writes.
    ///
    /// Asks a running sidecar. Refused while an older sidecar lives, which is named: it could not change records any
    /// more, nor read what a later version adds.
    Migrate(fleet::AskArgs),
    /// Read and check the audit log.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Manage workspaces, which own webhook keys.
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// Manage webhook keys: API keys and signing secrets of a workspace.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Manage integrations: the senders of webhooks.
    #[command(subcommand)]
    Integration(integration::IntegrationCommand),
    /// See what became of webhooks, and why.
    #[command(subcommand)]
    Delivery(delivery::DeliveryCommand),
    /// Manage admins: who may use the admin port, and for what.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Judge a captured request offline: why does its signature not match?
    ///
    /// Prints one JSON line; on refusal also, to stderr, what was signed and which usual mistake would explain it.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Sign a request as a sender would, for tests.
    ///
    /// Prints the headers that a scheme's sender adds, one per line, or the whole curl command.
    #[command(after_help = sign::EXAMPLES)]
    Sign(sign::SignArgs),
    /// List the senders that are known, show one, or check a scheme of your own.
    #[command(after_help = schemes::EXAMPLES)]
    Schemes(schemes::SchemesArgs),
    /// Run a demo: a store, keys and an application that shows what it receives.
    ///
    /// Prints ready-to-paste curl lines, one of them refused on purpose. Writes only below --dir.
    Dev(DevArgs),
    /// Print what completes these commands in a shell.
    #[command(after_help = shell::COMPLETIONS)]
    Completions(shell::CompletionsArgs),
    /// Print the manual page of all commands.
    #[command(after_help = shell::MAN)]
    Man,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  export COUNTERSIGN_ADMIN_TOKEN=$(openssl rand -hex 32)
  countersign serve --upstream http://127.0.0.1:3000
  countersign serve --config countersign.toml --listener 127.0.0.1:8443
  countersign serve --config countersign.toml --role data         no admin port, no token
  COUNTERSIGN_LIMITS__MAX_BODY=25MB countersign serve --config countersign.toml";

const CHECK_EXAMPLES: &str = "\
Examples:
  countersign check                                   the built-in defaults
  countersign check --config countersign.toml
  countersign check --config countersign.toml --json | jq .routes";

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let exit = match Cli::try_parse() {
        Ok(Cli { command }) => hardened(command),
        Err(error) => {
            // Help and version are answers; all else is a mistake. A closed pipe is neither.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    exit.into()
}

/// Every command may read a secret, so none does before this.
fn hardened(command: Command) -> Exit {
    match harden::forbid_dumps() {
        Ok(()) => dispatch(command),
        Err(error) => {
            complain(&error.to_string());
            Exit::Failed
        }
    }
}

fn dispatch(command: Command) -> Exit {
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Store(StoreCommand::Init(args)) => store::init(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Keks(KeksCommand::New(args)) => keks::new(&args),
        Command::Keks(KeksCommand::List(args)) => fleet::keks(&args),
        Command::Keks(KeksCommand::Rotate(args)) => fleet::rotate(&args),
        Command::Sidecars(args) => fleet::sidecars(&args),
        Command::Migrate(args) => fleet::migrate(&args),
        Command::Audit(command) => audit::run(&command),
        Command::Workspace(command) => workspace::run(&command),
        Command::Key(command) => key::run(&command),
        Command::Integration(command) => integration::run(&command),
        Command::Delivery(command) => delivery::run(&command),
        Command::Admin(command) => admin::run(&command),
        Command::Verify(args) => verify::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Schemes(args) => schemes::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Completions(args) => shell::completions(&args, Cli::command()),
        Command::Man => shell::man(Cli::command()),
    }
}

/// Loads a configuration for a command that ends where it is faulty: prints the faults, or one warning
/// about variables that mean nothing and one for each option that has no effect.
///
/// # Errors
/// [`Exit::Config`], with everything said.
pub fn load(sources: &Sources) -> Result<Loaded, Exit> {
    let loaded = config::load(sources).map_err(|faults: Faults| {
        complain(&faults.to_string());
        Exit::Config
    })?;
    warn_of_ignored(&loaded.ignored_env);
    for warning in &loaded.warnings {
        complain(&format!("warning: {warning}"));
    }
    Ok(loaded)
}

/// One line for all of them.
fn warn_of_ignored(names: &[String]) {
    if !names.is_empty() {
        complain(&format!(
            "warning: ignored environment variables (options have two underscores, as in \
             COUNTERSIGN_LISTENER__ADDRESS): {}",
            names.join(", ")
        ));
    }
}

/// To stdout.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Anything else, to stderr.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "countersign: {text}");
}
