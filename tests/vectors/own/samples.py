"""Requests of the formats that Countersign itself defines, and of senders whose published vectors can't be sent to a
running sidecar: their secrets are shorter than an admin may import, or they are signed for another URL.

From docs/, and from the documents that the presets name.
"""

import base64
import hashlib
import hmac
import json

from make import AT, vector

SECRET = "0123456789abcdef0123456789abcdef"
BODY = '{"event":"order.paid","id":"evt_1","total":1250}'


def sign(secret, *parts, digest="sha256"):
    return hmac.new(secret.encode(), "".join(parts).encode(), digest).digest()


def b64(data):
    return base64.b64encode(data).decode()


def over_body():
    yield "github-sha1", {"X-Hub-Signature": "sha1=" + sign(SECRET, BODY, digest="sha1").hex()}
    yield "gogs", {"X-Gogs-Signature": sign(SECRET, BODY).hex()}
    yield "razorpay", {"X-Razorpay-Signature": sign(SECRET, BODY).hex()}
    yield "shopify", {"X-Shopify-Hmac-Sha256": b64(sign(SECRET, BODY))}
    yield "generic", {"X-Webhook-Signature": "sha256=" + sign(SECRET, BODY).hex()}
    yield "workspace", {"X-Webhook-Signature": "sha256=" + sign(SECRET, BODY).hex()}
    yield "raw-sha256-hex", {"X-Signature": sign(SECRET, BODY).hex()}
    for bits in ("1", "256", "512"):
        digest = "sha" + bits
        yield f"hub-{digest}", {"X-Signature": f"{digest}=" + sign(SECRET, BODY, digest=digest).hex()}


def vectors():
    made = [vector(f"own-{scheme}", scheme, SECRET, BODY, headers, ["body"],
                   unbound=["method", "target"])
            for scheme, headers in over_body()]

    target = "/webhooks/sender?page=1"
    signature = sign(SECRET, f"{AT}.POST.{target}.", BODY).hex()
    made.append(vector("own-signed-request", "signed-request", SECRET, BODY,
                       {"X-Webhook-Timestamp": str(AT), "X-Webhook-Signature": "v1=" + signature},
                       ["body", "timestamp", "method", "target"],
                       url="https://hooks.example.com" + target))

    key = base64.b64decode("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    signed = hmac.new(key, f"msg_2Kx.{AT}.{BODY}".encode(), hashlib.sha256).digest()
    made.append(vector("own-standard-webhooks", "standard-webhooks", "whsec_" + base64.b64encode(key).decode(), BODY,
                       {"webhook-id": "msg_2Kx", "webhook-timestamp": str(AT),
                        "webhook-signature": "v1," + base64.b64encode(signed).decode()},
                       ["body", "timestamp", "id"], unbound=["method", "target"]))

    for scheme, value in (("bearer", f"Bearer {SECRET}"),
                          ("basic", "Basic " + base64.b64encode(b"user:a-long-password").decode())):
        secret = value.split(" ")[1]
        made.append(vector(f"own-{scheme}", scheme, secret, BODY, {"Authorization": value}, [],
                           unbound=["body", "method", "target"]))

    body = json.dumps({"passcode": SECRET, "event_type": "PING"})
    made.append(vector("own-figma", "figma", SECRET, body, {"Content-Type": "application/json"}, [],
                       unbound=["body", "method", "target"]))
    made.append(vector("own-gitlab-token", "gitlab-token", SECRET, BODY, {"X-Gitlab-Token": SECRET}, [],
                       unbound=["body", "method", "target"]))

    right, test_mode = (sign(secret, f"{AT}.", BODY).hex() for secret in ("whsec_" + SECRET, SECRET))
    made.append(vector("own-stripe", "stripe", "whsec_" + SECRET, BODY,
                       {"Stripe-Signature": f"t={AT},v1={right},v0={test_mode}"},
                       ["body", "timestamp"], unbound=["method", "target"]))
    return [*made, *over_url()]


def over_url():
    url = "https://hooks.example.com/webhooks/sender?source=a%20b"
    plain = hashlib.sha256((SECRET + "POST" + url + BODY).encode()).hexdigest()
    yield vector("own-hubspot-v2", "hubspot-v2", SECRET, BODY, {"X-HubSpot-Signature": plain},
                 ["body", "method", "target"], url=url)

    # HubSpot decodes some escapes of the URL before it signs.
    escaped, decoded = url + "%2Fc%3Ad%40e", url + "/c:d@e"
    for name, signed in (("as-received", escaped), ("decoded", decoded)):
        made = b64(sign(SECRET, "POST", signed, BODY, str(AT * 1000)))
        yield vector(f"own-hubspot-v3-{name}", "hubspot-v3", SECRET, BODY,
                     {"X-HubSpot-Signature-v3": made, "X-HubSpot-Request-Timestamp": str(AT * 1000)},
                     ["body", "method", "target", "timestamp"], url=escaped)

    yield vector("own-square", "square", SECRET, BODY,
                 {"X-Square-HmacSha256-Signature": b64(sign(SECRET, url, BODY))},
                 ["body", "target"], url=url, unbound=["method"])

    form = "To=%2B15550001&From=%2B15550002&Body=it%27s+amazing&To=%2B15550001"
    pairs = {("To", "+15550001"), ("From", "+15550002"), ("Body", "it's amazing")}
    glued = "".join(name + value for name, value in sorted(pairs))
    for name, signed in (("as-is", url), ("default-port", url.replace(".com/", ".com:443/"))):
        yield vector(f"own-twilio-form-{name}", "twilio", SECRET, form,
                     {"Content-Type": "application/x-www-form-urlencoded",
                      "X-Twilio-Signature": b64(sign(SECRET, signed, glued, digest="sha1"))},
                     ["body", "target"], url=url, unbound=["method"])
    bound = f"{url}&bodySHA256={hashlib.sha256(BODY.encode()).hexdigest()}"
    yield vector("own-twilio-json", "twilio", SECRET, BODY,
                 {"Content-Type": "application/json",
                  "X-Twilio-Signature": b64(sign(SECRET, bound, digest="sha1"))},
                 ["body", "target"], url=bound, unbound=["method"])

    key = hashlib.sha256(b"sinch").digest()
    time = "2023-11-14T22:13:20.1234567Z"
    text = "\n".join(["POST", b64(hashlib.md5(BODY.encode()).digest()), "application/json; charset=utf-8",
                      f"x-timestamp:{time}", "/webhooks/sender"])
    made = b64(hmac.new(key, text.encode(), hashlib.sha256).digest())
    yield vector("own-sinch-voice", "sinch-voice", b64(key), BODY,
                 {"Content-Type": "application/json; charset=utf-8", "x-timestamp": time,
                  "Authorization": f"Application app-key:{made}"},
                 ["body", "method", "timestamp", "header:Content-Type"], unbound=["target"])
