//! Where the admin port is and what opens it, for commands that ask a running sidecar.
//!
//! Not the protocol (`client.rs`), and not the words for refusals (`refusal.rs`). Invariants: the token comes from a
//! file or the environment, never from an argument; the token of a demo goes to that demo and nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use rustls::pki_types::ServerName;
use serde_json::Value;

use super::client::{Answer, Client, ClientError};
use super::dev::addresses::{self, Addresses};
use super::{Exit, inputs, refusal};
use crate::clock::{Clock as _, SystemClock};
use crate::config::env;
use crate::secret::Secret;
use crate::tls::{ClientFiles, ClientTls, HTTP_1, PairFiles};
use crate::upstream::connect::Dialer;

/// Where the admin port is unless somebody says otherwise: the default of admin.address.
const DEFAULT_URL: &str = "http://127.0.0.1:9901";

/// Before a create or a rotation is asked for again: what a 503 says in `Retry-After`.
const PAUSE: Duration = Duration::from_secs(1);

/// The admin port of a running sidecar.
#[derive(Debug, Clone, Args)]
pub struct RemoteArgs {
    /// Its admin port; COUNTERSIGN_CLI_URL, or the demo that the token is of, or http://127.0.0.1:9901.
    #[arg(long, value_name = "URL", help_heading = "Whom to ask")]
    pub url: Option<String>,
    /// File with the admin token; COUNTERSIGN_CLI_TOKEN_FILE, or the token in COUNTERSIGN_ADMIN_TOKEN, or
    /// .countersign/admin.token of a demo in this directory.
    #[arg(long, value_name = "FILE", help_heading = "Whom to ask")]
    pub token_file: Option<PathBuf>,
    /// With https: the authorities (PEM) that its certificate must lead to.
    #[arg(long, value_name = "FILE", help_heading = "Whom to ask")]
    pub ca_file: Option<PathBuf>,
    /// With https: our certificate (PEM), where the port asks for one; with --key-file.
    #[arg(long, value_name = "FILE", help_heading = "Whom to ask", requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// With https: the private key (PEM) of --cert-file.
    #[arg(long, value_name = "FILE", help_heading = "Whom to ask", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
}

/// A connection to be, with the runtime that drives it.
pub(super) struct Remote {
    client: Client,
    runtime: tokio::runtime::Runtime,
    /// Where the token came from, for whom it does not open the port.
    token_from: String,
    /// Where its traffic port is, where that is known.
    traffic: Option<String>,
}

impl RemoteArgs {
    /// Ready to be asked; what is missing is said.
    pub(super) fn connect(&self) -> Result<Remote, Exit> {
        let mut env = env::process();
        let given = self.url.clone().or_else(|| env.remove(env::CLI_URL));
        let file = self.token_file.clone().or_else(|| env.remove(env::CLI_TOKEN_FILE).map(PathBuf::from));
        // A token's file may be that of a demo in another directory.
        let beside = file.as_deref().and_then(Path::parent);
        let demo = addresses::of_demo(beside.unwrap_or_else(|| Path::new(addresses::DIR)));
        let by_file = file.is_some();
        let mut token = match file {
            Some(path) => {
                let secret = inputs::secret(&path).map_err(|fault| fault.report())?;
                Some((secret, path.display().to_string()))
            }
            None => env::admin_token(&env).map(|token| (token, "COUNTERSIGN_ADMIN_TOKEN".to_owned())),
        };
        let is_demo = |url: &str, demo: &Addresses| url.trim_end_matches('/') == demo.admin;
        let demo = demo.filter(|demo| match &given {
            Some(url) => is_demo(url, demo),
            None => by_file || token.is_none(),
        });
        if token.is_none() && (given.is_none() || demo.is_some()) {
            token = demo_token();
        }
        let url = given.or_else(|| demo.as_ref().map(|demo| demo.admin.clone()));
        let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
        let authority = authority(&url)?;
        let dialer = self.dialer(&url, &authority)?;
        let Some((token, token_from)) = token else {
            super::complain(
                "no admin token: name its file with --token-file (COUNTERSIGN_CLI_TOKEN_FILE), or set \
                 COUNTERSIGN_ADMIN_TOKEN",
            );
            return Err(Exit::Usage);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            super::complain(&error.to_string());
            Exit::Failed
        })?;
        let traffic = demo.and_then(|demo| demo.traffic);
        let client = Client::new(authority, token);
        let client = match dialer {
            Some(dialer) => client.under_tls(dialer),
            None => client,
        };
        Ok(Remote { client, runtime, token_from, traffic })
    }

    /// TLS to the port, where its URL says so.
    fn dialer(&self, url: &str, authority: &str) -> Result<Option<Dialer>, Exit> {
        let usage = |text: &str| {
            super::complain(text);
            Exit::Usage
        };
        if !url.starts_with("https://") {
            let needless = self.ca_file.is_some() || self.cert_file.is_some();
            return if needless {
                Err(usage("--ca-file and --cert-file: with an https:// URL only"))
            } else {
                Ok(None)
            };
        }
        let ca_file = self.ca_file.clone();
        let ca_file =
            ca_file.ok_or_else(|| usage("an https:// URL needs --ca-file: whom its certificate leads to"))?;
        let pair = self.cert_file.clone().zip(self.key_file.clone());
        let pair = pair.map(|(cert_file, key_file)| PairFiles { cert_file, key_file });
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name =
            ServerName::try_from(host).map_err(|_| usage("--url: not a host that a certificate is for"))?;
        let now = SystemClock.moment().wall.seconds();
        let files = ClientFiles { ca_file, pair };
        let tls = ClientTls::open("command line", &files, &HTTP_1, now)
            .map_err(|fault| usage(&fault.to_string()))?;
        Ok(Some(Dialer { tls: Arc::new(tls), name }))
    }
}

fn authority(url: &str) -> Result<String, Exit> {
    let authority = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .map(|rest| rest.trim_end_matches('/'));
    let authority = authority.filter(|rest| !rest.is_empty() && !rest.contains(['/', '@', '?', '#']));
    authority.map(str::to_owned).ok_or_else(|| {
        super::complain(
            "--url (COUNTERSIGN_CLI_URL): the admin port is http://host:port or https://host:port",
        );
        Exit::Usage
    })
}

/// The token of a demo that was started in this directory.
fn demo_token() -> Option<(Secret, String)> {
    let path = Path::new(addresses::DIR).join(addresses::TOKEN);
    let token = path.is_file().then(|| inputs::secret(&path).ok()).flatten()?;
    Some((token, path.display().to_string()))
}

impl Remote {
    /// Where senders reach it, where that is known: `http://host:port`.
    pub(super) fn traffic(&self) -> Option<&str> {
        self.traffic.as_deref()
    }

    /// The body of a successful answer; anything else is said.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Exit> {
        self.ask_at(method, path, body, None)
    }

    /// The same, of a record that is still at this revision.
    pub(super) fn ask_at(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        revision: Option<u64>,
    ) -> Result<Value, Exit> {
        let answer = self.runtime.block_on(async {
            match revision {
                Some(revision) => self.client.call_at(method, path, body, revision).await,
                None => self.client.call(method, path, body).await,
            }
        });
        self.judged(answer)
    }

    /// Asks for a create or a rotation. Where it stays unknown whether it was made, it is asked for again, once: the
    /// sidecar makes it once all the same, and shows the secrets again.
    pub(super) fn ask_once(
        &self,
        path: &str,
        body: Option<&Value>,
        revision: Option<u64>,
    ) -> Result<Value, Exit> {
        let key = uuid::Uuid::now_v7().to_string();
        let answer = self.runtime.block_on(async {
            match self.client.call_once(path, body, revision, &key).await {
                Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {}
                Err(ClientError::Lost(_)) => {}
                settled => return settled,
            }
            tokio::time::sleep(PAUSE).await;
            self.client.call_once(path, body, revision, &key).await
        });
        self.judged(answer)
    }

    fn judged(&self, answer: Result<Answer, ClientError>) -> Result<Value, Exit> {
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(answer.body),
            Ok(answer) => {
                super::complain(&refusal::text(answer.status, &answer.body, &self.token_from));
                Err(if answer.status.as_u16() == 503 { Exit::Unreachable } else { Exit::Failed })
            }
            Err(error @ ClientError::Unreachable { .. }) => {
                super::complain(&format!(
                    "{error}\nIs it running? Another one is named with --url (COUNTERSIGN_CLI_URL)."
                ));
                Err(Exit::Unreachable)
            }
            Err(error) => {
                super::complain(&error.to_string());
                Err(Exit::Failed)
            }
        }
    }
}
