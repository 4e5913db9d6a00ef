#!/usr/bin/env python3
"""Makes the signed requests of this folder, with Python's own hmac and the package cryptography.

Not a part of Countersign: a second implementation, written from each sender's own text, so that a preset
without a published vector is not judged by its own code alone. One module per family of senders, each with
a function vectors() that returns a list of vector(...); `make.py` writes <module>.json beside it, in the
form of ../webhook-vectors.json. Everything is fixed (keys, times, nonces), so a second run changes nothing:
ECDSA and RSA-PSS, whose signatures differ each time, keep what is in the file while it still verifies.

Usage: make.py [--check]    --check writes nothing and fails where a file is not what would be written.
"""

import importlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
AT = 1_700_000_000


def vector(name, scheme, secret, body, headers, bound, *, method="POST",
           url="https://hooks.example.com/webhooks/sender", at=AT, unbound=(), **more):
    """One valid request.

    bound: parts of it that the signature covers: "body", "method", "target", "timestamp", "id" or
    "header:<name>"; a change of any is refused. unbound: parts that it does not cover; a change is let in.
    body_bound=False: a checksum only guards the body, so the application is told that it is not bound.
    toml="...": a scheme of its own instead of a preset. expect="invalid": it is refused as it is.
    """
    return {"id": name, "scheme": scheme, "secret": secret, "method": method, "url": url,
            "headers": headers, "body": body, "at": at, "expect": "valid",
            "bound": list(bound), "unbound": list(unbound), **more}


def render(name):
    module = importlib.import_module(name)
    return json.dumps(module.vectors(), indent=1, ensure_ascii=False) + "\n"


def main():
    sys.path.insert(0, str(HERE))
    stale = []
    for module in sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("make", "keys")):
        file = HERE / f"{module}.json"
        text = render(module)
        if file.exists() and file.read_text() == text:
            continue
        stale.append(file.name)
        if "--check" not in sys.argv:
            file.write_text(text)
    print("changed: " + ", ".join(stale) if stale else "nothing changed")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
