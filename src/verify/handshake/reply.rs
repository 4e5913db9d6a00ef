//! The answer: a template over the challenge and what is made of it. Pure.
//!
//! Invariant: values are written into JSON as JSON strings, and into text as they are, which their domain makes
//! harmless; an answer that lacks a value is none.

use http::HeaderName;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Answer, Asked, Fault, Handshake};
use crate::credential::grammar::Encoding;

/// What is answered.
#[derive(Debug)]
pub(super) enum Reply {
    Empty,
    Text(Vec<Piece>),
    Json(Vec<(String, Member)>),
    /// The challenge, in this header.
    Header(HeaderName),
}

/// A member of a JSON answer.
#[derive(Debug)]
pub(super) enum Member {
    Text(Vec<Piece>),
    Fixed(Value),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    /// `{challenge}`
    Challenge,
    /// `{mac}`: of the challenge, under the key that verifies events; of a built-in kind, what its key makes of it.
    Mac,
    /// `{digest}`: SHA-256 of challenge, verify token and URL (without its query), in hexadecimal.
    Digest,
}

impl Piece {
    /// Reads a template; `Err` is the fault.
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("`{{{after}` lacks its `}}`"))?;
            if !before.is_empty() {
                pieces.push(Self::Literal(before.to_owned()));
            }
            pieces.push(match name {
                "challenge" => Self::Challenge,
                "mac" => Self::Mac,
                "digest" => Self::Digest,
                _ => {
                    let known = "{challenge}, {mac} and {digest}";
                    return Err(format!("`{{{name}}}` is none of {known}"));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Self::Literal(rest.to_owned()));
        }
        Ok(pieces)
    }
}

impl Reply {
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let (text, members): (&[Piece], &[(String, Member)]) = match self {
            Self::Text(pieces) => (pieces, &[]),
            Self::Json(members) => (&[], members),
            Self::Empty | Self::Header(_) => (&[], &[]),
        };
        let inner = members.iter().flat_map(|(_, member)| match member {
            Member::Text(pieces) => pieces.as_slice(),
            Member::Fixed(_) => &[],
        });
        text.iter().chain(inner)
    }

    pub(super) fn has(&self, wanted: &Piece) -> bool {
        self.pieces().any(|piece| piece == wanted)
    }

    pub(super) fn has_digest(&self) -> bool {
        self.has(&Piece::Digest)
    }
}

impl Handshake {
    /// The answer to a challenge, which must be in the domain.
    pub(super) fn answer(&self, asked: &Asked<'_>, challenge: &[u8]) -> Result<Answer, Fault> {
        let challenge = if self.challenge.is_some() { Self::checked(challenge)? } else { "" };
        let render = |pieces: &[Piece]| -> Result<String, Fault> {
            let mut text = String::new();
            for piece in pieces {
                text.push_str(&Self::value(piece, asked, challenge)?);
            }
            Ok(text)
        };
        let (content_type, body) = match &self.reply {
            Reply::Empty | Reply::Header(_) => (None, String::new()),
            Reply::Text(pieces) => (Some("text/plain"), render(pieces)?),
            Reply::Json(members) => {
                let mut object = Map::new();
                for (name, member) in members {
                    let value = match member {
                        Member::Text(pieces) => Value::from(render(pieces)?),
                        Member::Fixed(value) => value.clone(),
                    };
                    object.insert(name.clone(), value);
                }
                (Some("application/json"), Value::Object(object).to_string())
            }
        };
        Ok(Answer { content_type, body, header: None })
    }

    fn value(piece: &Piece, asked: &Asked<'_>, challenge: &str) -> Result<String, Fault> {
        match piece {
            Piece::Literal(text) => Ok(text.clone()),
            Piece::Challenge => Ok(challenge.to_owned()),
            Piece::Mac => asked
                .scheme
                .answer_challenge(asked.key, challenge)
                .ok_or(Fault::Challenge("is none that the sender makes")),
            Piece::Digest => {
                let token = asked.settings.verify_token.as_ref().ok_or(Fault::Unprepared)?;
                let url = asked.head.url.ok_or(Fault::Unprepared)?;
                let url = url.split('?').next().unwrap_or_default();
                let mut hash = Sha256::new();
                hash.update(challenge.as_bytes());
                hash.update(token.expose());
                hash.update(url.as_bytes());
                Ok(Encoding::Hex.encode(&hash.finalize()))
            }
        }
    }
}
