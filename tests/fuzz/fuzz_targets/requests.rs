//! Any request under any preset: none panics, and none verifies, for nobody has signed with these secrets.
#![no_main]

use std::sync::{Arc, LazyLock};

use countersign::verify::scheme::{Scheme, presets};
use countersign_fuzz::Request;
use libfuzzer_sys::fuzz_target;

static SCHEMES: LazyLock<Vec<Arc<Scheme>>> = LazyLock::new(|| presets().cloned().collect());

fuzz_target!(|data: &[u8]| {
    if let Some((scheme, request)) = Request::read(data, &SCHEMES) {
        request.is_refused(scheme);
    }
});
