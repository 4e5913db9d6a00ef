//! Signature schemes as data: where a signature is, which bytes it covers, and how it is computed. Pure.
//!
//! Not a list of senders: those are `config/schemes/*.toml`, read through the same parser as a user's own
//! scheme ([`preset()`]). Invariants: a [`Scheme`] exists only where its description has no fault; a time or
//! id that it reads is always part of the signed bytes; a secret that is empty makes no [`VerifyKey`]; an
//! [`Attempt`] that lacks anything fails.
//! Spec: DESIGN §6, `config/schemes/README.md`.
//!
//! The files, in the order in which they matter: [`spec`] (the language) → `template` (the signed bytes) →
//! `compile` (all faults at once) → `extract` (head → credential) → `attempt` (bytes → verdict, streaming; `whole`
//! and `document` where the body must be there at once) → `binds` (what is covered) → `sign` (the other direction,
//! for samples) → `explain` (what was signed, for people); [`preset()`] and [`kind`] name schemes.

pub mod kind;
pub mod preset;
pub mod size;
pub mod spec;

mod attempt;
mod binds;
pub(in crate::verify) mod body;
mod bound;
mod candidates;
mod compile;
mod document;
mod explain;
mod extract;
pub(in crate::verify) mod form;
mod key;
mod sign;
mod template;
#[cfg(test)]
mod tests;
mod url;
mod view;
mod whole;

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub use attempt::Attempt;
pub use compile::SchemeFault;
pub use extract::{MAX_CANDIDATES, SignatureCredential};
pub use key::{SecretFault, VerifyKey};
pub use preset::{preset, presets};
pub use spec::SchemeSpec;
pub use view::{SchemeDetail, SchemeSummary};

pub(in crate::verify) use body::json;
pub(in crate::verify) use form::Fields;
pub(in crate::verify) use whole::is_form;

use body::Path;
use template::Template;

use crate::verify::handshake::Handshake;
use crate::verify::kind::Kind;
use crate::verify::timestamp::Unit;

/// The label of a scheme that is no preset. Labels are a closed set, so that metrics may carry them.
pub const CUSTOM: &str = "custom";

/// A scheme as a record names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SchemeChoice {
    /// A preset, by name.
    Preset(String),
    /// A scheme written out.
    Inline(Box<SchemeSpec>),
}

/// The scheme that a record names, ready for use.
///
/// # Errors
/// Every fault of an inline scheme, or that there is no such preset.
pub fn resolve(choice: &SchemeChoice) -> Result<Arc<Scheme>, Vec<SchemeFault>> {
    match choice {
        SchemeChoice::Preset(name) => preset(name)
            .cloned()
            .ok_or_else(|| vec![SchemeFault::new("scheme", format!("there is no preset `{name}`"))]),
        SchemeChoice::Inline(spec) => Scheme::compile(spec, CUSTOM).map(Arc::new),
    }
}

/// A checked scheme.
#[derive(Debug)]
pub struct Scheme {
    label: &'static str,
    spec: SchemeSpec,
    /// What describes it where data can't.
    kind: Option<Arc<dyn Kind>>,
    reader: Reader,
    template: Option<Template>,
    timestamp: Option<TimestampSource>,
    id: IdPlace,
    require: Vec<(HeaderName, String)>,
    /// The array whose every item carries a signature.
    each: Option<Path>,
    /// Whether the body must be there in one piece.
    whole: bool,
    /// What is read from it then.
    reads: Reads,
    /// What stands before a signature, in whichever form: `sha256=`, `v1=`, `v1,`.
    prefix: String,
    handshake: Option<Handshake>,
}

/// What is read from a body.
#[derive(Debug, Clone, Copy, Default)]
struct Reads {
    /// Something of a JSON document.
    json: bool,
    /// Single fields of a form.
    fields: bool,
    /// All the fields of a form, sorted.
    sorted: bool,
}

/// How the signature is read.
#[derive(Debug)]
struct Reader {
    /// The headers that carry it; none where it is elsewhere.
    headers: Vec<HeaderName>,
    place: Place,
    form: Form,
}

/// Where the text is that holds signatures.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In one of the headers, which are aliases.
    Header,
    /// In each of the headers.
    EachHeader,
    Query(String),
    Json(Path),
    Form(String),
}

/// The form of that text.
#[derive(Debug)]
enum Form {
    Plain {
        prefix: String,
        optional: bool,
    },
    List {
        separator: u8,
        tag_separator: u8,
        tag: String,
        group: Option<u8>,
    },
    /// Items by position; from the first signature on, all are signatures.
    Items {
        prefix: String,
        separator: u8,
        first: usize,
    },
}

/// Where the signed time is.
#[derive(Debug)]
struct TimestampSource {
    place: TimestampPlace,
    unit: Unit,
    tolerance: u32,
    /// Whether it is judged.
    enforce: bool,
}

#[derive(Debug)]
enum TimestampPlace {
    Header(Vec<HeaderName>),
    Field(String),
    Json(Path),
    Form(String),
}

/// Where the signed message id is; no header where there is none.
#[derive(Debug)]
enum IdPlace {
    Headers(Vec<HeaderName>),
    Json(Path),
    Form(String),
}

impl Scheme {
    /// The preset's name, or [`CUSTOM`].
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// The scheme as written.
    #[must_use]
    pub fn spec(&self) -> &SchemeSpec {
        &self.spec
    }

    /// How the sender asks who we are, where it does.
    #[must_use]
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// The signature header, the first where there are aliases.
    #[must_use]
    pub fn header(&self) -> &str {
        self.reader.headers.first().map_or("", HeaderName::as_str)
    }

    /// Name of the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        self.about().map_or_else(|| self.spec.algorithm.name(), |about| about.algorithm)
    }

    /// Name of the encoding; `None` for a token.
    #[must_use]
    pub fn encoding(&self) -> Option<&'static str> {
        self.spec.encoding.map(crate::credential::grammar::Encoding::name)
    }

    /// What stands before each signature (`sha256=`, `v1=`, `v1,`), or nothing.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The headers that carry the credential and must not reach the application. The signed time and id are
    /// no secrets and stay.
    #[must_use]
    pub fn credential_headers(&self) -> &[HeaderName] {
        &self.reader.headers
    }

    /// The largest body that the sender sends, in bytes, where that is more than the proxy's default.
    #[must_use]
    pub fn max_body(&self) -> Option<u64> {
        self.spec.max_body.map(|size| size.0)
    }

    /// How far a signed time may be from now, in seconds; `None` where no time is signed.
    #[must_use]
    pub fn tolerance_seconds(&self) -> Option<u32> {
        match self.about() {
            Some(about) => about.tolerance,
            None => self.timestamp.as_ref().filter(|source| source.enforce).map(|source| source.tolerance),
        }
    }
}

impl<'de> Deserialize<'de> for SchemeChoice {
    /// By hand, because an untagged enum would hide which key of an inline scheme is wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = SchemeChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a preset or a scheme")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<SchemeChoice, E> {
                Ok(SchemeChoice::Preset(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SchemeChoice, A::Error> {
                let spec = SchemeSpec::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SchemeChoice::Inline(Box::new(spec)))
            }
        }
        deserializer.deserialize_any(Choice)
    }
}
