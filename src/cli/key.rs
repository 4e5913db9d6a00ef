//! `key new --offline`: makes an API key that no store knows yet. Invariants: nothing is contacted or written; the key
//! is in the output, once, and nowhere else.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Exit;
use crate::credential::api_key;
use crate::store::seal;

/// `key …`.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyCommand {
    /// Make a new API key, and the digest that a seed file names it by.
    ///
    /// Prints the key this once: give it to its holder, and keep no copy. The digest is no secret; paste the printed
    /// lines into the seed file (seed.file).
    #[command(after_help = "Example:\n  countersign key new --offline --json | jq -r .apiKeyDigest")]
    New(KeyNewArgs),
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

/// Makes a key and prints it with what a seed file says of it.
#[must_use]
pub fn new(args: &KeyNewArgs) -> Exit {
    let random = match seal::random::<32>() {
        Ok(random) => random,
        Err(error) => {
            super::complain(&error.to_string());
            return Exit::Failed;
        }
    };
    let key = api_key::generate(&random);
    let text = key.expose_text().unwrap_or_default();
    let digest = data_encoding::HEXLOWER.encode(&api_key::digest(text).0);
    let prefix = key.prefix();
    super::say(&if args.json {
        json!({ "apiKey": text, "apiKeyDigest": digest, "apiKeyPrefix": prefix }).to_string()
    } else {
        format!(
            "{text}\n\nthe key is shown this once; give it to its holder. Add to the seed file:\n\n\
             [[webhookKeys]]\nworkspace = \"…\"\nname = \"…\"\napiKeyDigest = \"{digest}\"\n\
             apiKeyPrefix = \"{prefix}\""
        )
    });
    Exit::Ok
}
