//! An admin port that is flooded, and everybody else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::support::http::{Call, Connection};
use crate::support::mac::hmac_hex;
use crate::support::process::Serve;
use crate::support::sidecar::{TOKEN, until};
use crate::support::upstream::Upstream;

/// Connections of the flood.
const FLOODERS: usize = 24;
/// Requests of the flood before anything is judged, and between two judgements.
const WAVE: usize = 400;
/// Requests of senders that are judged.
const JUDGED: usize = 40;

/// Asks again and again until it is over, each connection something else: reads, writes, and wrong tokens.
fn flood(number: usize, admin: SocketAddr, workspace: &str, asked: &AtomicUsize, is_over: &AtomicBool) {
    let token = if number % 4 == 3 { "wrong" } else { TOKEN };
    let path = match number % 3 {
        0 => "/api/audit-events?limit=200".to_owned(),
        1 => format!("/api/workspaces/{workspace}/webhook-keys?limit=200"),
        _ => "/api/workspaces".to_owned(),
    };
    let mut call = Call::get(&path).header("Authorization", format!("Bearer {token}"));
    if number % 3 == 2 {
        call = Call::post(&path, json!({ "name": " " }).to_string())
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
    }
    let bytes = call.bytes_for(&admin.to_string());
    // An address that sends wrong tokens is not listened to any more: it is not that of the others.
    let open = || Connection::open_from(if token == TOKEN { 2 } else { 3 }, admin);
    let mut connection = open();
    while !is_over.load(Ordering::SeqCst) {
        connection.write(&bytes);
        match connection.try_answer(&call.method) {
            Some(answer) => assert!(matches!(answer.status, 200 | 401 | 422 | 429), "{}", answer.text()),
            None => connection = open(),
        }
        asked.fetch_add(1, Ordering::SeqCst);
    }
}

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
    let (asked, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let wave = || {
        let before = asked.load(Ordering::SeqCst);
        until("a wave of the flood is answered", || asked.load(Ordering::SeqCst) >= before + WAVE);
    };
    std::thread::scope(|scope| {
        for number in 0..FLOODERS {
            let (asked, is_over, workspace) = (&asked, &is_over, &workspace);
            scope.spawn(move || flood(number, serve.admin, workspace, asked, is_over));
        }
        wave();
        for _ in 0..JUDGED {
            assert_eq!((by_key(&key.api_key), by_key("wk_nobody")), (200, 401));
            assert_eq!((by_hook(&secret), by_hook("another")), (200, 401));
            assert_eq!((serve.ops("/livez").status, serve.ops("/readyz").status), (200, 200));
        }
        assert_eq!(serve.admin("DELETE", &format!("/api/webhook-keys/{}", gone.id), None).status, 204);
        assert_eq!(by_key(&gone.api_key), 401);
        wave();
        is_over.store(true, Ordering::SeqCst);
    });
    assert_eq!(upstream.take().len(), 2 * JUDGED);
}
