"""Handshakes: the request that a sender makes when a URL is registered, and the answer that it expects.

Written from the pages that the presets name. `verify_token` is what the integration knows besides its secret;
`expect_secret` is what must be taken for the secret from then on. `forwarded` is no handshake but an event.
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from make import AT, vector

URL = "https://hooks.example.com/webhooks/sender"
SECRET = "8f2b1c0d9e7a6f5b4c3d2e1f0a9b8c7d"
JSON = "application/json"


def mac(secret, text, hash=hashlib.sha256):
    return hmac.new(secret.encode(), text.encode(), hash)


def handshake(name, scheme, answer=None, *, expect="valid", secret=SECRET, method="GET", query="", body="",
              headers=None, bound=(), **more):
    made = vector(name, scheme, secret, body, headers or {}, bound, method=method,
                  url=URL + ("?" + query if query else ""), kind="handshake", **more)
    made["expect"] = expect
    if answer is not None:
        made["expect_response"] = {"status": 200, **answer}
    return made


def v0(header, body, secret=SECRET):
    """Slack and Zoom: `v0=` and the HMAC of `v0:<time>:<body>`."""
    signature = "v0=" + mac(secret, f"v0:{AT}:{body}").hexdigest()
    prefix = {"slack": "X-Slack-", "zoom": "x-zm-"}[header]
    time = {"slack": "X-Slack-Request-Timestamp", "zoom": "x-zm-request-timestamp"}[header]
    return {prefix + ("Signature" if header == "slack" else "signature"): signature, time: str(AT),
            "Content-Type": JSON}


def slack():
    body = json.dumps({"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl",
                       "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
                       "type": "url_verification"})
    answer = {"json": {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}}
    yield handshake("slack-url-verification", "slack", answer, method="POST", body=body,
                    headers=v0("slack", body), bound=["body", "timestamp"])
    yield handshake("slack-url-verification-unsigned", "slack", method="POST", body=body, expect="invalid")
    yield handshake("slack-url-verification-forged", "slack", method="POST", body=body, expect="invalid",
                    headers=v0("slack", body, "another secret"))
    event = json.dumps({"type": "event_callback", "challenge": "abc"})
    yield handshake("slack-event-is-no-handshake", "slack", method="POST", body=event, expect="invalid",
                    headers=v0("slack", event), forwarded=True)


def zoom():
    def request(token):
        return json.dumps({"payload": {"plainToken": token}, "event_ts": AT * 1000,
                           "event": "endpoint.url_validation"})

    token = "qgg8vlvZRS6UYooatFL8Aw"
    body = request(token)
    yield handshake("zoom-url-validation", "zoom",
                    {"json": {"plainToken": token, "encryptedToken": mac(SECRET, token).hexdigest()}},
                    method="POST", body=body, headers=v0("zoom", body), bound=["body", "timestamp"])
    for name, token in [("event", f"v0:{AT}:{{}}"), ("empty", ""), ("long", "a" * 129), ("space", "a b")]:
        body = request(token)
        yield handshake(f"zoom-token-{name}", "zoom", method="POST", body=body, headers=v0("zoom", body),
                        expect="invalid")
    body = request("qgg8vlvZRS6UYooatFL8Aw")
    yield handshake("zoom-url-validation-unsigned", "zoom", method="POST", body=body, expect="invalid")


def meta():
    query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    known = {"verify_token": "meatyhamhock-meatyhamhock"}
    yield handshake("meta-verification", "meta", {"text": "1158201444"},
                    query=query + "meatyhamhock-meatyhamhock", **known)
    yield handshake("meta-wrong-verify-token", "meta", query=query + "meatyhamhock", expect="invalid", **known)
    yield handshake("meta-no-verify-token", "meta", query="hub.mode=subscribe&hub.challenge=1",
                    expect="invalid", **known)
    yield handshake("meta-other-mode", "meta", expect="invalid", **known,
                    query=query.replace("subscribe", "unsubscribe") + "meatyhamhock-meatyhamhock")


def x():
    token = "9b4507b3-9040-4669-9ca3-6b94edb50553"
    tag = base64.b64encode(mac(SECRET, token).digest()).decode()
    yield handshake("x-crc-own", "x", {"json": {"response_token": "sha256=" + tag}}, query="crc_token=" + token)
    for name, token in [("json", "%7B%7D"), ("twice", "a&crc_token=a"), ("long", "a" * 129), ("empty", "")]:
        yield handshake(f"x-crc-{name}", "x", query="crc_token=" + token, expect="invalid")


def echoes():
    challenge = "Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg"
    headers = {"X-Okta-Verification-Challenge": challenge, "Authorization": SECRET}
    yield handshake("okta-verification", "okta", {"json": {"verification": challenge}}, headers=headers)
    yield handshake("okta-verification-without-credential", "okta", expect="invalid",
                    headers={"X-Okta-Verification-Challenge": challenge})
    yield handshake("okta-verification-wrong-credential", "okta", expect="invalid",
                    headers={**headers, "Authorization": SECRET + "x"})
    yield handshake("dropbox-verification", "dropbox", {"text": "abc123_-XYZ"}, query="challenge=abc123_-XYZ")
    yield handshake("dropbox-markup", "dropbox", query="challenge=%3Cscript%3E", expect="invalid")


def discord():
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    body = json.dumps({"id": "1", "type": 1, "version": 1})
    headers = {"X-Signature-Ed25519": key.sign(f"{AT}{body}".encode()).hex(), "X-Signature-Timestamp": str(AT)}
    yield handshake("discord-ping", "discord", {"json": {"type": 1}}, secret=public, method="POST", body=body,
                    headers=headers, bound=["body", "timestamp"])
    yield handshake("discord-ping-wrong-signature", "discord", secret=public, method="POST", body=body + " ",
                    headers=headers, expect="invalid")


def secrets():
    secret = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"
    yield handshake("asana-hook-secret", "asana", {"header": ["X-Hook-Secret", secret]}, method="POST",
                    body="{}", headers={"X-Hook-Secret": secret}, expect_secret=secret)
    yield handshake("asana-short-secret", "asana", method="POST", body="{}", expect="invalid",
                    headers={"X-Hook-Secret": "0123456789abcde"})
    secret = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
    yield handshake("notion-verification-token", "notion", {}, method="POST",
                    body=json.dumps({"verification_token": secret}), expect_secret=secret)
    yield handshake("notion-token-with-signature", "notion", method="POST", expect="invalid",
                    body=json.dumps({"verification_token": secret}),
                    headers={"X-Notion-Signature": "sha256=" + "0" * 64})


def ebay():
    # The key only verifies notifications, and any P-256 key does here.
    secret = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    code, token = "71745723-d031-455c-bfa5-f90d11b4f20a", "a-verification-token-of-32-to-80-chars"
    for name, asked, expect in [("ebay-challenge", code, "valid"), ("ebay-challenge-markup", "%3Cb%3E", "invalid")]:
        url = URL.replace("sender", name)
        digest = hashlib.sha256((code + token + url).encode()).hexdigest()
        answer = {"json": {"challengeResponse": digest}} if expect == "valid" else None
        made = handshake(name, "ebay", answer, expect=expect, secret=secret, verify_token=token,
                         needs_configured_url=True)
        yield {**made, "url": f"{url}?challenge_code={asked}"}


def xero():
    body = '{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}'
    headers = {"x-xero-signature": base64.b64encode(mac(SECRET, body).digest()).decode(), "Content-Type": JSON}
    yield handshake("xero-intent", "xero", {}, method="POST", body=body, headers=headers, bound=["body"])
    yield handshake("xero-intent-wrong", "xero", method="POST", body=body + " ", headers=headers, expect="invalid")
    event = body.replace("[]", '[{"resourceId":"1"}]')
    headers = {**headers, "x-xero-signature": base64.b64encode(mac(SECRET, event).digest()).decode()}
    yield handshake("xero-event-is-no-handshake", "xero", method="POST", body=event, headers=headers,
                    expect="invalid", forwarded=True)


def braintree():
    secret = {"secret": "public_key:private_key"}
    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    key = hashlib.sha1(b"private_key").digest()
    answer = hmac.new(key, challenge.encode(), hashlib.sha1).hexdigest()
    yield handshake("braintree-challenge-own", "braintree", {"text": f"public_key|{answer}"},
                    query=f"bt_challenge={challenge}", **secret)
    yield handshake("braintree-challenge-base64", "braintree", query="bt_challenge=aGVsbG8gd29ybGQgaGVsbG8=",
                    expect="invalid", **secret)
    yield handshake("braintree-challenge-long", "braintree", query="bt_challenge=" + "0" * 33, expect="invalid", **secret)


def vectors():
    families = (slack, zoom, meta, x, echoes, discord, secrets, ebay, xero, braintree)
    return [made for family in families for made in family()]
