"""One valid request for every sender whose signature is a plain computation over parts of the request, and for
those that send a token. A row says what the sender's documentation says: which header, what is hashed, how it is
written. Not here are presets whose published vectors can go through the proxy as they are.
"""

import base64
import hashlib
import hmac
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from make import AT, vector

URL = "https://hooks.example.com/webhooks/sender"
BODY = '{"event":"created","id":"evt_1","name":"Zoë","nested":{"a":[1,true,null]}}'
TS = str(AT)
MS = str(AT * 1000)
ISO = datetime.fromtimestamp(AT, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
NO_TIME = ["target"]


# How a signature is written.
def hexa(tag):
    return tag.hex()


def b64(tag):
    return base64.b64encode(tag).decode()


def b64url(tag):
    return base64.urlsafe_b64encode(tag).decode()


# What the secret's text stands for.
def text(secret):
    return secret.encode()


def from_hex(secret):
    return bytes.fromhex(secret)


def from_b64(secret):
    return base64.b64decode(secret)


def mac(key, message, digest="sha256"):
    return hmac.new(key, message.encode(), digest).digest()


def secret_of(name, key):
    """A secret in the form in which the sender hands it out."""
    seed = hashlib.sha256(name.encode()).digest()
    decoded = {from_hex: seed.hex(), from_b64: base64.b64encode(seed).decode()}
    return decoded.get(key, f"test-secret-of-{name}-" + seed.hex()[:16])


def json_type(headers):
    return {"Content-Type": "application/json", **headers}


def of_body(name, header, write=hexa, before="", *, digest="sha256", key=text, body=BODY, signed=None, more=None):
    """The body alone, in a header."""
    secret = secret_of(name, key)
    tag = mac(key(secret), body if signed is None else signed, digest)
    return vector(name, name, secret, body, json_type({header: before + write(tag), **(more or {})}), ["body"],
                  unbound=NO_TIME)


def stamped(name, header, value, message, *, clock=None, write=hexa, digest="sha256", key=text, body=BODY,
            bound=("body", "timestamp"), unbound=NO_TIME, more=None, secret=None):
    """Body and time; value takes the written signature, message the body."""
    secret = secret or secret_of(name, key)
    tag = write(mac(key(secret), message(body), digest))
    headers = {**(clock or {}), **(more or {}), header: value(tag)}
    return vector(name, name, secret, body, json_type(headers), bound, unbound=unbound)


def stripe_like(name, header, sig="v1", time="t", now=TS, write=hexa, space="", body_first=False):
    """`t=…,v1=…` over time, dot, body."""
    glue = (lambda body: f"{body}{now}") if body_first else (lambda body: f"{now}.{body}")

    def value(tag):
        return f"{sig}={tag}, {time}={now}" if body_first else f"{time}={now},{space}{sig}={tag}"
    return stamped(name, header, value, glue, write=write)


def standard_webhooks(name, prefix="webhook", written=None, key=from_b64):
    """standardwebhooks.com: id, time and body with dots between; the list of signatures has one of each version."""
    seed = secret_of(name, key)
    message_id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
    tag = mac(key(seed), f"{message_id}.{TS}.{BODY}")
    headers = {f"{prefix}-id": message_id, f"{prefix}-timestamp": TS,
               f"{prefix}-signature": f"v1a,AAAA v1,{b64(tag)}"}
    return vector(name, name, (written or "{}").format(seed), BODY, json_type(headers), ["body", "timestamp", "id"],
                  unbound=NO_TIME)


def token(name, header, before=""):
    secret = secret_of(name, text)
    return vector(name, name, secret, BODY, json_type({header: before + secret}), [], unbound=["body", "target"])


def basic(name):
    secret = b64(f"user:password of {name}".encode())
    return vector(name, name, secret, BODY, json_type({"Authorization": f"Basic {secret}"}), [],
                  unbound=["body", "target"])


# The body in a header: name, header, and what differs from bare hex of HMAC-SHA-256 under the text of the secret.
BODIES = [
    ("ably", "X-Ably-Signature", b64),
    ("acuity", "X-Acuity-Signature", b64),
    ("aftership", "aftership-hmac-sha256", b64),
    ("airtable", "X-Airtable-Content-MAC", hexa, "hmac-sha256=", {"key": from_b64}),
    ("alchemy", "X-Alchemy-Signature"),
    ("asana", "X-Hook-Signature"),
    ("ashby", "Ashby-Signature", hexa, "sha256="),
    ("attio", "Attio-Signature"),
    ("authorize-net", "X-ANET-Signature", lambda tag: tag.hex().upper(), "sha512=", {"digest": "sha512", "key": from_hex}),
    ("autodesk", "x-adsk-signature", hexa, "sha1hash=", {"digest": "sha1"}),
    ("bolt", "X-Bolt-Hmac-Sha256", b64),
    ("btcpay", "BTCPay-Sig", hexa, "sha256="),
    ("cal-com", "X-Cal-Signature-256"),
    ("castle", "X-Castle-Signature", b64),
    ("chargify", "X-Chargify-Webhook-Signature-Hmac-Sha-256"),
    ("checkout-com", "Cko-Signature"),
    ("checkr", "X-Checkr-Signature"),
    ("circleci", "circleci-signature", hexa, "v1="),
    ("clickup", "X-Signature"),
    ("cursor", "X-Webhook-Signature", hexa, "sha256="),
    ("datadog-hmac", "X-Datadog-Signature"),
    ("deel", "x-deel-signature", hexa, "", {"signed": "POST" + BODY}),
    ("discourse", "X-Discourse-Event-Signature", hexa, "sha256="),
    ("docusign", "X-DocuSign-Signature-2", b64, "", {"more": {"X-DocuSign-Signature-1": b64(bytes(32))}}),
    ("doppler", "X-Doppler-Signature", hexa, "sha256="),
    ("dropbox", "X-Dropbox-Signature"),
    ("dub", "Dub-Signature"),
    ("dwolla", "X-Request-Signature-SHA-256"),
    ("easypost", "X-Hmac-Signature", hexa, "hmac-sha256-hex="),
    ("fastspring", "X-FS-Signature", b64),
    ("flux", "X-Signature", hexa, "sha256="),
    ("forgejo", "X-Forgejo-Signature"),
    ("generic", "X-Webhook-Signature"),
    ("grafana", "X-Grafana-Alerting-Signature"),
    ("jira", "X-Hub-Signature", hexa, "sha256="),
    ("line", "X-Line-Signature", b64),
    ("modern-treasury", "X-Signature"),
    ("gusto", "X-Gusto-Signature"),
    ("hackerone", "X-H1-Signature", hexa, "sha256="),
    ("hcp-terraform", "X-TFE-Notification-Signature", hexa, "", {"digest": "sha512"}),
    ("hcp-terraform-run-task", "X-TFC-Task-Signature", hexa, "", {"digest": "sha512"}),
    ("help-scout", "X-HelpScout-Signature", b64, "", {"digest": "sha1"}),
    ("heroku", "Heroku-Webhook-Hmac-SHA256", b64),
    ("hookdeck", "x-hookdeck-signature-2", b64, "", {"more": {"x-hookdeck-signature": b64(bytes(32))}}),
    ("intercom", "X-Hub-Signature", hexa, "sha1=", {"digest": "sha1"}),
    ("kontent-ai", "X-Kontent-ai-Signature", b64),
    ("launchdarkly", "X-LD-Signature"),
    ("lemon-squeezy", "X-Signature"),
    ("linkedin", "X-LI-Signature", hexa, "", {"signed": "hmacsha256=" + BODY}),
    ("memberful", "X-Memberful-Webhook-Signature"),
    ("merge", "X-Merge-Webhook-Signature", b64url),
    ("meta", "X-Hub-Signature-256", hexa, "sha256="),
    ("mollie", "X-Mollie-Signature", hexa, "sha256="),
    ("mongodb-atlas", "X-MMS-Signature", b64, "", {"digest": "sha1"}),
    ("monnify", "monnify-signature", hexa, "", {"digest": "sha512"}),
    ("ms-teams", "Authorization", b64, "HMAC ", {"key": from_b64}),
    ("newrelic-hmac", "X-NewRelic-Signature"),
    ("notion", "X-Notion-Signature", hexa, "sha256="),
    ("npm", "X-Npm-Signature", hexa, "sha256="),
    ("nylas", "X-Nylas-Signature"),
    ("onfleet", "X-Onfleet-Signature", hexa, "", {"digest": "sha512", "key": from_hex}),
    ("paystack", "x-paystack-signature", hexa, "", {"digest": "sha512"}),
    ("primer", "X-Signature-Primary", b64, "", {"more": {"X-Signature-Secondary": b64(bytes(32))}}),
    ("pusher", "X-Pusher-Signature"),
    ("quickbooks", "intuit-signature", b64),
    ("segment", "X-Signature", hexa, "", {"digest": "sha1"}),
    ("sendbird", "x-sendbird-signature"),
    ("sentry", "Sentry-Hook-Signature"),
    ("snyk", "X-Hub-Signature", hexa, "sha256="),
    ("sonarqube", "X-Sonar-Webhook-HMAC-SHA256"),
    ("squarespace", "Squarespace-Signature", hexa, "", {"key": from_hex}),
    ("stream", "X-Signature"),
    ("sumsub", "X-Payload-Digest", hexa, "", {"more": {"X-Payload-Digest-Alg": "HMAC_SHA256_HEX"}}),
    ("tally", "Tally-Signature", b64),
    ("thinkific", "X-Thinkific-Hmac-Sha256"),
    ("todoist", "X-Todoist-Hmac-SHA256", b64),
    ("typeform", "Typeform-Signature", b64, "sha256="),
    ("unit", "x-unit-signature", b64, "", {"digest": "sha1"}),
    ("vercel", "x-vercel-signature", hexa, "", {"digest": "sha1"}),
    ("viber", "X-Viber-Content-Signature"),
    ("webex", "X-Spark-Signature", hexa, "", {"digest": "sha1"}),
    ("woocommerce", "X-WC-Webhook-Signature", b64),
    ("workspace", "X-Webhook-Signature", hexa, "sha256="),
    ("x", "x-twitter-webhooks-signature", b64, "sha256="),
    ("xero", "x-xero-signature", b64),
]

# `t=…,v1=…`: name, header, and what differs.
STRIPE_LIKE = [
    ("buildkite", "X-Buildkite-Signature", {"sig": "signature", "time": "timestamp"}),
    ("calendly", "Calendly-Webhook-Signature", {}),
    ("elevenlabs", "ElevenLabs-Signature", {"sig": "v0"}),
    ("ghost", "X-Ghost-Signature", {"sig": "sha256", "now": MS, "body_first": True}),
    ("knock", "x-knock-signature", {"sig": "s", "now": MS, "write": b64}),
    ("mux", "Mux-Signature", {}),
    ("paymongo", "Paymongo-Signature", {"sig": "te=,li"}),
    ("sanity", "sanity-webhook-signature", {"now": MS, "write": lambda tag: b64url(tag).rstrip("=")}),
    ("shippo", "Shippo-Auth-Signature", {}),
    ("terra", "terra-signature", {}),
    ("tiktok", "TikTok-Signature", {"sig": "s"}),
    ("workos", "WorkOS-Signature", {"now": MS, "space": " "}),
]

# Standard Webhooks: name, first part of the headers, how the secret is written, what it stands for.
STANDARD = [
    ("bigcommerce", "webhook", "{}", text),
    ("brex", "webhook", "{}", from_b64),
    ("clerk", "svix", "whsec_{}", from_b64),
    ("dodo-payments", "webhook", "whsec_{}", from_b64),
    ("gitlab", "webhook", "whsec_{}", from_b64),
    ("imagekit", "webhook", "whsec_{}", from_b64),
    ("incident-io", "webhook", "whsec_{}", from_b64),
    ("lithic", "webhook", "whsec_{}", from_b64),
    ("loops", "webhook", "{}", from_b64),
    ("openai", "webhook", "whsec_{}", from_b64),
    ("polar", "webhook", "{}", text),
    ("render", "webhook", "whsec_{}", from_b64),
    ("replicate", "webhook", "whsec_{}", from_b64),
    ("resend", "svix", "whsec_{}", from_b64),
    ("stytch", "svix", "whsec_{}", from_b64),
    ("supabase", "webhook", "v1,whsec_{}", from_b64),
    ("svix", "svix", "whsec_{}", from_b64),
]

# A token in a header: name, header, what stands before it.
TOKENS = [
    ("alertmanager", "Authorization", "Bearer "),
    ("auth0", "Authorization", "Bearer "),
    ("bearer", "Authorization", "Bearer "),
    ("brevo", "Authorization", "Bearer "),
    ("buildkite-token", "X-Buildkite-Token", ""),
    ("datadog", "X-Datadog-Token", ""),
    ("fillout", "X-Fillout-Token", ""),
    ("flutterwave", "verif-hash", ""),
    ("newrelic", "X-NewRelic-Token", ""),
    ("okta", "Authorization", ""),
    ("opsgenie", "X-Opsgenie-Token", ""),
    ("telegram", "X-Telegram-Bot-Api-Secret-Token", ""),
    ("zapier", "X-Zapier-Token", ""),
]


def others():
    """Whatever has a shape of its own."""
    yield of_body("adyen-header", "HmacSignature", b64, key=from_hex)
    # The second of two groups: those of a rotation.
    secret = secret_of("persona", text)
    good = mac(text(secret), f"{TS}.{BODY}").hex()
    yield vector("persona", "persona", secret, BODY,
                 json_type({"Persona-Signature": f"t={TS},v1={'0' * 64} t={TS},v1={good}"}), ["body", "timestamp"],
                 unbound=NO_TIME)
    # Time and body with nothing between, the time in a header.
    yield stamped("cashfree", "x-webhook-signature", lambda tag: tag, lambda body: MS + body, write=b64,
                  clock={"x-webhook-timestamp": MS})
    yield stamped("zendesk", "X-Zendesk-Webhook-Signature", lambda tag: tag, lambda body: ISO + body, write=b64,
                  clock={"X-Zendesk-Webhook-Signature-Timestamp": ISO})
    yield stamped("zoom", "x-zm-signature", lambda tag: f"v0={tag}", lambda body: f"v0:{TS}:{body}",
                  clock={"x-zm-request-timestamp": TS})
    yield stamped("samsara", "X-Samsara-Signature", lambda tag: f"v1={tag}", lambda body: f"v1:{TS}:{body}",
                  clock={"X-Samsara-Timestamp": TS}, key=from_b64)
    yield stamped("frame-io", "X-Frameio-Signature", lambda tag: f"v0={tag}", lambda body: f"v0:{TS}:{body}",
                  clock={"X-Frameio-Request-Timestamp": TS})
    scalr = datetime.fromtimestamp(AT, timezone.utc).strftime("%a %d %b %Y %H:%M:%S UTC")
    yield stamped("scalr", "X-Signature", lambda tag: tag, lambda body: body + scalr, digest="sha1", clock={"Date": scalr})
    # With an id.
    yield stamped("twitch", "Twitch-Eventsub-Message-Signature", lambda tag: f"sha256={tag}",
                  lambda body: f"e76c6bd4-55c9-4987{ISO}{body}", clock={"Twitch-Eventsub-Message-Timestamp": ISO},
                  more={"Twitch-Eventsub-Message-Id": "e76c6bd4-55c9-4987"}, bound=["body", "timestamp", "id"])
    yield stamped("sinch-conversation", "x-sinch-webhook-signature", lambda tag: tag,
                  lambda body: f"{body}.01FJA8B4A7BM43YGWSG9GBV067.{TS}", write=b64,
                  clock={"x-sinch-webhook-signature-timestamp": TS},
                  more={"x-sinch-webhook-signature-nonce": "01FJA8B4A7BM43YGWSG9GBV067",
                        "x-sinch-webhook-signature-algorithm": "HmacSHA256"}, bound=["body", "timestamp", "id"])
    yield stamped("framer", "Framer-Signature", lambda tag: f"sha256={tag}", lambda body: body + "sub_42",
                  more={"Framer-Webhook-Submission-Id": "sub_42"}, bound=["body", "id"])
    # Linear's time is in the body.
    linear = of_body("linear", "Linear-Signature", body=f'{{"action":"create","webhookTimestamp":{MS}}}')
    yield {**linear, "bound": ["body", "timestamp"]}
    # With method and target.
    yield stamped("signed-request", "X-Webhook-Signature", lambda tag: f"v1={tag}",
                  lambda body: f"{TS}.POST./webhooks/sender.{body}", clock={"X-Webhook-Timestamp": TS},
                  bound=["body", "timestamp", "method", "target"], unbound=())
    secret = secret_of("trello", text)
    yield vector("trello", "trello", secret, BODY,
                 json_type({"X-Trello-Webhook": b64(mac(text(secret), BODY + URL, "sha1"))}), ["body", "target"])
    secret = secret_of("plivo-v2", text)
    yield vector("plivo-v2", "plivo-v2", secret, "Digits=1", {
        "Content-Type": "application/x-www-form-urlencoded", "X-Plivo-Signature-V2-Nonce": "05429567804466091622",
        "X-Plivo-Signature-V2": b64(mac(text(secret), URL + "05429567804466091622"))}, ["id"], unbound=["body"])
    # Mandrill: the URL, then each field's name and value, by name.
    secret, form = secret_of("mandrill", text), "mandrill_events=%5B%7B%22event%22%3A%22send%22%7D%5D&b=x+y&a=%C3%A9"
    fields = "".join(name + value for name, value in sorted(parse_qsl(form)))
    yield vector("mandrill", "mandrill", secret, form, {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Mandrill-Signature": b64(mac(text(secret), URL + fields, "sha1"))}, ["body", "target"])
    # Tokens in the body.
    passcode = "figma-passcode-0123456789abcdef0"
    yield vector("figma", "figma", passcode, f'{{"event_type":"PING","passcode":"{passcode}"}}', json_type({}), [],
                 unbound=["body", *NO_TIME])
    state = "graph-client-state-0123456789abcdef"
    yield vector("microsoft-graph", "microsoft-graph", state,
                 f'{{"value":[{{"clientState":"{state}","id":1}},{{"id":2,"clientState":"{state}"}}]}}', json_type({}), [],
                 unbound=["body", *NO_TIME])


def asymmetric():
    """The secret is the sender's public key."""
    ed = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key for tests").digest())
    raw = ed.public_key().public_bytes_raw()
    yield vector("discord", "discord", raw.hex(), '{"type":2}', json_type({
        "X-Signature-Timestamp": TS, "X-Signature-Ed25519": ed.sign(f'{TS}{{"type":2}}'.encode()).hex()}),
        ["body", "timestamp"], unbound=NO_TIME)
    yield vector("telnyx", "telnyx", b64(raw), BODY, json_type({
        "telnyx-timestamp": TS, "telnyx-signature-ed25519": b64(ed.sign(f"{TS}|{BODY}".encode()))}),
        ["body", "timestamp"], unbound=NO_TIME)
    yield vector("standard-webhooks-ed25519", "standard-webhooks-ed25519", "whpk_" + b64(raw), BODY, json_type({
        "webhook-id": "msg_1", "webhook-timestamp": TS,
        "webhook-signature": f"v1,AAAA v1a,{b64(ed.sign(f'msg_1.{TS}.{BODY}'.encode()))}"}),
        ["body", "timestamp", "id"], unbound=NO_TIME)


def vectors():
    rows = []
    for name, header, *rest in BODIES:
        more = rest.pop() if rest and isinstance(rest[-1], dict) else {}
        rows.append(of_body(name, header, *rest, **more))
    rows += [stripe_like(name, header, **more) for name, header, more in STRIPE_LIKE]
    rows += [standard_webhooks(*row) for row in STANDARD]
    rows += [token(*row) for row in TOKENS]
    rows += [basic(name) for name in ("basic", "chargebee", "mixpanel", "postmark", "sparkpost")]
    rows += [*others(), *asymmetric()]
    return sorted(rows, key=lambda row: row["id"])
