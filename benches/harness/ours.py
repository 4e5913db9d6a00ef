"""Starts `countersign serve` with a fresh store, and makes its records through the admin port."""

import http.client
import json
import time

from .processes import HOST, TARGET, free_port
from .requests import SECRET

TOKEN = "bench-admin-token-0123456789abcdef"


class Ours:
    """A sidecar that is ready: its port, process and API key."""

    def __init__(self, programs, application, profile="release", core=None, wrapper=(), within=20):
        self.port, self.admin, self.ops = free_port(), free_port(), free_port()
        addresses = {
            "LISTEN": f"{HOST}:{self.port}",
            "ADMIN": f"{HOST}:{self.admin}",
            "OPS": f"{HOST}:{self.ops}",
            "APPLICATION": f"{HOST}:{application}",
        }
        config = programs.render("countersign.toml", **addresses)
        self.process = programs.start(
            "countersign",
            [*wrapper, TARGET / profile / "countersign", "serve", "--config", config],
            core=core,
            environment={"COUNTERSIGN_ADMIN_TOKEN": TOKEN},
            port=self.port,
            within=within,
        )
        self._wait_ready(within)
        workspace = self._create("/api/workspaces", {"name": "bench"})["id"]
        self.key = self._create(f"/api/workspaces/{workspace}/webhook-keys", {"name": "bench"})["apiKey"]
        hook = {"name": "github", "type": "github", "workspaceId": workspace, "webhookSecret": SECRET}
        self._create("/api/integrations", hook)

    def _wait_ready(self, within):
        end = time.monotonic() + within
        while not self._is_ready():
            if time.monotonic() > end:
                raise RuntimeError("countersign does not become ready")
            time.sleep(0.05)

    def _is_ready(self):
        try:
            return self._call(self.ops, "GET", "/readyz")[0] == 200
        except OSError:
            # The traffic port is bound first.
            return False

    def _create(self, target, record):
        status, answer = self._call(self.admin, "POST", target, record)
        if status != 201:
            raise RuntimeError(f"POST {target}: {status} {answer}")
        return json.loads(answer)

    @staticmethod
    def _call(port, method, target, record=None):
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        if record is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, json.dumps(record) if record is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
