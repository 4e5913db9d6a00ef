"""The requests that are measured, and the checks that a proxy lets in what it should and nothing else."""

import hashlib
import hmac
import http.client
import time
from dataclasses import dataclass

from .processes import HOST

SECRET = "bench-secret-0123456789abcdef"
HOOK = "/webhooks/github"
API = "/api/orders/7"


@dataclass(frozen=True)
class Cell:
    """One kind of request."""

    title: str
    method: str
    target: str
    size: int
    needs: str

    @property
    def body(self):
        return (b'{"event":"push","data":"' + b"x" * self.size)[: self.size]

    def headers(self, key):
        """What a sender adds."""
        if self.needs == "key":
            return {"X-API-Key": key}
        return {"Content-Type": "application/json", "X-Hub-Signature-256": signature(self.body)}


CELLS = {
    "key": Cell("API key GET", "GET", API, 0, "key"),
    "hmac1k": Cell("HMAC 1 KiB POST", "POST", HOOK, 1024, "hmac"),
    "hmac100k": Cell("HMAC 100 KiB POST", "POST", HOOK, 102400, "hmac"),
}


def signature(body):
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def send(port, method, target, headers, body=b"", chunked=False):
    """Status, or the name of the failure."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        if chunked:
            third = max(1, len(body) // 3)
            parts = iter([body[:third], body[third:]])
            headers = {**headers, "Transfer-Encoding": "chunked"}
            connection.request(method, target, parts, headers, encode_chunked=True)
        else:
            connection.request(method, target, body or None, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException) as fault:
        return type(fault).__name__
    finally:
        connection.close()


def counts(application):
    """Requests and body bytes that reached the application."""
    connection = http.client.HTTPConnection(HOST, application, timeout=10)
    connection.request("GET", "/__counts")
    requests, size = connection.getresponse().read().split()
    connection.close()
    return int(requests), int(size)


def check(port, application, can, key):
    """Sends good and bad requests; returns a line for each that ended otherwise than it should."""
    faults = []
    refused = (401, 403)
    if "closes early" in can:
        # A client that is still writing may see the connection close before it sees the answer.
        refused += ("BrokenPipeError", "ConnectionResetError")

    def expect(what, passes, *request, **more):
        before = counts(application)
        status = send(port, *request, **more)
        size = len(request[3]) if len(request) > 3 else 0
        wanted = (1, size) if passes else (0, 0)
        time.sleep(0.02)
        after = counts(application)
        seen = (after[0] - before[0], after[1] - before[1])
        if status not in ((200,) if passes else refused):
            faults.append(f"{what}: status {status}")
        if seen != wanted:
            faults.append(f"{what}: the application saw {seen}, should have seen {wanted}")

    verifies = "open" not in can
    if "key" in can:
        good, last = {"X-API-Key": key}, "0" if key[-1] != "0" else "1"
        expect("key, good", True, "GET", API, good)
        expect("key, tampered", not verifies, "GET", API, {"X-API-Key": key[:-1] + last})
        expect("key, wrong", not verifies, "GET", API, {"X-API-Key": "wrong"})
        expect("key, absent", not verifies, "GET", API, {})
        if "chunked" in can:
            expect("key, chunked", True, "POST", API, good, b"x" * 999, chunked=True)
            expect("key, chunked, absent", not verifies, "POST", API, {}, b"x" * 999, chunked=True)
    for cell in ("hmac1k", "hmac100k"):
        if cell not in can:
            continue
        body = CELLS[cell].body
        good = {"X-Hub-Signature-256": signature(body)}
        wrong = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
        tampered = body[:-1] + b"!"
        expect(f"{cell}, good", True, "POST", HOOK, good, body)
        expect(f"{cell}, tampered", not verifies, "POST", HOOK, good, tampered)
        expect(f"{cell}, wrong", not verifies, "POST", HOOK, wrong, body)
        expect(f"{cell}, absent", not verifies, "POST", HOOK, {}, body)
        if "chunked" in can:
            expect(f"{cell}, chunked", True, "POST", HOOK, good, body, chunked=True)
            expect(f"{cell}, chunked, tampered", not verifies, "POST", HOOK, good, tampered, chunked=True)
    return faults
