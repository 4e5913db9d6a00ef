//! The date of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`. Pure.
//!
//! Not the two obsolete forms, which no sender of webhooks writes. Invariant: one spelling, right weekday and all,
//! because the text is part of the signed bytes. Spec: RFC 9110 §5.6.7 (IMF-fixdate).

use super::timestamp::{civil_from_days, days_from_civil, days_in_month, digits};
use crate::clock::UnixMillis;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads a date; `None` for anything but its one spelling.
pub(super) fn parse(text: &[u8]) -> Option<UnixMillis> {
    let [
        _,
        _,
        _,
        b',',
        b' ',
        d1,
        d2,
        b' ',
        m1,
        m2,
        m3,
        b' ',
        year @ ..,
        b' ',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b' ',
        b'G',
        b'M',
        b'T',
    ] = text
    else {
        return None;
    };
    if year.len() != 4 {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.as_bytes() == [*m1, *m2, *m3])?;
    let month = i64::try_from(month).ok()? + 1;
    let (year, day) = (digits(year)?, digits(&[*d1, *d2])?);
    let (hour, minute, second) = (digits(&[*h1, *h2])?, digits(&[*n1, *n2])?, digits(&[*s1, *s2])?);
    if day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let time = UnixMillis((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000);
    (render(time).as_bytes() == text).then_some(time)
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
    use super::{parse, render};
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
}
