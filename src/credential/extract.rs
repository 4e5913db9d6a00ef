//! From candidates to a credential: each candidate's scheme applied to the head. Pure.
//!
//! Not a verdict. Invariants: a candidate whose scheme finds nothing usable is dropped, and only when none is
//! left is the credential malformed; absent means that not one candidate's scheme saw its header.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{CredentialFault, Extraction, Head};
use crate::keys::Candidates;
use crate::keys::entry::{IntegrationEntry, KeyEntry, Which};
use crate::verify::scheme::SignatureCredential;

/// What the request presents, and the records that it could be good for.
#[derive(Debug)]
pub enum Credential {
    /// An API key; the lookup by digest has found its record.
    ApiKey {
        /// The record.
        entry: Arc<KeyEntry>,
        /// Whether it is the key before the last rotation.
        which: Which,
    },
    /// A workspace signature, to be tried with each of these keys. One in place: several are rare, and a
    /// place for each would make every credential, API keys too, that much larger to move.
    Signature(SmallVec<[Signed; 1]>),
    /// A sender's signature or token.
    Integration {
        /// The record.
        entry: Arc<IntegrationEntry>,
        /// What its scheme found.
        signature: SignatureCredential,
    },
}

/// A key and what its scheme found in the head.
#[derive(Debug)]
pub struct Signed {
    /// The key.
    pub entry: Arc<KeyEntry>,
    /// What its scheme found.
    pub signature: SignatureCredential,
}

/// Applies each candidate's scheme to the head.
#[must_use]
pub fn extract(candidates: Candidates, head: &Head<'_>) -> Extraction<Credential> {
    match candidates {
        Candidates::ApiKey { entry, previous } => {
            let which = if previous { Which::Previous } else { Which::Current };
            Extraction::Present(Credential::ApiKey { entry, which })
        }
        Candidates::Integration(entry) => match entry.scheme.extract(head) {
            Extraction::Absent => Extraction::Absent,
            Extraction::Malformed(fault) => Extraction::Malformed(fault),
            Extraction::Present(signature) => {
                Extraction::Present(Credential::Integration { entry, signature })
            }
        },
        Candidates::Signature { entries, .. } => extract_each(entries, head),
    }
}

fn extract_each(entries: SmallVec<[Arc<KeyEntry>; 4]>, head: &Head<'_>) -> Extraction<Credential> {
    let mut signed = SmallVec::new();
    let mut fault: Option<CredentialFault> = None;
    for entry in entries {
        match entry.scheme.extract(head) {
            Extraction::Absent => {}
            Extraction::Malformed(found) => fault = fault.or(Some(found)),
            Extraction::Present(signature) => signed.push(Signed { entry, signature }),
        }
    }
    match (signed.is_empty(), fault) {
        (false, _) => Extraction::Present(Credential::Signature(signed)),
        (true, Some(fault)) => Extraction::Malformed(fault),
        (true, None) => Extraction::Absent,
    }
}
