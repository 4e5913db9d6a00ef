//! What a published vector says of a kind's parameters. Pure.
//!
//! Not a part of live traffic. Invariant: a vector judges signatures, not the policy of a preset: the RFC's
//! own examples cover less than `rfc9421` demands, so what must be covered is not asked of them, and SNS's don't say
//! which topics are expected.

use std::sync::Arc;

use serde_json::Value;

use crate::verify::scheme::{CUSTOM, Scheme, SchemeFault};

/// Members of a vector, and the parameters that they are, by kind.
const PARAMETERS: &[(&str, &[(&str, &str)])] = &[
    ("braintree", &[("public_key", "public_key")]),
    ("cavage", &[("key_id", "key_id")]),
    ("rfc9421", &[("alg", "algorithm"), ("key_id", "key_id")]),
    ("sigv4", &[("access_key_id", "access_key_id")]),
];

/// The scheme that judges a vector: its preset, with the parameters that the vector brings.
///
/// # Errors
/// Where the kind can't use them.
pub fn scheme_of(preset: &Arc<Scheme>, vector: &Value) -> Result<Arc<Scheme>, Vec<SchemeFault>> {
    let Some(kind) = preset.spec().kind.as_deref() else { return Ok(Arc::clone(preset)) };
    let mut spec = preset.spec().clone();
    let known = PARAMETERS.iter().filter(|(name, _)| *name == kind).flat_map(|(_, members)| *members);
    for (member, parameter) in known {
        if let Some(value) = vector.get(member) {
            spec.params.insert((*parameter).to_owned(), value.clone());
        }
    }
    if kind == "rfc9421" {
        for (parameter, value) in
            [("required", Value::Array(Vec::new())), ("target", false.into()), ("body", "optional".into())]
        {
            spec.params.insert(parameter.to_owned(), value);
        }
    }
    let has_certificate_alone = |secret: &str| secret.starts_with("-----BEGIN");
    if kind == "sns" && vector.get("secret").and_then(Value::as_str).is_some_and(has_certificate_alone) {
        spec.params.insert("any_topic".to_owned(), true.into());
    }
    if spec == *preset.spec() {
        return Ok(Arc::clone(preset));
    }
    Scheme::compile(&spec, CUSTOM).map(Arc::new)
}
