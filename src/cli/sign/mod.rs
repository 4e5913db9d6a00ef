//! `sign`: the headers that a scheme's sender would add to a request.
//!
//! Not a client: nothing is sent. Invariants: what is printed has been judged, so it verifies at the time that
//! it was signed for; the secret is read from a file, and where a scheme sends the secret itself (a token),
//! the curl command reads that file too.

pub(super) mod curl;

use std::path::PathBuf;

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::inputs::{self, InputFault};
use super::{Exit, complain, say};
use crate::clock::{Clock, SystemClock, UnixMillis};
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::offline::{Captured, Terms, judge};
use crate::verify::scheme::Scheme;

/// The end of `sign --help`.
pub const EXAMPLES: &str = "\
Keys of a workspace also need X-Workspace-ID (and X-Webhook-Key-Id): give them with --header.

Examples:
  countersign sign --scheme github --secret-file github.secret --body-file event.json
  countersign sign --scheme stripe --secret-file s --body-file event.json --at 1700000000
  countersign sign --scheme signed-request --secret-file s --body-file order.json \\
      --url 'http://127.0.0.1:8080/orders?draft=1' --header 'X-Workspace-ID: 0190…' --curl
  countersign sign --scheme slack --secret-file s --body-file event.json \\
      --url http://127.0.0.1:8080/webhooks/slack --curl | sh";

/// `sign`.
#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    /// A preset's name, or the file of a scheme of your own (ends in .toml).
    #[arg(long, value_name = "SCHEME")]
    scheme: String,
    /// File with the secret; one line end at its end is removed.
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// The URL to be called. Needed for --curl and by schemes that sign the URL or the target.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the body, signed byte for byte; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    body_file: PathBuf,
    /// Sign as of this time, in seconds since 1970. Default: now.
    #[arg(long, value_name = "UNIX", value_parser = inputs::at)]
    at: Option<UnixMillis>,
    /// The method.
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    method: Method,
    /// The message id, for schemes that sign one. Default: made of the time.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// A header of the request, for schemes that sign it and for --curl. Repeatable.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Print a curl command that sends the request.
    #[arg(long)]
    curl: bool,
}

/// Signs and prints.
#[must_use]
pub fn run(args: &SignArgs) -> Exit {
    match sign(args) {
        Ok(exit) => exit,
        Err(fault) => fault.report(),
    }
}

fn sign(args: &SignArgs) -> Result<Exit, InputFault> {
    let scheme = inputs::scheme(&args.scheme)?;
    let secret = inputs::secret(&args.secret_file)?;
    let target = match &args.url {
        Some(url) => inputs::target_of(url)?,
        None => without_url(args, &scheme)?,
    };
    let body = inputs::bytes(&args.body_file)?;
    let given: HeaderMap = args.headers.iter().cloned().collect();
    if let Some(name) = scheme.signed_headers().find(|name| !given.contains_key(*name)) {
        return Err(InputFault::usage(format!(
            "the scheme `{}` signs the header `{name}`: give it with --header '{name}: …'",
            scheme.label()
        )));
    }
    let head = Head { method: &args.method, target: &target, headers: &given, url: args.url.as_deref() };
    let captured = Captured { head, body: &body };
    let made = match signed(args, &scheme, &secret, &captured) {
        Ok(made) => made,
        Err(refused) => {
            complain(&refused);
            return Ok(Exit::Failed);
        }
    };
    let request = curl::Request { args, scheme: &scheme, made: &made, body: &body };
    if args.curl {
        say(&request.command()?);
        return Ok(Exit::Ok);
    }
    if scheme.is_token() {
        complain("note: this scheme signs nothing; the header is the secret itself");
    }
    for (name, value) in &made {
        say(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    Ok(Exit::Ok)
}

/// The target where no URL is given, and the scheme signs nothing of it.
fn without_url(args: &SignArgs, scheme: &Scheme) -> Result<String, InputFault> {
    if scheme.signs_address() {
        let what = if scheme.needs_url() { "the URL" } else { "the target" };
        let label = scheme.label();
        return Err(InputFault::usage(format!("the scheme `{label}` signs {what}: give it with --url")));
    }
    if args.curl {
        return Err(InputFault::usage("--curl needs to know where to: give it with --url"));
    }
    Ok("/".to_owned())
}

/// The sender's headers, judged once as the receiver will judge them.
fn signed(
    args: &SignArgs,
    scheme: &Scheme,
    secret: &Secret,
    request: &Captured<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let now = args.at.unwrap_or_else(|| SystemClock.now());
    let key = scheme.prepare(secret).map_err(|fault| format!("{}: {fault}", args.secret_file.display()))?;
    let made = scheme.sign(&key, &request.head, &[request.body], now, args.id.as_deref());
    if made.is_empty() {
        return Err("the id, or a token, has characters that no header can carry".to_owned());
    }
    let mut headers = request.head.headers.clone();
    for (name, value) in &made {
        headers.append(name, value.clone());
    }
    let secrets = std::slice::from_ref(secret);
    let head = Head { headers: &headers, ..request.head };
    judge(&Terms { scheme, secrets, now, tolerance_seconds: None }, &Captured { head, body: request.body })
        .map_err(|refused| format!("such a request would be refused: {refused}"))?;
    Ok(made)
}

/// Reads `--header`.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be a header, `Name: value`")?;
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|error| error.to_string())?;
    Ok((name, value))
}
