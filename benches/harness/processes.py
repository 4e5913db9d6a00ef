"""Building, starting and ending programs, and what they use of the machine."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TICKS = os.sysconf("SC_CLK_TCK")
HOST = "127.0.0.1"


def cargo(*arguments):
    """Builds; where nothing has changed this takes no time."""
    subprocess.run(["cargo", "build", "--quiet", *arguments], cwd=ROOT, check=True)


def need(packages):
    """Installs the programs that are missing, with apt, without letting a package start a server."""
    missing = [package for package in packages if not find(package)]
    if not missing:
        return
    print(f"installing {' '.join(missing)}", file=sys.stderr)
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **quiet)
    finally:
        if ours:
            policy.unlink()


def find(program):
    return shutil.which(program) or shutil.which(program, path="/usr/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Programs:
    """The programs of one run and their directory; both are gone at its end."""

    def __enter__(self):
        # A run that is told to end ends what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self._dir = tempfile.TemporaryDirectory(prefix="countersign-bench-")
        self.dir = Path(self._dir.name)
        self.dir.chmod(0o700)
        self.running = {}
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self._dir.cleanup()

    def start(self, name, command, core=None, environment=None, port=None, within=20):
        """Starts a program on one core and waits until it listens."""
        if core is not None:
            command = ["taskset", "-c", str(core), *command]
        log = self.dir / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.dir,
                env={**os.environ, **(environment or {})},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.running[name] = process
        end = time.monotonic() + within
        while port is not None and not listens(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} does not listen:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        return process

    def stop(self, name):
        process = self.running.pop(name)
        process.terminate()
        process.wait(120)

    def render(self, template, **values):
        """Fills a template of this directory in; returns the path of the result."""
        text = (Path(__file__).parent / template).read_text()
        for name, value in {"DIR": self.dir, **values}.items():
            text = text.replace(f"@{name}@", str(value))
        path = self.dir / template
        path.write_text(text)
        return path

    def cpu(self):
        """CPU seconds of everything that runs here, and of this process and what it waited for."""
        return sum(cpu(process.pid)[0] for process in self.running.values()) + sum(os.times()[:4])


def listens(port):
    try:
        socket.create_connection((HOST, port), 1).close()
        return True
    except OSError:
        return False


def family(pid):
    """A process and its descendants."""
    found, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in children.read_text().split()]
            except OSError:
                pass
    return found


def cpu(pid):
    """CPU seconds (all, system) of a process, its threads and its children."""
    total = system = 0
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        user, kernel, waited_user, waited_kernel = (int(field) for field in fields[11:15])
        total += user + kernel + waited_user + waited_kernel
        system += kernel + waited_kernel
    return total / TICKS, system / TICKS


def rss(pid):
    """Resident MiB of a process and its children."""
    kib = 0
    for member in family(pid):
        try:
            kib += int(re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{member}/status").read_text(), re.M)[1])
        except (OSError, TypeError):
            pass
    return kib / 1024


def machine():
    """CPU seconds that the whole machine has used, waiting and stolen time left out."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _, _, interrupt, soft = fields[:7]
    return (user + nice + system + interrupt + soft) / TICKS
