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
    "standard-webhooks-ed25519",
    "workspace",
    "hub-sha256",
    "hub-sha512",
    "hub-sha1",
    "raw-sha256-hex",
    "bearer",
    "basic",
    "rfc9421",
    "rfc9421-ecdsa-p256-sha256",
    "rfc9421-ed25519",
    "rfc9421-rsa-pss-sha512",
    "rfc9421-rsa-v1_5-sha256",
    "cavage",
    "kong-hmac",
    "apisix-hmac",
    "ably",
    "acuity",
    "adyen-header",
    "adyen-notification",
    "affirm",
    "aftership",
    "airtable",
    "airwallex",
    "alchemy",
    "alertmanager",
    "asana",
    "ashby",
    "atlassian-connect",
    "attio",
    "auth0",
    "authorize-net",
    "autodesk",
    "aws-sigv4",
    "aws-sns",
    "bigcommerce",
    "bitbucket",
    "bolt",
    "box",
    "braintree",
    "brevo",
    "brex",
    "btcpay",
    "buildkite",
    "buildkite-token",
    "cal-com",
    "calendly",
    "cashfree",
    "castle",
    "chargebee",
    "chargify",
    "checkout-com",
    "checkr",
    "circleci",
    "clerk",
    "clickup",
    "cloudflare-stream",
    "coinbase-commerce",
    "configcat",
    "contentful",
    "convoy",
    "convoy-advanced",
    "cronofy",
    "cursor",
    "customer-io",
    "datadog",
    "datadog-hmac",
    "deel",
    "discord",
    "discourse",
    "docusign",
    "dodo-payments",
    "doppler",
    "dropbox",
    "dub",
    "dwolla",
    "easypost",
    "ebay",
    "elevenlabs",
    "fal",
    "fastspring",
    "figma",
    "fillout",
    "finch",
    "flutterwave",
    "flux",
    "forgejo",
    "frame-io",
    "framer",
    "front",
    "front-rule",
    "ghost",
    "gitea",
    "github",
    "github-sha1",
    "gitlab",
    "gitlab-token",
    "gocardless",
    "gogs",
    "grafana",
    "gusto",
    "hackerone",
    "hcp-terraform",
    "hcp-terraform-run-task",
    "help-scout",
    "heroku",
    "hookdeck",
    "hubspot-v1",
    "hubspot-v2",
    "hubspot-v3",
    "imagekit",
    "incident-io",
    "intercom",
    "jira",
    "kinde",
    "klaviyo",
    "knock",
    "kontent-ai",
    "launchdarkly",
    "lemon-squeezy",
    "line",
    "linear",
    "linkedin",
    "lithic",
    "lob",
    "loops",
    "mailgun",
    "mandrill",
    "memberful",
    "mercado-pago",
    "merge",
    "messagebird-jwt",
    "meta",
    "microsoft-graph",
    "mixpanel",
    "modern-treasury",
    "mollie",
    "monday",
    "mongodb-atlas",
    "monnify",
    "ms-teams",
    "mux",
    "netlify",
    "newrelic",
    "newrelic-hmac",
    "notion",
    "npm",
    "nylas",
    "okta",
    "onfido",
    "onfleet",
    "openai",
    "opsgenie",
    "orb",
    "paddle",
    "pagerduty-v3",
    "paymongo",
    "paypal",
    "paystack",
    "persona",
    "plaid",
    "plivo-v2",
    "plivo-v3",
    "plivo-v3-get",
    "polar",
    "postmark",
    "primer",
    "pusher",
    "quickbooks",
    "razorpay",
    "recurly",
    "render",
    "replicate",
    "resend",
    "samsara",
    "sanity",
    "scalr",
    "segment",
    "sendbird",
    "sendgrid",
    "sentry",
    "shippo",
    "shopify",
    "sinch-conversation",
    "sinch-numbers",
    "sinch-voice",
    "slack",
    "snyk",
    "sonarqube",
    "sparkpost",
    "square",
    "squarespace",
    "stream",
    "stripe",
    "stytch",
    "sumsub",
    "supabase",
    "svix",
    "tally",
    "telegram",
    "telnyx",
    "terra",
    "thinkific",
    "tiktok",
    "tink",
    "todoist",
    "trello",
    "twilio",
    "twitch",
    "typeform",
    "unit",
    "vercel",
    "viber",
    "vonage-jwt",
    "webex",
    "webflow",
    "wise",
    "woocommerce",
    "workos",
    "x",
    "xero",
    "zapier",
    "zendesk",
    "zoom",
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
