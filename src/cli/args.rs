//! The flags of the commands that read a configuration or make something offline, and which sources they come to.
//!
//! Not what the commands do. Invariant: a flag is the strongest layer of the configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{dev, fleet};
use crate::config::{self, Sources};

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
    /// Where senders reach us, ip:port or unix:/path (listener.address).
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
    #[arg(long, value_name = "DIR", default_value = dev::addresses::DIR)]
    pub dir: PathBuf,
    /// Where senders reach us, ip:port or unix:/path.
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

/// `key new`.
#[derive(Debug, Clone, Args)]
pub struct KeyNewArgs {
    /// Contact nothing: the key counts once its digest is in a seed file.
    #[arg(long, required = true)]
    pub offline: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}
