//! `verify --vectors`: judges a file of published vectors.
//!
//! Not a test of the scheme engine alone: each vector is judged like a captured request. Invariants: a vector
//! of a scheme that is not known is skipped and counted; one that can't be read has failed.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::handshake::Known;
use super::reason;
use crate::cli::inputs::{self, InputFault};
use crate::cli::{Exit, say};
use crate::clock::{Clock, SystemClock, UnixMillis};
use crate::credential::Head;
use crate::secret::Secret;
use crate::verify::handshake::vectors::preset_of;
use crate::verify::kind::vectors::scheme_of;
use crate::verify::offline::{Captured, Terms, judge};
use crate::verify::scheme::{Scheme, preset};

/// One vector, as its file has it; keys that judging does not need are ignored.
#[derive(Deserialize)]
struct Vector {
    id: String,
    scheme: String,
    secret: OneOrMany,
    #[serde(default)]
    secret_encoding: Option<String>,
    method: String,
    url: String,
    headers: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    #[serde(default)]
    at: Option<i64>,
    #[serde(default)]
    tolerance_s: Option<u32>,
    expect: String,
    #[serde(default)]
    why: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// What became of all of them.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
    failures: Vec<Failure>,
    /// How many were skipped of each scheme that is not known.
    unknown_schemes: BTreeMap<String, usize>,
}

/// A vector that is not judged as its sender judges it.
#[derive(Serialize)]
struct Failure {
    id: String,
    scheme: String,
    expected: String,
    got: String,
    why: String,
}

enum Outcome {
    Passed,
    Failed(Failure),
    Skipped(String),
}

/// Judges every vector of a file and prints the summary.
pub(super) fn run(file: &Path, json: bool) -> Result<Exit, InputFault> {
    let fault = |error: serde_json::Error| InputFault::usage(format!("{}: {error}", file.display()));
    let vectors: Vec<Value> = serde_json::from_slice(&inputs::bytes(file)?).map_err(fault)?;
    let mut summary = Summary::default();
    for vector in &vectors {
        match outcome(vector) {
            Outcome::Passed => summary.passed += 1,
            Outcome::Failed(failure) => {
                summary.failed += 1;
                summary.failures.push(failure);
            }
            Outcome::Skipped(scheme) => {
                summary.skipped += 1;
                *summary.unknown_schemes.entry(scheme).or_default() += 1;
            }
        }
    }
    if json {
        say(&serde_json::to_string(&summary).unwrap_or_default());
    } else {
        for failure in &summary.failures {
            say(&failure.line());
        }
        say(&format!("{} passed, {} failed, {} skipped", summary.passed, summary.failed, summary.skipped));
    }
    Ok(if summary.failed == 0 { Exit::Ok } else { Exit::Failed })
}

impl Failure {
    fn line(&self) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) };
        format!("{} [{}]: expected {}, got {}{why}", self.id, self.scheme, self.expected, self.got)
    }
}

fn outcome(value: &Value) -> Outcome {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_handshake = text("kind") == "handshake";
    let label = text("scheme");
    let known = preset(if is_handshake { preset_of(&label) } else { &label });
    let scheme = match known {
        Some(scheme) if !is_handshake || scheme.handshake().is_some() => scheme,
        None if text("scheme").is_empty() => {
            return failed(value, "no scheme: the vector does not name one");
        }
        _ => return Outcome::Skipped(text("scheme")),
    };
    let vector = match Vector::deserialize(value) {
        Ok(vector) => vector,
        Err(error) => return failed(value, &format!("an unreadable vector: {error}")),
    };
    let scheme = match scheme_of(scheme, value) {
        Ok(scheme) => scheme,
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            return vector.failed(&format!("parameters that are unfit: {}", faults.join("; ")));
        }
    };
    if is_handshake {
        return match vector.judge_handshake(&scheme, value) {
            Ok(None) => Outcome::Passed,
            Ok(Some(got)) => vector.failed(&got),
            Err(fault) => vector.failed(&format!("an unreadable vector: {fault}")),
        };
    }
    match (vector.judge(&scheme), vector.expect.as_str()) {
        (Ok(Ok(())), "valid") | (Ok(Err(_)), "invalid") => Outcome::Passed,
        (Ok(Ok(())), _) => vector.failed("valid"),
        (Ok(Err(reason)), _) => vector.failed(&format!("refused: {reason}")),
        (Err(fault), _) => vector.failed(&format!("an unreadable vector: {fault}")),
    }
}

fn failed(value: &Value, got: &str) -> Outcome {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    Outcome::Failed(Failure {
        id: text("id"),
        scheme: text("scheme"),
        expected: text("expect"),
        got: got.to_owned(),
        why: String::new(),
    })
}

impl Vector {
    /// Judges it; the inner error is the reason of a refusal, the outer one a fault of the vector.
    fn judge(&self, scheme: &Scheme) -> Result<Result<(), &'static str>, String> {
        self.with(scheme, |terms, request| {
            judge(terms, request).map(|_| ()).map_err(|refused| reason(refused).name())
        })
    }

    /// Answers it; gives what was got where that is not what is expected.
    fn judge_handshake(&self, scheme: &Scheme, value: &Value) -> Result<Option<String>, String> {
        let known = Known::deserialize(value).map_err(|error| error.to_string())?;
        let answer = self.with(scheme, |terms, request| known.answer(terms, request))??;
        Ok(match (answer, self.expect.as_str()) {
            (None, "invalid") => None,
            (Some(answer), "valid") if known.accepts(&answer) => None,
            (Some(answer), _) => Some(format!("the answer {:?} {:?}", answer.header, answer.body)),
            (None, _) => Some("no answer".to_owned()),
        })
    }

    /// Does something with what it is judged by.
    fn with<T>(
        &self,
        scheme: &Scheme,
        work: impl FnOnce(&Terms<'_>, &Captured<'_>) -> T,
    ) -> Result<T, String> {
        let secrets = self.secrets()?;
        let headers = self.headers()?;
        let body = self.body()?;
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|error| error.to_string())?;
        let target = inputs::target_of(&self.url).map_err(|_| "its URL is not one")?;
        let now = match self.at {
            Some(seconds) => UnixMillis(0).plus_seconds(seconds),
            None => SystemClock.now(),
        };
        let terms = Terms { scheme, secrets: &secrets, now, tolerance_seconds: self.tolerance_s };
        let head = Head { method: &method, target: &target, headers: &headers, url: Some(&self.url) };
        Ok(work(&terms, &Captured { head, body: &body }))
    }

    fn secrets(&self) -> Result<Vec<Secret>, String> {
        let decode = |text: &String| match self.secret_encoding.as_deref() {
            None => Ok(Secret::from_text(text)),
            Some("base64") => {
                BASE64.decode(text.as_bytes()).map(Secret::new).map_err(|error| error.to_string())
            }
            Some(other) => Err(format!("its secret_encoding `{other}` is not known")),
        };
        self.secret.all().iter().map(decode).collect()
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, values) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            for value in values.all() {
                let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| error.to_string())?;
                headers.append(name.clone(), value);
            }
        }
        Ok(headers)
    }

    fn body(&self) -> Result<Vec<u8>, String> {
        match (&self.body, &self.body_base64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(text)) => BASE64.decode(text.as_bytes()).map_err(|error| error.to_string()),
            (None, None) => Ok(Vec::new()),
            (Some(_), Some(_)) => Err("it has both body and body_base64".to_owned()),
        }
    }

    fn failed(&self, got: &str) -> Outcome {
        Outcome::Failed(Failure {
            id: self.id.clone(),
            scheme: self.scheme.clone(),
            expected: self.expect.clone(),
            got: got.to_owned(),
            why: self.why.clone(),
        })
    }
}
