//! The window that a kind's parameters may set, and dates as HTTP writes them. Pure.
//!
//! Not a clock. Invariants: a window is 1 second to 1 day; a date is one instant or none.
//! Spec: RFC 9110 §5.6.7; RFC 5322 §3.3 for numeric zones, which cavage's senders use.

use crate::clock::UnixMillis;
use crate::verify::scheme::SchemeFault;
use crate::verify::timestamp::Unit;

const LONGEST: u32 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The window where none is given, in seconds.
pub(super) fn standard() -> u32 {
    300
}

/// The fault of a window that is out of bounds.
pub(super) fn faults(seconds: u32) -> Vec<SchemeFault> {
    if (1..=LONGEST).contains(&seconds) {
        return Vec::new();
    }
    vec![SchemeFault::new("params.tolerance", format!("must be 1 to {LONGEST} seconds"))]
}

/// Reads `Tue, 07 Jun 2014 20:51:35 GMT` or with a zone like `-0700`. The weekday adds nothing and is not
/// compared: the text as it stands is what is signed.
pub(super) fn http_date(text: &[u8]) -> Option<UnixMillis> {
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

/// Writes a time as `http_date` reads it.
pub(super) fn render(at: UnixMillis) -> Option<String> {
    let text = Unit::Rfc3339.render(at);
    let (date, time) = text.split_once('T')?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    let days = at.seconds().div_euclid(86_400);
    let weekday = match days.rem_euclid(7) {
        0 => "Thu",
        1 => "Fri",
        2 => "Sat",
        3 => "Sun",
        4 => "Mon",
        5 => "Tue",
        _ => "Wed",
    };
    Some(format!("{weekday}, {day} {month} {year} {} GMT", time.strip_suffix('Z')?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{faults, http_date, render};
    use crate::clock::UnixMillis;

    #[test]
    fn a_date_is_one_instant_or_none() {
        let seconds = |text: &str| http_date(text.as_bytes()).map(UnixMillis::seconds);
        assert_eq!(seconds("Mon, 21 Oct 2024 17:31:18 GMT"), Some(1_729_531_878));
        assert_eq!(seconds("Fri, 01 Aug 2014 13:44:32 -0700"), Some(1_406_925_872));
        for text in [
            "",
            "Mon",
            "Mon, 21 Oct 2024 17:31:18",
            "Mon, 21 Oct 2024 17:31:18 GMT x",
            "Mon, 31 Feb 2024 17:31:18 GMT",
            "Mon, 1 Oct 2024 17:31:18 GMT",
            "Mon, 21 Oct 24 17:31:18 GMT",
            "Monday, 21-Oct-24 17:31:18 GMT",
            "Mon, 21 Oct 2024 17:31:18 PST",
            "Mon, 21 Oct 2024 25:31:18 GMT",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(render(UnixMillis(1_729_531_878_000)).as_deref(), Some("Mon, 21 Oct 2024 17:31:18 GMT"));
    }

    #[test]
    fn a_window_has_bounds() {
        assert!(faults(1).is_empty() && faults(86_400).is_empty());
        assert!(!faults(0).is_empty() && !faults(86_401).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<Vec<u8>>(), at in any::<i32>()) {
            let _ = http_date(&text);
            let at = UnixMillis(i64::from(at).abs() * 1000);
            assert_eq!(render(at).and_then(|text| http_date(text.as_bytes())), Some(at));
        }
    }
}
