//! The way of a request with a token: head or body → verdict. Pure.
//!
//! Not the reading of tokens and claims. Invariants: a request has one token; what a token says is compared
//! before its signature is believed, so a token for another request is refused at no cost; every key is tried.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use subtle::Choice;

use super::claims::Claims;
use super::token::{Algorithm, Token, looks_like};
use super::{Carrier, Jwt, Place, Rules, jwk, sign};
use crate::credential::grammar::{Line, one_line, trim_ows};
use crate::credential::{CredentialFault, Extraction, Head};
use crate::verify::kind::digest::{BoundBody, Expected};
use crate::verify::kind::{About, Evidence, Finding, Kind, KindAttempt, KindKey, ToSign, target};
use crate::verify::scheme::SecretFault;
use crate::verify::verifier::Verifier;

impl Kind for Jwt {
    fn about(&self) -> &About {
        &self.about
    }

    fn prepare(&self, key: &[u8]) -> Result<Arc<dyn KindKey>, SecretFault> {
        let mut verifiers = Vec::new();
        for algorithm in &self.rules.algorithms {
            verifiers.extend(jwk::verifiers(*algorithm, key)?.into_iter().map(|made| (*algorithm, made)));
        }
        Ok(Arc::new(Key { rules: Arc::clone(&self.rules), verifiers: verifiers.into() }))
    }

    fn extract(&self, head: &Head<'_>) -> Extraction<Evidence> {
        let Place::Head { header, query } = &self.rules.place else {
            return Extraction::Present(Evidence::new(()));
        };
        match text(head, header.as_ref(), query.as_deref()) {
            Ok(Some(text)) => self.rules.signed(text).into(),
            Ok(None) => Extraction::Absent,
            Err(fault) => Extraction::Malformed(fault),
        }
    }

    fn sign(&self, key: &[u8], request: &ToSign<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        sign::sign(&self.rules, key, request)
    }
}

/// The token's text; `None` where there is none.
fn text<'h>(
    head: &Head<'h>,
    header: Option<&Carrier>,
    query: Option<&str>,
) -> Result<Option<&'h [u8]>, CredentialFault> {
    let in_header = header.map(|carrier| in_header(head, carrier)).transpose()?.flatten();
    let in_query = query.map(|name| in_query(head, name)).transpose()?.flatten();
    match (in_header, in_query) {
        (Some(_), Some(_)) => Err(CredentialFault::Duplicate("the token, in header and query,")),
        (one, other) => Ok(one.or(other)),
    }
}

fn in_header<'h>(head: &Head<'h>, carrier: &Carrier) -> Result<Option<&'h [u8]>, CredentialFault> {
    let value = match one_line(head.headers, std::slice::from_ref(&carrier.name)) {
        Line::None => return Ok(None),
        Line::Many => return Err(CredentialFault::Duplicate("the header with the token")),
        Line::One(value) => value,
    };
    let start = value.split_at_checked(carrier.prefix.len());
    let token = start
        .filter(|(start, _)| start.eq_ignore_ascii_case(carrier.prefix.as_bytes()))
        .map(|(_, token)| trim_ows(token));
    // `Authorization` is shared: of another scheme, or no token at all, it is none of ours.
    match token {
        Some(token) if carrier.name != AUTHORIZATION || looks_like(token) => Ok(Some(token)),
        _ if carrier.name == AUTHORIZATION => Ok(None),
        _ => Err(CredentialFault::Malformed("the prefix of the token is missing")),
    }
}

fn in_query<'h>(head: &Head<'h>, name: &str) -> Result<Option<&'h [u8]>, CredentialFault> {
    let pairs = target::query(head.target).unwrap_or_default().split('&');
    let mut found = pairs.filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value.as_bytes())
    });
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(CredentialFault::Duplicate("the token in the query")),
        (one, None) => Ok(one),
    }
}

/// A token from the head.
struct Signed {
    algorithm: Algorithm,
    message: Vec<u8>,
    signature: Vec<u8>,
    claims: Claims,
    digest: Option<Expected>,
}

impl Rules {
    fn signed(&self, text: &[u8]) -> Result<Evidence, CredentialFault> {
        let token = Token::in_head(text, &self.algorithms)?;
        let told = self.read(&token.claims)?;
        let mut evidence = Evidence::new(Signed {
            algorithm: token.algorithm,
            message: token.signed.to_vec(),
            signature: token.signature,
            claims: token.claims,
            digest: told.digest,
        });
        evidence.times = told.times;
        evidence.id = told.id;
        Ok(evidence)
    }
}

#[derive(Debug)]
struct Key {
    rules: Arc<Rules>,
    verifiers: Verifiers,
}

type Verifiers = Arc<[(Algorithm, Verifier)]>;

impl KindKey for Key {
    fn begin(&self, head: &Head<'_>, evidence: &Evidence) -> Option<Box<dyn KindAttempt>> {
        let address = match &self.rules.address {
            Some(rule) => Some(rule.expected(head)?),
            None => None,
        };
        if matches!(self.rules.place, Place::Body) {
            let (rules, verifiers) = (Arc::clone(&self.rules), Arc::clone(&self.verifiers));
            return Some(Box::new(Attempt { rules, verifiers, address }));
        }
        let signed: &Signed = evidence.data()?;
        if !self.rules.is_addressed(&signed.claims, address.as_deref()) {
            return None;
        }
        let matched = verify(&self.verifiers, signed.algorithm, &signed.message, &signed.signature);
        Some(Box::new(BoundBody::new(matched, signed.digest.clone(), self.rules.body.policy)))
    }
}

impl Rules {
    fn is_addressed(&self, claims: &Claims, expected: Option<&str>) -> bool {
        match (&self.address, expected) {
            (Some(rule), Some(expected)) => rule.holds(claims, expected),
            (rule, _) => rule.is_none(),
        }
    }
}

fn verify(verifiers: &Verifiers, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Choice {
    let ours = verifiers.iter().filter(|(own, _)| *own == algorithm);
    ours.fold(Choice::from(0), |found, (_, verifier)| found | verifier.verify(message, signature))
}

/// A token that is the body.
#[derive(Debug)]
struct Attempt {
    rules: Arc<Rules>,
    verifiers: Verifiers,
    address: Option<String>,
}

impl KindAttempt for Attempt {
    fn finish(self: Box<Self>, body: &[u8]) -> Finding {
        let Ok(token) = Token::read(body, &self.rules.algorithms) else { return Finding::refused() };
        let Ok(told) = self.rules.read(&token.claims) else { return Finding::refused() };
        if !self.rules.is_addressed(&token.claims, self.address.as_deref()) {
            return Finding::refused();
        }
        let matched = verify(&self.verifiers, token.algorithm, token.signed, &token.signature);
        Finding { matched, times: told.times, id: told.id, binds_body: true }
    }
}
