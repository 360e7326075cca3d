"""Backup and restore as doc/operations.md has them: what is restored answers the same."""

import contextlib
import shutil
import subprocess

import pytest

from service import ROOT, Service, service_with_tables
from test_divided import answers

SECRET = "SELECT HEX(key_hash), organization_id, last_four, creation_time FROM api_key ORDER BY 1"


def sql_tool(service, name, *arguments, **more):
    return subprocess.run([ROOT / "sql" / name, *arguments, "--no-defaults", "--user=root", f"--socket={service.dir}/mysql.sock"],
                          check=True, **more)


@pytest.fixture(scope="module")
def saved():
    """A service with records and a key, and what it answers."""
    with service_with_tables() as service:
        service.load_sample(3000, "--organizations", "12")
        service.insert("z \\ ' ☃", id='a"b\\c', meta_info='{"t":"\\u00e9\\n\\\\ é🚀", "n": 0.10000000000000000000001}')
        subprocess.run([ROOT / "sql/usage-record-api-key", "create", "z \\ ' ☃", "--", "--no-defaults", "--user=root",
                        f"--socket={service.dir}/mysql.sock"], check=True, capture_output=True)
        service.serve()
        service.answers, service.keys = answers(service), service.sql(SECRET)
        yield service


@contextlib.contextmanager
def restored(restore):
    """A machine of its own, on which a backup was put back."""
    service = Service()
    try:
        restore(service)
        service.serve()
        yield service
    finally:
        service.remove()


def assert_is_the_same(service, saved):
    assert answers(service) == saved.answers and service.sql(SECRET) == saved.keys
    sql_tool(service, "check", "usage_record_api")
    assert service.migrate() == ""
    assert service.sql("SELECT event_name, status FROM information_schema.events") == (("heartbeat", "ENABLED"),)
    # New records get serial ids behind the old ones.
    newest = service.sql("SELECT MAX(serial_id) FROM usage_record_group")[0][0]
    identity = service.insert("new")
    assert service.sql("SELECT serial_id FROM usage_record_group WHERE id = %s", [identity])[0][0] > newest


def test_a_dump(saved, tmp_path):
    program = shutil.which("mariadb-dump") or shutil.which("mysqldump")
    dump = tmp_path / "dump.sql"
    with open(dump, "wb") as out:
        subprocess.run([program, "--no-defaults", "--user=root", f"--socket={saved.dir}/mysql.sock", "--single-transaction",
                        "--hex-blob", "--events", "--databases", "usage_record_api"], check=True, stdout=out)

    def restore(service):
        service.stack("database", "start")
        with open(dump, "rb") as data:
            sql_tool(service, "client", stdin=data)
    with restored(restore) as service:
        assert_is_the_same(service, saved)


def test_a_copy_of_the_files(saved, tmp_path):
    if not saved.is_mariadb():
        pytest.skip("MySQL has no mariadb-backup")
    backup = ["mariadb-backup", "--no-defaults", f"--target-dir={tmp_path}/backup", f"--tmpdir={tmp_path}"]
    for arguments in (["--backup", "--user=root", f"--socket={saved.dir}/mysql.sock"], ["--prepare"]):
        subprocess.run([*backup, *arguments], check=True, capture_output=True)

    def restore(service):
        subprocess.run([*backup, "--copy-back", f"--datadir={service.dir}/data"], check=True, capture_output=True)
        service.stack("database", "start")
    with restored(restore) as service:
        assert_is_the_same(service, saved)
