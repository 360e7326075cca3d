"""tools/stack and the scripts of sql: what they leave alone, and what they live with."""

import subprocess

import pytest

from service import ROOT


def stop(part, folder):
    return subprocess.run([ROOT / "tools/stack", part, "stop", folder], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("part, pid_file", [("database", "mysql"), ("workers", "workers"), ("nginx", "nginx")])
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
