//! An admin port that is flooded, and everybody else.

use crate::support::flood::Flood;
use crate::support::http::Call;
use crate::support::mac::hmac_hex;
use crate::support::process::Serve;
use crate::support::upstream::Upstream;

/// Requests of the flood before anything is judged, and after.
const WAVE: usize = 400;
/// Requests of senders that are judged.
const JUDGED: usize = 40;

/// Not how fast: that is for benches.
#[test]
fn n21_a_flood_of_the_admin_port_changes_no_verdict_and_no_probe() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start());
    let serve = Serve::start(dir.path(), &upstream.url);
    let workspace = serve.workspace("w");
    let (key, gone) = (serve.key(&workspace, "kept"), serve.key(&workspace, "gone"));
    let secret = serve.integration("hook", "generic");
    let by_key = |key: &str| Call::get("/orders").header("X-API-Key", key).send(serve.traffic).status;
    let by_hook = |secret: &str| {
        let call = Call::post("/webhooks/hook", "{}");
        call.header("X-Webhook-Signature", hmac_hex(secret, &[b"{}"])).send(serve.traffic).status
    };
    let flood = Flood::of(serve.admin, &workspace);
    flood.wave(WAVE);
    for _ in 0..JUDGED {
        assert_eq!((by_key(&key.api_key), by_key("wk_nobody")), (200, 401));
        assert_eq!((by_hook(&secret), by_hook("another")), (200, 401));
        assert_eq!((serve.ops("/livez").status, serve.ops("/readyz").status), (200, 200));
    }
    // An admin is heard beside it.
    assert_eq!(serve.admin("DELETE", &format!("/api/webhook-keys/{}", gone.id), None).status, 204);
    assert_eq!(by_key(&gone.api_key), 401);
    flood.wave(WAVE);
    flood.end();
    assert_eq!(upstream.take().len(), 2 * JUDGED);
}
