//! The presets: one TOML file per sender in `config/schemes/`, embedded. Pure.
//!
//! Not code: each goes through the parser and the checks that a user's own scheme goes through. Invariant: a
//! preset with a fault does not exist at run time, so nothing can verify under it; a test names it.

use std::sync::{Arc, LazyLock};

use super::{Scheme, SchemeFault, SchemeSpec};

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../config/schemes/", $name, ".toml")))),+]
    };
}

/// Every preset's name and text, in the order in which they are listed: first the formats that anybody may
/// use, then senders by name.
const TEXTS: &[(&str, &str)] = &embedded![
    "generic",
    "signed-request",
    "standard-webhooks",
    "workspace",
    "hub-sha256",
    "hub-sha512",
    "raw-sha256-hex",
    "hub-sha1",
    "standard-webhooks-ed25519",
    "bearer",
    "basic",
    "adyen-header",
    "adyen-notification",
    "affirm",
    "airtable",
    "airwallex",
    "alertmanager",
    "asana",
    "atlassian-connect",
    "authorize-net",
    "bitbucket",
    "box",
    "braintree",
    "buildkite",
    "buildkite-token",
    "calendly",
    "chargebee",
    "circleci",
    "clickup",
    "cloudflare-stream",
    "coinbase-commerce",
    "contentful",
    "convoy",
    "convoy-advanced",
    "customer-io",
    "datadog",
    "datadog-hmac",
    "deel",
    "discord",
    "docusign",
    "dropbox",
    "easypost",
    "ebay",
    "fal",
    "figma",
    "finch",
    "flux",
    "forgejo",
    "front",
    "front-rule",
    "gitea",
    "github",
    "github-sha1",
    "gitlab-token",
    "gocardless",
    "gogs",
    "grafana",
    "hcp-terraform",
    "hcp-terraform-run-task",
    "hubspot-v1",
    "hubspot-v2",
    "hubspot-v3",
    "intercom",
    "jira",
    "kinde",
    "klaviyo",
    "knock",
    "launchdarkly",
    "lemon-squeezy",
    "line",
    "linear",
    "linkedin",
    "lob",
    "mailgun",
    "mandrill",
    "messagebird-jwt",
    "mercado-pago",
    "meta",
    "microsoft-graph",
    "mixpanel",
    "modern-treasury",
    "mollie",
    "monday",
    "ms-teams",
    "mux",
    "netlify",
    "newrelic",
    "newrelic-hmac",
    "notion",
    "okta",
    "opsgenie",
    "paddle",
    "pagerduty-v3",
    "paypal",
    "paystack",
    "persona",
    "plaid",
    "plivo-v2",
    "plivo-v3",
    "plivo-v3-get",
    "polar",
    "postmark",
    "razorpay",
    "recurly",
    "sanity",
    "scalr",
    "sendgrid",
    "sentry",
    "shippo",
    "shopify",
    "sinch-conversation",
    "sinch-numbers",
    "sinch-voice",
    "slack",
    "sparkpost",
    "square",
    "stripe",
    "telegram",
    "telnyx",
    "tink",
    "trello",
    "twilio",
    "twitch",
    "typeform",
    "vercel",
    "vonage-jwt",
    "webflow",
    "wise",
    "woocommerce",
    "workos",
    "x",
    "zendesk",
    "zoom",
    "rfc9421",
    "rfc9421-ecdsa-p256-sha256",
    "rfc9421-ed25519",
    "rfc9421-rsa-pss-sha512",
    "rfc9421-rsa-v1_5-sha256",
    "cavage",
    "kong-hmac",
    "apisix-hmac",
    "aws-sigv4",
    "aws-sns",
];

static PRESETS: LazyLock<Vec<Arc<Scheme>>> =
    LazyLock::new(|| TEXTS.iter().filter_map(|(name, text)| load(name, text).ok()).map(Arc::new).collect());

/// The preset with this name.
#[must_use]
pub fn preset(name: &str) -> Option<&'static Arc<Scheme>> {
    PRESETS.iter().find(|scheme| scheme.label() == name)
}

/// All presets.
pub fn presets() -> impl Iterator<Item = &'static Arc<Scheme>> {
    PRESETS.iter()
}

fn load(name: &'static str, text: &str) -> Result<Scheme, Vec<SchemeFault>> {
    let spec: SchemeSpec =
        toml::from_str(text).map_err(|error| vec![SchemeFault::new(name, error.message())])?;
    Scheme::compile(&spec, name)
}

#[cfg(test)]
mod tests {
    use super::{TEXTS, load, preset, presets};

    #[test]
    fn every_preset_compiles() {
        for (name, text) in TEXTS {
            if let Err(faults) = load(name, text) {
                panic!("{name}: {faults:?}");
            }
        }
        assert_eq!(presets().count(), TEXTS.len());
    }

    #[test]
    fn every_preset_is_documented() {
        for scheme in presets() {
            let spec = scheme.spec();
            for (key, text) in
                [("title", &spec.title), ("documentation", &spec.documentation), ("setup", &spec.setup)]
            {
                assert!(text.as_ref().is_some_and(|text| !text.is_empty()), "{}: {key}", scheme.label());
            }
            assert!(spec.proof.is_some(), "{}: proof", scheme.label());
        }
    }

    #[test]
    fn a_preset_with_a_fault_is_not_there() {
        assert!(load("broken", "algorithm = 'hmac-sha256'").is_err());
        assert!(preset("broken").is_none());
        assert!(preset("").is_none());
        assert!(preset("GitHub").is_none());
    }
}
