"""One worker process on a socket of its own, without nginx and without a supervisor."""

import os
import pathlib
import socket
import subprocess

import fastcgi
from service import build_dir, pss_kb

WORKER = build_dir() / "usage-record-api"


class Worker:
    """One worker on a socket of its own, which outlives it."""

    def __init__(self, folder, environment):
        self.path = folder / f"w{os.urandom(3).hex()}.sock"
        self.log_path = folder / f"{self.path.name}.log"
        self.environment = {**os.environ, **environment}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        self.process = None

    def start(self, *prefix):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*prefix, WORKER], stdin=self.listener, stderr=log, env=self.environment)
        return self

    def ask(self, target, **more):
        return fastcgi.ask(self.path, target, **more)

    def is_ready(self):
        answer = self.ask("/readyz", USAGE_RECORD_API_ROLE="local")
        assert answer.status in (200, 503)
        return answer.status == 200

    def end(self, signal_number, seconds):
        """Sends a signal; the exit status, which has to come in time."""
        self.process.send_signal(signal_number)
        return self.process.wait(seconds)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.listener.close()

    def status(self, field):
        """A number of /proc/PID/status: VmRSS (kB), ..."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def pss(self):
        return pss_kb(self.process.pid)

    def descriptors(self):
        return sorted(os.readlink(entry).split(":")[0] for entry in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir())

    def cpu_ticks(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
