//! Places that may be Unix sockets: their paths, the mode of ours, and what only goes with one. Binding is not done here.
//!
//! unix(7): a path has at most 107 bytes (`sun_path` without its NUL). Abstract sockets are refused: they have no file,
//! and so no mode that says who may connect.

use std::path::PathBuf;

use super::fault::Expected;
use super::reader::{Raw, Section};
use super::units;
use crate::client::TrustedProxies;
use crate::listener::Place;

/// The longest path of a Unix socket, in bytes.
const LONGEST: usize = 107;

/// Who may connect unless it is said: the user and the group of this process.
const MODE: u32 = 0o660;

/// Where senders reach us: `listener.address` and `listener.socket_mode`.
pub(super) fn place(section: &mut Section<'_>) -> Option<Place> {
    let place = section.required("address", address);
    let mode = section.optional("socket_mode", mode);
    match place? {
        Place::Unix { path, .. } => Some(Place::Unix { path, mode: mode.unwrap_or(MODE) }),
        place @ Place::Tcp(_) => {
            if mode.is_some() {
                section.fault("socket_mode", "a listener.address that begins with unix: beside it");
            }
            Some(place)
        }
    }
}

/// Whether the proxies that are believed are ones that can connect.
pub(super) fn check_proxies(section: &Section<'_>, place: &Place, proxies: &TrustedProxies, in_front: bool) {
    let is_unix = place.tcp().is_none();
    if proxies.has_unix() && !is_unix {
        section.fault(
            "trusted_proxies",
            "networks; \"unix\" goes with a listener.address that begins with unix:",
        );
        return;
    }
    let (is_believed, who) = match is_unix {
        true => (proxies.has_unix(), "\"unix\""),
        false => (*proxies != TrustedProxies::default(), "networks"),
    };
    if in_front && !is_believed {
        let expected =
            format!("\"off\", or {who} in listener.trusted_proxies: nobody else may speak for a client");
        section.fault("proxy_protocol", expected);
    }
}

/// What follows `unix:`; `expected` is what the option may be.
pub(super) fn path(text: &str, expected: impl Fn() -> Expected) -> Result<PathBuf, Expected> {
    // `unix:///run/app.sock` is the same place; `unix://run/app.sock` would be another one than meant.
    let path = match text.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(expected().hint("one slash: \"unix:/run/app.sock\"")),
        None => text,
    };
    if path.is_empty() || path.len() > LONGEST || path.contains(['\0', '\u{fffd}']) {
        return Err(expected().hint(format!("the path has 1 to {LONGEST} bytes")));
    }
    Ok(PathBuf::from(path))
}

fn address(raw: &Raw<'_>) -> Result<Place, Expected> {
    let Some(text) = raw.text().and_then(|text| text.strip_prefix("unix:")) else {
        return units::address(raw).map(Place::Tcp).map_err(|expected| Expected {
            text: format!("{}, or \"unix:/path/of/socket\"", expected.text),
            ..expected
        });
    };
    let expected = || Expected::new("\"unix:/path/of/socket\" or an IP address and a port");
    if text.starts_with(['@', '\0']) {
        return Err(expected().hint("an abstract socket has no mode, so that everybody could connect"));
    }
    if text.ends_with('/') {
        return Err(expected().hint("the path of a file, not of a directory"));
    }
    path(text, expected).map(|path| Place::Unix { path, mode: MODE })
}

/// Octal, as in `chmod`.
fn mode(raw: &Raw<'_>) -> Result<u32, Expected> {
    let expected = || Expected::new("permissions in octal from \"0600\" to \"0777\", such as \"0660\"");
    let text = raw.text().ok_or_else(|| expected().hint("in quotes"))?;
    let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal).ok_or_else(expected)?;
    if mode > 0o777 || mode & 0o600 != 0o600 {
        return Err(expected().hint("its owner, who is this process, reads and writes"));
    }
    Ok(mode)
}
