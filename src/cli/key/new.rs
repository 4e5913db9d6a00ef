//! `key new --offline`: makes an API key that no store knows yet. Invariants: nothing is contacted or written; the key
//! is in the output, once, and nowhere else.

use serde_json::json;

use crate::cli::{Exit, KeyNewArgs, complain, say};
use crate::credential::api_key;
use crate::store::seal;

/// Makes a key and prints it with what a seed file says of it.
#[must_use]
pub(super) fn new(args: &KeyNewArgs) -> Exit {
    let random = match seal::random::<32>() {
        Ok(random) => random,
        Err(error) => {
            complain(&error.to_string());
            return Exit::Failed;
        }
    };
    let key = api_key::generate(&random);
    let text = key.expose_text().unwrap_or_default();
    let digest = data_encoding::HEXLOWER.encode(&api_key::digest(text).0);
    let prefix = key.prefix();
    say(&if args.json {
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
