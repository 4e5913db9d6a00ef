//! The loader of schemes, in both of its languages: whatever is loaded is a scheme that can be written out again,
//! makes secrets that it can use, and lets in nothing that nobody signed.
#![no_main]

use countersign::verify::scheme::{CUSTOM, Scheme, SchemeChoice, SchemeSpec, resolve};
use countersign_fuzz::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(choice) = serde_json::from_slice::<SchemeChoice>(data) {
        let _ = resolve(&choice);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(spec) = toml::from_str::<SchemeSpec>(text) else { return };
    let again: SchemeSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
    let scheme = match Scheme::compile(&spec, CUSTOM) {
        Ok(scheme) => [Box::new(scheme)],
        Err(faults) => return assert!(!faults.is_empty(), "refused without a reason"),
    };
    assert!(
        !scheme[0].generates_secrets() || scheme[0].prepare(&scheme[0].generate_secret(&[1; 32])).is_ok()
    );
    let _ = (scheme[0].summary(), scheme[0].detail(), scheme[0].read_headers());
    for request in [
        "\nPOST /\n0\n0\n\n{}",
        "\nGET /?a=1\n\n",
        "\nPOST /\ncontent-type: application/x-www-form-urlencoded\n\na=1",
    ] {
        if let Some((scheme, request)) = Request::read(request.as_bytes(), &scheme) {
            request.is_refused(scheme);
        }
    }
});
