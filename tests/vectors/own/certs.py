"""Requests of senders that sign with a private key: PayPal ("Integrate webhooks", self verification method), eBay
("Marketplace account deletion", verifying a notification) and fal ("Webhooks", verifying your webhook), written from
those documents.
"""

import base64
import hashlib
import json
import time
import zlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

from aws import RSA, b64, certificate
from make import AT, vector

# Made for these files and used nowhere else.
P256 = ec.derive_private_key(int.from_bytes(hashlib.sha256(b"p256 of certs").digest(), "big"), ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"ed25519 of certs").digest())
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"another ed25519 of certs").digest())

WEBHOOK = "4JH86294D6297924G"
ID = "dfb3be50-fd74-11e4-8bf3-77339302725b"
# Two events with the same CRC-32, found by trying: what is signed for the one holds for the other (`other_body`).
ONE = '{"id":"WH-7Y","event_type":"PAYMENT.CAPTURE.COMPLETED","amount":"1924.00","nonce":"17560e27"}'
TWO = '{"id":"WH-7Y","event_type":"PAYMENT.CAPTURE.COMPLETED","amount":"5617.00","nonce":"24c448e9"}'


def paypal(name, body=ONE, *, signed=ONE, webhook=WEBHOOK, algorithm="SHA256withRSA", hashed=None, **more):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(AT))
    message = f"{ID}|{at}|{webhook}|{zlib.crc32(signed.encode())}"
    signature = RSA.sign(message.encode(), padding.PKCS1v15(), hashed or hashes.SHA256())
    headers = {
        "Content-Type": "application/json",
        "PAYPAL-TRANSMISSION-ID": ID,
        "PAYPAL-TRANSMISSION-TIME": at,
        "PAYPAL-TRANSMISSION-SIG": b64(signature),
        "PAYPAL-AUTH-ALGO": algorithm,
        "PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-00000000",
    }
    valid = more.get("expect") != "invalid"
    return vector(name, "paypal", f"{WEBHOOK}\n{certificate('messageverificationcerts.paypal.com')}", body, headers,
                  ["timestamp", "id", "header:PAYPAL-AUTH-ALGO"] if valid else [],
                  unbound=["body"] if valid else [], other_body=TWO if body == ONE else ONE, **more)


def ebay(name, *, digest="SHA1", hashed=None, body=None, **more):
    body = body or {
        "metadata": {"topic": "MARKETPLACE_ACCOUNT_DELETION", "schemaVersion": "1.0", "deprecated": False},
        "notification": {"notificationId": ID, "publishAttemptCount": 1,
                         "eventDate": "2023-11-14T22:13:19.462Z", "publishDate": "2023-11-14T22:13:20.679Z",
                         "data": {"username": "test_user", "userId": "ma8vp1jySJC"}},
    }
    body = json.dumps(body, separators=(",", ":"))
    made = P256.sign(body.encode(), ec.ECDSA(hashed or hashes.SHA1(), deterministic_signing=True))
    header = {"alg": "ecdsa", "kid": "9936261a-7d7b-4621-a0f1-96ccb428af49", "signature": b64(made), "digest": digest}
    public = P256.public_key().public_bytes(serialization.Encoding.DER,
                                            serialization.PublicFormat.SubjectPublicKeyInfo)
    # On a single line, as getPublicKey answers.
    key = f"-----BEGIN PUBLIC KEY-----{b64(public)}-----END PUBLIC KEY-----"
    headers = {"Content-Type": "application/json",
               "X-EBAY-SIGNATURE": b64(json.dumps(header, separators=(",", ":")).encode())}
    bound = ["body", "id"] if more.get("expect") != "invalid" else []
    return vector(name, "ebay", key, body, headers, bound, message_id=ID, **more)


def fal(name, secret_keys):
    body = '{"request_id":"123e4567-e89b-12d3-a456-426614174000","status":"OK","payload":{"seed":7}}'
    request, user = "123e4567-e89b-12d3-a456-426614174000", "auth0|5f3e"
    message = "\n".join([request, user, str(AT), hashlib.sha256(body.encode()).hexdigest()])
    headers = {
        "Content-Type": "application/json",
        "X-Fal-Webhook-Request-Id": request,
        "X-Fal-Webhook-User-Id": user,
        "X-Fal-Webhook-Timestamp": str(AT),
        "X-Fal-Webhook-Signature": ED25519.sign(message.encode()).hex(),
    }
    secret = "\n".join(base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
                       for key in secret_keys)
    return vector(name, "fal", secret, body, headers, ["body", "timestamp", "id", "header:X-Fal-Webhook-User-Id"])


def vectors():
    invalid = {"expect": "invalid"}
    return [
        paypal("paypal"),
        paypal("paypal-other-body-of-the-same-crc", TWO,
               why="The signature is of another body, whose CRC-32 is the same: nothing can tell, so it is not bound."),
        paypal("paypal-other-body", ONE.replace("1924", "1925"), **invalid),
        paypal("paypal-other-webhook", webhook="4JH86294D6297924H", **invalid, why="The id that is signed is configured."),
        paypal("paypal-sha1", algorithm="SHA1withRSA", hashed=hashes.SHA1(), **invalid),
        ebay("ebay"),
        ebay("ebay-sha256", digest="SHA256", hashed=hashes.SHA256(), **invalid),
        ebay("ebay-without-id", body={"metadata": {}, "notification": {}}, **invalid),
        fal("fal", [ED25519]),
        fal("fal-several-keys", [OTHER, ED25519]),
    ]
