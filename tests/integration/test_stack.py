"""tools/stack and the scripts of sql: what they leave alone, and what they live with."""

import contextlib
import fcntl
import os
import pathlib
import signal
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
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_tests_that_are_stopped_leave_nothing_behind(how):
    with tempfile.TemporaryDirectory(prefix="ura-", dir="/tmp") as folder:
        process = subprocess.Popen([ROOT / "tools/test", "integration"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "TEST_GROUP": "", "SERVICES_DIR": folder,
                                        "PYTEST_ADDOPTS": "-k hundred_spellings"})
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
