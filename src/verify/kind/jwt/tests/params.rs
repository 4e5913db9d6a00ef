//! What a scheme may ask for, and what the presets do.

use super::{BODY, SECRET, named};
use crate::verify::kind::testing::{Sent, faults};

#[test]
fn presets_say_what_they_cover() {
    for (name, body, target, id, url) in [
        ("messagebird-jwt", true, true, true, true),
        ("vonage-jwt", true, false, false, false),
        ("netlify", true, false, false, false),
        ("monday", false, true, false, true),
        ("atlassian-connect", false, true, false, false),
        ("plaid", true, false, false, false),
        ("kinde", true, false, true, false),
    ] {
        let scheme = named(name);
        let said = (scheme.binds_body(), scheme.binds_target(), scheme.signs_id(), scheme.needs_url());
        assert_eq!(said, (body, target, id, url), "{name}");
    }
    for name in ["messagebird-jwt", "vonage-jwt", "netlify", "monday", "atlassian-connect"] {
        assert!(
            Sent::post("/hook?a=1", BODY).signed(named(name), SECRET).passes(named(name), SECRET),
            "{name}"
        );
    }
}

#[test]
fn parameters_are_checked() {
    let faults = |params: &str| faults(&format!("kind = 'jwt'\n[params]\n{params}"));
    let qsh = "header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nurl_claim = 'u'\nurl_form = 'qsh'";
    for (base, expected) in [
        ("/x", &[][..]),
        ("x", &["params.base_path"]),
        ("/x/", &["params.base_path"]),
        ("/x?y", &["params.base_path"]),
    ] {
        assert_eq!(faults(&format!("{qsh}\nbase_path = '{base}'")), expected, "{base}");
    }
    assert_eq!(faults(""), ["params"]);
    for (params, expected) in [
        ("algorithm = 'HS256'", &["params.header", "params.body_claim"][..]),
        (
            "header = 'a b'\nquery = 'a'\nalgorithm = []\nbody = 'optional'",
            &["params.header", "params.algorithm"],
        ),
        (
            "query = 'a&b'\nalgorithm = ['HS256', 'RS256']\nbody = 'optional'",
            &["params.query", "params.algorithm"],
        ),
        ("query = 'a'\nprefix = 'x'\nalgorithm = 'HS256'\nbody = 'optional'", &["params.prefix"]),
        ("header = 'a'\nprefix = ' x'\nalgorithm = 'HS256'\nbody = 'optional'", &["params.prefix"]),
        ("header = 'a'\nalgorithm = ['RS256', 'ES256']\nbody = 'optional'", &["params.algorithm"]),
        ("header = 'a'\nalgorithm = 'none'\nbody = 'optional'", &["params"]),
        ("header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nkid = 'x'", &["params"]),
        ("header = 'Host'\nalgorithm = 'HS256'\nbody = 'optional'", &["params"]),
        ("header = 'a'\nbody_token = true\nalgorithm = 'HS256'", &["params.body_token"]),
        ("body_token = true\nalgorithm = 'HS256'\nbody_claim = 'x'", &["params.body"]),
        ("body_token = true\nalgorithm = 'HS256'\nbody_digest = 'sha256-hex'", &["params.body"]),
        ("body_token = true\nalgorithm = 'HS256'\nbody = 'optional'", &["params.body"]),
        ("header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nleeway = 300", &[]),
        (
            "header = 'a'\nalgorithm = 'HS256'\nbody_digest = 'md5-hex'\nbody_claim = 'x'",
            &["params.body_digest"],
        ),
        ("header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nurl_form = 'qsh'", &["params.url_form"]),
        (
            "header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\nurl_claim = 'u'\nbase_path = 'x/'",
            &["params.base_path", "params.base_path"],
        ),
        (
            "header = 'a'\nalgorithm = 'HS256'\nbody = 'optional'\ntolerance = 0\nleeway = 301",
            &["params.tolerance", "params.leeway"],
        ),
    ] {
        assert_eq!(faults(params), expected, "{params}");
    }
}
