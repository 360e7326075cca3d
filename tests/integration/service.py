"""A private service under test: MariaDB, the pool and nginx in a folder of their own,
started and stopped by tools/stack; a client that sends what it is told to, byte by byte;
and the database's own answers to compare with."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pymysql

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build_dir():
    """Where the programs under test were built: BUILD, as tools/test says."""
    return ROOT / os.environ.get("BUILD", "build/release")


class Answer:
    """An HTTP answer: status, headers by lower-case name (lists), and the body's bytes."""

    def __init__(self, status, headers, body):
        self.target = ""  # what was asked for, if ask() did
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        """The value of a header that may come once at most; None when it did not."""
        values = self.headers.get(name.lower(), [])
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        """The body, its numbers as the very text that was sent."""
        return json.loads(self.body.decode("utf-8"), parse_float=Digits, parse_int=Digits,
                          parse_constant=refuse_constant)

    def next_path(self):
        """The path of the next page, from the Link header; None when there is none."""
        link = self.header("Link")
        if link is None:
            return None
        assert link.startswith("<") and link.endswith('>; rel="next"'), link
        reference = link[1:-len('>; rel="next"')]
        return self.target.split("?")[0] + reference if reference.startswith("?") else reference


class Digits(str):
    """A JSON number, kept as its text."""


def refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


def read_answer(connection, method):
    """Reads one HTTP/1.1 answer from a socket."""
    stream = connection.makefile("rb")
    status_line = stream.readline()
    if not status_line:
        raise ConnectionError("the connection was closed without an answer")
    status = int(status_line.split(b" ", 2)[1])
    headers = {}
    for line in iter(stream.readline, b"\r\n"):
        if not line:
            raise ConnectionError("the connection was closed within the headers")
        name, value = line.decode("latin-1").split(":", 1)
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") == ["chunked"]:
        body = b""
        while size := int(stream.readline(), 16):
            chunk = stream.read(size)
            if len(chunk) < size:
                raise ConnectionError("the body was cut")
            body += chunk
            stream.readline()
        stream.readline()
    elif "content-length" in headers:
        size = int(headers["content-length"][0])
        body = stream.read(size)
        if len(body) < size:
            raise ConnectionError("the body was cut")
    else:
        body = stream.read()
    return Answer(status, headers, body)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """The parts run in a short temporary folder, because paths of sockets are short."""

    timeout_s = 30  # of a client

    def __init__(self, worker=None, workers=2, search_workers=2, **settings):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ura-", dir=os.environ.get("SERVICES_DIR", "/tmp")))
        self.port = free_port()
        self.worker = worker or str(build_dir() / "usage-record-api")
        self.workers = workers
        self.search_workers = search_workers
        self.settings = {"DB_SOCKET": str(self.dir / "mysql.sock"), "DB_USER": "root", **settings}
        self._database = None

    # -- the parts

    def stack(self, part, action, prefix=(), **env):
        subprocess.run([*prefix, ROOT / "tools/stack", part, action, self.dir], check=True, timeout=120,
                       env={**os.environ, "PORT": str(self.port), "WORKERS": str(self.workers),
                            "SEARCH_WORKERS": str(self.search_workers),
                            "WORKER": self.worker, **self.environment(), **env})

    def environment(self):
        return {f"USAGE_RECORD_API_{name}": str(value) for name, value in self.settings.items()}

    def serve(self, **env):
        """Starts the pool, and nginx before it, with env for its site."""
        self.stack("workers", "start")
        self.stack("nginx", "start", **env)

    def stop(self):
        self.close_database()
        for part in ("nginx", "workers", "database"):
            self.stack(part, "stop")

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir)

    def restart_workers(self, **settings):
        """Starts the pool anew with other settings."""
        self.settings.update(settings)
        self.stack("workers", "stop")
        self.stack("workers", "start")

    def pid(self, part):
        return int((self.dir / f"{part}.pid").read_text())

    def worker_pids(self, pool="workers"):
        """The workers of a pool under multiwatch, in ascending order."""
        return children(self.pid(pool))

    def reload_nginx(self):
        """Has nginx read its configuration again, and waits until nothing of the old one answers."""
        old = set(children(self.pid("nginx")))
        os.kill(self.pid("nginx"), signal.SIGHUP)
        wait_until(lambda: not old & set(children(self.pid("nginx"))))

    def log(self):
        """What the workers logged, a dict a line; multiwatch says a word there now and then."""
        lines = (self.dir / "workers.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def log_of(self, request_id):
        """The lines of one request; waits for its access line."""
        def lines():
            return [line for line in self.log() if line.get("request_id") == request_id]
        wait_until(lambda: any(line["event"] in ("request", "slow request") for line in lines()))
        return lines()

    # -- the database

    def database(self):
        if self._database is None:
            self._database = self.connect_database(database=None)
        return self._database

    def connect_database(self, **options):
        """A connection of its own, which the caller closes."""
        return pymysql.connect(**{"unix_socket": f"{self.dir}/mysql.sock", "user": "root", "database": "usage_record_api",
                                  "charset": "utf8mb4", "autocommit": True, **options})

    def is_mariadb(self):
        return "MariaDB" in self.sql("SELECT VERSION()", database=None)[0][0]

    def close_database(self):
        if self._database is not None:
            self._database.close()
            self._database = None

    def sql(self, statement, values=None, database="usage_record_api"):
        with self.database().cursor() as cursor:
            if database is not None:
                cursor.execute(f"USE {database}")
            cursor.execute(statement, values)
            return cursor.fetchall()

    def migrate(self, database="usage_record_api"):
        return subprocess.run([ROOT / "sql/migrate", database, "--no-defaults", "--user=root",
                               f"--socket={self.dir}/mysql.sock"],
                              check=True, timeout=60, stdout=subprocess.PIPE, text=True).stdout

    def load_sample(self, rows, *options):
        subprocess.run([ROOT / "sql/load-sample", build_dir() / "generate", str(rows),
                        "usage_record_api", "--no-defaults", "--user=root",
                        f"--socket={self.dir}/mysql.sock"],
                       check=True, timeout=600, stdout=subprocess.DEVNULL,
                       env={**os.environ, "GENERATE_OPTIONS": " ".join(options)})

    def insert(self, organization, **columns):
        """Inserts a record; columns that are not named get a plain value."""
        row = {"id": f"id-{time.monotonic_ns()}", "organization_id": organization, "partner": "AWS",
               "status": "REPORTED", "records": "{}", "creation_time": "2024-08-12 01:02:15.910",
               "last_update_time": "2024-08-12 01:02:16.000", **columns}
        names = ", ".join(row)
        places = ", ".join(["%s"] * len(row))
        self.sql(f"INSERT INTO usage_record_group ({names}) VALUES ({places})", list(row.values()))
        return row["id"]

    # -- HTTP

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout_s)

    def send(self, data, method="GET"):
        """Sends bytes as they are and reads one answer."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_answer(connection, method)

    def ask(self, target, method="GET", **headers):
        """Sends a request for a raw target; the names of headers may have _ for -."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        answer = self.send("\r\n".join(lines + ["", ""]).encode("utf-8"), method)
        answer.target = target
        return answer


@contextlib.contextmanager
def service_with_tables(**options):
    """A service whose database runs and has its tables, and no record; at the end nothing of it is left."""
    service = Service(**options)
    try:
        service.stack("database", "start")
        service.migrate()
        yield service
    finally:
        service.remove()


def wait_until(condition, seconds=10):
    """Polls until a condition holds; its value.  Fails at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def children(pid):
    """The processes that a process has started, in ascending order."""
    return sorted(int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def pss_kb(pid):
    """A process's proportional share of memory."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise KeyError("Pss")


@contextlib.contextmanager
def stopped(pid):
    """A process that stands still for a while."""
    def is_still():
        with contextlib.suppress(OSError):  # a thread that has just ended
            return all(stat.read_text().rpartition(")")[2].split()[0] == "T"
                       for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"))
        return False
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(is_still, 10)  # on a busy machine its threads run on for a moment
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
