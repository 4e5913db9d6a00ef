//! The command line: one file per command, and the exit codes that scripts rely on.
//!
//! Not the work: commands call into the library. Invariants: exit codes are 0 ok, 1 refused or failed,
//! 2 usage, 69 server unreachable, 78 configuration; results go to stdout, everything else to stderr; a
//! closed pipe is not a crash.

pub mod audit;
pub mod check;
pub mod client;
pub mod dev;
pub mod export;
pub mod fleet;
pub mod import;
pub mod keks;
pub mod key;
pub mod remote;
mod scheme_text;
pub mod schemes;
pub mod serve;
pub mod sign;
pub mod store;
pub mod verify;

mod inputs;
mod progress;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

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
    /// Make API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
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

/// Which configuration a command works with.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// TOML file over the built-in defaults; see config/default.toml.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file and this process's environment.
    #[must_use]
    pub fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), env: config::env::process(), overrides: Vec::new() }
    }
}

/// `serve`: the flags are the strongest layer of the configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Which configuration to start from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The application, http://host:port or unix:/path (upstream.url).
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// Where senders reach us, ip:port (listener.address).
    #[arg(long, value_name = "ADDR")]
    pub listener: Option<String>,
    /// Where admins reach us, ip:port (admin.address).
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Where health and metrics are, ip:port (ops.address).
    #[arg(long, value_name = "ADDR")]
    pub ops: Option<String>,
    /// Which ports there are: all, data (no admin port) or admin (no traffic port).
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
}

impl ServeArgs {
    /// The file, this process's environment, and the flags.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let flags = [
            ("upstream.url", &self.upstream),
            ("listener.address", &self.listener),
            ("admin.address", &self.admin),
            ("ops.address", &self.ops),
            ("role", &self.role),
        ];
        let overrides = flags
            .into_iter()
            .filter_map(|(option, value)| Some((option.to_owned(), value.clone()?)))
            .collect();
        Sources { overrides, ..self.config.sources() }
    }
}

/// `dev`: where the demo lives.
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Directory of everything that the demo writes.
    #[arg(long, value_name = "DIR", default_value = ".countersign")]
    pub dir: PathBuf,
    /// Where senders reach us, ip:port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listener: String,
    /// Where admins reach us, ip:port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9901")]
    pub admin: String,
    /// Where health and metrics are, ip:port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9902")]
    pub ops: String,
}

/// `check`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Which configuration to check.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which role to check it for: all, data or admin.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

impl CheckArgs {
    /// The file, this process's environment, and the role.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let overrides = self.role.iter().map(|role| ("role".to_owned(), role.clone())).collect();
        Sources { overrides, ..self.config.sources() }
    }
}

/// `store …`.
#[derive(Debug, Clone, Subcommand)]
pub enum StoreCommand {
    /// Initialise the store that the configuration names, and print its epoch.
    ///
    /// The epoch tells an empty store from one that lost its records. A store that has one keeps it, so
    /// this may be repeated; a store with records but no epoch is refused and left untouched.
    Init(ConfigArgs),
}

/// `keks …`.
#[derive(Debug, Clone, Subcommand)]
pub enum KeksCommand {
    /// Make a new key file, readable by its owner only.
    ///
    /// Prints the file and the lines that the configuration needs. An existing file is never overwritten.
    /// Keep a copy in a safe place: without its key, a store's secrets are lost.
    #[command(after_help = "Example:\n  countersign keks new --dir /etc/countersign/keks --id 2026-01")]
    New(KeksNewArgs),
    /// List the keys that a running sidecar holds, and how much is sealed under each.
    List(fleet::AskArgs),
    /// Bring every record and secret under one key, while everything runs.
    ///
    /// Refused while a live sidecar lacks the key or seals with another: put its file everywhere and set
    /// keys.seal_with first. Stopped at any moment, the same command goes on. Says at its end which key files can go.
    #[command(after_help = "Example:\n  countersign keks rotate --to 2026-02 --token-file admin-token")]
    Rotate(fleet::RotateArgs),
}

/// `keks new`.
#[derive(Debug, Clone, Args)]
pub struct KeksNewArgs {
    /// Directory of the key files; made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Name of the key, 1 to 32 of a-z, 0-9 and -: the file is `<ID>.key`.
    #[arg(long, value_name = "ID", value_parser = config::kek_id)]
    pub id: String,
}

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
        Command::Key(key::KeyCommand::New(args)) => key::new(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Schemes(args) => schemes::run(&args),
        Command::Dev(args) => dev::run(&args),
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
