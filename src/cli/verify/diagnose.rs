//! Why a request is refused, for the person who has to find out: what was read, what was signed, and which of
//! the usual mistakes would explain it.
//!
//! Not for clients of the proxy, which learn nothing. Invariants: no secret is shown, nor signed bytes that
//! contain one; the expected signature is shown only where it was asked for, for it is a valid one; what a
//! sender wrote is escaped before it reaches a terminal.

use data_encoding::HEXLOWER;
use http::HeaderName;
use sha2::{Digest, Sha256};

use super::reason;
use crate::credential::{CredentialFault, Extraction};
use crate::verify::Refusal;
use crate::verify::diagnosis::alike;
use crate::verify::diagnosis::variations::{self, Effort};
use crate::verify::offline::{Captured, Refused, Terms};
use crate::verify::scheme::SignatureCredential;

/// How much of the signed bytes is shown.
const PREVIEW: usize = 120;

/// The whole diagnosis, several lines.
pub(super) fn text(terms: &Terms<'_>, request: &Captured<'_>, refused: Refused, explain: bool) -> String {
    let mut lines = Lines(vec![format!("refused: {refused} ({})", reason(refused).name())]);
    let scheme = terms.scheme;
    let spec = scheme.spec();
    lines.add(
        "scheme",
        format!(
            "{}: {}{}{}",
            scheme.label(),
            scheme.algorithm(),
            scheme.encoding().map(|encoding| format!(" in {encoding}")).unwrap_or_default(),
            spec.signed.as_ref().map(|signed| format!(" over `{signed}`")).unwrap_or_default(),
        ),
    );
    headers(&mut lines, terms, request, explain);
    secrets(&mut lines, terms);
    body(&mut lines, request);
    if let Extraction::Present(credential) = scheme.extract(&request.head) {
        time(&mut lines, terms, &credential);
        signed(&mut lines, terms, request, &credential, explain);
    }
    hints(&mut lines, terms, request, refused);
    if !explain && scheme.encoding().is_some() {
        lines.add("more", "--explain shows the expected signature".to_owned());
    }
    lines.0.join("\n")
}

struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, what: &str, text: String) {
        self.0.push(format!("  {what:<9} {text}"));
    }
}

/// Which headers were looked for, and what was there. A value is shown only where it is no secret.
fn headers(lines: &mut Lines, terms: &Terms<'_>, request: &Captured<'_>, explain: bool) {
    let scheme = terms.scheme;
    for name in scheme.read_headers() {
        let secret = scheme.credential_headers().contains(name) || is_private(name);
        let mut seen = 0;
        for value in request.head.headers.get_all(name) {
            seen += 1;
            let length = format!("{name}: {} characters", value.len());
            let shown = (!secret || explain) && !scheme.is_token() && !is_private(name);
            let value = escaped(value.as_bytes());
            lines.add("header", if shown { format!("{length}: {value}") } else { length });
        }
        if seen == 0 {
            lines.add("header", format!("{name}: not there"));
        }
    }
    let missing = |name: &HeaderName| !request.head.headers.contains_key(name);
    if scheme.credential_headers().iter().all(missing) {
        let alike = alike(request.head.headers);
        if !alike.is_empty() {
            lines.add("", format!("these look like it: {}", alike.join(", ")));
        }
    }
}

fn secrets(lines: &mut Lines, terms: &Terms<'_>) {
    for (index, secret) in terms.secrets.iter().enumerate() {
        let name = if index == 0 { "current" } else { "previous" };
        lines.add(
            "secret",
            match terms.scheme.secret_len(secret) {
                Ok(length) => format!("{name}: {length} bytes of key"),
                Err(fault) => format!("{name}: can't be used with this scheme: {fault}"),
            },
        );
    }
}

fn body(lines: &mut Lines, request: &Captured<'_>) {
    let length = request.body.len();
    let headers = request.head.headers;
    let said = headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    lines.add(
        "body",
        match said.map(|said| (said, said.trim().parse() == Ok(length))) {
            Some((said, false)) => format!(
                "{length} bytes, but Content-Length says {}: the file is not what was sent",
                escaped(said.as_bytes())
            ),
            _ => format!("{length} bytes"),
        },
    );
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        lines
            .add("", "it has Content-Encoding: senders sign the bytes that they send, compressed".to_owned());
    }
}

fn time(lines: &mut Lines, terms: &Terms<'_>, credential: &SignatureCredential) {
    let Some(signed) = credential.timestamp() else { return };
    let tolerance = terms.tolerance_seconds.or_else(|| terms.scheme.tolerance_seconds()).unwrap_or_default();
    let (signed, now) = (signed.seconds(), terms.now.seconds());
    let apart = signed.abs_diff(now);
    lines.add(
        "time",
        format!("signed at {signed}, judged at {now}: {apart} s apart, {tolerance} s are allowed"),
    );
}

fn signed(
    lines: &mut Lines,
    terms: &Terms<'_>,
    request: &Captured<'_>,
    credential: &SignatureCredential,
    explain: bool,
) {
    let scheme = terms.scheme;
    let Some(signed) = scheme.signed_bytes(&request.head, credential, request.body) else {
        if scheme.is_token() {
            lines.add("signed", "nothing: a token is compared as it is".to_owned());
        }
        return;
    };
    let has_secret = terms.secrets.iter().any(|secret| contains(&signed, secret.expose()))
        || scheme.signed_headers().any(is_private);
    let preview = signed.get(..PREVIEW).unwrap_or(&signed);
    let more = if signed.len() > PREVIEW { "…" } else { "" };
    lines.add(
        "signed",
        if has_secret {
            format!("{} bytes, not shown: there is a secret among them", signed.len())
        } else {
            format!("{} bytes: {}{more}", signed.len(), escaped(preview))
        },
    );
    if !explain {
        return;
    }
    lines.add("sha-256", format!("{} of the signed bytes", HEXLOWER.encode(&Sha256::digest(&signed))));
    for (index, secret) in terms.secrets.iter().enumerate() {
        let name = if index == 0 { "current" } else { "previous" };
        let expected = scheme
            .prepare(secret)
            .ok()
            .and_then(|key| scheme.expected_signature(&key, &request.head, credential, request.body));
        if let Some(expected) = expected {
            lines.add("expected", format!("{expected} with the {name} secret"));
        }
    }
    for received in scheme.received_signatures(credential) {
        lines.add("received", received);
    }
}

fn hints(lines: &mut Lines, terms: &Terms<'_>, request: &Captured<'_>, refused: Refused) {
    if variations::holds_but_for_time(terms, request) {
        lines.add("hint", "the signature itself is right: only its time is not within the window".to_owned());
        if let Some(unit) = variations::other_unit(terms, request) {
            lines.add("hint", format!("the time would be right in `unit = \"{unit}\"`"));
        } else {
            lines.add("hint", "an old capture: --at judges it as of the time when it arrived".to_owned());
        }
        return;
    }
    match refused {
        Refused::Credential(CredentialFault::Duplicate(_)) => {
            lines.add("hint", "whichever were believed, another hop could believe the other".to_owned());
            return;
        }
        Refused::Verify(Refusal::BodyEmpty) => return,
        _ => {}
    }
    let found = variations::hints(terms, request, Effort::Pairs);
    for hint in &found {
        lines.add("hint", format!("it verifies with {}", hint.text));
    }
    if found.is_empty() && refused == Refused::Verify(Refusal::Mismatch) {
        lines.add("hint", "no usual mistake explains it: most likely the secret is of another endpoint, or the body was changed".to_owned());
    }
}

/// Whether a header may carry another credential, whatever the scheme makes of it.
fn is_private(name: &HeaderName) -> bool {
    matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie" | "x-api-key")
}

fn contains(bytes: &[u8], secret: &[u8]) -> bool {
    !secret.is_empty() && bytes.windows(secret.len()).any(|window| window == secret)
}

/// Printable ASCII as it is, all else escaped: what a sender wrote must not steer a terminal.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(*byte)),
            other => out.extend(other.escape_ascii().map(char::from)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{contains, escaped};

    #[test]
    fn what_a_sender_wrote_cannot_steer_a_terminal() {
        assert_eq!(escaped("a\"\\\u{1b}[2J\r\n\u{e9}".as_bytes()), "a\"\\\\\\x1b[2J\\r\\n\\xc3\\xa9");
    }

    #[test]
    fn a_secret_is_found_wherever_it_is() {
        assert!(contains(b"{\"token\":\"s3cret\"}", b"s3cret"));
        assert!(!contains(b"{}", b"s3cret") && !contains(b"{}", b""));
    }
}
