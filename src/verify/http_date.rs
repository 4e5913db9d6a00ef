//! The date of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`. Pure.
//!
//! Not the two obsolete forms, which no sender of webhooks writes. Invariant: a date is one instant or none; the
//! text as it arrived is what is signed. Spec: RFC 9110 §5.6.7 (IMF-fixdate); for the spelling of Scalr,
//! `Sun 06 Nov 1994 08:49:37 UTC`, the rule `scalr-signature` of adnanh/webhook.

use super::timestamp::{Unit, civil_from_days};
use crate::clock::UnixMillis;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads a date; `None` for anything but its one spelling.
pub(super) fn parse(text: &[u8]) -> Option<UnixMillis> {
    parse_zoned(text).filter(|time| render(*time).as_bytes() == text)
}

/// Reads a date as senders of draft-cavage signatures write it: with any weekday, which adds nothing, and
/// perhaps a numeric zone (RFC 5322 §3.3).
pub(super) fn parse_zoned(text: &[u8]) -> Option<UnixMillis> {
    let text = std::str::from_utf8(text).ok()?;
    let (weekday, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    if weekday.len() != 3 || day.len() != 2 || year.len() != 4 || parts.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let zone = match zone {
        "GMT" | "UTC" => "Z".to_owned(),
        _ => {
            let (hours, minutes) = zone.split_at_checked(3)?;
            format!("{hours}:{minutes}")
        }
    };
    Unit::Rfc3339.parse(format!("{year}-{month:02}-{day}T{time}{zone}").as_bytes())
}

/// Reads a date in Scalr's spelling; `None` for anything else.
pub(super) fn parse_utc(text: &[u8]) -> Option<UnixMillis> {
    let (weekday, rest) = text.strip_suffix(b"UTC")?.split_at_checked(3)?;
    parse(&[weekday, b",", rest, b"GMT"].concat())
}

/// Writes a date in Scalr's spelling.
pub(super) fn render_utc(time: UnixMillis) -> String {
    render(time).replacen(',', "", 1).replacen("GMT", "UTC", 1)
}

/// Writes a date.
pub(super) fn render(time: UnixMillis) -> String {
    let seconds = time.seconds();
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let pick = |names: &[&'static str], at: i64| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    let (weekday, month) = (pick(&DAYS, days.rem_euclid(7)), pick(&MONTHS, month - 1));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{parse, parse_utc, parse_zoned, render, render_utc};
    use crate::clock::UnixMillis;

    #[test]
    fn the_date_of_http_has_one_spelling() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(parse(text.as_bytes()), Some(UnixMillis(784_111_777_000)));
        assert_eq!(render(UnixMillis(784_111_777_000)), text);
        for wrong in [
            "",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
    #[test]
    fn so_has_that_of_scalr() {
        let text = "Sun 06 Nov 1994 08:49:37 UTC";
        assert_eq!(parse_utc(text.as_bytes()), Some(UnixMillis(784_111_777_000)));
        assert_eq!(render_utc(UnixMillis(784_111_777_000)), text);
        for wrong in [
            "",
            "UTC",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Mon 06 Nov 1994 08:49:37 UTC",
        ] {
            assert_eq!(parse_utc(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_zoned_date_is_one_instant_or_none() {
        let seconds = |text: &str| parse_zoned(text.as_bytes()).map(UnixMillis::seconds);
        assert_eq!(seconds("Thu, 21 Oct 2024 17:31:18 GMT"), Some(1_729_531_878), "any weekday");
        assert_eq!(seconds("Fri, 01 Aug 2014 13:44:32 -0700"), Some(1_406_925_872));
        for text in [
            "Mon",
            "Mon, 21 Oct 2024 17:31:18",
            "Mon, 21 Oct 2024 17:31:18 GMT x",
            "Mon, 31 Feb 2024 17:31:18 GMT",
            "Mon, 1 Oct 2024 17:31:18 GMT",
            "Mon, 21 Oct 24 17:31:18 GMT",
            "Monday, 21 Oct 2024 17:31:18 GMT",
            ", 21 Oct 2024 17:31:18 GMT",
            "Mon, 21 Oct 2024 17:31:18 PST",
            "Mon, 21 Oct 2024 25:31:18 GMT",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_written_is_read(text in any::<Vec<u8>>(), at in any::<i32>()) {
            let _ = parse_zoned(&text);
            let at = UnixMillis(i64::from(at).abs() * 1000);
            assert_eq!(parse(render(at).as_bytes()), Some(at));
        }
    }
}
