"""Requests of AWS: Signature Version 4 in the Authorization header, written from the IAM User Guide ("Create a signed
AWS API request"), and SNS messages, written from the SNS Developer Guide ("Verifying the signatures of Amazon SNS
messages").
"""

import base64
import datetime
import email.utils
import hashlib
import hmac
import json
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID

from make import AT, vector

HOST = "hooks.example.com"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = '{"order":{"id":7,"state":"paid"}}'

# Made for these files and used nowhere else.
RSA = serialization.load_pem_private_key(b"""\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC0bZIVea1Q7RIS
vu0TF6w3rb/RY4RpgFlHckeISiL/aT5eFasfyezS21gLTw2Gi7hxmO5U1+mh82z3
0iBeOApg2CkhqK636ctvMw2A5f3sWA7bcsxpq4Kd6Cz16eDOT06JRYAZgaH3KpQG
gVZgHGNPQPtSYyJWiPs5QmunG5llF4nK+Y3WxX405nAXHFp4/DV4/vI5U/BQC76K
arbi9Y4EjhJcQmcNxQqQ3WMxV5OJeyT2FSRLa7SWBUjANnnDTgA914XegG1s/wNA
g1Au0Cej/WL1/74u9fEuzw6rJWWpZEo4wuioqX7muMOiYaKh5VIJN7HJEH5wSyJP
fvEpOM77AgMBAAECggEAFK54mnCTmXKglI3WY/ld2sCrpkc81CZhACENKltWeVC+
1Dmx9KyzMj+amdU/wiaS3Pvq2cZ+t9B3iE1JkN3l8VA7IBS9+O6EzKQdTfikVhUz
7XCnwLcRpk2zlaPvilvUhJn3AzV0831/G+Mdxlo1V04mC2gPSrxckPrYQdPr4zE8
Zt/A6hHk4L27OpqqeFBkysabDPLNTsKVWlc6sQXCBRQ1LCDSuZYS1hKBCP97xtLe
Btx15wWcS0IZX2wS3c4qVrteuRExkLo9xmxzQeseYBgFveB4OYWcA0Z7uSbthXpY
Tklcb1gU94NPSPKe2L6izEs4z0ddTv4F3aSnJetu5QKBgQDcyj8rYAFf7YYc7tZ5
20145XrfeUciNabnVKqOlGZjvliYBUAbU5RVQFoXY2Sm2zRK2SCLK49BZ9rSwh0U
24wgt1sI7rxsyxIip1HexYKqq3YbIedvLM+HeCV38Sxvu3gx3IZR4/+Zfhdiw7FB
PHOsH5dYl5wC7fEVGzMIwDDeLwKBgQDRM4tkfHmaS6wMGsDUF8tnbSuUFf6EhVK8
VhloIdVhqwJ7niK8yMnIqQH1567SUQ0lWvdyL2lhWzcK6EHKHwlY0XwmFz92dccx
ToDfbl4UcMVJF8LWYMjmzn6X+5Q2376hjGIeTQ4HkZgZWSsxgoTPU1SChi8kWpDR
4U3xTs+U9QKBgA1cd+IqFys09o69rWEGcnPEf2ESt8lMMeOB7ihetquGk1nvx2df
8XQPRuRvcWHflhSJezyw0CSHImjqslPWzW4Van7p46E50MkkEwJGNZgadDVEIftK
XOy3ypytjaDdWXK7A63k/EzPop6pdQqbm+xopQIJerl6qMI8OSRobQylAoGAaOb+
6/mbBKsTb9JuhSwVXBybMJvCz/MG5NgLz3K/zETzbseCRcYtoQhWqlduC5qHDAdM
c56gqigSNs72RoM/raEGLxeTRDSVGP1zlBaE6J0P4LIgil1oAIzlYBLQZJ/XuKxr
eyRKd7MjYPqctSvsqwXvJ7BfrUwYuJXQ/sL1Ro0CgYEAr9MBs69QLMjZxSUpsOvM
y1u5KGjWpXK9d/DG6gYfYcJjhvHMEvNZ8eFEus3mq+rPXuBUdYAQ2d2BYPP3/i2s
Bq1j3kjhPo/AIXIiLu3DWSVv+D0otHDwmpNatj5rEUKTSOeNL1JWtUn+LjoiC1Eu
uQ10cxdVxwGWnskFnlOCrao=
-----END PRIVATE KEY-----
""", None)


def b64(data):
    return base64.b64encode(data).decode()


def certificate(name):
    """A certificate with the public half of RSA, signed by itself and expired."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(
        issuer_name=subject, subject_name=subject, public_key=RSA.public_key(), serial_number=7,
        not_valid_before=datetime.datetime(2020, 1, 1), not_valid_after=datetime.datetime(2021, 1, 1))
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return made.sign(RSA, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def quote(text):
    """AWS's UriEncode of what is already decoded."""
    return urllib.parse.quote(text, safe="-_.~")


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sigv4(name, *, method="POST", path="/webhooks/sender", query=(), raw_query=None, body=BODY, headers=None,
          unsigned=None, payload=None, scope_date=None, dated=True, **more):
    """One request. query: pairs, not encoded; raw_query: how they are sent, where that is another way; unsigned: headers
    that are sent and not signed; payload: what is said instead of the hash of the body; dated: whether the time is in
    X-Amz-Date, else it is in Date."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(AT))
    digest = payload or hashlib.sha256(body.encode()).hexdigest()
    sent = {"Host": HOST, **(headers or {})}
    if dated:
        sent |= {"X-Amz-Date": stamp, "X-Amz-Content-Sha256": digest}
    else:
        sent["Date"] = email.utils.formatdate(AT, usegmt=True)
    signed = sorted((key.lower(), " ".join(value.split())) for key, value in sent.items())
    names = ";".join(key for key, _ in signed)
    pairs = sorted((quote(key), quote(value)) for key, value in query)
    canonical_query = "&".join(f"{key}={value}" for key, value in pairs)
    # The path is sent encoded, and what is signed is that, encoded once more (every service but S3).
    canonical = "\n".join([method, urllib.parse.quote(path, safe="/-_.~"), canonical_query,
                           *(f"{key}:{value}" for key, value in signed), "", names, digest])
    date = scope_date or stamp[:8]
    scope = f"{date}/eu-central-1/execute-api/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in scope.split("/"):
        key = hmac_sha256(key, part)
    signature = hmac_sha256(key, to_sign).hex()
    sent["Authorization"] = (f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, "
                             f"Signature={signature}")
    sent |= unsigned or {}
    if raw_query is None:
        raw_query = "&".join(f"{quote(key)}={quote(value)}" for key, value in query)
    url = f"https://{HOST}{path}" + (f"?{raw_query}" if raw_query else "")
    bound = [] if more.get("expect") == "invalid" else ["body", "method", "target", "timestamp"]
    return vector(name, "aws-sigv4", SECRET, body, sent, bound, method=method, url=url, **more)


def sns(name, kind, version, *, headers=None, topic="orders", **fields):
    """One message. topic: the one that is configured beside another; the message is of `orders`."""
    more = {key: fields.pop(key) for key in ("expect", "why") if key in fields}
    message = {
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:orders",
        "Message": BODY,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(AT)),
        "SignatureVersion": version,
        "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0.pem",
        **fields,
    }
    if kind == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        message |= {"Token": "2336412f37fb687f5d51e6e2425f004a",
                    "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336"}
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{key}\n{message[key]}\n" for key in names if key in message)
    hashed = hashes.SHA1() if version == "1" else hashes.SHA256()
    message["Signature"] = b64(RSA.sign(signed.encode(), padding.PKCS1v15(), hashed))
    sent = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": kind,
            "x-amz-sns-message-id": message["MessageId"], "x-amz-sns-topic-arn": message["TopicArn"],
            **(headers or {})}
    valid = more.get("expect") != "invalid"
    topics = "".join(f"arn:aws:sns:eu-central-1:123456789012:{name}\n" for name in ["other", topic])
    return vector(name, "aws-sns", topics + certificate("sns.amazonaws.com"), json.dumps(message, indent=2), sent,
                  ["timestamp", "id"] if valid else [], unbound=["body"] if valid else [],
                  message_id=message["MessageId"], **more)


def vectors():
    invalid = {"expect": "invalid"}
    token = {"X-Amz-Security-Token": "IQoJb3JpZ2luX2VjEXAMPLETOKEN//////////8="}
    return [
        sigv4("sigv4-post"),
        sigv4("sigv4-get", method="GET", body=""),
        sigv4("sigv4-query", query=[("b", "2"), ("a", "/x y"), ("a", "1"), ("a-b", "+;&="), ("flag", ""), ("", "")]),
        sigv4("sigv4-query-sent-otherwise", query=[("a", "/x"), ("b", "~"), ("flag", "")],
              raw_query="flag&b=%7e&a=/x", why="What is signed is the same for every spelling of a parameter."),
        sigv4("sigv4-path", path="/files/a%20b/%C3%A9/", why="An escape is encoded once more in what is signed."),
        sigv4("sigv4-doubled-spaces", headers={"X-Note": "  a   b \"c  d\"  "}),
        sigv4("sigv4-session-token", headers=token),
        sigv4("sigv4-date", dated=False, why="No x-amz header at all: the time is that of Date."),
        sigv4("sigv4-unsigned-payload", payload="UNSIGNED-PAYLOAD", **invalid,
              why="The signature is right, and covers no body."),
        sigv4("sigv4-streaming", payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", **invalid,
              why="Each chunk would have a signature of its own."),
        sigv4("sigv4-hash-of-another-body", payload="0" * 64, **invalid,
              why="The signature is right, and covers another body."),
        sigv4("sigv4-date-of-another-day", scope_date="20231113", **invalid,
              why="The key is that of another day than the request."),
        sigv4("sigv4-token-not-signed", unsigned=token, **invalid,
              why="Anybody may have put the session token there."),
        sns("sns-v1", "Notification", "1"),
        sns("sns-v2", "Notification", "2"),
        sns("sns-v2-subject", "Notification", "2", Subject="Orders",
            UnsubscribeURL="https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe"),
        sns("sns-text", "Notification", "2", Message="two\nlines, \u00fc and \u2713"),
        sns("sns-subscription", "SubscriptionConfirmation", "1"),
        sns("sns-unsubscription", "UnsubscribeConfirmation", "2"),
        sns("sns-subject-of-two-lines", "Notification", "2", Subject="a\nTimestamp\nb", **invalid,
            why="The same text could be signed for another message."),
        sns("sns-certificate-elsewhere", "Notification", "2", SigningCertURL="https://sns.example.com/a.pem", **invalid,
            why="The certificate's URL is not signed; an application may follow it."),
        sns("sns-header-of-another-type", "Notification", "2", **invalid,
            headers={"x-amz-sns-message-type": "SubscriptionConfirmation"},
            why="The header is not signed; an application may go by it."),
        sns("sns-other-topic", "Notification", "2", topic="invoices", **invalid,
            why="SNS signs for everybody's topics with the same key."),
        sns("sns-version-3", "Notification", "3", **invalid, why="There is no such version."),
    ]
