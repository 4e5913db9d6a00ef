//! Signed timestamps: how they are read, and how far they may be from now. Pure.
//!
//! Not a clock: `now` is an argument. Invariants: a time has one spelling (canonical digits, strict RFC
//! 3339), because its text is part of the signed bytes; no arithmetic overflows, whatever a client sends.
//! Spec: RFC 3339 §5.6; the window is that of Standard Webhooks, inclusive at both ends.

use serde::{Deserialize, Serialize};

use super::http_date;
use crate::clock::UnixMillis;

/// How a sender writes the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Whole seconds since the Unix epoch.
    #[default]
    S,
    /// Milliseconds since the Unix epoch.
    Ms,
    /// A date and time with an offset.
    Rfc3339,
    /// A date and time in UTC that does not say so: RFC 3339 without the `Z`.
    #[serde(rename = "iso-utc")]
    IsoUtc,
    /// As in HTTP's `Date`.
    #[serde(rename = "http-date")]
    HttpDate,
    /// As Scalr writes `Date`: without a comma, in `UTC`.
    #[serde(rename = "utc-date")]
    UtcDate,
}

/// Why a signed time is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampFault {
    /// Longer ago than the tolerance.
    #[error("the timestamp is too old")]
    Old,
    /// Further ahead than the tolerance.
    #[error("the timestamp is in the future")]
    Future,
}

/// Checks that a signed time is at most `tolerance_seconds` from now, either way.
///
/// A time without a fraction of a second is compared in whole seconds: it was cut to one when it was signed.
///
/// # Errors
/// Where it is further away.
pub fn check(signed: UnixMillis, now: UnixMillis, tolerance_seconds: u32) -> Result<(), TimestampFault> {
    let now =
        if signed.0.rem_euclid(1000) == 0 { i128::from(now.seconds()) * 1000 } else { i128::from(now.0) };
    let age = now - i128::from(signed.0);
    let tolerance = i128::from(tolerance_seconds) * 1000;
    if age > tolerance {
        Err(TimestampFault::Old)
    } else if age < -tolerance {
        Err(TimestampFault::Future)
    } else {
        Ok(())
    }
}

impl Unit {
    /// Reads a time; `None` for anything but its one spelling.
    #[must_use]
    pub fn parse(self, text: &[u8]) -> Option<UnixMillis> {
        match self {
            Self::S => Some(UnixMillis(canonical_digits(text, 13)? * 1000)),
            Self::Ms => Some(UnixMillis(canonical_digits(text, 16)?)),
            Self::Rfc3339 => rfc3339(text),
            Self::IsoUtc => rfc3339(&[text, b"Z"].concat()),
            Self::HttpDate => http_date::parse(text),
            Self::UtcDate => http_date::parse_utc(text),
        }
    }

    /// Writes a time as a sender would.
    #[must_use]
    pub fn render(self, time: UnixMillis) -> String {
        match self {
            Self::S => time.seconds().max(0).to_string(),
            Self::Ms => time.0.max(0).to_string(),
            Self::Rfc3339 => render_rfc3339(time),
            Self::IsoUtc => render_rfc3339(time).replace('Z', ""),
            Self::HttpDate => http_date::render(time),
            Self::UtcDate => http_date::render_utc(time),
        }
    }

    /// The name in the scheme language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Rfc3339 => "rfc3339",
            Self::IsoUtc => "iso-utc",
            Self::HttpDate => "http-date",
            Self::UtcDate => "utc-date",
        }
    }
}

/// ASCII digits without a sign or leading zeros.
fn canonical_digits(text: &[u8], most: usize) -> Option<i64> {
    if text.len() > most || (text.len() > 1 && text.starts_with(b"0")) {
        return None;
    }
    digits(text)
}

/// At most 18 ASCII digits, at least one.
pub(super) fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// `2021-03-04T05:06:07Z`, with an optional fraction, and an offset instead of `Z`.
fn rfc3339(text: &[u8]) -> Option<UnixMillis> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.strip_prefix(b"T")?.split_at_checked(8)?;
    let [year @ .., b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let [h1, h2, b':', n1, n2, b':', s1, s2] = clock else { return None };
    let (year, month, day) = (digits(year)?, digits(&[*m1, *m2])?, digits(&[*d1, *d2])?);
    let (hour, minute, second) = (digits(&[*h1, *h2])?, digits(&[*n1, *n2])?, digits(&[*s1, *s2])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }

    let (millis, zone) = match rest.strip_prefix(b".") {
        None => (0, rest),
        Some(rest) => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
            let (fraction, zone) = rest.split_at_checked(end)?;
            if fraction.is_empty() || fraction.len() > 9 {
                return None;
            }
            let millis = fraction.iter().chain(b"000").take(3);
            (millis.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), zone)
        }
    };
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute - offset;
    Some(UnixMillis((minutes * 60 + second) * 1000 + millis))
}

fn render_rfc3339(time: UnixMillis) -> String {
    let seconds = time.seconds();
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March so that leap days end them.
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{TimestampFault, Unit, check, digits};
    use crate::clock::UnixMillis;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_900);

    #[test]
    fn the_window_includes_both_of_its_ends() {
        let at = |seconds: i64| check(UnixMillis(seconds * 1000), NOW, 300);
        assert_eq!(at(1_699_999_700), Ok(()));
        assert_eq!(at(1_699_999_699), Err(TimestampFault::Old));
        assert_eq!(at(1_700_000_300), Ok(()));
        assert_eq!(at(1_700_000_301), Err(TimestampFault::Future));
    }

    #[test]
    fn milliseconds_are_compared_as_such() {
        assert_eq!(check(UnixMillis(NOW.0 - 300_000), NOW, 300), Ok(()));
        assert_eq!(check(UnixMillis(NOW.0 - 300_001), NOW, 300), Err(TimestampFault::Old));
        assert_eq!(check(UnixMillis(NOW.0 + 300_000), NOW, 300), Ok(()));
        assert_eq!(check(UnixMillis(NOW.0 + 300_001), NOW, 300), Err(TimestampFault::Future));
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let (low, high) = (UnixMillis(i64::MIN), UnixMillis(i64::MAX));
        assert_eq!(check(low, high, u32::MAX), Err(TimestampFault::Old));
        assert_eq!(check(high, low, u32::MAX), Err(TimestampFault::Future));
        assert_eq!(check(low, low, 0), Ok(()));
        assert_eq!(check(high, high, 0), Ok(()));
        assert_eq!(check(UnixMillis(0), low, 0), Err(TimestampFault::Future));
    }

    #[test]
    fn only_canonical_digits_are_a_time() {
        assert_eq!(Unit::S.parse(b"1700000000"), Some(UnixMillis(1_700_000_000_000)));
        assert_eq!(Unit::Ms.parse(b"1700000000123"), Some(UnixMillis(1_700_000_000_123)));
        assert_eq!(Unit::S.parse(b"0"), Some(UnixMillis(0)));
        assert_eq!(Unit::S.parse(b"9999999999999"), Some(UnixMillis(9_999_999_999_999_000)));
        for text in [
            "",
            "+1",
            "-1",
            "01",
            "1.0",
            "1e9",
            " 1",
            "1_000",
            "0x1",
            "hello",
            "NaN",
            "99999999999999",
            "9223372036854775807",
            "99999999999999999999999999",
            "\u{661}",
        ] {
            assert_eq!(Unit::S.parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Unit::Ms.parse(b"99999999999999999"), None);
    }

    #[test]
    fn rfc_3339_times_are_read_with_their_offset() {
        let at = |text: &str| Unit::Rfc3339.parse(text.as_bytes()).map(|time| time.0);
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(at("2021-03-25T05:09:27Z"), Some(1_616_648_967_000));
        assert_eq!(at("2020-01-01T00:00:00-07:00"), Some(1_577_862_000_000));
        assert_eq!(at("2024-02-29T23:59:59.9876+00:30"), Some(1_709_249_399_987));
        assert_eq!(at("1969-12-31T23:59:59Z"), Some(-1000));
        assert_eq!(at("1970-01-01T23:59:59.123456789Z"), Some(86_399_123));
        assert_eq!(at("1970-01-01T23:59:00+23:59"), Some(0));
        for text in [
            "",
            "2021-03-25",
            "2021-03-25T05:09:27",
            "2021-03-25 05:09:27Z",
            "2021-02-29T00:00:00Z",
            "2021-04-31T00:00:00Z",
            "2021-12-32T00:00:00Z",
            "2021-13-01T00:00:00Z",
            "2021-00-01T00:00:00Z",
            "2021-01-00T00:00:00Z",
            "2021-01-01T24:00:00Z",
            "2021-01-01T00:60:00Z",
            "2021-01-01T00:00:60Z",
            "2021-01-01T00:00:00.Z",
            "2021-01-01T00:00:00z",
            "2021-01-01T00:00:00+0000",
            "2021-01-01T00:00:00+24:00",
            "2021-01-01T00:00:00+00:60",
            "2021-01-01T24:60:00Z",
            "+021-01-01T00:00:00Z",
            "2021-01-01T00:00:00.1",
            "2021-01-01T00:00:00ZZ",
            "2021-01-01T00:00:00.1234567890Z",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    /// RFC 3339, appendix C: a year that ends a century has a leap day only where 400 divides it.
    #[test]
    fn a_leap_day_is_in_every_fourth_year_but_for_most_centuries() {
        let at = |year: &str| Unit::Rfc3339.parse(format!("{year}-02-29T00:00:00Z").as_bytes());
        for year in ["1996", "2000", "2400"] {
            assert!(at(year).is_some(), "{year}");
        }
        for year in ["1900", "2001", "2002", "2100", "2200", "2300"] {
            assert_eq!(at(year), None, "{year}");
        }
    }

    #[test]
    fn a_number_has_1_to_18_digits() {
        assert_eq!(digits(&[b'9'; 18]), Some(999_999_999_999_999_999));
        assert_eq!(digits(&[b'9'; 17]), Some(99_999_999_999_999_999));
        for text in [&[b'9'; 19][..], b"", b"1a"] {
            assert_eq!(digits(text), None);
        }
    }

    #[test]
    fn each_unit_has_its_name_in_the_scheme_language() {
        for unit in [Unit::S, Unit::Ms, Unit::Rfc3339, Unit::IsoUtc, Unit::HttpDate, Unit::UtcDate] {
            assert_eq!(serde_json::to_value(unit).unwrap(), unit.name());
        }
    }

    #[test]
    fn every_day_of_eight_centuries_survives_the_calendar() {
        for day in -146_097..146_097 {
            let time = UnixMillis(day * 86_400_000);
            let text = Unit::Rfc3339.render(time);
            assert_eq!(Unit::Rfc3339.parse(text.as_bytes()), Some(time), "{text}");
        }
    }

    #[test]
    fn a_time_that_does_not_say_that_it_is_utc_must_not_say_anything_else() {
        let at = |text: &str| Unit::IsoUtc.parse(text.as_bytes()).map(|time| time.0);
        assert_eq!(at("2024-03-27T15:42:29.551"), Some(1_711_554_149_551));
        assert_eq!(Unit::IsoUtc.render(UnixMillis(1_711_554_149_000)), "2024-03-27T15:42:29");
        for wrong in ["2024-03-27T15:42:29Z", "2024-03-27T15:42:29+00:00", "2024-03-27", ""] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
