//! What the offline commands read: files, secrets, schemes, times.
//!
//! Not a parser of requests (`verify/request.rs`). Invariants: a secret comes from a file, never from an
//! argument, loses at most one line end, and is never printed; an input that can't be used is never a
//! verdict, so its exit code is not 1.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Exit;
use crate::clock::UnixMillis;
use crate::secret::Secret;
use crate::verify::scheme::{CUSTOM, Scheme, SchemeSpec, preset, presets};

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
    let bytes = Zeroizing::new(bytes(path)?);
    let text = bytes.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    let text = text.unwrap_or(&bytes);
    if text.is_empty() {
        return Err(InputFault::usage(format!("{}: the secret is empty", path.display())));
    }
    Ok(Secret::new(text.to_vec()))
}

/// The preset of this name, or the scheme in this file (`….toml`).
pub(super) fn scheme(name: &str) -> Result<Arc<Scheme>, InputFault> {
    if let Some(scheme) = preset(name) {
        return Ok(Arc::clone(scheme));
    }
    if !name.ends_with(".toml") {
        let names: Vec<&str> = presets().map(|scheme| scheme.label()).collect();
        return Err(InputFault::usage(format!(
            "there is no preset `{name}`; a file of your own ends in .toml. Presets: {}",
            names.join(", ")
        )));
    }
    scheme_file(name)
}

/// The scheme in a file.
pub(super) fn scheme_file(name: &str) -> Result<Arc<Scheme>, InputFault> {
    let text = String::from_utf8(bytes(Path::new(name))?)
        .map_err(|_| InputFault::usage(format!("{name}: is not UTF-8")))?;
    let spec: SchemeSpec = toml::from_str(&text).map_err(|error| config(format!("{name}: {error}")))?;
    Scheme::compile(&spec, CUSTOM).map(Arc::new).map_err(|faults| {
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| match line_of(&text, &fault.path) {
                Some(line) => format!("{name}:{line}: {fault}"),
                None => format!("{name}: {fault}"),
            })
            .collect();
        config(lines.join("\n"))
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

/// The line on which a key of a scheme stands, or else its table.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let (wanted_table, wanted) = path.rsplit_once('.').unwrap_or(("", path));
    let mut table = "";
    let mut nearest = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            table = name.trim();
            if table == path || (table == wanted_table && nearest.is_none()) {
                nearest = Some(index + 1);
            }
            continue;
        }
        let Some(key) = line.split('=').next().map(str::trim) else { continue };
        if (table == wanted_table && key == wanted) || (table.is_empty() && key == path) {
            return Some(index + 1);
        }
        if table.is_empty() && key == wanted_table && line.contains('=') {
            nearest = Some(index + 1);
        }
    }
    nearest
}

fn config(message: String) -> InputFault {
    InputFault { exit: Exit::Config, message }
}

#[cfg(test)]
mod tests {
    use super::{at, line_of, target_of};
    use crate::clock::UnixMillis;

    #[test]
    fn the_line_of_a_key_is_found_in_every_spelling() {
        let text = "signed = 'x'\nsecret = { strip = '' }\n[sig]\n# header\nheader = 'A'\n[timestamp]\n";
        assert_eq!(line_of(text, "signed"), Some(1));
        assert_eq!(line_of(text, "secret.strip"), Some(2));
        assert_eq!(line_of(text, "sig.header"), Some(5));
        assert_eq!(line_of(text, "sig.prefix"), Some(3));
        assert_eq!(line_of(text, "timestamp"), Some(6));
        assert_eq!(line_of(text, "encoding"), None);
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
