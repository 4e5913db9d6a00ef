//! A scheme of one's own in TOML: every fault at once, with its line.
//!
//! Not the checks, which are the scheme's. Invariant: a fault that hides others is named together with them: what
//! can't be read is set aside and the rest is judged, but for what it would have said.

use std::sync::Arc;

use crate::verify::scheme::{CUSTOM, Scheme, SchemeFault, SchemeSpec};

/// Keys that are set aside, at most.
const MOST_ASIDE: usize = 50;

/// A fault with the line that it is on, where there is one.
type Fault = (Option<usize>, String);

/// Reads and checks a scheme.
pub(super) fn read(text: &str) -> Result<Arc<Scheme>, Vec<Fault>> {
    if let Err(error) = text.parse::<toml::Table>() {
        let line = error.span().and_then(|span| Some(text.get(..span.start)?.matches('\n').count() + 1));
        let message = if error.message().is_empty() { "a value is missing" } else { error.message() };
        return Err(vec![(line, format!("is not TOML: {}", message.replace('\n', "; ")))]);
    }
    let mut lines: Vec<&str> = text.lines().collect();
    let mut aside: Vec<String> = Vec::new();
    let mut faults: Vec<Fault> = Vec::new();
    let spec: SchemeSpec = loop {
        let rest = lines.join("\n");
        let error = match toml::from_str(&rest) {
            Ok(spec) => break spec,
            Err(error) => error,
        };
        let line = error.span().and_then(|span| Some(rest.get(..span.start)?.matches('\n').count()));
        faults.push((line.map(|line| line + 1), error.message().to_owned()));
        let key = line.and_then(|line| key_at(text, line));
        let (Some(place), Some(key)) = (line.and_then(|line| lines.get_mut(line)), key) else {
            return Err(faults);
        };
        if faults.len() > MOST_ASIDE || place.is_empty() {
            return Err(faults);
        }
        *place = "";
        aside.push(key);
    };
    let more = match Scheme::compile(&spec, CUSTOM) {
        Ok(scheme) if faults.is_empty() => return Ok(Arc::new(scheme)),
        Ok(_) => Vec::new(),
        Err(more) => more,
    };
    let concerned = |fault: &SchemeFault| {
        aside.iter().any(|key| is_within(key, &fault.path) || is_within(&fault.path, key))
    };
    let more = more.into_iter().filter(|fault| !concerned(fault));
    // A table that is not there is missed by the template.
    let line = |path: &str| {
        line_of(text, path)
            .or_else(|| ["timestamp", "id"].contains(&path).then(|| line_of(text, "signed"))?)
    };
    faults.extend(more.map(|fault| (line(&fault.path), fault.to_string())));
    faults.sort_by_key(|(line, _)| *line);
    Err(faults)
}

/// Whether a path is that of a key, or of something in its table.
fn is_within(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The path of the key on a line, counted from 0; `None` where the line has none.
fn key_at(text: &str, wanted: usize) -> Option<String> {
    let mut table = "";
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = table_of(line) {
            table = name;
        } else if index == wanted {
            let key = line.split_once('=')?.0.trim();
            return Some(if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") });
        }
    }
    None
}

/// The table that a line begins.
fn table_of(line: &str) -> Option<&str> {
    Some(line.trim().strip_prefix('[')?.split(']').next()?.trim())
}

/// The line on which a key of a scheme stands, or else its table.
fn line_of(text: &str, path: &str) -> Option<usize> {
    let (wanted_table, wanted) = path.rsplit_once('.').unwrap_or(("", path));
    let mut table = "";
    let mut nearest = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = table_of(line) {
            table = name;
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

#[cfg(test)]
mod tests {
    use super::{line_of, read};

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

    fn faults(text: &str) -> Vec<(Option<usize>, String)> {
        read(text).unwrap_err()
    }

    #[test]
    fn a_fault_hides_no_other() {
        let text = "signed = '{bodi}'\nalgorithm = 'md5'\nencodin = 'hex'\nencoding = 'hex'\n\
                    [sig]\nheader = 'X-Sig'\nheaders = 7\n[timestamp]\nheader = 'X-Time'\ntolerance = 'long'\n";
        let found = faults(text);
        let lines: Vec<_> = found.iter().map(|(line, _)| line.unwrap()).collect();
        assert_eq!(lines, [1, 2, 3, 7, 10], "{found:?}");
        assert!(found[1].1.contains("expected one of `hmac-sha1`"), "{found:?}");
        assert!(found[2].1.contains("unknown field `encodin`, expected one of"), "{found:?}");
    }

    #[test]
    fn text_that_is_no_toml_has_one_fault() {
        for (text, line) in [("signed = ", 1), ("a = 1\n[sig\n", 2), ("a = 1\na = 2", 2), ("\n\n= 1", 3)] {
            let found = faults(text);
            assert_eq!((found.len(), found[0].0), (1, Some(line)), "{text}: {found:?}");
        }
        assert_eq!(faults("").len(), 4, "what is missing has no line: {:?}", faults(""));
        assert!(faults(&"x = 1\n".repeat(2)).len() == 1);
        let many: String = (0..200).map(|n| format!("x{n} = 1\n")).collect();
        assert!(faults(&many).len() <= 60);
    }

    /// A scheme without a fault; each case below replaces a part of it.
    const GOOD: &str =
        "signed = '{body}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n[sig]\nheader = 'X-Sig'\n";

    /// Stands for the end of the text.
    const AFTER: &str = "";
    /// Stands for a token in its place.
    const TOKEN: &str = "algorithm = 'token'\n[sig]\nheader = 'X'\n";

    /// What is replaced of the good one and by what; the line, and what is said of it.
    const FAULTS: &[(&str, &str, usize, &str)] = &[
        ("{body}", "{bodi}", 1, "there are body, timestamp, id"),
        ("{body}", "{header:a b}{body}", 1, "does not name a header"),
        ("{body}", "{json:a..b}{body}", 1, "does not name a value of the body"),
        ("{body}", "{body}{body}", 1, "occurs more than once"),
        ("{body}", "{body", 1, "lacks its `}`"),
        ("{body}", "{body}}", 1, "a literal one is written `}}`"),
        ("{body}", "constant", 1, "names nothing of the request"),
        ("{body}", "{body}{secret}", 1, "exactly where `algorithm = \"sha256\"`"),
        ("{body}", "{timestamp}{body}", 1, "nothing says where it is"),
        ("'hmac-sha256'", "'sha256'", 1, "exactly where `algorithm = \"sha256\"`"),
        ("'hmac-sha256'", "'md5'", 2, "expected one of `hmac-sha1`"),
        ("'hex'", "'base32'", 3, "expected one of `hex`, `base64`, `base64url`"),
        ("encoding", "encodin", 3, "unknown field `encodin`"),
        ("[sig]", "max_body = '1TB'\n[sig]", 4, "B"),
        ("[sig]", "max_body = 0\n[sig]", 4, "must be more than 0"),
        ("[sig]", "body = 'maybe'\n[sig]", 4, "expected `required`"),
        ("[sig]", "url = ['as-is']\n[sig]", 4, "is not in `signed`"),
        ("[sig]", "url = ['as-was']\n[sig]", 4, "expected one of `as-is`"),
        ("[sig]", "each = 'a'\n[sig]", 4, "needs `sig.json`"),
        ("[sig]", "each = 'a..b'\n[sig]", 4, "must be a path such as"),
        ("[sig]", "[params]\na = 1\n[sig]", 4, "none is named"),
        ("[sig]", "kind = 'nothing'\n[sig]", 4, "is no built-in kind (braintree"),
        ("[sig]", "kind = 'rfc9421'\n[sig]", 1, "is not used with a built-in `kind`"),
        ("header = 'X-Sig'", "header = 'a b'", 5, "is not a header name"),
        ("header = 'X-Sig'", "header = []", 5, "must name a header"),
        ("header = 'X-Sig'", "header = ['A', 'a']", 5, "occurs twice"),
        ("header = 'X-Sig'", "header = 'Content-Length'", 5, "is needed by HTTP itself"),
        ("header = 'X-Sig'", "header = 7", 5, "expected a header name or a list of header names"),
        ("header = 'X-Sig'", "headers = ['A', 'A']", 5, "occurs twice"),
        ("header = 'X-Sig'", "numbered = 'a b'", 5, "must be what the names of the headers begin with"),
        ("header = 'X-Sig'", "json = 'a..b'", 5, "must be a path such as"),
        ("header = 'X-Sig'", "form = ''", 4, "names no field"),
        (AFTER, "json = 'a'", 4, "is in one place"),
        (AFTER, "sep = ','", 6, "is not used with this `parse`"),
        (AFTER, "prefix = ' x'", 6, "must be printable ASCII"),
        (AFTER, "prefix_optional = true", 6, "there is no prefix"),
        (AFTER, "parse = 'regex'", 6, "expected one of `plain`"),
        (AFTER, "parse = 'kv'\nsep = 'a'\nkey = 'v1'", 7, "must be one ASCII character"),
        (AFTER, "parse = 'kv'\nsep = '='\nkey = 'v1'", 7, "must differ from what ends the tag"),
        (AFTER, "parse = 'kv'\nsep = ','\nkey = 'a b'", 8, "must be printable ASCII without spaces"),
        (AFTER, "parse = 'kv'\nsep = ','\nkey = 'a'\nprefix_optional = true", 9, "is for `plain` only"),
        (AFTER, "parse = 'tagged'\nsep = ','\nkey = 'a'\ntag_sep = ''", 9, "must be one ASCII character"),
        (AFTER, "parse = 'groups'\nsep = ','\nkey = 'a'\ngroup_sep = '  '", 9, "must be one ASCII character"),
        (AFTER, "parse = 'positional'\nsep = ','\nkey = '9'", 8, "1 to 8"),
        (AFTER, "parse = 'delimited'\nsep = ','\nkey = '1'", 8, "is not used with this `parse`"),
        (AFTER, "[secret]\nstrip = ''", 7, "must not be empty"),
        (AFTER, "[secret]\ndecode = 'pem'", 7, "is for public keys"),
        (AFTER, "[secret]\ndecode = 'base32'", 7, "expected one of `utf8`"),
        (
            AFTER,
            "[secret]\ndecode = 'base64'\ngenerate = 'whsec'",
            8,
            "makes secrets that this scheme can't use",
        ),
        (AFTER, "[timestamp]\nheader = 'X-Time'", 6, "anybody could change it"),
        (AFTER, "[timestamp]\nunit = 's'", 6, "needs one of `header`, `field`, `json` and `form`"),
        (AFTER, "[timestamp]\nfield = 't'", 7, "needs `parse = \"kv\"`"),
        (AFTER, "[timestamp]\njson = 'a..b'", 7, "must be a path such as"),
        (AFTER, "[timestamp]\njson = 'a'\nunit = 'h'", 8, "expected one of `s`, `ms`"),
        (AFTER, "[timestamp]\njson = 'a'\ntolerance = 86401", 8, "must be 1 to 86400 seconds"),
        (
            AFTER,
            "[timestamp]\njson = 'a'\nenforce = false\ntolerance = 5",
            9,
            "means nothing with `enforce = false`",
        ),
        (AFTER, "[id]\nheader = 'X-Id'", 6, "anybody could change it"),
        (AFTER, "[id]\nheader = 'X-Id'\njson = 'a'", 6, "needs one of `header`, `json` and `form`"),
        (AFTER, "[id]\njson = 'a..b'", 7, "must be a path such as"),
        (AFTER, "[require]\n'a b' = '1'", 6, "is not a header name"),
        (AFTER, "[bind]\nquery = 'd'\ndigest = 'sha256-hex'", 6, "is not in `signed`"),
        (AFTER, "[bind]\ndigest = 'sha256-hex'", 6, "needs a `header` or a `query`"),
        (AFTER, "[bind]\nheader = 'X'\ndigest = 'md5'", 8, "expected one of `sha256-hex`"),
        (TOKEN, "[secret]\ndecode = 'hex'", 5, "a token is compared as it is"),
        (TOKEN, "parse = 'delimited'\nsep = ','", 4, "a token is the whole value"),
        (TOKEN, "prefix = 'a'\nprefix_optional = true", 5, "a token has one spelling"),
        (GOOD, "algorithm = 'token'\n[sig]\nquery = 't'", 3, "ends up in logs"),
        (GOOD, "signed = '{body}'\nalgorithm = 'token'\n[sig]\nheader = 'X'", 1, "signs nothing"),
        (GOOD, "encoding = 'hex'\nalgorithm = 'token'\n[sig]\nheader = 'X'", 1, "remove the encoding"),
    ];

    #[test]
    fn each_fault_has_its_line_and_says_what_was_expected() {
        assert!(read(GOOD).is_ok());
        let mut wrong = Vec::new();
        for (part, other, line, says) in FAULTS {
            let text = match *part {
                AFTER => format!("{GOOD}{other}"),
                TOKEN => format!("{TOKEN}{other}"),
                part => GOOD.replace(part, other),
            };
            let found = faults(&text);
            let named = found.iter().any(|(at, fault)| *at == Some(*line) && fault.contains(says));
            if !named {
                wrong.push(format!("{text}{line}: {says}\n{found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
}
