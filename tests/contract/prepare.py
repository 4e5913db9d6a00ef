"""Makes records on a running demo, and the configuration by which schemathesis asks for them.

    prepare.py DIRECTORY_OF_THE_DEMO OUT.toml

Made-up ids lead nowhere: most requests are for a record that is there, each deletion for one of its own.
"""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

# Records for each deletion, so that what others ask for stays.
SPARE = 40
# How often one of these stands where a made-up value would.
OFTEN = 0.8

place, out = map(pathlib.Path, sys.argv[1:])
addresses = json.loads((place / "addresses.json").read_text())
token = (place / "admin.token").read_text().strip()


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(addresses["admin"] + path, data, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def make(path, count=1, **fields):
    """The ids of new records with names of their own."""
    stem = "contract-" + path.rsplit("/", 1)[1]
    return [ask("POST", path, {"name": f"{stem}-{time.monotonic_ns()}", **fields})["id"] for _ in range(count)]


def send(integration, body):
    """The status of a delivery, which is not signed."""
    path = ask("GET", "/api/integrations/" + integration)["path"]
    request = urllib.request.Request(addresses["traffic"] + path, json.dumps(body).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as refused:
        return refused.code


def deliveries():
    """Of a delivery that is refused, and kept."""
    assert send(integrations[0], {}) == 401
    for _ in range(100):
        items = ask("GET", "/api/deliveries")["items"]
        if items:
            return [item["id"] for item in items]
        time.sleep(0.1)
    sys.exit("prepare.py: no delivery is kept")


def captured():
    """Of an integration whose sender has handed over its secret, to be shown once."""
    [made] = make("/api/integrations", type="notion", handshake=True)
    assert send(made, {"verification_token": "secret_of_the_sender_itself"}) == 200
    return [made]


def cursor(path):
    """Where the second page of a list begins."""
    return [ask("GET", path + "?limit=1")["nextCursor"]]


[workspace] = make("/api/workspaces")
keys_of = f"/api/workspaces/{workspace}/webhook-keys"
integrations = make("/api/integrations", 3)
records = {
    "workspace": [workspace],
    "key": make(keys_of, 3, requireKeyId=True),
    "integration": integrations,
    "admin": make("/api/admins", 3, role="auditor"),
    "scheme": ["github", "stripe", "generic"],
    "delivery": deliveries(),
    "kek": [ask("GET", "/api/keks")["sealWith"]],
    "revision": ["*"],
    "name": [f"contract-{number}" for number in range(400)],
    "secret": ["a-secret-of-the-sender-0123456789"],
    "cursor": cursor("/api/integrations"),
    "place": cursor("/api/audit-events"),
    "captured": captured(),
}
deletions = {
    "deleteWorkspace": ("workspace", make("/api/workspaces", SPARE)),
    "deleteWebhookKey": ("key", make(keys_of, SPARE, requireKeyId=True)),
    "deleteWorkspaceWebhookKey": ("key", make(keys_of, SPARE, requireKeyId=True)),
    "deleteIntegration": ("integration", make("/api/integrations", SPARE)),
    "deleteAdmin": ("admin", make("/api/admins", SPARE, role="auditor")),
}
bound = {f"path.{name}": name for name in ("workspace", "key", "integration", "admin", "scheme", "delivery")}
bound |= {"header.If-Match": "revision", "query.cursor": "cursor", "body.name": "name"}
bound |= {"body.workspaceId": "workspace", "body.to": "kek", "body.webhookSecret": "secret"}
special = {operation: (f"path.{name}", operation) for operation, (name, _) in deletions.items()}
special |= {"revealIntegrationSecret": ("path.integration", "captured")}
special |= {operation: ("query.cursor", "place") for operation in ("listAuditEvents", "verifyAuditEvents")}

# What no schema says: which fields go together, what a name, a secret or a cursor may be, what is taken or there.
refusals = ["2xx", 404, 409, 412, 422]

lines = []
for name, values in records.items():
    lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
for operation, (_, values) in deletions.items():
    lines += [f"[dictionaries.{operation}]", f"values = {json.dumps(values)}"]
lines.append("[parameters]")
for place, name in bound.items():
    lines.append(f'"{place}" = {{ dictionary = "{name}", probability = {OFTEN} }}')
for operation, (place, name) in special.items():
    lines += ["[[operations]]", f'include-operation-id = "{operation}"', "[operations.parameters]"]
    lines.append(f'"{place}" = {{ dictionary = "{name}", probability = {OFTEN} }}')
lines += ["[checks.positive_data_acceptance]", f"expected-statuses = {json.dumps(refusals)}"]
out.write_text("\n".join(lines) + "\n")
