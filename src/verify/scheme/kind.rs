//! Types of integrations: which scheme and window a `type` stands for, and what an admin may override. Pure.
//!
//! Not presets: a type is a name on the admin API that sets defaults. Invariants: an override gives a scheme
//! that is checked like any other; a scheme and overrides together are a fault, so nothing is half-applied.
//! Spec: DESIGN §4.

use super::spec::{Algorithm, HeaderNames, Parse, SchemeSpec};
use super::{SchemeChoice, SchemeFault, preset, resolve};
use crate::credential::grammar::Encoding;

/// How long a message counts as seen unless the type says otherwise, in minutes.
const DEFAULT_WINDOW: u32 = 15;

/// What a type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeDefaults {
    /// Name of the preset.
    pub scheme: &'static str,
    /// Name of the preset for relays that sign, where the sender itself can't.
    pub hmac_scheme: Option<&'static str>,
    /// How long a message counts as seen, in minutes.
    pub deduplication_window_minutes: u32,
}

/// The fields of an integration that change its type's scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `signatureHeader`.
    pub header: Option<String>,
    /// `signatureAlgorithm`: `sha256`, `hmac-sha256`, … or `token`.
    pub algorithm: Option<String>,
    /// `signatureFormat`: `hex`, `base64` or `base64url`.
    pub format: Option<String>,
    /// `signaturePrefix`: what stands before the signature; empty = nothing.
    pub prefix: Option<String>,
}

impl Overrides {
    /// Whether nothing is overridden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a type stands for; `None` where there is no such type.
#[must_use]
pub fn type_defaults(name: &str) -> Option<TypeDefaults> {
    let (scheme, hmac_scheme, window) = match name {
        "datadog" => ("datadog", Some("datadog-hmac"), DEFAULT_WINDOW),
        "newrelic" => ("newrelic", Some("newrelic-hmac"), DEFAULT_WINDOW),
        "pagerduty" => ("pagerduty-v3", None, 10),
        _ => (preset(name)?.label(), None, DEFAULT_WINDOW),
    };
    Some(TypeDefaults { scheme, hmac_scheme, deduplication_window_minutes: window })
}

/// The scheme of an integration: the one given, or its type's with the overrides applied.
///
/// # Errors
/// Every fault: an unknown type or preset, a scheme beside overrides, an override that fits nothing.
pub fn effective(
    type_name: &str,
    scheme: Option<SchemeChoice>,
    overrides: &Overrides,
) -> Result<SchemeChoice, Vec<SchemeFault>> {
    let Some(defaults) = type_defaults(type_name) else {
        return Err(vec![SchemeFault::new("type", format!("there is no type `{type_name}`"))]);
    };
    if let Some(choice) = scheme {
        if !overrides.is_empty() {
            let message = "can't be given together with signatureHeader, signatureAlgorithm, \
                           signatureFormat or signaturePrefix";
            return Err(vec![SchemeFault::new("scheme", message)]);
        }
        resolve(&choice)?;
        return Ok(choice);
    }
    if overrides.is_empty() {
        return Ok(SchemeChoice::Preset(defaults.scheme.to_owned()));
    }

    let mut faults = Vec::new();
    let algorithm =
        read(overrides.algorithm.as_deref(), algorithm, &mut faults, "signatureAlgorithm", ALGORITHMS);
    let encoding = read(overrides.format.as_deref(), encoding, &mut faults, "signatureFormat", FORMATS);
    let base = match defaults.hmac_scheme {
        Some(signed) if algorithm != Some(Algorithm::Token) => signed,
        _ => defaults.scheme,
    };
    let Some(base) = preset(base) else {
        return Err(vec![SchemeFault::new("type", format!("the preset of `{type_name}` is not usable"))]);
    };
    let mut spec = base.spec().clone();
    if spec.kind.is_some() {
        return Err(vec![SchemeFault::new("type", "has a built-in scheme, which can't be overridden")]);
    }
    if let Some(algorithm) = algorithm {
        set_algorithm(&mut spec, algorithm);
    }
    if encoding.is_some() {
        spec.encoding = encoding;
    }
    if let Some(header) = &overrides.header {
        spec.sig.header = HeaderNames::One(header.trim().to_owned());
        spec.sig.headers.clear();
        spec.sig.numbered = None;
    }
    if let Some(prefix) = &overrides.prefix
        && let Err(message) = set_prefix(&mut spec, prefix)
    {
        faults.push(SchemeFault::new("signaturePrefix", message));
    }
    if spec == *base.spec() && faults.is_empty() {
        return Ok(SchemeChoice::Preset(base.label().to_owned()));
    }

    // What the preset says about itself is no longer true of the result.
    spec.title = None;
    spec.proof = None;
    spec.documentation = None;
    spec.setup = None;
    spec.handshake = None;
    let choice = SchemeChoice::Inline(Box::new(spec));
    if let Err(more) = resolve(&choice) {
        faults.extend(more.into_iter().map(renamed));
    }
    if faults.is_empty() { Ok(choice) } else { Err(faults) }
}

const ALGORITHMS: &str = "must be sha1, sha256, sha384, sha512 or token";
const FORMATS: &str = "must be hex, base64 or base64url";

fn read<T>(
    text: Option<&str>,
    parse: fn(&str) -> Option<T>,
    faults: &mut Vec<SchemeFault>,
    path: &str,
    expected: &str,
) -> Option<T> {
    let value = parse(text?.trim());
    if value.is_none() {
        faults.push(SchemeFault::new(path, expected));
    }
    value
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name.to_ascii_lowercase().as_str() {
        "sha1" | "hmac-sha1" => Some(Algorithm::HmacSha1),
        "sha256" | "hmac-sha256" => Some(Algorithm::HmacSha256),
        "sha384" | "hmac-sha384" => Some(Algorithm::HmacSha384),
        "sha512" | "hmac-sha512" => Some(Algorithm::HmacSha512),
        "token" => Some(Algorithm::Token),
        _ => None,
    }
}

fn encoding(name: &str) -> Option<Encoding> {
    match name.to_ascii_lowercase().as_str() {
        "hex" => Some(Encoding::Hex),
        "base64" => Some(Encoding::Base64),
        "base64url" => Some(Encoding::Base64Url),
        _ => None,
    }
}

/// A token has no template, encoding or prefix of a hash; whatever becomes an HMAC gets the usual ones.
fn set_algorithm(spec: &mut SchemeSpec, algorithm: Algorithm) {
    let usual = format!("{}=", hash_name(spec.algorithm));
    let prefix_names_hash = spec.sig.prefix.as_deref() == Some(usual.as_str());
    spec.algorithm = algorithm;
    if algorithm == Algorithm::Token {
        spec.signed = None;
        spec.encoding = None;
        spec.timestamp = None;
        spec.id = None;
        if prefix_names_hash {
            spec.sig.prefix = None;
            spec.sig.prefix_optional = None;
        }
    } else {
        spec.signed.get_or_insert_with(|| "{body}".to_owned());
        spec.encoding.get_or_insert(Encoding::Hex);
        if prefix_names_hash {
            spec.sig.prefix = Some(format!("{}=", hash_name(algorithm)));
        }
    }
}

fn hash_name(algorithm: Algorithm) -> &'static str {
    algorithm.name().trim_start_matches("hmac-")
}

/// For lists, the prefix is what stands before each signature: `v1=`.
fn set_prefix(spec: &mut SchemeSpec, prefix: &str) -> Result<(), String> {
    let end = match spec.sig.parse {
        Parse::Plain | Parse::Positional | Parse::Delimited => {
            spec.sig.prefix = if prefix.is_empty() { None } else { Some(prefix.to_owned()) };
            spec.sig.prefix_optional = None;
            return Ok(());
        }
        Parse::Kv | Parse::Groups => "=",
        Parse::Tagged => spec.sig.tag_sep.as_deref().unwrap_or_default(),
    };
    match prefix.strip_suffix(end) {
        Some(tag) if !tag.is_empty() => {
            spec.sig.key = Some(tag.to_owned());
            Ok(())
        }
        _ => Err(format!("must end in `{end}`, as `{}{end}`", spec.sig.key.as_deref().unwrap_or("v1"))),
    }
}

/// Faults under the names that the admin used.
fn renamed(fault: SchemeFault) -> SchemeFault {
    let path = match fault.path.as_str() {
        "sig.header" => "signatureHeader",
        "algorithm" | "sig.parse" => "signatureAlgorithm",
        "encoding" => "signatureFormat",
        "sig.prefix" | "sig.prefix_optional" | "sig.key" => "signaturePrefix",
        _ => return fault,
    };
    SchemeFault { path: path.to_owned(), ..fault }
}
