"""JSON Web Tokens: MessageBird, Vonage, Netlify, monday.com, Atlassian Connect, Plaid, Kinde.

Written from the senders' own pages: MessageBird "Verify HTTP requests", Vonage "Decoding signed webhooks", Netlify
"Payload signature", monday.com "Authorization header", Atlassian "Query string hash" and "Understanding JWT",
Plaid "Verify webhooks", Kinde "About webhooks"; RFC 7515 for the form of a token. The keys are made up.
"""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from make import AT, vector

SECRET = "0123456789abcdef0123456789abcdef"
URL = "https://hooks.example.com/webhooks/sender"
BODY = '{"event":"created","name":"Zoë & <co>"}'
EC_KEY = ec.derive_private_key(int.from_bytes(hashlib.sha256(b"plaid").digest(), "big"), ec.SECP256R1())
P = int(
    "cb5ded0fb3e55a42a9a27210f7bd076588de85fd932f29387a8bb813a6294767958599a63bfda411565d7a5fd28856ed"
    "33739e15dca45694a415b9cba273ce123566e7ffe529255368ae7917c749bc33088f0fe4e535b33f436caaddd44d40af"
    "072b76b089deaf5ab5159bc053cc15c918224f741a02403f596f20c9ff5bc36d",
    16)
Q = int(
    "ba73eb966f5189ef9d357e9589e9e80c138915c25063d3260bb2eb8704f6c49d28c3fb6e50db2006e3a02b4cf5fb7e45"
    "6be9935f3d11e7404a10d3c17b69dd16c4431fb123d1e1217f8ebd5c7df2903287eea1db66a32661dc83a819fbf4c8f6"
    "93ada01de75ab091693a16d8f2306e2285681178e138b0a774fa4a20e4d1e523",
    16)


def rsa_key():
    d = rsa.rsa_recover_private_exponent(65537, P, Q)
    numbers = rsa.RSAPrivateNumbers(
        P, Q, d, rsa.rsa_crt_dmp1(d, P), rsa.rsa_crt_dmq1(d, Q), rsa.rsa_crt_iqmp(P, Q),
        rsa.RSAPublicNumbers(65537, P * Q))
    return numbers.private_key()


RSA_KEY = rsa_key()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length):
    return b64(value.to_bytes(length, "big"))


def token(claims, algorithm="HS256", key=SECRET, **header):
    parts = [{"alg": algorithm, "typ": "JWT", **header}, claims]
    message = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    if algorithm.startswith("HS"):
        signature = hmac.new(key.encode(), message.encode(), f"sha{algorithm[2:]}").digest()
    elif algorithm == "ES256":
        der = key.sign(message.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        signature = b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der))
    else:
        signature = key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{message}.{b64(signature)}"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def messagebird(name, algorithm, method, url, body):
    claims = {"iss": "MessageBird", "nbf": AT, "exp": AT + 60, "jti": f"9d1c7a3e-{name}", "url_hash": sha256(url)}
    if body:
        claims["payload_hash"] = sha256(body)
    header = "MessageBird-Signature-JWT"
    return vector(f"own-messagebird-{name}", "messagebird-jwt", SECRET, body,
                  {header: token(claims, algorithm)}, ["body", "target", f"header:{header}"],
                  method=method, url=url, needs_configured_url=True)


def vonage():
    claims = {"iat": AT, "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", "iss": "Vonage",
              "payload_hash": sha256(BODY), "api_key": "a1b2c3d",
              "application_id": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"}
    return vector("own-vonage", "vonage-jwt", SECRET, BODY, {"Authorization": f"Bearer {token(claims)}"},
                  ["body", "header:Authorization"], unbound=["method", "target"])


def netlify():
    header = "X-Webhook-Signature"
    return vector("own-netlify", "netlify", SECRET, BODY,
                  {header: token({"iss": "netlify", "sha256": sha256(BODY)})},
                  ["body", f"header:{header}"], unbound=["method", "target"])


def monday():
    claims = {"accountId": 1825529, "userId": 4012689, "aud": URL, "exp": AT + 300,
              "shortLivedToken": "made-up", "iat": AT}
    return vector("own-monday", "monday", SECRET, BODY, {"Authorization": token(claims)},
                  ["target", "header:Authorization"], unbound=["method", "body"], needs_configured_url=True)


def qsh(method, url):
    """Method, path and query: every name once, its values sorted and joined with commas."""
    parts = urlsplit(url)
    values = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name != "jwt":
            values.setdefault(quote(name, safe="~"), []).append(quote(value, safe="~"))
    query = "&".join(f"{name}={','.join(sorted(values[name]))}" for name in sorted(values))
    path = parts.path.replace("&", "%26")
    return sha256(f"{method}&{path}&{query}")


def atlassian(name, url, in_query):
    claims = {"iss": "bd4a9f17-7e1c-3c1d-a1c8-client-key", "iat": AT, "exp": AT + 180, "qsh": qsh("POST", url),
              "sub": "5d9f1a0c"}
    made = token(claims)
    if in_query:
        headers, url = {}, f"{url}{'&' if '?' in url else '?'}jwt={made}"
    else:
        headers = {"Authorization": f"JWT {made}"}
    bound = ["method", "target"] + [f"header:{header}" for header in headers]
    return vector(f"own-atlassian-connect-{name}", "atlassian-connect", SECRET, BODY, headers, bound,
                  url=url, unbound=["body"])


def plaid(name, key):
    claims = {"iat": AT, "request_body_sha256": sha256(BODY)}
    header = "Plaid-Verification"
    made = token(claims, "ES256", EC_KEY, kid="bfbd5111-8e33-4643-8ced-b2e642a72f3c")
    return vector(f"own-plaid-{name}", "plaid", key, BODY, {header: made}, ["body", f"header:{header}"],
                  unbound=["method", "target"])


def ec_jwk():
    point = EC_KEY.public_key().public_numbers()
    return json.dumps({"alg": "ES256", "created_at": AT, "crv": "P-256", "expired_at": None,
                       "kid": "bfbd5111-8e33-4643-8ced-b2e642a72f3c", "kty": "EC", "use": "sig",
                       "x": number(point.x, 32), "y": number(point.y, 32)})


def kinde(name, key):
    claims = {"data": {"user": {"email": "user@example.com", "id": "kp_0123456789"}}, "event_id": "event_018c5f0a",
              "source": "admin", "timestamp": "2023-11-14T22:13:20.123456+00:00", "type": "user.created"}
    body = token(claims, "RS256", RSA_KEY, kid="2a:e0:64")
    return vector(f"own-kinde-{name}", "kinde", key, body,
                  {"Content-Type": "application/jwt", "webhook-id": "webhook_018c5f0b"}, ["body"],
                  unbound=["method", "target"])


def rsa_jwks():
    public = RSA_KEY.public_key().public_numbers()
    other = {"e": "AQAB", "n": number(P * P, 256), "alg": "RS256", "kid": "older", "kty": "RSA", "use": "sig"}
    own = {**other, "n": number(public.n, 256), "kid": "2a:e0:64"}
    return json.dumps({"keys": [other, own]})


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def vectors():
    return [
        messagebird("post", "HS256", "POST", URL, BODY),
        messagebird("query", "HS512", "POST", f"{URL}?bar=1&foo=%20x", BODY),
        messagebird("get", "HS384", "GET", f"{URL}?id=7", ""),
        vonage(),
        netlify(),
        monday(),
        atlassian("header", f"{URL}?user_key=a%20b&b=2&b=1%2C3&a=~*", in_query=False),
        atlassian("query", f"{URL}?user_id=admin", in_query=True),
        plaid("jwk", ec_jwk()),
        plaid("pem", pem(EC_KEY)),
        kinde("jwks", rsa_jwks()),
        kinde("pem", pem(RSA_KEY)),
    ]
