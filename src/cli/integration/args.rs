//! The flags of `integration …`, and what its --help says.
//!
//! Not the fields of an integration (`fields.rs`). Invariant: no flag takes a secret, only the file of one.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::fields::{Clearable, FieldArgs};
use crate::cli::fleet::AskArgs;
use crate::cli::records::{ChangeArgs, DeleteArgs, RotationArgs};

const EXAMPLES: &str = "\
An integration is named by its name or its id. `countersign schemes` lists the types: one for each known sender.

Examples:
  countersign integration create pagerduty-prod --type pagerduty
  countersign integration create github --type github --secret-file github.secret
  countersign integration create relay --scheme acme.toml --cidr 192.0.2.0/24
  countersign integration update github --active false
  countersign integration rotate-secret github --overlap 3600
  countersign integration retire-previous github
  countersign integration test github";

/// `integration …`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum IntegrationCommand {
    /// Let a sender in: prints its secret this once, where to call, and a signed delivery to paste.
    Create(CreateArgs),
    /// List them, oldest first.
    List(ListArgs),
    /// Show one, without its secret.
    Get(GetArgs),
    /// Change anything but the secret; what is not named stays.
    Update(UpdateArgs),
    /// Replace the secret; the former one stays valid for the overlap.
    RotateSecret(RotateArgs),
    /// End the secret before the last rotation now.
    RetirePrevious(OneArgs),
    /// Show the secret that a handshake brought, once, within an hour.
    Reveal(OneArgs),
    /// Send a signed sample on the way of any sender's to the application, and say how far it came.
    Test(GetArgs),
    /// Delete one: its sender is refused at once.
    Delete(IntegrationDeleteArgs),
}

/// `integration create`.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// Its name, unique: part of the path that the sender calls.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The secret or public key that the sender has. Default: one is made.
    #[command(flatten)]
    pub secret: SecretArgs,
    /// Everything else.
    #[command(flatten)]
    pub fields: FieldArgs,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// A secret, never as an argument.
#[derive(Debug, Clone, Args)]
pub struct SecretArgs {
    /// File with the secret, or the public key, that the sender has; `-` reads standard input. Default: one is made.
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
}

/// `integration list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Those of this workspace, by name or id.
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: Option<String>,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `integration get`.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// Its name or its id.
    #[arg(value_name = "NAME")]
    pub integration: String,
    /// Whom to ask, and how to answer.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `integration retire-previous` and `reveal`.
#[derive(Debug, Clone, Args)]
pub struct OneArgs {
    /// Its name or its id.
    #[arg(value_name = "NAME")]
    pub integration: String,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `integration update`.
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Its name or its id.
    #[arg(value_name = "NAME")]
    pub integration: String,
    /// Another name, and so another path.
    #[arg(long = "name", value_name = "NEW NAME")]
    pub renamed: Option<String>,
    /// What changes.
    #[command(flatten)]
    pub fields: FieldArgs,
    /// Go back to the default of this. Repeatable.
    #[arg(long = "clear", value_name = "WHAT", value_enum)]
    pub clear: Vec<Clearable>,
    /// As every change.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `integration rotate-secret`.
#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// Its name or its id.
    #[arg(value_name = "NAME")]
    pub integration: String,
    /// The sender's new secret.
    #[command(flatten)]
    pub secret: SecretArgs,
    /// As every rotation.
    #[command(flatten)]
    pub rotation: RotationArgs,
}

/// `integration delete`.
#[derive(Debug, Clone, Args)]
pub struct IntegrationDeleteArgs {
    /// Its name or its id.
    #[arg(value_name = "NAME")]
    pub integration: String,
    /// As every deletion.
    #[command(flatten)]
    pub delete: DeleteArgs,
}
