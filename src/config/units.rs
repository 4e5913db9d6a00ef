//! Values with units: byte sizes, durations, addresses, bounded numbers, names and paths.
//!
//! Not any option: sections give the bounds. Invariants: a duration always carries its unit; a byte size
//! without one is in bytes; what a parser expects is said in the words of the bounds that it checks.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::fault::Expected;
use super::reader::Raw;

/// One kibibyte.
pub(super) const KIB: u64 = 1024;
/// One mebibyte.
pub(super) const MIB: u64 = 1024 * KIB;
/// One gibibyte.
pub(super) const GIB: u64 = 1024 * MIB;
/// One minute.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// One hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// A day of 24 hours.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

const SIZES: [(&str, u64); 7] = [
    ("GiB", GIB),
    ("MiB", MIB),
    ("KiB", KIB),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

const TIMES: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// For how long something is kept.
const AGES: [(&str, u64); 2] = [("d", 86_400_000), ("h", 3_600_000)];

/// `1MiB`, `25MB`, `512`: for people who read what is in force.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    show(bytes, &SIZES, "B")
}

/// `30s`, `500ms`, `2m`: for people who read what is in force.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &TIMES, "s")
}

fn show(number: u64, units: &[(&str, u64)], zero: &str) -> String {
    units
        .iter()
        .find(|(_, factor)| number > 0 && number.is_multiple_of(*factor))
        .map_or_else(|| format!("{number}{zero}"), |(unit, factor)| format!("{}{unit}", number / factor))
}

/// A number and its unit; `bare` is the factor of a number without one.
fn measured(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start();
    let factor = match units.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => bare?,
        None => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A byte size within bounds: `"1MiB"`, `"25MB"`, `"512"` or `512`.
pub(super) fn bytes(bounds: RangeInclusive<u64>) -> impl Fn(&Raw<'_>) -> Result<u64, Expected> {
    move |raw| {
        let parsed = match raw.text() {
            Some(text) => measured(text, &SIZES, Some(1)),
            None => raw.integer().and_then(|integer| u64::try_from(integer).ok()),
        };
        parsed.filter(|bytes| bounds.contains(bytes)).ok_or_else(|| {
            let (low, high) = (show_bytes(*bounds.start()), show_bytes(*bounds.end()));
            let expected = Expected::new(format!("a size from {low} to {high}, such as \"1MiB\""));
            if parsed.is_some() {
                return expected;
            }
            expected.hint("units are B, KB, MB, GB, KiB, MiB and GiB")
        })
    }
}

/// A duration within bounds: `"500ms"`, `"30s"`, `"2m"`, `"1h"`.
pub(super) fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(&Raw<'_>) -> Result<Duration, Expected> {
    move |raw| {
        let parsed = raw.text().and_then(|text| measured(text, &TIMES, None)).map(Duration::from_millis);
        parsed.filter(|duration| bounds.contains(duration)).ok_or_else(|| {
            let (low, high) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
            let expected = Expected::new(format!("a duration from {low} to {high}, such as \"30s\""));
            if parsed.is_some() {
                return expected;
            }
            expected.hint("a whole number and one unit: ms, s, m or h")
        })
    }
}

/// How long something is kept, within bounds: `"400d"`, `"36h"`.
pub(super) fn age(bounds: RangeInclusive<Duration>) -> impl Fn(&Raw<'_>) -> Result<Duration, Expected> {
    move |raw| {
        let parsed = raw.text().and_then(|text| measured(text, &AGES, None)).map(Duration::from_millis);
        parsed.filter(|age| bounds.contains(age)).ok_or_else(|| {
            let days = |age: &Duration| age.as_secs() / DAY.as_secs();
            let (low, high) = (days(bounds.start()), days(bounds.end()));
            let expected = Expected::new(format!("a time from {low}d to {high}d, such as \"400d\""));
            if parsed.is_some() {
                return expected;
            }
            expected.hint("a whole number and one unit: h or d")
        })
    }
}

/// A whole number within bounds.
pub(super) fn number<N>(bounds: RangeInclusive<N>) -> impl Fn(&Raw<'_>) -> Result<N, Expected>
where
    N: TryFrom<i128> + PartialOrd + Display,
{
    move |raw| {
        raw.integer()
            .and_then(|integer| N::try_from(integer).ok())
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                Expected::new(format!("a whole number from {} to {}", bounds.start(), bounds.end()))
            })
    }
}

/// `true` or `false`.
pub(super) fn boolean(raw: &Raw<'_>) -> Result<bool, Expected> {
    raw.boolean().ok_or_else(|| Expected::new("true or false"))
}

/// An IP address and a port.
pub(super) fn address(raw: &Raw<'_>) -> Result<SocketAddr, Expected> {
    let text = raw.text().unwrap_or_default();
    text.parse().map_err(|_| {
        let expected =
            Expected::new("an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"");
        match text.rsplit_once(':') {
            Some(("", port)) => expected.hint(format!("for every address, write \"0.0.0.0:{port}\"")),
            Some(("localhost", port)) => {
                expected.hint(format!("names are not resolved; write \"127.0.0.1:{port}\""))
            }
            _ => expected,
        }
    })
}

/// The path of a file or directory; relative ones start at the working directory.
pub(super) fn path(raw: &Raw<'_>) -> Result<PathBuf, Expected> {
    match raw.text() {
        Some(text) if !text.is_empty() && !text.contains(['\0', '\u{fffd}']) => Ok(PathBuf::from(text)),
        _ => Err(Expected::new("the path of a file or directory, not empty")),
    }
}

/// One of a closed list of words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Raw<'_>) -> Result<T, Expected> {
    move |raw| {
        let text = raw.text().unwrap_or_default();
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let expected = Expected::new(match names.as_slice() {
                [one] => one.clone(),
                many => format!("one of {}", many.join(", ")),
            });
            match super::fault::closest(text, words.iter().map(|(word, _)| *word)) {
                Some(meant) if !text.is_empty() => expected.hint(format!("did you mean \"{meant}\"?")),
                _ => expected,
            }
        })
    }
}

/// A name of a thing of ours: `[a-z0-9][a-z0-9_-]{0,62}`.
pub(super) fn name(raw: &Raw<'_>) -> Result<String, Expected> {
    let text = raw.text().unwrap_or_default();
    let legal = (1..=63).contains(&text.len())
        && !text.starts_with(['-', '_'])
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    if legal {
        return Ok(text.to_owned());
    }
    Err(Expected::new("1 to 63 of a-z, 0-9, \"-\" and \"_\", beginning with a letter or digit"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{SIZES, TIMES, measured, show_bytes, show_duration};

    #[test]
    fn sizes_and_durations_are_read_with_their_units() {
        for (text, expected) in [
            ("1MiB", Some(1 << 20)),
            ("25MB", Some(25_000_000)),
            ("512", Some(512)),
            ("1 KiB", Some(1024)),
            ("0", Some(0)),
            ("", None),
            ("MiB", None),
            ("1mib", None),
            ("-1", None),
            ("1.5MiB", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(measured(text, &SIZES, Some(1)), expected, "{text:?}");
        }
        for (text, expected) in [
            ("30s", Some(30_000)),
            ("500ms", Some(500)),
            ("2m", Some(120_000)),
            ("30", None),
            ("1m30s", None),
        ] {
            assert_eq!(measured(text, &TIMES, None), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_can_be_written_back() {
        for bytes in [0, 1, 512, 1 << 20, 25_000_000, 1_048_577] {
            assert_eq!(measured(&show_bytes(bytes), &SIZES, Some(1)), Some(bytes));
        }
        for millis in [0, 1, 500, 1_500, 30_000, 120_000] {
            assert_eq!(measured(&show_duration(Duration::from_millis(millis)), &TIMES, None), Some(millis));
        }
    }
}
