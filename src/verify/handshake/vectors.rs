//! What a published handshake vector is judged by. Pure.
//!
//! Not a part of live traffic.

/// Names under which vectors have the handshake of a preset.
const LABELS: &[(&str, &str)] = &[("braintree-challenge", "braintree"), ("x-crc", "x")];

/// The preset whose handshake a vector's `scheme` means.
#[must_use]
pub fn preset_of(label: &str) -> &str {
    LABELS.iter().find(|(known, _)| *known == label).map_or(label, |(_, preset)| preset)
}
