//! What is read from a body: JSON values, batches, form fields, digests. None panics, none verifies.
#![no_main]

use std::sync::LazyLock;

use countersign::verify::scheme::Scheme;
use countersign_fuzz::{Request, compiled};
use libfuzzer_sys::fuzz_target;

static SCHEMES: LazyLock<Vec<Box<Scheme>>> = LazyLock::new(|| {
    [
        ("{json:a.b}|{json?:c}|{json:d.0}", "[sig]\njson = 's'"),
        ("{id}{timestamp}", "[sig]\njson = 's'\n[id]\njson = 'i'\n[timestamp]\njson = 't'\nenforce = false"),
        ("{json:a}", "each = 'items'\n[sig]\njson = 's'"),
        ("{form:a}|{form:b}", "[sig]\nform = 's'"),
        ("{id}{timestamp}", "[sig]\nform = 's'\n[id]\nform = 'i'\n[timestamp]\nform = 't'\nunit = 'rfc3339'"),
        ("{form.sorted}", "[sig]\nheader = 'X-Sig'"),
        ("{md5b64:body}{crc32:body}{sha256hex:body}", "[sig]\nquery = 's'"),
        ("{target}", "[sig]\nheader = 'X-Sig'\n[bind]\nquery = 'd'\ndigest = 'sha256-hex'"),
        ("{header:X-D}", "[sig]\nheader = 'X-Sig'\n[bind]\nheader = 'X-D'\nprefix = 'd='\ndigest = 'sha512-base64'"),
        ("{url}{body}", "url = ['as-is', 'strip-port', 'default-port', 'strip-query', 'decoded']\n[sig]\nheader = 'X-Sig'"),
    ]
    .map(|(signed, rest)| {
        compiled(&format!("signed = '{signed}'\nalgorithm = 'hmac-sha256'\nencoding = 'hex'\n{rest}"))
    })
    .into()
});

fuzz_target!(|data: &[u8]| {
    if let Some((scheme, request)) = Request::read(data, &SCHEMES) {
        request.is_refused(scheme);
    }
});
