//! Routes with `path_mode = "raw"`: a prefix of bytes, and never a way out of it.

use super::status;
use crate::support::sidecar::Sidecar;

const ROUTES: &str = "
[[routes]]
name = 'admin'
path = '/admin/{*rest}'
verify = ['api-key']
[[routes]]
name = 'objects'
path = '/o/'
path_mode = 'raw'
verify = 'none'
[[routes]]
name = 'half'
path = '/half'
path_mode = 'raw'
methods = ['GET']
verify = 'none'
[[routes]]
name = 'default'
path = '/{*rest}'
verify = ['api-key']
";

fn get(sidecar: &Sidecar, path: &str) -> u16 {
    status(sidecar, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

#[test]
fn a_raw_route_takes_what_is_refused_elsewhere_and_sends_it_on_as_it_came() {
    let sidecar = Sidecar::builder().config(ROUTES).start();
    for path in [
        "/o/",
        "/o/a//b",
        "/o//",
        "/o/a%2fb",
        "/o/a%252Fb",
        "/o/a;v=1/b",
        "/o/a\\b",
        "/o/%zz",
        "/o/100%",
        "/o/%00",
        "/o/%ff",
        "/o/a%2Eb",
        "/o/...",
        "/o/a..b/..c",
        "/o/plain?q=../..",
        "/halfway//there",
        "/half",
    ] {
        assert_eq!(get(&sidecar, path), 200, "{path}");
        assert_eq!(sidecar.upstream.only().target, path);
    }
}

#[test]
fn a_raw_route_admits_no_dot_segment_in_any_reading() {
    let sidecar = Sidecar::builder().config(ROUTES).start();
    for path in [
        "/o/..",
        "/o/../admin",
        "/o/./a",
        "/o/.",
        "/o//../admin",
        "/o/a/..;/admin",
        "/o/..;v=1/admin",
        "/o/%2e%2e/admin",
        "/o/%2E./admin",
        "/o/%252e%252e/admin",
        "/o/%25252e%25252e/admin",
        "/o/..%2fadmin",
        "/o/a%2f..%2f..%2fadmin",
        "/o/..%5cadmin",
        "/o/..\\admin",
        "/o/a\\..\\..\\admin",
        "/o/..%00/admin",
        "/o/..%20/admin",
        "/o/..%09/admin",
        "/o/%c0%ae%c0%ae/admin",
        "/o/%e0%80%ae%e0%80%ae/admin",
        "/o/..%c0%afadmin",
        "/o/..%c1%9cadmin",
        "/o/%u002e%u002e/admin",
        "/o/%uff0e%uff0e/admin",
        "/o/..%3fadmin",
        "/o/..%23/admin",
        "/o/%2525252525252e%2525252525252e/admin",
    ] {
        assert_eq!(get(&sidecar, path), 400, "{path}");
    }
    sidecar.upstream.saw_nothing();
}

#[test]
fn a_raw_route_takes_nothing_that_an_earlier_one_might_in_another_reading() {
    let open_all = "
[[routes]]
name = 'admin'
path = '/admin/{*rest}'
verify = ['api-key']
[[routes]]
name = 'all'
path = '/'
path_mode = 'raw'
verify = 'none'
";
    let sidecar = Sidecar::builder().config(open_all).start();
    for path in [
        "//admin/a",
        "/admin//a",
        "/admin;x/a",
        "/;/admin/a",
        "/%61dmin//a",
        "/%2561dmin/a%2fb",
        "/admin%2fa",
        "/admin%252fa",
        "/admin\\a",
        "\\admin\\a",
        "/admin%00/a",
        "/%uff0fadmin/a",
    ] {
        assert_eq!(get(&sidecar, path), 400, "{path}");
    }
    assert_eq!(get(&sidecar, "/admin/a"), 401);
    sidecar.upstream.saw_nothing();
    for path in ["//adminx/a", "/a//admin", "/adm%2fin"] {
        assert_eq!(get(&sidecar, path), 200, "{path}");
    }
}

#[test]
fn other_routes_refuse_what_they_refused() {
    let sidecar = Sidecar::builder().config(ROUTES).start();
    for path in ["/x//y", "/O/a//b", "/%6f/a//b", "/x%2fy", "/x;y", "/hal%66//x"] {
        assert_eq!(get(&sidecar, path), 400, "{path}");
    }
    assert_eq!(status(&sidecar, "POST /half//x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    for path in ["/oo", "/x", "/%6f/a"] {
        assert_eq!(get(&sidecar, path), 401, "{path}");
    }
    sidecar.upstream.saw_nothing();
}
