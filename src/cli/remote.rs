//! Where the admin port is and what opens it, for commands that ask a running sidecar.
//!
//! Not the protocol (`client.rs`). Invariant: the token comes from a file or the environment, never from an argument.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::client::{Client, ClientError};
use super::{Exit, inputs};
use crate::config::env;

/// Where the admin port is unless somebody says otherwise: the default of admin.address.
const DEFAULT_URL: &str = "http://127.0.0.1:9901";

/// The admin port of a running sidecar.
#[derive(Debug, Clone, Args)]
pub struct RemoteArgs {
    /// Its admin port; COUNTERSIGN_CLI_URL, or http://127.0.0.1:9901.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// File with the admin token; COUNTERSIGN_CLI_TOKEN_FILE, or the token in COUNTERSIGN_ADMIN_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// A connection to be, with the runtime that drives it.
pub(super) struct Remote {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl RemoteArgs {
    /// Ready to be asked; what is missing is said.
    pub(super) fn connect(&self) -> Result<Remote, Exit> {
        let mut env = env::process();
        let url = self.url.clone().or_else(|| env.remove(env::CLI_URL));
        let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
        let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let authority = authority.filter(|rest| !rest.is_empty() && !rest.contains(['/', '@', '?', '#']));
        let Some(authority) = authority else {
            super::complain("--url (COUNTERSIGN_CLI_URL): the admin port is http://host:port");
            return Err(Exit::Usage);
        };
        let file = self.token_file.clone().or_else(|| env.remove(env::CLI_TOKEN_FILE).map(PathBuf::from));
        let token = match file {
            Some(path) => inputs::secret(&path).map_err(|fault| fault.report())?,
            None => env::admin_token(&env).ok_or_else(|| {
                super::complain(
                    "no admin token: name its file with --token-file, or set COUNTERSIGN_ADMIN_TOKEN",
                );
                Exit::Usage
            })?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            super::complain(&error.to_string());
            Exit::Failed
        })?;
        Ok(Remote { client: Client::new(authority.to_owned(), token), runtime })
    }
}

impl Remote {
    /// The body of a successful answer; anything else is said.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Exit> {
        match self.runtime.block_on(self.client.call(method, path, body)) {
            Ok(answer) if answer.status.is_success() => Ok(answer.body),
            Ok(answer) => {
                let detail =
                    |of: &Value| of.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned();
                super::complain(&format!("{}: {}", answer.status.as_u16(), detail(&answer.body)));
                for fault in answer.body.get("errors").and_then(Value::as_array).into_iter().flatten() {
                    super::complain(&format!("  {}", detail(fault)));
                }
                Err(if answer.status.as_u16() == 503 { Exit::Unreachable } else { Exit::Failed })
            }
            Err(error @ ClientError::Unreachable { .. }) => {
                super::complain(&error.to_string());
                Err(Exit::Unreachable)
            }
            Err(error) => {
                super::complain(&error.to_string());
                Err(Exit::Failed)
            }
        }
    }
}
