"""A worker's session is what the worker needs, whatever the server's settings are."""

import contextlib

import pytest

from host import Host
from worker import Worker

TARGET = "/org/acme/usageRecordGroup?endDate=2024-08-12"


@pytest.fixture(scope="module")
def host():
    host = Host()
    try:
        yield host
    finally:
        host.remove()


@pytest.fixture(autouse=True)
def records(host):
    host.sql("DELETE FROM usage_record_group")
    host.insert("acme", id="first")


@contextlib.contextmanager
def global_variable(host, name, value):
    before = host.sql(f"SELECT @@GLOBAL.{name}")[0][0]
    host.sql(f"SET GLOBAL {name} = %s", [value])
    try:
        yield
    finally:
        host.sql(f"SET GLOBAL {name} = %s", [before])


@contextlib.contextmanager
def running_worker(host, **more):
    settings = {"DB_OPTION_FILE": host.option_file, "DB_HOST": host.address, "DB_TLS": host.tls(), **more}
    worker = Worker(host.dir, {f"USAGE_RECORD_API_{name}": str(value) for name, value in settings.items()})
    try:
        yield worker.start()
    finally:
        worker.close()


def ids(worker, more=""):
    response = worker.ask(TARGET + more)
    assert response.status == 200, worker.log_path.read_text()
    return [part.split(b'"')[0].decode() for part in response.body.split(b'"id":"')[1:]]


@pytest.mark.parametrize("name, value", [
    ("autocommit", 0),
    ("init_connect", "SET autocommit = 0"),
    ("init_connect", "START TRANSACTION WITH CONSISTENT SNAPSHOT"),
    ("completion_type", 1),
])
def test_no_snapshot_is_kept(host, name, value):
    """A page shows what was committed before it was asked for."""
    with global_variable(host, name, value), running_worker(host) as worker:
        assert ids(worker) == ["first"]
        host.insert("acme", id="second", creation_time="2024-08-12 02:00:00")
        assert ids(worker) == ["second", "first"]


def test_uncommitted_records_are_not_shown(host):
    with global_variable(host, "tx_isolation" if host.is_mariadb() else "transaction_isolation", "READ-UNCOMMITTED"), \
            running_worker(host) as worker, \
            host.connect_database(autocommit=False) as other:
        other.cursor().execute("UPDATE usage_record_group SET id = 'other'")
        assert ids(worker) == ["first"]


def test_an_empty_source_is_a_filter(host):
    mode = "EMPTY_STRING_IS_NULL" if host.is_mariadb() else "PAD_CHAR_TO_FULL_LENGTH"
    with global_variable(host, "sql_mode", mode), running_worker(host) as worker:
        assert ids(worker, "&source=") == ["first"]


@pytest.mark.parametrize("name", ["max_join_size", "sql_select_limit"])
def test_pages_are_not_cut(host, name):
    for number in range(30):
        host.insert("acme", id=f"more-{number}")
    with global_variable(host, name, 1), running_worker(host) as worker:
        assert len(ids(worker)) == 31
        assert len(ids(worker, "&partner=AWS&limit=20")) == 20


def test_identifiers_are_not_turned_into_another_character_set(host):
    host.insert("acme", id="запись", creation_time="2024-08-12 02:00:00")
    with global_variable(host, "init_connect", "SET NAMES latin1"), running_worker(host) as worker:
        assert ids(worker) == ["запись", "first"]


def test_a_server_is_what_it_can_and_not_what_it_calls_itself(host):
    """MariaDB behind a version of MySQL's, as Azure and some proxies have it."""
    options, tls = "--version=8.0.30" if host.is_mariadb() else "", host.tls()
    host.stop_database()
    host.start_database(options)
    try:
        with running_worker(host, DB_TLS=tls) as worker:
            assert ids(worker) == ["first"]
    finally:
        host.stop_database()
        host.start_database()


def test_localhost_with_a_port_is_no_unix_socket(host):
    port = host.address.split(":")[1]
    for more in ({"DB_HOST": f"localhost:{port}"}, {"DB_HOST": "localhost", "DB_PORT": port}):
        with running_worker(host, **more) as worker:
            assert ids(worker) == ["first"]
