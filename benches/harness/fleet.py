"""One Redis and the sidecars that share it."""

import http.client
import json
import re
import secrets
import socket
import subprocess
import time
from pathlib import Path

from .processes import HOST, TARGET, free_port

TOKEN = "bench-admin-token-0123456789abcdef"
NAMESPACE = "bench"
KEYS = f"{{{NAMESPACE}}}"


class Fleet:
    """A Redis with an initialised namespace, and sidecars by number."""

    def __init__(self, programs, application, profile="release", tools=None):
        self._programs, self._application = programs, application
        self.binary = TARGET / profile / "countersign"
        self._tools = tools or TARGET / profile / "examples" / "programs"
        self.redis = free_port()
        self.url = f"redis://{HOST}:{self.redis}"
        command = ["redis-server", "--port", self.redis, "--bind", HOST, "--save", "", "--dir", programs.dir]
        programs.start("redis", command, port=self.redis)
        self.keks = programs.dir / "keks"
        self.keks.mkdir(0o700)
        key = self.keks / "bench.key"
        key.touch(0o600)
        key.write_text(secrets.token_hex(32) + "\n")

    def tool(self, *words):
        """Runs `programs keyset`; returns what it says."""
        command = [self._tools, "keyset", words[0], self.url, self.keks, *words[1:]]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"keyset {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def start(self, name, threads=1):
        """Starts a sidecar and waits until it is ready."""
        sidecar = Sidecar(self, name, threads)
        sidecar.wait_ready()
        return sidecar

    def stop(self, sidecar):
        self._programs.stop(sidecar.name)

    def launch(self, sidecar, threads):
        lines = [
            f'[listener]\naddress = "{HOST}:{sidecar.port}"\nthreads = {threads}',
            f'[admin]\naddress = "{HOST}:{sidecar.admin}"',
            f'[ops]\naddress = "{HOST}:{sidecar.ops}"',
            f'[upstream]\nurl = "http://{HOST}:{self._application}"',
            f'[store]\nkind = "redis"\nurl = "{self.url}"\nnamespace = "{NAMESPACE}"\ninit = "if-empty"',
            f'[keys]\nkek_dir = "{self.keks}"\nseal_with = "bench"',
            '[log]\nformat = "json"',
        ]
        config = self._programs.dir / f"{sidecar.name}.toml"
        config.write_text("\n\n".join(lines) + "\n")
        command = [self.binary, "serve", "--config", config]
        return self._programs.start(sidecar.name, command, environment={"COUNTERSIGN_ADMIN_TOKEN": TOKEN})

    def ask(self, *words):
        """One command to Redis; its answer as lines."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.redis), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()


class Sidecar:
    """One process of `serve`."""

    def __init__(self, fleet, name, threads):
        self.name = name
        self.port, self.admin, self.ops = free_port(), free_port(), free_port()
        self.log = Path(fleet._programs.dir) / f"{name}.log"
        self._changing = None
        self.began = time.monotonic()
        self.process = fleet.launch(self, threads)

    def wait_ready(self, within=120):
        """Waits for a 200 of /readyz; returns the seconds since the start."""
        while True:
            try:
                if self.get(self.ops, "/readyz")[0] == 200:
                    return self.since_start()
            except OSError:
                pass
            if self.process.poll() is not None or self.since_start() > within:
                raise RuntimeError(f"{self.name} is not ready:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.005)

    def since_start(self):
        return time.monotonic() - self.began

    @staticmethod
    def get(port, target):
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def change(self, key, **fields):
        """PATCHes a key on the admin port."""
        if self._changing is None:
            self._changing = http.client.HTTPConnection(HOST, self.admin, timeout=30)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        target = f"/api/workspaces/{key.workspace}/webhook-keys/{key.id}"
        try:
            self._changing.request("PATCH", target, json.dumps(fields), headers)
        except OSError:
            # Closed as idle meanwhile; http.client connects again by itself.
            self._changing.close()
            self._changing.request("PATCH", target, json.dumps(fields), headers)
        answer = self._changing.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"PATCH {target}: {answer.status} {said}")

    def memory(self):
        """Resident MiB: now, and the most since it began or since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return tuple(int(re.search(rf"^{field}:\s+(\d+)", status, re.M)[1]) / 1024 for field in ("VmRSS", "VmHWM"))

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def loads(self):
        """How often it has loaded the whole key set."""
        return self.log.read_text().count("keys loaded")


class Caller:
    """The holder of keys, over one kept connection to a sidecar."""

    def __init__(self, sidecar):
        self.socket = socket.create_connection((HOST, sidecar.port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def status(self, api_key):
        self.send(api_key)
        return self.receive()

    def send(self, api_key):
        head = f"GET /api/orders/7 HTTP/1.1\r\nHost: bench\r\nX-API-Key: {api_key}\r\n\r\n"
        self.socket.sendall(head.encode())

    def receive(self):
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)[1])
        while len(body) < length:
            body += self._more()
        return int(head.split(b" ", 2)[1])

    def _more(self):
        read = self.socket.recv(65536)
        if not read:
            raise RuntimeError("the sidecar closed the connection")
        return read


class Key:
    """One key, as `programs keyset make` says it."""

    def __init__(self, line):
        self.id, self.workspace, self.api_key, self.secret = line.split()
