"""Senders of pairs, lists and manifests: Braintree, Contentful, Plivo V3, Mercado Pago; and senders that sign a time
with the body in a form of their own.

From the documents that the presets name; Contentful's canonical form from its node-apps-toolkit (signRequest), Plivo's
from plivo-python (signature_v3), Braintree's from braintree_python (webhook_notification_gateway).
"""

import base64
import hashlib
import hmac
from email.utils import formatdate
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from make import AT, vector

SECRET = "0123456789abcdef0123456789abcdef"
BODY = '{"event":"order.paid","id":"evt_1","total":1250}'
URL = "https://hooks.example.com/webhooks/sender"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def sign(secret, text, digest="sha256"):
    return hmac.new(secret.encode(), text.encode(), digest)


def b64(mac):
    return base64.b64encode(mac.digest()).decode()


def braintree():
    public, private = "xy7bq3k9wtz2m5pd", "4ccf0a1e6b2d4b8f9a7e3c5d1f0b2a48"
    notification = "<notification><kind>check</kind><subject>\xfe?~</subject></notification>"
    # With a line feed every 60 characters and at the end, as Braintree's encoder writes it.
    text = base64.b64encode(notification.encode("latin-1")).decode()
    payload = "".join(text[at:at + 60] + "\n" for at in range(0, len(text), 60))
    key = hashlib.sha1(private.encode()).digest()
    signature = hmac.new(key, payload.encode(), "sha1").hexdigest()

    def request(name, fields, **more):
        return vector(f"own-braintree{name}", "braintree", f"{public}:{private}", urlencode(fields), FORM, ["body"],
                      unbound=["method", "target"], at=None, **more)

    pair = ("bt_signature", f"{public}|{signature}")
    asked = "20f9f8ed05f77439fe955c977e4c8a53"
    answer = f"{public}|{hmac.new(key, asked.encode(), 'sha1').hexdigest()}"
    return [
        request("", [pair, ("bt_payload", payload)]),
        request("-order", [("bt_payload", payload), pair]),
        {**request("-other-key", [("bt_signature", f"another|{signature}"), ("bt_payload", payload)]),
         "expect": "invalid"},
        {**request("-another-field", [pair, ("bt_payload", payload), ("kind", "check")]), "expect": "invalid"},
        {**request("-twice", [pair, ("bt_payload", "eA==\n"), ("bt_payload", payload)]), "expect": "invalid"},
        {**request("-challenge", [("bt_signature", answer), ("bt_payload", asked)]), "expect": "invalid"},
        {**request("-no-line-feed", [pair, ("bt_payload", payload.rstrip("\n"))]), "expect": "invalid"},
    ]


def contentful():
    secret = SECRET + SECRET

    def request(name, target, more, body=BODY, method="POST", listed=None):
        path, _, query = target.partition("?")
        plain = "-_.!~*'()"  # encodeURIComponent leaves these, encodeURI those below too
        escaped = quote(path, safe=plain + ";/?:@&=+$,#")
        if query:
            escaped += "?" + quote(quote(query, safe=plain), safe=plain + ";/?:@&=+$,#")
        names = sorted([*more, "x-contentful-signed-headers", "x-contentful-timestamp"])
        headers = {**more, "x-contentful-signed-headers": ",".join(listed or names),
                   "x-contentful-timestamp": f"{AT}123"}
        text = ";".join(f"{key}:{headers[key]}" for key in listed or names)
        signature = sign(secret, f"{method}\n{escaped}\n{text}\n{body}").hexdigest()
        return vector(f"own-contentful{name}", "contentful", secret, body,
                      {**headers, "x-contentful-signature": signature},
                      ["body", "method", "target", "timestamp", *(f"header:{key}" for key in names)],
                      method=method, url="https://hooks.example.com" + target)

    context = {"x-contentful-crn": "crn:contentful:::content:spaces/abc", "x-contentful-space-id": "abc1234567",
               "x-contentful-topic": "ContentManagement.Entry.publish"}
    return [
        request("", "/webhooks/sender", context),
        request("-bare", "/webhooks/sender", {}),
        request("-query", "/webhooks/sender?a=1&b=x%20y&c=[z]", {}),
        request("-one", "/webhooks/sender", {"x-contentful-space-id": "abc1234567"}),
        {**request("-unlisted-time", "/webhooks/sender", {}, listed=["x-contentful-signed-headers"]),
         "expect": "invalid"},
        {**request("-unlisted-list", "/webhooks/sender", {}, listed=["x-contentful-timestamp"]),
         "expect": "invalid"},
    ]


def plivo():
    nonce = "31627761595286130198"
    fields = [("To", "+14155550100"), ("From", "14155550101"), ("Empty", ""), ("Text", "50% off: a+b=c & d"),
              ("Digits", "2"), ("Digits", "1")]

    def signature(url, form=()):
        parts = urlsplit(url)
        text = f"{parts.scheme}://{parts.netloc}{parts.path}"
        query = "&".join(f"{key}={value}" for key, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
        if query or form:
            text += "?" + query
        if query and form:
            text += "."
        return b64(sign(SECRET, text + "".join(key + value for key, value in sorted(form)) + "." + nonce))

    def request(name, url, form=(), signed=None, others=""):
        headers = {"X-Plivo-Signature-V3": others + (signed or signature(url, form)),
                   "X-Plivo-Signature-V3-Nonce": nonce}
        return vector(f"own-plivo{name}", "plivo-v3" if form else "plivo-v3-get", SECRET, urlencode(form),
                      {**headers, **FORM} if form else headers, ["body", "method", "target", "id"],
                      method="POST" if form else "GET", url=url, at=None)

    query = "?z=1&a=x%20y&a=b"
    return [
        request("-v3", URL, fields),
        request("-v3-query", URL + query, fields),
        request("-v3-several", URL, fields, others="AAAA,"),
        {**request("-v3-moved", URL + query, fields, signed=signature(URL, fields)), "expect": "invalid"},
        request("-v3-get", URL + query),
        request("-v3-get-bare", URL),
        {**request("-v3-get-moved", URL + "?a=1&b=2", signed=signature(URL + "?a=1&b=3")), "expect": "invalid"},
    ]


def mercado_pago():
    def request(name, query, request_id, ts=f"{AT}123", signed=None):
        pairs = dict(parse_qsl(query))
        manifest = f"id:{pairs['data.id'].lower()};" if "data.id" in pairs else ""
        manifest += f"request-id:{request_id};" if request_id else ""
        mac = sign(SECRET, signed or f"{manifest}ts:{ts};").hexdigest()
        headers = {"x-signature": f"ts={ts},v1={mac}", **({"x-request-id": request_id} if request_id else {})}
        return vector(f"own-mercado-pago{name}", "mercado-pago", SECRET, '{"action":"payment.created"}', headers,
                      ["timestamp", *(["id", "header:x-request-id"] if request_id else [])],
                      url=URL + "?" + query, unbound=["body", "method", "target"])

    key = "bb56a2f1-6aae-46ac-982e-9dcd3581d08e"
    return [
        request("", "data.id=123456&type=payment", key),
        request("-seconds", "data.id=123456&type=payment", key, ts=str(AT)),
        request("-upper-case", "data.id=ORD01JQ4S4KY8HWQ6NA5PXB65B3D3&type=order", key),
        request("-no-id", "type=payment", key),
        request("-no-request-id", "data.id=123456", None),
        request("-time-alone", "type=payment", None),
        {**request("-added-id", "data.id=123456", key, signed=f"request-id:{key};ts:{AT}123;"), "expect": "invalid"},
        {**request("-another-id", "data.id=123457", key, signed=f"id:123456;request-id:{key};ts:{AT}123;"),
         "expect": "invalid"},
        {**request("-two-ids", "data.id=123457&data%2Eid=123456", key), "expect": "invalid"},
    ]


def timed():
    milli = f"{AT}123"
    date = formatdate(AT, usegmt=True)
    yield "recurly", {"recurly-signature": f"{milli},{'0' * 64},{sign(SECRET, f'{milli}.{BODY}').hexdigest()}"}
    yield "cloudflare-stream", {"Webhook-Signature": f"time={AT},sig1={sign(SECRET, f'{AT}.{BODY}').hexdigest()}"}
    yield "affirm", {"X-Affirm-Signature": f"t={AT},v0={sign(SECRET, f'{AT}.{BODY}', 'sha512').hexdigest()}"}
    yield "airwallex", {"x-timestamp": milli, "x-signature": sign(SECRET, milli + BODY).hexdigest()}
    yield "customer-io", {"X-CIO-Timestamp": str(AT), "X-CIO-Signature": sign(SECRET, f"v0:{AT}:{BODY}").hexdigest()}
    yield "front", {"X-Front-Request-Timestamp": milli, "X-Front-Signature": b64(sign(SECRET, f"{milli}:{BODY}"))}
    yield "webflow", {"X-Webflow-Timestamp": milli, "X-Webflow-Signature": sign(SECRET, f"{milli}:{BODY}").hexdigest()}
    yield "klaviyo", {"Klaviyo-Timestamp": date, "Klaviyo-Signature": sign(SECRET, BODY + date).hexdigest()}
    yield "lob", {"Lob-Signature-Timestamp": milli, "Lob-Signature": sign(SECRET, f"{milli}.{BODY}").hexdigest()}


def vectors():
    made = [vector(f"own-{scheme}", scheme, SECRET, BODY, headers, ["body", "timestamp"], unbound=["method", "target"])
            for scheme, headers in timed()]
    made.append(vector("own-front-rule", "front-rule", SECRET, BODY, {"X-Front-Signature": b64(sign(SECRET, BODY, "sha1"))},
                       ["body"], unbound=["method", "target"], at=None))
    made = [*made, *braintree(), *contentful(), *plivo(), *mercado_pago()]
    for one in made:
        if one["at"] is None:
            del one["at"]
    return made
