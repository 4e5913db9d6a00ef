//! `keks new`: makes a key-encryption key. Not the sealing (`store/seal.rs`). Invariant: the key itself is
//! never printed.

use super::{Exit, KeksNewArgs};
use crate::store::seal::Keyring;

/// Makes `<dir>/<id>.key` and prints what to do with it.
#[must_use]
pub fn new(args: &KeksNewArgs) -> Exit {
    match Keyring::create(&args.dir, &args.id) {
        Ok(path) => {
            let dir = toml::Value::String(args.dir.display().to_string());
            super::say(&format!(
                "created {}\nadd to the configuration:\n\n[keys]\nkek_dir = {dir}\nseal_with = \"{}\"",
                path.display(),
                args.id
            ));
            Exit::Ok
        }
        Err(error) => {
            super::complain(&error.to_string());
            Exit::Failed
        }
    }
}
