"""Requests with HTTP message signatures: RFC 9421 with RFC 9530 digests, draft-cavage-http-signatures-12, and the
dialects of the hmac-auth plugins of Kong and APISIX, written from those documents.
"""

import base64
import email.utils
import hashlib
import hmac
import json
import pathlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from make import AT, vector

SECRET = "fedcba9876543210fedcba9876543210"
BODY = '{"order":{"id":7,"state":"paid"}}'
TARGET = "/webhooks/sender?tenant=a"
URL = "https://hooks.example.com" + TARGET
DATE = email.utils.formatdate(AT, usegmt=True)

# Made for these files and used nowhere else.
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"ed25519 of http_signatures").digest())
P256 = ec.derive_private_key(int.from_bytes(hashlib.sha256(b"p256 of http_signatures").digest()), ec.SECP256R1())
RSA = serialization.load_pem_private_key(b"""\
-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQD44S9hUIzgr5c/
YXJauiqIsmJFbFjMx0cBp6BEWQhUowR0NIVQvjHmxT/h9CjPgOxQVQBW3/e6qn1b
fl+02a0H5Q7vOV0xVOo537FsUo3ELADIGdIbrXlCD8RkGU9C2NO5494b8ZIA6kiG
dj1beyOy+nli4EGgxO3yt4iDapDIidNfozq/XKhfsJVNwzh+b26QhZBDF2EwTn4M
acsNiL55pgafMrceX/3qGVMvMCdk1magKDhlMWxn0HAc8SSJMzDyeLW2N0jxHU3b
h2P7Sw4dZvJvGf9YpTUqIfVwGQa/5u3snwGb1LLcDxCTrcHDI5osnl0UIHJr54M4
+/44OckxAgMBAAECggEAGYWZIt78ZWWoSlX7QLnO1xAI8xLUa+KDIfSvQxcIu0ow
0JxasAAjFKXVYl3UCgxv32CKHX6P9E7btlRYKu74FyNKk+Zja8XIE7mAY6n3Ev8K
sPpx4Qf583fztSqhxcp/stQ+4Il2Jh0gZRaOvfj7nRThug2ieUK8nntq9sQItyG0
W3M5PaTm9bDCnhp71bxDXGREpeG6HQWEWeff7g2RcUHgyogzkFg4T+HCg5Vc3KXj
AYATx916DA4YMKFpLsCrwDwtvtFlgSAxNYbMc59e8zeRpQdeT+1vEkPV50dt4v49
7Wcs4mXJ0R8hleyIOWuTMfwnneSt9Wg65AbYhXpXiQKBgQD+szheOFFlkJTjpibx
IGEE1JmGfKPTxojR84ZBfGsRwH+Frnbp8vF/dnNJBYvZJd3RHeGElw0W86b+g5gj
s5k7fjILHA2N9NKVidqhn+DR3nVIAHp5o3ZgSHKC/uphh8sDgcMHoADH2pLucqcA
UYerBRVSwvCzlzkq20qzhoq+iQKBgQD6JlwyyVPeixsrAXqsuweWD+jHozY4XmbO
ErzovKjY/0i3uqrgJG+Mvx1yZGwIMefXdGXq1e037T2PpREJPxU3+HxH/hE+hSIx
JG+W69it78xa/jCzWDhlu2IHXePvvmfr0kAh5qlKO9Q9tI5I9ildQF4GsRvxgiwI
G0VKW6PLaQKBgQD8RWc/a2izwFC4aomHqxptPmYR3sIlsC80RJBlrGYgXxnvvq3p
asfoB9qIKQYrPmZGCeKlATfl089Dp/O46NqNIqFOf6qtQCCUHMZ/72suc7iWaGLm
uBE3rIo/VV2w3F8oSg5yLviW+tctdkIS/q3xpkdIge0G9HGbETkcN9aUgQKBgQDP
6mJns/8J0gVa0Xftaeb8S2znwjim0ZARaHGr4GNXOZhvXa/5bU9qZM9M7Tr99L0G
z7CGaBkrivzIECMA1HYGd3qVPA+JL48j2W0GvDD1IYNxfiVsa780j3MDPH7gHhqy
X6b+hoHfOatHPnOlITVwVLfSSBM5wUBn3ILTMygJQQKBgH47dRJN1GjtInCADIcw
ew9H78UZlEJ9HIUWer4JeDulJYGuU4I1K16vGzYkDxBjp77otBx+on3YWJkegvy0
TZqy/x5notx6HLp4qNNB0m2WMZoCv1n6KpRAYYo/1L3En04HTovcFLU/4s/hj9F7
0ElihrBrVy5Hiu+aIkRvm/Ji
-----END PRIVATE KEY-----
""", None)
PSS = padding.PSS(padding.MGF1(hashes.SHA512()), 64)


def b64(data):
    return base64.b64encode(data).decode()


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def sha256(body):
    return hashlib.sha256(body.encode()).digest()


def hmac_sha256(text):
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()


def ecdsa_raw(base):
    # RFC 9421 §3.3.4: r and s, 32 octets each.
    der = P256.sign(base, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return b"".join(number.to_bytes(32) for number in decode_dss_signature(der))


def stable(module, name, header, key, message, parameters, sign):
    """The signature of this vector that is in the module's file, while it verifies: a new one has another salt."""
    file = pathlib.Path(module).with_suffix(".json")
    for old in json.loads(file.read_text()) if file.exists() else []:
        if old["id"] == name:
            text = old["headers"][header]
            signature = base64.b64decode(text.split(":")[1] if ":" in text else text)
            try:
                key.verify(signature, message, *parameters)
                return signature
            except InvalidSignature:
                pass
    return sign()


def rsa_pss(base):
    return stable(__file__, "own-rfc9421-rsa-pss-sha512", "Signature", RSA.public_key(), base, (PSS, hashes.SHA512()),
                  lambda: RSA.sign(base, PSS, hashes.SHA512()))


def rfc9421():
    covered = '("@method" "@path" "@query" "content-digest");created=%d;keyid="sender-1"' % AT
    content_digest = f"sha-256=:{b64(sha256(BODY))}:"
    path, query = TARGET.split("?")
    base = "\n".join([
        '"@method": POST',
        f'"@path": {path}',
        f'"@query": ?{query}',
        f'"content-digest": {content_digest}',
        f'"@signature-params": {covered}',
    ])
    signers = {
        "rfc9421": (SECRET, lambda base: hmac_sha256(base.decode())),
        "rfc9421-ed25519": (public(ED25519), ED25519.sign),
        "rfc9421-ecdsa-p256-sha256": (public(P256), ecdsa_raw),
        "rfc9421-rsa-v1_5-sha256": (public(RSA), lambda base: RSA.sign(base, padding.PKCS1v15(), hashes.SHA256())),
        "rfc9421-rsa-pss-sha512": (public(RSA), rsa_pss),
    }
    for scheme, (secret, sign) in signers.items():
        headers = {"Content-Digest": content_digest, "Signature-Input": f"sig1={covered}",
                   "Signature": f"sig1=:{b64(sign(base.encode()))}:"}
        yield vector(f"own-{scheme}", scheme, secret, BODY, headers,
                     ["body", "method", "target", "timestamp", "header:Content-Digest"], url=URL)


def cavage():
    digest = "SHA-256=" + b64(sha256(BODY))
    lines = [f"(request-target): post {TARGET}", f"date: {DATE}", f"digest: {digest}"]
    value = ('keyId="sender-1",algorithm="hmac-sha256",headers="(request-target) date digest",'
             f'signature="{b64(hmac_sha256(chr(10).join(lines)))}"')
    bound = ["body", "method", "target", "timestamp", "header:Digest"]
    for name, header, text in (("signature", "Signature", value),
                               ("authorization", "Authorization", "Signature " + value)):
        yield vector(f"own-cavage-{name}", "cavage", SECRET, BODY, {"Date": DATE, "Digest": digest, header: text},
                     bound, url=URL)

    # Kong: the request line as it is, without a name before it.
    lines = [f"date: {DATE}", f"POST {TARGET} HTTP/1.1", f"digest: {digest}"]
    value = ('hmac username="sender-1", algorithm="hmac-sha256", headers="date request-line digest", '
             f'signature="{b64(hmac_sha256(chr(10).join(lines)))}"')
    yield vector("own-kong", "kong-hmac", SECRET, BODY, {"Date": DATE, "Digest": digest, "Authorization": value},
                 bound, url=URL)

    # APISIX: the key id first, then method and target without a name, a line feed at the end of each line.
    lines = ["sender-1", f"POST {TARGET}", f"date: {DATE}", f"digest: {digest}", ""]
    value = ('Signature keyId="sender-1",algorithm="hmac-sha256",headers="@request-target date digest",'
             f'signature="{b64(hmac_sha256(chr(10).join(lines)))}"')
    yield vector("own-apisix", "apisix-hmac", SECRET, BODY, {"Date": DATE, "Digest": digest, "Authorization": value},
                 bound, url=URL)

    lines = ["sender-1", f"POST {TARGET}", f"date: {DATE}", ""]
    value = ('Signature keyId="sender-1",algorithm="hmac-sha256",headers="@request-target date",'
             f'signature="{b64(hmac_sha256(chr(10).join(lines)))}"')
    yield vector("own-apisix-no-digest", "apisix-hmac", SECRET, BODY, {"Date": DATE, "Authorization": value},
                 ["method", "target", "timestamp"], unbound=["body"], url=URL)


def vectors():
    return [*rfc9421(), *cavage()]
