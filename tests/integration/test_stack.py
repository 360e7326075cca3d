"""tools/stack and the scripts of sql: what they leave alone, and what they live with."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import service as service_module
from service import ROOT, wait_until


def stop(part, folder):
    return subprocess.run([ROOT / "tools/stack", part, "stop", folder], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("part, pid_file", [("database", "mysql"), ("workers", "workers"), ("workers", "search"), ("nginx", "nginx")])
def test_the_process_of_somebody_else_is_not_stopped(tmp_path, part, pid_file):
    with subprocess.Popen(["sleep", "60"]) as other:  # has got the number after a restart
        (tmp_path / f"{pid_file}.pid").write_text(f"{other.pid}\n")
        assert stop(part, tmp_path).returncode == 0
        is_running = other.poll() is None
        other.kill()
    assert is_running


@pytest.mark.parametrize("name", ["a b", "a&b", "a;b", "a|b", "a$b", "a'b", "é"])
def test_a_folder_that_the_servers_would_misread_is_refused(tmp_path, name):
    answer = stop("nginx", tmp_path / name)
    assert answer.returncode == 1
    assert "letters, digits" in answer.stderr


def test_a_server_without_tls_is_taken_by_its_unix_socket(own_service):
    without_tls = "--skip-ssl" if own_service.is_mariadb() else "--tls-version="
    own_service.close_database()
    own_service.stack("database", "stop")
    own_service.stack("database", "start", DATABASE_OPTIONS=without_tls)  # waits with a client
    assert own_service.migrate() == ""
    key = subprocess.run([ROOT / "sql/usage-record-api-key", "list", "--", "--no-defaults", "--user=root",
                          f"--socket={own_service.dir}/mysql.sock"], capture_output=True, text=True, timeout=60)
    assert key.returncode == 0, key.stderr


def servers(folder):
    """The processes that have a folder in their command lines."""
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if folder.encode() in path.read_bytes():
                found.add(path)
    return found


@pytest.mark.unsanitized
@pytest.mark.parametrize("step, name, how", [("integration", "hundred_spellings", signal.SIGTERM),
                                             ("integration", "hundred_spellings", signal.SIGINT),
                                             ("short-faults", "retiring", signal.SIGTERM)])
def test_tests_that_are_stopped_leave_nothing_behind(step, name, how):
    with tempfile.TemporaryDirectory(prefix="ura-", dir="/tmp") as folder:
        process = subprocess.Popen([ROOT / "tools/test", step], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "TEST_GROUP": "", "SERVICES_DIR": folder,
                                        "PYTEST_ADDOPTS": f"-k {name}"})
        wait_until(lambda: servers(folder), seconds=60)
        process.send_signal(how)
        assert process.wait(60) != 0
        assert not servers(folder) and not os.listdir(folder)


def test_the_servers_have_no_file_of_who_starts_them(tmp_path):
    """Not even one with a large number; with a lock on it, nobody else would ever get it."""
    with open(tmp_path / "lock", "w") as lock:
        high = fcntl.fcntl(lock, fcntl.F_DUPFD, 200)
        service = service_module.Service()
        try:
            for part in ("database", "workers", "nginx"):
                subprocess.run([ROOT / "tools/stack", part, "start", service.dir], check=True, timeout=120, pass_fds=[high],
                               env={**os.environ, "PORT": str(service.port), "WORKERS": "1", "WORKER": service.worker,
                                    **service.environment()})
            pids = [service.pid(name) for name in ("mysql", "workers", "nginx")] + service.worker_pids()
            for pid in pids:
                files = [os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
                assert str(tmp_path / "lock") not in files
            assert service.sql("SELECT @@tmpdir", database=None)[0][0] == f"{service.dir}/tmp"
        finally:
            os.close(high)
            service.remove()


@pytest.mark.unsanitized
def test_run_starts_anew_when_something_else_is_wanted():
    with tempfile.TemporaryDirectory(prefix="ura-", dir="/tmp") as folder:
        port = service_module.free_port()

        def paste(line, **more):
            return subprocess.run(line, shell=True, check=True, stdout=subprocess.PIPE, text=True, timeout=120, cwd=ROOT,
                                  env={**os.environ, "PORT": str(port), "WORKERS": "1", "SAMPLE_ROWS": "100",
                                       "STATE_DIR": folder, **more}).stdout

        def run(words="", **more):
            return paste(f"tools/run {words}", **more)

        def command(text, mark):
            """A line that is to be pasted, run as it stands; its answer's status."""
            line = next(line for line in text.splitlines() if mark in line)
            return paste(line[line.index("curl"):].replace("curl", "curl -s -o /dev/null -w '%{http_code}'", 1))
        try:
            text = run()
            assert command(text, "curl -i") == "200"
            own = text[text.index("  echo '{"):].split("\n\n")[0]
            assert paste(own) == "1 new, 0 changed, 0 the same, 0 refused\n"
            assert '"id":"mine-1"' in paste(next(line for line in text.splitlines() if "curl -i" in line))
            readme = (ROOT / "README.md").read_text(encoding="utf-8").split("### Your own records\n\n")[1].split("\n\n")[0]
            assert paste(readme) == "0 new, 0 changed, 1 the same, 0 refused\n"
            text = run()
            assert "runs already" in text
            assert [command(text, mark) for mark in ("list:", "health:", "metrics:")] == ["200"] * 3
            text = run(AUTH="1")
            assert "runs already" not in text and command(text, "curl -i") == "200"
            assert command(run("status"), "list:") == "401"  # the key is shown once
            assert "runs already" in run(AUTH="1")
        finally:
            run("stop")


class Cluster:
    """tools/cluster in a folder of its own, with few records."""

    def __init__(self, folder):
        self.folder, self.url = folder, f"http://127.0.0.1:{service_module.free_port()}"
        self.env = {**os.environ, "PORT": self.url.rsplit(":")[-1], "NODE_PORT": str(nine_free_ports()), "STATE_DIR": folder,
                    "SAMPLE_ROWS": "200"}

    def run(self, *words):
        return subprocess.run([ROOT / "tools/cluster", *words], env=self.env, capture_output=True, text=True, timeout=200)

    def sql(self, number, statement):
        """What a node says, once it has a majority."""
        command = [ROOT / "sql/client", "--no-defaults", f"--socket={self.folder}/n{number}/mysql.sock", "--user=root", "-BN", "-e", statement]
        return wait_until(lambda: subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout)

    def kill(self, number):
        pid = int(pathlib.Path(f"{self.folder}/n{number}/mysql.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}/cmdline").exists() or not pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())


def nine_free_ports():
    for first in range(13301, 29000, 9):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + 9):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError("no nine free ports in a row")


@pytest.fixture
def cluster():
    if shutil.which("mariadbd") is None:
        pytest.skip("Galera is MariaDB's")
    with tempfile.TemporaryDirectory(prefix="ura-", dir="/tmp") as folder:
        cluster = Cluster(folder)
        try:
            yield cluster
        finally:
            cluster.run("stop")


@pytest.mark.unsanitized
def test_a_cluster_runs_and_comes_back(cluster):
    result = cluster.run()
    assert result.returncode == 0, result.stderr
    pages = [line.split("'")[1] for line in result.stdout.splitlines() if line.startswith("  curl")]
    assert len(pages) == 2
    for page in pages:
        answer = subprocess.run(["curl", "-fsS", page], check=True, capture_output=True, text=True).stdout
        assert f'"organizationID":"{page.split("/")[4]}"' in answer
    # All are killed, the last one first: one of those that had got further begins.
    cluster.kill(3)
    assert cluster.sql(1, "CREATE DATABASE IF NOT EXISTS later; SHOW DATABASES LIKE 'later'") == "later\n"
    cluster.kill(1)
    cluster.kill(2)
    status = cluster.run("status")
    assert status.returncode == 3 and status.stdout.count("does not run") == 3, status.stdout
    assert cluster.run().returncode == 0
    status = cluster.run("status")
    assert status.returncode == 0 and status.stdout.count("Synced") == 3, status.stdout
    assert cluster.sql(3, "SHOW DATABASES LIKE 'later'") == "later\n"
    assert cluster.run("stop").returncode == 0 and not servers(cluster.folder)


@pytest.mark.unsanitized
def test_a_cluster_that_is_interrupted_leaves_nothing_behind(cluster):
    """While its nodes start, one ready and two on their way."""
    with subprocess.Popen([ROOT / "tools/cluster"], env=cluster.env, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: pathlib.Path(f"{cluster.folder}/n2/mysql.pid").exists(), seconds=60)
        process.terminate()
        assert process.wait(120) == 1
    assert not servers(cluster.folder)


def test_a_galera_donor_takes_what_its_server_writes(tmp_path):
    with subprocess.Popen([ROOT / "tools/wsrep_sst_beside", "--role", "donor", "--address", f"127.0.0.1:{tmp_path}",
                           "--gtid", "state:7", "--gtid-domain-id", "0", "--bypass"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as donor:
        with pytest.raises(subprocess.TimeoutExpired):
            donor.wait(0.3)
        said, _ = donor.communicate("sst_user=somebody\nsst_password=secret\n", timeout=60)
    assert donor.returncode == 0
    assert said == "continue\ndone state:7 0\n"
    assert (tmp_path / "state_transfer").read_text() == "state:7 0\n"
