//! The fields of an integration as flags, for create and update.
//!
//! Not their rules: the sidecar that is asked has them. Invariant: a verify token is a secret, and comes from a file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::records::{lookup, many, set};
use crate::cli::remote::Remote;
use crate::cli::{Exit, complain, inputs};

/// What may be said of an integration, besides name and secret.
#[derive(Debug, Clone, Args)]
pub struct FieldArgs {
    /// Which sender: a name that `countersign schemes` lists, or generic (the default). Sets the defaults of the rest.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// How it signs, where that is not the type's way: a preset's name, or the file of a scheme of your own (.toml).
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<String>,
    /// The workspace that owns it and is deleted with it, by name or id. Default: none.
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: Option<String>,
    /// How far a signed time may be off: 1 to 86400. Default: the scheme's.
    #[arg(long, value_name = "SECONDS")]
    pub tolerance: Option<u32>,
    /// How long a message counts as seen: 0 to 10080. Default: by type, mostly 15.
    #[arg(long, value_name = "MINUTES")]
    pub dedup_window: Option<u32>,
    /// An address or range that it may come from. Repeatable. Default: any.
    #[arg(long = "cidr", value_name = "CIDR")]
    pub cidrs: Vec<String>,
    /// Status of a refusal that is the sender's fault: 400, 401, 403 or 404. Default: 401.
    #[arg(long, value_name = "STATUS")]
    pub reject_status: Option<u16>,
    /// Answer the challenges of the sender's handshake.
    #[arg(long)]
    pub handshake: bool,
    /// The same, with the verify token in this file.
    #[arg(long, value_name = "FILE")]
    pub verify_token_file: Option<PathBuf>,
    /// Whether it is let in: true (the default) or false.
    #[arg(long, value_name = "BOOL")]
    pub active: Option<bool>,
    /// Header that carries the signature.
    #[arg(long, value_name = "HEADER", help_heading = "A signature of another form")]
    pub signature_header: Option<String>,
    /// sha256, sha384, sha512 or token.
    #[arg(long, value_name = "ALGORITHM", help_heading = "A signature of another form")]
    pub signature_algorithm: Option<String>,
    /// hex, base64 or base64url.
    #[arg(long, value_name = "FORMAT", help_heading = "A signature of another form")]
    pub signature_format: Option<String>,
    /// What stands before the signature, as `sha256=`.
    #[arg(long, value_name = "TEXT", help_heading = "A signature of another form")]
    pub signature_prefix: Option<String>,
}

/// What can go back to its default.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Clearable {
    /// The scheme: that of the type.
    Scheme,
    /// The workspace: none.
    Workspace,
    /// The tolerance: the scheme's.
    Tolerance,
    /// The addresses: any.
    Cidr,
    /// The status of a refusal: 401.
    RejectStatus,
    /// The handshake: not answered.
    Handshake,
}

impl Clearable {
    /// The field that it is.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Workspace => "workspaceId",
            Self::Tolerance => "toleranceSeconds",
            Self::Cidr => "allowedCidrs",
            Self::RejectStatus => "rejectStatus",
            Self::Handshake => "handshake",
        }
    }
}

impl FieldArgs {
    /// The fields that were given; a workspace's name is looked up.
    pub(super) fn body(&self, remote: &Remote) -> Result<Map<String, Value>, Exit> {
        let mut body = Map::new();
        set(&mut body, "type", self.kind.as_deref());
        set(&mut body, "scheme", self.scheme.as_deref().map(scheme).transpose()?);
        let workspace = self.workspace.as_deref();
        set(&mut body, "workspaceId", workspace.map(|named| lookup::workspace(remote, named)).transpose()?);
        set(&mut body, "toleranceSeconds", self.tolerance);
        set(&mut body, "deduplicationWindowMinutes", self.dedup_window);
        set(&mut body, "allowedCidrs", many(&self.cidrs));
        set(&mut body, "rejectStatus", self.reject_status);
        set(&mut body, "handshake", self.handshake.then_some(true));
        if let Some(token) = self.verify_token_file.as_deref().map(secret_of).transpose()? {
            set(&mut body, "handshake", Some(json!({ "verifyToken": token })));
        }
        set(&mut body, "isActive", self.active);
        set(&mut body, "signatureHeader", self.signature_header.as_deref());
        set(&mut body, "signatureAlgorithm", self.signature_algorithm.as_deref());
        set(&mut body, "signatureFormat", self.signature_format.as_deref());
        set(&mut body, "signaturePrefix", self.signature_prefix.as_deref());
        Ok(body)
    }
}

/// A preset's name, which the sidecar knows, or what a file says.
fn scheme(named: &str) -> Result<Value, Exit> {
    if !named.ends_with(".toml") {
        return Ok(Value::from(named));
    }
    let scheme = inputs::scheme_file(named).map_err(|fault| fault.report())?;
    serde_json::to_value(scheme.spec()).map_err(|error| {
        complain(&format!("{named}: {error}"));
        Exit::Failed
    })
}

/// The text of a secret file.
pub(super) fn secret_of(path: &Path) -> Result<String, Exit> {
    let secret = inputs::secret(path).map_err(|fault| fault.report())?;
    secret.expose_text().map(str::to_owned).ok_or_else(|| {
        complain(&format!("{}: is not UTF-8", path.display()));
        Exit::Usage
    })
}
