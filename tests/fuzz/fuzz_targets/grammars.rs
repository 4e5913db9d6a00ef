//! Every grammar of a header that carries a credential: each `parse` of the language, each built-in kind, API keys
//! and the headers that name a workspace's key. None panics; no list is longer than it may be.
#![no_main]

use std::sync::{Arc, LazyLock};

use countersign::credential::{Extraction, api_key, signature};
use countersign::verify::scheme::{MAX_CANDIDATES, Scheme, presets};
use countersign_fuzz::{Request, compiled};
use libfuzzer_sys::fuzz_target;

static SCHEMES: LazyLock<Vec<Arc<Scheme>>> = LazyLock::new(|| {
    let own = [
        "",
        "prefix = 'v1='\nprefix_optional = true",
        "parse = 'kv'\nsep = ','\nkey = 'v1'\n[timestamp]\nfield = 't'",
        "parse = 'tagged'\nsep = ' '\ntag_sep = ','\nkey = 'v1'\n[id]\nheader = 'X-Id'",
        "parse = 'positional'\nprefix = 'S '\nsep = ','\nkey = '2'\n[timestamp]\nfield = '0'\nunit = 'ms'",
        "parse = 'delimited'\nsep = ','\n[timestamp]\nheader = 'X-Time'\nunit = 'rfc3339'",
        "parse = 'groups'\nsep = ','\ngroup_sep = ' '\nkey = 'v1'\n[timestamp]\nfield = 't'",
        "[timestamp]\nheader = 'X-Time'\nunit = 'http-date'",
    ]
    .into_iter()
    .flat_map(|rest| {
        let time = if rest.contains("[timestamp]") { "{timestamp}." } else { "" };
        let id = if rest.contains("[id]") { "{id}." } else { "" };
        ["hex", "base64", "base64url"].map(|encoding| {
            let text = format!(
                "signed = '{time}{id}{{body}}'\nalgorithm = 'hmac-sha256'\nencoding = '{encoding}'\n\
                 [sig]\nheader = 'X-Sig'\n{rest}"
            );
            Arc::from(compiled(&text))
        })
    });
    own.chain(presets().filter(|scheme| scheme.spec().kind.is_some()).cloned()).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((scheme, request)) = Request::read(data, &SCHEMES) else { return };
    if let Extraction::Present(credential) = scheme.extract(&request.head()) {
        assert!(credential.candidates() <= MAX_CANDIDATES);
        let _ = (credential.times(), credential.id().map(str::len));
    }
    let _ = api_key::extract(request.head().headers, true);
    let _ = api_key::is_bearer(request.head().headers);
    let _ = signature::locate(request.head().headers);
});
