//! What the offline commands read: files, secrets, schemes, times.
//!
//! Not a parser of requests (`verify/request.rs`). Invariants: a secret comes from a file, never from an
//! argument, loses at most one line end, and is never printed; an input that can't be used is never a
//! verdict, so its exit code is not 1.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Exit, scheme_text};
use crate::clock::UnixMillis;
use crate::secret::Secret;
use crate::verify::scheme::{Scheme, preset, presets};

/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// An input that can't be used: how the command ends, and what it says before.
#[derive(Debug)]
pub(super) struct InputFault {
    exit: Exit,
    message: String,
}

impl InputFault {
    /// The command line, or a file that it names, makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// Says what is wrong.
    pub(super) fn report(&self) -> Exit {
        super::complain(&self.message);
        self.exit
    }
}

/// The bytes of a file; `-` is the standard input.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, InputFault> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| InputFault::usage(format!("{}: {error}", path.display())))
}

/// The secret in a file, without the one line end that an editor adds.
pub(super) fn secret(path: &Path) -> Result<Secret, InputFault> {
    let secret = Secret::of_file(Zeroizing::new(bytes(path)?));
    if secret.is_empty() {
        return Err(InputFault::usage(format!("{}: the secret is empty", path.display())));
    }
    Ok(secret)
}

/// The preset of this name, or the scheme in this file (`….toml`).
pub(super) fn scheme(name: &str) -> Result<Arc<Scheme>, InputFault> {
    if let Some(scheme) = preset(name) {
        return Ok(Arc::clone(scheme));
    }
    if name.ends_with(".toml") {
        scheme_file(name)
    } else {
        Err(no_preset(name, "a file of your own ends in .toml"))
    }
}

/// There is no preset of this name; says which one may be meant, and what else there is.
pub(super) fn no_preset(name: &str, otherwise: &str) -> InputFault {
    let meant = nearest(name).map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
    InputFault::usage(format!(
        "there is no preset `{name}`{meant}\n`countersign schemes` lists them; {otherwise}"
    ))
}

/// The preset whose name is most like this one, where one is alike.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let alike = |label: &&'static str| {
        (name.len() > 2 && label.starts_with(&name)) || strsim::jaro_winkler(label, &name) > 0.85
    };
    let likeness = |label: &&'static str| (strsim::jaro_winkler(label, &name) * 1000.0).round();
    let labels = presets().map(|scheme| scheme.label()).filter(alike);
    labels.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}

/// The scheme in a file.
pub(super) fn scheme_file(name: &str) -> Result<Arc<Scheme>, InputFault> {
    let text = String::from_utf8(bytes(Path::new(name))?)
        .map_err(|_| InputFault::usage(format!("{name}: is not UTF-8")))?;
    scheme_text::read(&text).map_err(|faults| {
        let lines: Vec<String> = faults
            .iter()
            .map(|(line, fault)| match line {
                Some(line) => format!("{name}:{line}: {fault}"),
                None => format!("{name}: {fault}"),
            })
            .collect();
        InputFault { exit: Exit::Config, message: lines.join("\n") }
    })
}

/// Reads `--at`.
pub(super) fn at(text: &str) -> Result<UnixMillis, String> {
    match text.parse::<i64>() {
        Ok(seconds @ 0..=LATEST) => Ok(UnixMillis(seconds * 1000)),
        Ok(more) if more > LATEST => Err("is in seconds, and this looks like milliseconds".to_owned()),
        _ => Err("must be seconds since 1970, such as 1700000000".to_owned()),
    }
}

/// The path and query of an `http` or `https` URL, as they are sent.
pub(super) fn target_of(url: &str) -> Result<String, InputFault> {
    let fault = |what: &str| InputFault::usage(format!("--url `{url}` {what}"));
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| fault("must begin with http:// or https://"))?;
    if url.contains('#') {
        return Err(fault("has a fragment, which no request carries"));
    }
    if url.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(fault("contains a space or control character; escape it as %20"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest.split_at_checked(end) {
        Some(("", _)) | None => Err(fault("names no host")),
        Some((_, "")) => Ok("/".to_owned()),
        Some((_, target)) if target.starts_with('/') => Ok(target.to_owned()),
        Some((_, query)) => Ok(format!("/{query}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{at, nearest, target_of};
    use crate::clock::UnixMillis;

    #[test]
    fn a_misspelt_preset_is_found() {
        for (name, meant) in [
            ("strpe", "stripe"),
            ("Github", "github"),
            ("pagerduty", "pagerduty-v3"),
            ("hubspot3", "hubspot-v3"),
        ] {
            assert_eq!(nearest(name), Some(meant), "{name}");
        }
        for name in ["", "q", "nobody-has-this-name"] {
            assert_eq!(nearest(name), None, "{name}");
        }
    }

    #[test]
    fn times_are_seconds() {
        assert_eq!(at("1700000000"), Ok(UnixMillis(1_700_000_000_000)));
        assert!(at("1700000000000").unwrap_err().contains("milliseconds"));
        for text in ["", "-1", "1.5", "now", "99999999999999999999"] {
            assert!(at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_target_of_a_url_is_what_is_sent() {
        let target = |url: &str| target_of(url).ok();
        assert_eq!(target("https://a.example/b?c=d").as_deref(), Some("/b?c=d"));
        assert_eq!(target("http://a.example:8080").as_deref(), Some("/"));
        assert_eq!(target("http://a.example?c").as_deref(), Some("/?c"));
        for url in ["", "/b", "ftp://a/b", "https://", "https:///b", "https://a/b#c", "https://a/b c"] {
            assert!(target(url).is_none(), "{url}");
        }
    }
}
