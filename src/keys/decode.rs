//! From a stored envelope to an entry: check the record MAC, read the record, open its secrets, key them.
//!
//! Not a reader of stores. Invariants: nothing of an envelope whose MAC is wrong is ever used to verify a
//! request; a record that cannot be used becomes [`Decoded::Damaged`], which answers 503 to its own callers
//! and touches nobody else.

use std::sync::Arc;

use http::HeaderValue;

use super::entry::{HandshakeEntry, IntegrationEntry, KeyEntry, PreviousVerifyKey, Usage};
use super::handshake::HandshakeSettings;
use super::held::HeldKey;
use super::record::{
    Admin, ApiKeyDigest, Integration, Kind, Record, RecordKey, Sealed, TokenDigest, WebhookKey, Workspace,
};
use super::scope::Scope;
use crate::secret::Secret;
use crate::store::seal::{EnvelopeError, Keyring, SealError, SealPlace};
use crate::verify::handshake::Settings;
use crate::verify::scheme::{self, Scheme, SchemeChoice, VerifyKey};

/// The field name under which every record's secret is sealed.
pub const SECRET_FIELD: &str = "secret";
/// The field name under which an integration's verify token is sealed.
pub const VERIFY_TOKEN_FIELD: &str = "handshake.verifyToken";

/// Opens what one namespace holds.
#[derive(Debug, Clone)]
pub struct Decoder {
    keyring: Arc<Keyring>,
    namespace: Arc<str>,
    scope: Option<Arc<Scope>>,
    holds_admins: bool,
}

/// A stored record, and whether this sidecar holds it.
#[derive(Debug, Clone)]
pub enum Judged {
    /// To be held. A record that cannot be authenticated is, because nobody can tell where it belongs.
    Inside(Decoded),
    /// Of another scope; none of its secrets was opened.
    Outside {
        /// Its revision.
        revision: u64,
    },
}

/// A record, ready for the mirror.
#[derive(Debug, Clone)]
pub enum Decoded {
    /// A tenant.
    Workspace(Arc<Workspace>),
    /// A webhook key.
    Key(Arc<KeyEntry>),
    /// An integration.
    Integration(Arc<IntegrationEntry>),
    /// An admin.
    Admin(Arc<Admin>),
    /// A record that cannot be used.
    Damaged(Box<Damaged>),
}

/// A record that cannot be used, and what it claims to be, unauthenticated: good for a 503, nothing else.
#[derive(Debug, Clone)]
pub struct Damaged {
    /// Where it is stored.
    pub key: RecordKey,
    /// Its revision, as far as it can be read.
    pub revision: u64,
    /// The API key digests it claims.
    pub api_keys: Vec<ApiKeyDigest>,
    /// The digest of an admin's token it claims.
    pub token: Option<TokenDigest>,
    /// The integration name it claims.
    pub name: Option<String>,
    /// The workspace it claims to belong to.
    pub workspace: Option<uuid::Uuid>,
    /// What is wrong, for the operator's log.
    pub why: String,
    /// The kind of it.
    pub cause: DamageCause,
}

/// Why a record cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageCause {
    /// Nobody who holds a key-encryption key wrote it like this.
    Forged,
    /// The key-encryption key that it needs is not at hand, or is another one.
    Unopenable,
    /// It has no reading.
    Corrupt,
}

impl Decoder {
    /// A decoder for one namespace.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, namespace: &str) -> Self {
        Self { keyring, namespace: Arc::from(namespace), scope: None, holds_admins: true }
    }

    /// The same, for what is in scope; `None` = everything.
    #[must_use]
    pub fn within(self, scope: Option<Scope>) -> Self {
        Self { scope: scope.map(Arc::new), ..self }
    }

    /// The same, without admins: for a sidecar that has no admin port.
    #[must_use]
    pub fn without_admins(self) -> Self {
        Self { holds_admins: false, ..self }
    }

    /// Whether this sidecar holds the record.
    #[must_use]
    pub fn holds(&self, record: &Record) -> bool {
        match record {
            Record::Admin(_) => self.holds_admins,
            record => self.scope.as_ref().is_none_or(|scope| scope.holds(record)),
        }
    }

    /// Whether this sidecar holds a part of the records only.
    #[must_use]
    pub fn is_scoped(&self) -> bool {
        self.scope.is_some()
    }

    /// The namespace, part of what seals and record MACs cover.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The key-encryption keys.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Decodes one stored record.
    #[must_use]
    pub fn decode(&self, key: RecordKey, envelope: &[u8]) -> Judged {
        self.decode_over(None, key, envelope)
    }

    /// The same; `known` is what is held of this record. Where it has not changed, that is what is given: a
    /// key set that is read again is neither unsealed nor held a second time.
    #[must_use]
    pub fn decode_over(&self, known: Option<&Decoded>, key: RecordKey, envelope: &[u8]) -> Judged {
        self.open(known, key, envelope)
            .unwrap_or_else(|fault| Judged::Inside(Decoded::Damaged(Box::new(damaged(key, envelope, fault)))))
    }

    /// Prepares a record that this process has just made or read.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn prepare(&self, record: Record) -> Result<Decoded, String> {
        self.prepare_over(None, record)
    }

    fn prepare_over(&self, known: Option<&Decoded>, record: Record) -> Result<Decoded, String> {
        Ok(match (record, known) {
            (Record::Workspace(record), Some(Decoded::Workspace(known))) if **known == record => {
                Decoded::Workspace(Arc::clone(known))
            }
            (Record::Workspace(record), _) => Decoded::Workspace(Arc::new(record)),
            (Record::WebhookKey(record), Some(Decoded::Key(known))) if known.record.record() == record => {
                Decoded::Key(Arc::clone(known))
            }
            (Record::WebhookKey(record), _) => Decoded::Key(Arc::new(self.webhook_key(record)?)),
            (Record::Integration(record), Some(Decoded::Integration(known))) if known.record == record => {
                Decoded::Integration(Arc::clone(known))
            }
            (Record::Integration(record), _) => Decoded::Integration(Arc::new(self.integration(record)?)),
            (Record::Admin(record), Some(Decoded::Admin(known))) if **known == record => {
                Decoded::Admin(Arc::clone(known))
            }
            (Record::Admin(record), _) => Decoded::Admin(Arc::new(record)),
        })
    }

    fn open(
        &self,
        known: Option<&Decoded>,
        key: RecordKey,
        envelope: &[u8],
    ) -> Result<Judged, (DamageCause, String)> {
        let payload = self.keyring.unwrap(&self.namespace, &key, envelope).map_err(|error| {
            let cause = match error {
                EnvelopeError::UnknownKek(_) => DamageCause::Unopenable,
                EnvelopeError::BadMac => DamageCause::Forged,
                EnvelopeError::Malformed => DamageCause::Corrupt,
            };
            (cause, error.to_string())
        })?;
        let record =
            Record::decode(key.kind, payload).map_err(|error| (DamageCause::Corrupt, error.to_string()))?;
        if record.meta().id != key.id {
            let why = "the record's id is not the one it is stored under".to_owned();
            return Err((DamageCause::Corrupt, why));
        }
        if !self.holds(&record) {
            return Ok(Judged::Outside { revision: record.meta().revision });
        }
        self.prepare_over(known, record).map(Judged::Inside).map_err(|why| (DamageCause::Unopenable, why))
    }

    fn webhook_key(&self, record: WebhookKey) -> Result<KeyEntry, String> {
        let key = RecordKey { kind: Kind::WebhookKey, id: record.meta.id };
        let scheme = scheme::preset(record.scheme.name())
            .ok_or_else(|| format!("the scheme {} is not known", record.scheme.name()))?;
        let secret = self.verify_key(key, scheme, &record.secret)?;
        let previous = record.previous.as_ref();
        let previous = previous.and_then(|previous| Some((previous.secret.as_ref()?, previous.until)));
        let previous_secret = match previous {
            Some((sealed, until)) => {
                Some(PreviousVerifyKey { key: self.verify_key(key, scheme, sealed)?, until })
            }
            None => None,
        };
        let record = HeldKey::of(record).ok_or_else(|| SealError::Malformed.to_string())?;
        Ok(KeyEntry::new(record, Arc::clone(scheme), secret, previous_secret))
    }

    fn integration(&self, record: Integration) -> Result<IntegrationEntry, String> {
        let key = RecordKey { kind: Kind::Integration, id: record.meta.id };
        let scheme = resolve(&record.scheme)?;
        let secret = self.verify_key(key, &scheme, &record.secret)?;
        let previous_secret = match record.previous.as_ref() {
            Some(previous) => Some(PreviousVerifyKey {
                key: self.verify_key(key, &scheme, &previous.secret)?,
                until: previous.until,
            }),
            None => None,
        };
        let workspace_header = match record.workspace_id {
            Some(id) => Some(header(&id.to_string())?),
            None => None,
        };
        let handshake = match record.handshake.as_ref() {
            Some(settings) => Some(self.handshake(key, settings)?),
            None => None,
        };
        Ok(IntegrationEntry {
            handshake,
            name_header: header(&record.name)?,
            workspace_header,
            scheme,
            secret,
            previous_secret,
            record,
            usage: Arc::new(Usage::default()),
        })
    }

    fn handshake(&self, key: RecordKey, settings: &HandshakeSettings) -> Result<HandshakeEntry, String> {
        let verify_token = match settings.verify_token.as_ref() {
            Some(sealed) => Some(self.opened(key, VERIFY_TOKEN_FIELD, sealed)?),
            None => None,
        };
        Ok(HandshakeEntry { settings: Settings { verify_token }, until: settings.until })
    }

    fn verify_key(&self, key: RecordKey, scheme: &Scheme, sealed: &Sealed) -> Result<VerifyKey, String> {
        let secret = self.opened(key, SECRET_FIELD, sealed)?;
        scheme.prepare(&secret).map_err(|error| error.to_string())
    }

    fn opened(&self, key: RecordKey, field: &'static str, sealed: &Sealed) -> Result<Secret, String> {
        let place = SealPlace { namespace: &self.namespace, key, field, version: sealed.version };
        self.keyring.open(&place, sealed).map_err(|error| error.to_string())
    }
}

fn resolve(choice: &SchemeChoice) -> Result<Arc<Scheme>, String> {
    scheme::resolve(choice).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        faults.join("; ")
    })
}

fn header(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} cannot be a header value"))
}

fn damaged(key: RecordKey, envelope: &[u8], (cause, why): (DamageCause, String)) -> Damaged {
    let claimed =
        Keyring::payload_unverified(envelope).and_then(|payload| Record::decode(key.kind, payload).ok());
    let mut damaged = Damaged {
        key,
        revision: 0,
        api_keys: Vec::new(),
        token: None,
        name: None,
        workspace: None,
        why,
        cause,
    };
    match claimed {
        Some(Record::WebhookKey(record)) => {
            damaged.revision = record.meta.revision;
            damaged.api_keys.push(record.api_key);
            damaged.api_keys.extend(record.previous.and_then(|previous| previous.api_key));
            damaged.workspace = Some(record.workspace_id);
        }
        Some(Record::Integration(record)) => {
            damaged.revision = record.meta.revision;
            damaged.name = Some(record.name);
            damaged.workspace = record.workspace_id;
        }
        Some(Record::Workspace(record)) => damaged.revision = record.meta.revision,
        Some(Record::Admin(record)) => {
            damaged.revision = record.meta.revision;
            damaged.token = Some(record.token);
        }
        None => {}
    }
    damaged
}
