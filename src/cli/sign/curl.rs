//! A signed request as a curl command that a shell can run.
//!
//! Invariants: each argument is quoted, whatever is in it; the body comes from its file, so that it arrives
//! byte for byte; curl changes nothing that was signed (no globbing, no squashed dots in the path); a token is
//! read from its file when the command runs, and is no argument of any process.

use std::path::Path;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

use super::SignArgs;
use crate::cli::inputs::InputFault;
use crate::verify::scheme::Scheme;

/// What the command sends.
pub(super) struct Request<'r> {
    pub(super) args: &'r SignArgs,
    pub(super) scheme: &'r Scheme,
    pub(super) made: &'r [(HeaderName, HeaderValue)],
    pub(super) body: &'r [u8],
}

impl Request<'_> {
    /// The whole command, on one line.
    pub(super) fn command(&self) -> Result<String, InputFault> {
        let args = self.args;
        let url = args.url.as_deref().unwrap_or_default();
        let mut words = vec!["curl".to_owned(), "-i".to_owned()];
        if url.contains(['[', ']', '{', '}']) {
            words.push("-g".to_owned());
        }
        if url.contains("/.") {
            words.push("--path-as-is".to_owned());
        }
        words.extend(["-X".to_owned(), quoted(args.method.as_str()), quoted(url)]);
        if !args.headers.iter().any(|(name, _)| *name == CONTENT_TYPE)
            && serde_json::from_slice::<serde::de::IgnoredAny>(self.body).is_ok()
        {
            words.extend(["-H".to_owned(), quoted("content-type: application/json")]);
        }
        for (name, value) in &args.headers {
            words.extend(["-H".to_owned(), quoted(&line(name, value)?)]);
        }
        let before = if self.scheme.is_token() {
            words.extend(["-H".to_owned(), "@-".to_owned()]);
            self.token()?
        } else {
            for (name, value) in self.made {
                words.extend(["-H".to_owned(), quoted(&line(name, value)?)]);
            }
            String::new()
        };
        words.extend([
            "--data-binary".to_owned(),
            quoted(&format!("@{}", file(&args.body_file, "--body-file")?)),
        ]);
        Ok(format!("{before}{}", words.join(" ")))
    }

    /// Hands the token to curl's standard input, by a command that most shells have built in.
    fn token(&self) -> Result<String, InputFault> {
        let file = file(&self.args.secret_file, "--secret-file")?;
        Ok(self.made.first().map_or(String::new(), |(name, _)| token_from(name, self.scheme.prefix(), file)))
    }
}

/// What hands curl's standard input a header whose value is the token in a file, after a prefix.
pub(in crate::cli) fn token_from(name: &HeaderName, prefix: &str, file: &str) -> String {
    let before = quoted(&format!("{name}: {prefix}"));
    format!("printf '%s%s\\n' {before} \"$(tr -d '\\r' < {})\" | ", quoted(file))
}

/// A header as curl takes it, where it is text.
pub(in crate::cli) fn header(name: &HeaderName, value: &HeaderValue) -> Option<String> {
    line(name, value).ok()
}

/// A header as curl takes it: one without a value ends in a semicolon, else curl leaves it out.
fn line(name: &HeaderName, value: &HeaderValue) -> Result<String, InputFault> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
        InputFault::usage(format!("the header `{name}` is no text, which no command line can hold"))
    })?;
    Ok(if text.is_empty() { format!("{name};") } else { format!("{name}: {text}") })
}

fn file<'p>(path: &'p Path, option: &str) -> Result<&'p str, InputFault> {
    match path.to_str() {
        Some("-") => Err(InputFault::usage(format!("--curl needs a file that it can name: {option} is `-`"))),
        Some(path) => Ok(path),
        None => Err(InputFault::usage(format!("{option}: its name is not UTF-8"))),
    }
}

/// One word for a POSIX shell.
pub(in crate::cli) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_is_quoted_unless_it_is_plain() {
        assert_eq!(quoted("https://a.example/b"), "https://a.example/b");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $(this)"), r"'it'\''s $(this)'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a?b&c"), "'a?b&c'");
    }
}
