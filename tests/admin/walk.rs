//! A walk through the whole admin port, on both stores: every operation that is described, each answer judged by the
//! description, and each body that was taken too.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign::secret::Secret;
use countersign::store::capture::captures;
use countersign::store::deliveries::{Kept, Side};
use serde_json::{Value, json};
use uuid::Uuid;

use super::description::description;
use crate::support::admin_port::{Answer, Port};
use crate::support::described::Description;

struct Walk {
    port: Port,
    description: Description,
    /// Operations that succeeded.
    done: BTreeSet<String>,
}

impl Walk {
    async fn asks(&mut self, method: &str, target: &str, body: Option<Value>, status: u16) -> Answer {
        self.asks_with(method, target, body, &[], status).await
    }

    async fn asks_with(
        &mut self,
        method: &str,
        target: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
        status: u16,
    ) -> Answer {
        let answer = self.port.call_with(method, target, body.clone(), headers).await;
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.text);
        let operation = self.description.operation(method, target);
        self.description.judge(&operation, &answer);
        if answer.status.is_success() {
            if let Some(body) = body {
                let stated =
                    &self.description.stated(&operation)["requestBody"]["content"]["application/json"];
                self.description.check(&format!("body of {operation}"), &stated["schema"], &body);
            }
            self.done.insert(operation);
        }
        answer
    }

    async fn get(&mut self, target: &str) -> Answer {
        self.asks("GET", target, None, 200).await
    }

    async fn workspaces(&mut self) -> String {
        let made = self.asks("POST", "/api/workspaces", Some(json!({ "name": "Acme" })), 201).await;
        self.asks("POST", "/api/workspaces", Some(json!({ "name": "Acme" })), 409).await;
        self.asks("POST", "/api/workspaces", Some(json!({ "name": "", "more": 1 })), 422).await;
        self.asks("POST", "/api/workspaces", None, 400).await;
        self.asks("POST", "/api/workspaces", Some(json!({ "name": "b" })), 201).await;
        let path = made.header("location").to_owned();
        self.get(&path).await;
        self.asks("PATCH", &path, Some(json!({ "name": "Acme Ltd" })), 200).await;
        self.asks("PATCH", &path, Some(json!({ "name": "B" })), 409).await;
        self.asks("PATCH", &path, Some(json!({ "name": " " })), 422).await;
        self.asks_with("PATCH", &path, Some(json!({ "name": "Acme" })), &[("if-match", "\"1\"")], 412).await;
        self.asks_with("DELETE", &path, None, &[("if-match", "\"7\"")], 412).await;
        self.asks("GET", "/api/workspaces?limit=0", None, 422).await;
        let page = self.get("/api/workspaces?limit=1").await;
        // The next page is where `Link` says.
        let link = page.header("link").to_owned();
        let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
        assert_eq!(next, format!("/api/workspaces?limit=1&cursor={}", page.str("nextCursor")));
        let last = self.get(next).await;
        assert_eq!((last.json["items"][0]["name"].as_str(), last.header("link")), (Some("b"), ""));
        made.str("id").to_owned()
    }

    async fn keys(&mut self, workspace: &str) {
        let all = format!("/api/workspaces/{workspace}/webhook-keys");
        let wanted = json!({
            "name": "ci", "scheme": "signed-request", "requireKeyId": true, "isActive": true,
            "expiresAt": "2030-01-01T00:00:00Z", "allowedCidrs": ["192.0.2.0/24"], "routes": ["webhooks"],
        });
        for nested in [true, false] {
            let made = self.asks("POST", &all, Some(wanted.clone()), 201).await;
            let id = made.str("id").to_owned();
            let one = if nested { format!("{all}/{id}") } else { format!("/api/webhook-keys/{id}") };
            self.get(&one).await;
            self.asks("PATCH", &one, Some(json!({ "isActive": false, "expiresAt": null })), 200).await;
            self.asks("PATCH", &one, Some(json!({ "secret": "x" })), 422).await;
            self.asks("POST", &format!("{one}/rotate"), None, 200).await;
            self.asks("POST", &format!("{one}/rotate"), Some(json!({ "what": "secret" })), 409).await;
            let again = json!({ "what": "secret", "overlapSeconds": 60, "force": true });
            self.asks("POST", &format!("{one}/rotate"), Some(again), 200).await;
            self.get(&one).await;
            self.asks("POST", &format!("{one}/retire-previous"), None, 200).await;
            self.asks("POST", &format!("{one}/retire-previous"), Some(json!({})), 200).await;
            self.get(&all).await;
            self.asks("DELETE", &one, None, 204).await;
            self.asks("GET", &one, None, 404).await;
        }
        self.asks("GET", &format!("/api/workspaces/{}/webhook-keys", Uuid::nil()), None, 404).await;
    }

    async fn integrations(&mut self, workspace: &str) {
        let all = "/api/integrations";
        let wanted = json!({
            "name": "relay", "workspaceId": workspace, "signatureHeader": "X-Relay-Signature",
            "signatureAlgorithm": "sha512", "signatureFormat": "hex", "signaturePrefix": "",
            "deduplicationWindowMinutes": 5, "isActive": true, "allowedCidrs": ["192.0.2.1"], "rejectStatus": 404,
        });
        self.asks("POST", all, Some(wanted), 201).await;
        self.asks("POST", all, Some(json!({ "name": "relay" })), 409).await;
        self.asks("POST", all, Some(json!({ "name": "x", "type": "nobody" })), 422).await;
        let scheme = json!({ "signed": "{body}", "algorithm": "hmac-sha256", "encoding": "hex", "sig": { "header": "X-Acme" } });
        self.asks("POST", all, Some(json!({ "name": "own", "scheme": scheme })), 201).await;
        self.asks(
            "POST",
            all,
            Some(json!({ "name": "stripe", "type": "stripe", "toleranceSeconds": 60 })),
            201,
        )
        .await;
        self.get("/api/integrations?limit=2").await;
        self.get(&format!("/api/integrations?workspaceId={workspace}")).await;
        for name in ["relay", "own", "stripe"] {
            let one = format!("/api/integrations/{name}");
            let etag = self.get(&one).await.header("etag").to_owned();
            let seen = [("if-match", etag.as_str())];
            self.asks_with("PATCH", &one, Some(json!({ "isActive": false })), &seen, 200).await;
            self.asks_with("PATCH", &one, Some(json!({ "isActive": true })), &seen, 412).await;
            self.asks("POST", &format!("{one}/rotate-secret"), None, 200).await;
            let given = json!({ "webhookSecret": "a secret that the sender made", "force": true });
            self.asks("POST", &format!("{one}/rotate-secret"), Some(given), 200).await;
            self.get(&one).await;
            self.asks("POST", &format!("{one}/retire-previous"), None, 200).await;
            self.asks("DELETE", &one, None, 204).await;
            self.asks("DELETE", &one, None, 404).await;
        }
    }

    /// A sender that hands over its secret, and an admin who asks for it.
    async fn handshake(&mut self) {
        let wanted = json!({ "name": "notion", "type": "notion", "handshake": true });
        let made = self.asks("POST", "/api/integrations", Some(wanted), 201).await;
        let reveal = "/api/integrations/notion/handshake/reveal";
        self.asks("POST", reveal, None, 409).await;
        let (captures, task) = captures(Arc::clone(&self.port.writer));
        let task = tokio::spawn(task.run());
        let id = Uuid::parse_str(made.str("id")).unwrap();
        captures.keep(id, Secret::from_text("secret_of_the_sender_itself"), Uuid::now_v7()).await.unwrap();
        drop(captures);
        task.await.unwrap();
        assert!(self.get("/api/integrations/notion").await.json["revealUntil"].is_string());
        assert_eq!(
            self.asks("POST", reveal, None, 200).await.str("webhookSecret"),
            "secret_of_the_sender_itself"
        );
        self.asks("POST", reveal, None, 409).await;
        self.asks("DELETE", "/api/integrations/notion", None, 204).await;
    }

    async fn admins(&mut self, workspace: &str) {
        let all = "/api/admins";
        let wanted = json!({ "name": "Wim", "role": "workspace-admin", "workspaces": [workspace] });
        let made = self.asks("POST", all, Some(wanted), 201).await;
        self.asks("POST", all, Some(json!({ "name": "WIM", "role": "auditor" })), 409).await;
        self.asks("POST", all, Some(json!({ "name": "x", "role": "nobody" })), 422).await;
        let one = made.header("location").to_owned();
        self.get(&one).await;
        self.asks("PATCH", &one, Some(json!({ "role": "auditor", "workspaces": null })), 200).await;
        self.asks_with("PATCH", &one, Some(json!({ "name": "Bo" })), &[("if-match", "\"1\"")], 412).await;
        self.asks("POST", &format!("{one}/rotate-token"), None, 200).await;
        self.get(all).await;
        self.asks("DELETE", &one, None, 204).await;
        self.asks("GET", &one, None, 404).await;
    }

    /// One that some sidecar kept.
    async fn deliveries(&mut self) {
        let made = self.asks("POST", "/api/integrations", Some(json!({ "name": "hook" })), 201).await;
        let integration = Uuid::parse_str(made.str("id")).unwrap();
        let id = Uuid::now_v7();
        let delivery = json!({
            "id": id, "integrationId": integration, "integration": "hook", "at": 1_767_225_600_000_i64,
            "outcome": "refused", "reason": "timestamp_old", "cause": "too old", "status": 401, "route": "webhooks",
            "scheme": "slack", "secret": null, "client": "192.0.2.7", "method": "POST", "path": "/webhooks/hook",
            "hasQuery": true, "headers": [["host", "app.example"], ["cookie", null]],
            "body": { "size": 4, "sha256": null },
            "test": false, "stages": { "judged": 0.01, "read": null, "verified": null, "answered": 0.02 },
            "diagnosis": { "status": "made", "findings": [{ "code": "clock_skew", "detail": "d", "seconds": -912 }] },
        });
        let json = Arc::from(serde_json::to_vec(&delivery).unwrap());
        let kept = Kept { integration, side: Side::Refused, id, json };
        self.port.store.keep_deliveries(&[kept], 10, self.port.writer.now()).await.unwrap();
        for list in
            ["/api/deliveries?integration=hook&outcome=refused", "/api/integrations/hook/deliveries?limit=1"]
        {
            let page = self.get(list).await;
            assert_eq!(page.json["items"][0]["at"], "2026-01-01T00:00:00.000Z", "{}", page.text);
        }
        self.get(&format!("/api/deliveries/{id}")).await;
        let tested =
            self.asks("POST", "/api/integrations/hook/test", Some(json!({ "body": "ping" })), 200).await;
        assert_eq!(
            (&tested.json["ok"], &tested.json["status"]),
            (&json!(false), &json!(502)),
            "{}",
            tested.text
        );
        assert_eq!(tested.json["delivery"]["outcome"], "upstream_failed");
        self.asks("GET", "/api/deliveries?outcome=fine", None, 422).await;
        self.asks("GET", &format!("/api/deliveries/{}", Uuid::nil()), None, 404).await;
        self.asks("DELETE", "/api/integrations/hook", None, 204).await;
        self.asks("GET", "/api/integrations/hook/deliveries", None, 404).await;
    }

    async fn fleet(&mut self) {
        self.get("/api/sidecars").await;
        let sealing = self.get("/api/keks").await.str("sealWith").to_owned();
        self.asks("POST", "/api/keks/rotate", Some(json!({ "to": sealing })), 200).await;
        self.asks("POST", "/api/keks/rotate", Some(json!({ "to": "another" })), 409).await;
        self.asks("POST", "/api/store/migrate", None, 200).await;
        self.asks("GET", "/api/sidecars?all=1", None, 422).await;
    }

    async fn audit(&mut self) {
        let page = self.get("/api/audit-events?limit=3").await;
        assert!(page.header("link").contains("limit=3&cursor="), "{}", page.header("link"));
        self.get("/api/audit-events?action=workspace.created&since=2020-01-01T00:00:00Z").await;
        self.asks("GET", "/api/audit-events?since=yesterday", None, 422).await;
        let check = self.get("/api/audit-events/verify").await;
        assert_eq!((check.json["broken"].as_u64(), &check.json["unverified"]), (Some(0), &json!({})));
    }

    async fn schemes(&mut self) {
        self.get("/api/schemes").await;
        self.get("/api/schemes/github").await;
        self.asks("GET", "/api/schemes/nobody", None, 404).await;
    }
}

async fn walk(port: Port) {
    let description = description(&port).await;
    let mut walk = Walk { port, description, done: BTreeSet::new() };
    let workspace = walk.workspaces().await;
    walk.keys(&workspace).await;
    walk.integrations(&workspace).await;
    walk.handshake().await;
    walk.admins(&workspace).await;
    walk.deliveries().await;
    walk.fleet().await;
    walk.audit().await;
    walk.schemes().await;
    walk.asks("DELETE", &format!("/api/workspaces/{workspace}"), None, 204).await;
    walk.get("/openapi.json").await;
    walk.get("/docs").await;
    assert_eq!(walk.done, walk.description.operations(), "an operation was not walked through");
}

#[tokio::test]
async fn n12_every_operation_works_and_answers_as_described_over_the_embedded_store() {
    walk(Port::open().await).await;
}

#[tokio::test]
async fn n12_every_operation_works_and_answers_as_described_over_redis() {
    walk(Port::over_redis().await).await;
}
