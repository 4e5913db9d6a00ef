//! The proof that a request is from who it says: a type that only verification can make. Pure.
//!
//! Not an admission: the record may have been revoked while the body was read, and the key may be meant for
//! other routes; see `guard/`. Invariant: no public constructor.

use std::sync::Arc;

use http::HeaderName;
use smallvec::SmallVec;
use uuid::Uuid;

use super::Refusal;
use super::kind::Finding;
use super::scheme::{Scheme, SignatureCredential, VerifyKey};
use crate::credential::CredentialKind;
use crate::keys::entry::{IntegrationEntry, KeyEntry, PreviousVerifyKey, Which};

/// The record that a request was verified with.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A webhook key, by its API key.
    ApiKey(Arc<KeyEntry>),
    /// A webhook key, by a signature with its secret.
    Signature(Arc<KeyEntry>),
    /// An integration.
    Integration(Arc<IntegrationEntry>),
}

/// One verified credential.
#[derive(Debug)]
pub struct Authentic {
    subject: Subject,
    which: Which,
    message_id: Option<Box<str>>,
    binds_body: bool,
}

/// Every verified credential of a request: one, or with `require = "all"` one of each kind.
#[derive(Debug)]
pub struct AuthenticSet(SmallVec<[Authentic; 1]>);

impl Subject {
    /// The scheme of a signature; an API key has the scheme of its record, which verifies nothing here.
    pub(super) fn scheme(&self) -> &Scheme {
        match self {
            Self::ApiKey(entry) | Self::Signature(entry) => &entry.scheme,
            Self::Integration(entry) => &entry.scheme,
        }
    }

    pub(super) fn secret(&self) -> &VerifyKey {
        match self {
            Self::ApiKey(entry) | Self::Signature(entry) => &entry.secret,
            Self::Integration(entry) => &entry.secret,
        }
    }

    pub(super) fn previous_secret(&self) -> Option<&PreviousVerifyKey> {
        match self {
            Self::ApiKey(entry) | Self::Signature(entry) => entry.previous_secret.as_deref(),
            Self::Integration(entry) => entry.previous_secret.as_ref(),
        }
    }
}

impl Authentic {
    pub(super) fn api_key(entry: Arc<KeyEntry>, which: Which) -> Self {
        Self { subject: Subject::ApiKey(entry), which, message_id: None, binds_body: false }
    }

    pub(super) fn signed(
        subject: Subject,
        which: Which,
        signature: SignatureCredential,
        finding: Finding,
    ) -> Self {
        let message_id = finding.id.or_else(|| signature.id().map(Box::from));
        Self { subject, which, message_id, binds_body: finding.binds_body }
    }

    /// The record.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Which of its secrets, or API keys.
    #[must_use]
    pub fn which(&self) -> Which {
        self.which
    }

    /// The sender's own id of the message, where its scheme signs one.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// What kind of credential it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self.subject {
            Subject::ApiKey(_) => CredentialKind::ApiKey,
            Subject::Signature(_) => CredentialKind::Signature,
            Subject::Integration(_) => CredentialKind::Integration,
        }
    }

    /// The scheme's name, as told to the application: `api-key` for an API key.
    #[must_use]
    pub fn scheme_name(&self) -> &'static str {
        match &self.subject {
            Subject::ApiKey(_) => "api-key",
            Subject::Signature(_) | Subject::Integration(_) => self.subject.scheme().label(),
        }
    }

    /// The headers that carried a signature; an API key's header is known to whoever removes it.
    #[must_use]
    pub fn credential_headers(&self) -> &[HeaderName] {
        match self.subject {
            Subject::ApiKey(_) => &[],
            Subject::Signature(_) | Subject::Integration(_) => self.subject.scheme().credential_headers(),
        }
    }

    /// Whether the credential covers the body of this request.
    #[must_use]
    pub fn binds_body(&self) -> bool {
        self.binds_body
    }

    /// Whether a signature covers the URL or the target. An API key is not a signature: the rule about
    /// empty bodies does not concern it.
    #[must_use]
    pub fn binds_target(&self) -> bool {
        matches!(self.subject, Subject::ApiKey(_)) || self.subject.scheme().binds_target()
    }

    /// The workspace that the record belongs to.
    #[must_use]
    pub fn workspace_id(&self) -> Option<Uuid> {
        match &self.subject {
            Subject::ApiKey(entry) | Subject::Signature(entry) => Some(entry.record.workspace_id),
            Subject::Integration(entry) => entry.record.workspace_id,
        }
    }
}

impl AuthenticSet {
    /// The credentials of one request, in the order in which the route names their kinds.
    ///
    /// # Errors
    /// [`Refusal::RequireFailed`] where there is none, or where several are not of one workspace.
    pub fn of(members: SmallVec<[Authentic; 1]>) -> Result<Self, Refusal> {
        let (first, rest) = members.split_first().ok_or(Refusal::RequireFailed)?;
        let workspace = first.workspace_id();
        let one_workspace =
            workspace.is_some() && rest.iter().all(|member| member.workspace_id() == workspace);
        if rest.is_empty() || one_workspace { Ok(Self(members)) } else { Err(Refusal::RequireFailed) }
    }

    /// The credentials.
    pub fn iter(&self) -> impl Iterator<Item = &Authentic> {
        self.0.iter()
    }
}
