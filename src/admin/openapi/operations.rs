//! What each operation takes and gives, in words and by the names of schemas.
//!
//! Not who may ask, which `admin/operations.rs` says. Invariant: the two tables have the same operations, which a test
//! compares.

/// What the body may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// There is none.
    Nothing,
    /// It must be there, as this schema.
    Fields(&'static str),
    /// It may be left out.
    MayHave(&'static str),
}

/// What the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// A page of these, and the filters that the list takes.
    Page(&'static [&'static str], &'static [&'static str]),
    /// What is not a record, and the parameters that it takes.
    Plain(&'static str, &'static [&'static str]),
    /// A record.
    Record(&'static str),
    /// A record, after a change that may name a revision.
    Changed(&'static str),
    /// A record that was made, with what is shown once.
    Made(&'static str),
    /// A record whose secret was made anew.
    Rotated(&'static str),
    /// What an action came to; not of one record.
    Done(&'static str),
    /// Nothing: it is gone.
    Gone,
    /// A document of this media type.
    Document(&'static str),
}

/// An operation.
pub(super) struct Described {
    /// Its method and path.
    pub(super) at: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) takes: Takes,
    pub(super) gives: Gives,
}

/// The operation with this method and path.
pub(super) fn described(method: &str, path: &str) -> Option<&'static Described> {
    DESCRIBED.iter().find(|described| described.at.split_once(' ') == Some((method, path)))
}

/// Sections of the page, by the beginning of paths; the first that fits counts.
pub(super) const TAGS: &[(&str, &str, &str)] = &[
    ("/api/workspaces/{workspace}/webhook-keys", "Webhook keys", "API keys and HMAC secrets of a workspace."),
    ("/api/webhook-keys", "Webhook keys", ""),
    ("/api/workspaces", "Workspaces", "Tenants. A workspace goes with its keys and integrations."),
    (
        "/api/integrations/{integration}/deliveries",
        "Deliveries",
        "What became of each attempt on an integration.",
    ),
    ("/api/deliveries", "Deliveries", ""),
    ("/api/integrations", "Integrations", "Senders of webhooks, reached by id or by name."),
    ("/api/admins", "Admins", "Who may use this port: each with a role and a token."),
    ("/api/audit-events", "Audit events", "Every change, in a chain that shows what was altered."),
    ("/api/schemes", "Signature schemes", "The presets."),
    ("/api/", "Sidecars and key-encryption keys", "What concerns all sidecars of a namespace."),
    ("/", "This description", "Public, as nothing else is."),
];

use Gives::{Changed, Document, Done, Gone, Made, Page, Plain, Record, Rotated};
use Takes::{Fields, MayHave, Nothing};

const EVENT_FILTERS: &[&str] = &["resourceType", "resourceId", "actor", "action", "since", "until"];

macro_rules! described {
    ($at:literal $id:ident $takes:expr, $gives:expr, $summary:literal) => {
        Described { at: $at, id: stringify!($id), summary: $summary, takes: $takes, gives: $gives }
    };
}

#[rustfmt::skip]
pub(super) const DESCRIBED: &[Described] = &[
    described!("GET /api/workspaces" listWorkspaces Nothing, Page(&["Workspace"], &[]), "Lists workspaces"),
    described!("POST /api/workspaces" createWorkspace Fields("NewWorkspace"), Made("Workspace"), "Makes a workspace"),
    described!("GET /api/workspaces/{workspace}" getWorkspace Nothing, Record("Workspace"), "Shows a workspace"),
    described!("PATCH /api/workspaces/{workspace}" updateWorkspace Fields("WorkspaceChanges"), Changed("Workspace"), "Renames a workspace"),
    described!("DELETE /api/workspaces/{workspace}" deleteWorkspace Nothing, Gone, "Deletes a workspace with its webhook keys and integrations"),

    described!("GET /api/workspaces/{workspace}/webhook-keys" listWebhookKeys Nothing, Page(&["WebhookKey"], &[]), "Lists the webhook keys of a workspace"),
    described!("POST /api/workspaces/{workspace}/webhook-keys" createWebhookKey Fields("NewWebhookKey"), Made("WebhookKeyOnce"), "Makes a webhook key"),
    described!("GET /api/workspaces/{workspace}/webhook-keys/{key}" getWorkspaceWebhookKey Nothing, Record("WebhookKey"), "Shows a webhook key of a workspace"),
    described!("PATCH /api/workspaces/{workspace}/webhook-keys/{key}" updateWorkspaceWebhookKey Fields("WebhookKeyChanges"), Changed("WebhookKeyOnce"), "Changes a webhook key of a workspace"),
    described!("DELETE /api/workspaces/{workspace}/webhook-keys/{key}" deleteWorkspaceWebhookKey Nothing, Gone, "Deletes a webhook key of a workspace"),
    described!("POST /api/workspaces/{workspace}/webhook-keys/{key}/rotate" rotateWorkspaceWebhookKey MayHave("KeyRotation"), Rotated("WebhookKeyOnce"), "Rotates a webhook key of a workspace"),
    described!("POST /api/workspaces/{workspace}/webhook-keys/{key}/retire-previous" retireWorkspaceWebhookKey MayHave("NoFields"), Changed("WebhookKey"), "Ends the former values of a webhook key of a workspace"),
    described!("GET /api/webhook-keys/{key}" getWebhookKey Nothing, Record("WebhookKey"), "Shows a webhook key"),
    described!("PATCH /api/webhook-keys/{key}" updateWebhookKey Fields("WebhookKeyChanges"), Changed("WebhookKeyOnce"), "Changes a webhook key"),
    described!("DELETE /api/webhook-keys/{key}" deleteWebhookKey Nothing, Gone, "Deletes a webhook key"),
    described!("POST /api/webhook-keys/{key}/rotate" rotateWebhookKey MayHave("KeyRotation"), Rotated("WebhookKeyOnce"), "Rotates a webhook key"),
    described!("POST /api/webhook-keys/{key}/retire-previous" retireWebhookKey MayHave("NoFields"), Changed("WebhookKey"), "Ends the former values of a webhook key"),

    described!("GET /api/integrations" listIntegrations Nothing, Page(&["Integration"], &["workspaceId"]), "Lists integrations"),
    described!("POST /api/integrations" createIntegration Fields("NewIntegration"), Made("IntegrationOnce"), "Makes an integration"),
    described!("GET /api/integrations/{integration}" getIntegration Nothing, Record("Integration"), "Shows an integration"),
    described!("PATCH /api/integrations/{integration}" updateIntegration Fields("IntegrationChanges"), Changed("Integration"), "Changes an integration"),
    described!("DELETE /api/integrations/{integration}" deleteIntegration Nothing, Gone, "Deletes an integration"),
    described!("POST /api/integrations/{integration}/rotate-secret" rotateIntegrationSecret MayHave("SecretRotation"), Rotated("IntegrationOnce"), "Rotates the secret of an integration"),
    described!("POST /api/integrations/{integration}/retire-previous" retireIntegrationSecret MayHave("NoFields"), Changed("Integration"), "Ends the former secret of an integration"),
    described!("POST /api/integrations/{integration}/handshake/reveal" revealIntegrationSecret MayHave("NoFields"), Changed("IntegrationOnce"), "Shows the secret that a handshake brought, once, within an hour"),

    described!("GET /api/admins" listAdmins Nothing, Page(&["Admin"], &[]), "Lists admins"),
    described!("POST /api/admins" createAdmin Fields("NewAdmin"), Made("AdminOnce"), "Makes an admin"),
    described!("GET /api/admins/{admin}" getAdmin Nothing, Record("Admin"), "Shows an admin"),
    described!("PATCH /api/admins/{admin}" updateAdmin Fields("AdminChanges"), Changed("Admin"), "Changes name, role or workspaces of an admin"),
    described!("DELETE /api/admins/{admin}" deleteAdmin Nothing, Gone, "Deletes an admin, whose token ends at once"),
    described!("POST /api/admins/{admin}/rotate-token" rotateAdminToken MayHave("NoFields"), Rotated("AdminOnce"), "Makes another token for an admin; the former ends at once"),

    described!("POST /api/integrations/{integration}/test" testIntegration MayHave("IntegrationTest"), Done("IntegrationTested"), "Sends a signed sample on the way of any sender's, and says how far it came"),
    described!("GET /api/integrations/{integration}/deliveries" listDeliveriesOfIntegration Nothing, Page(&["Delivery"], &["outcome", "reason", "since"]), "Lists what became of attempts on an integration, newest first"),
    described!("GET /api/deliveries" listDeliveries Nothing, Page(&["Delivery"], &["integration.query", "outcome", "reason", "since"]), "Lists what became of attempts on integrations, newest first"),
    described!("GET /api/deliveries/{delivery}" getDelivery Nothing, Plain("Delivery", &[]), "Shows what became of an attempt"),

    described!("GET /api/sidecars" listSidecars Nothing, Plain("Sidecars", &[]), "Lists the sidecars that live"),
    described!("GET /api/keks" listKeks Nothing, Plain("Keks", &[]), "Says what is under which key-encryption key"),
    described!("POST /api/keks/rotate" rotateKek Fields("KekRotation"), Done("KekRotated"), "Re-seals up to 1,000 records; repeat it until done"),
    described!("POST /api/store/migrate" migrateStore MayHave("NoFields"), Done("Migrated"), "Raises the schema of the store"),

    described!("GET /api/audit-events" listAuditEvents Nothing, Page(&["AuditEvent", "UnreadableEvent"], EVENT_FILTERS), "Lists audit events, newest first"),
    described!("GET /api/audit-events/verify" verifyAuditEvents Nothing, Plain("AuditCheck", &["cursor", "head"]), "Checks a piece of the chain; repeat it with nextCursor"),
    described!("GET /api/schemes" listSchemes Nothing, Plain("Schemes", &[]), "Lists the presets"),
    described!("GET /api/schemes/{scheme}" getScheme Nothing, Plain("SchemeDetail", &[]), "Shows a preset"),

    described!("GET /openapi.json" getOpenApi Nothing, Document("application/json"), "This description, OpenAPI 3.1"),
    described!("GET /docs" getDocs Nothing, Document("text/html; charset=utf-8"), "The same for people"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{DESCRIBED, TAGS};
    use crate::admin::OPERATIONS;

    #[test]
    fn every_operation_is_described_and_nothing_else() {
        let stated: BTreeSet<String> =
            OPERATIONS.iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect();
        let described: BTreeSet<String> = DESCRIBED.iter().map(|described| described.at.to_owned()).collect();
        assert_eq!(described, stated, "add it to src/admin/openapi/operations.rs");
        assert_eq!(described.len(), DESCRIBED.len());
        let ids: BTreeSet<&str> = DESCRIBED.iter().map(|described| described.id).collect();
        assert_eq!(ids.len(), DESCRIBED.len());
        assert!(TAGS.iter().any(|(path, ..)| *path == "/"));
    }
}
