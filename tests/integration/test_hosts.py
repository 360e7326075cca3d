"""Several database hosts: which one a worker takes, leaves and comes back to."""

import time

import pymysql
import pytest

from service import ROOT, Service, free_port, stopped, wait_until
from worker import Worker

TARGET = "/org/acme/usageRecordGroup?endDate=2024-08-12"


class Host(Service):
    """A database on a port of its own, with a record that tells which one it is."""

    def __init__(self, name):
        super().__init__()
        self.name, self.database_port = name, free_port()
        self.start_database()
        self.migrate()
        self.create_account()
        self.insert("acme", id=name)

    def start_database(self):
        self.stack("database", "start", DATABASE_OPTIONS="--skip-networking=OFF --bind-address=127.0.0.1 "
                                                         f"--port={self.database_port}")

    def stop_database(self):
        self.close_database()
        self.stack("database", "stop")

    def create_account(self):
        """The account as it is shipped, which may read and nothing else."""
        connection = pymysql.connect(unix_socket=f"{self.dir}/mysql.sock", user="root", database="usage_record_api")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET @host = '%', @password = 'secret'")
            for statement in (ROOT / "sql/account.sql").read_text().split(";\n"):
                if statement.strip():
                    cursor.execute(statement)

    def set_read_only(self, is_read_only):
        self.sql(f"SET GLOBAL read_only = {int(is_read_only)}")


@pytest.fixture(scope="module")
def hosts():
    made = []
    try:
        for name in ("first", "second", "third"):
            made.append(Host(name))
        yield made
    finally:
        for host in made:
            host.remove()


@pytest.fixture
def worker(hosts, tmp_path):
    option_file = tmp_path / "client.cnf"
    option_file.write_text("[client]\nuser=usage_record_api\npassword=secret\n")
    settings = {"DB_OPTION_FILE": option_file, "DB_RETURN_AFTER_S": 1, "DB_READ_TIMEOUT_S": 2,
                "DB_STATEMENT_TIMEOUT_MS": 1000,
                "DB_HOST": ",".join(f"127.0.0.1:{host.database_port}" for host in hosts)}
    worker = Worker(tmp_path, {f"USAGE_RECORD_API_{name}": str(value) for name, value in settings.items()})
    worker.start()
    yield worker
    worker.close()
    for host in hosts:
        host.start_database()
        host.set_read_only(False)


def answered_by(worker):
    """The name of the host that a page came from."""
    response = worker.ask(TARGET)
    assert response.status == 200, response.body
    return response.body.split(b'"id":"')[1].split(b'"')[0].decode()


def test_the_first_host_is_preferred(worker):
    assert [answered_by(worker) for _ in range(5)] == ["first"] * 5


def test_two_of_three_hosts_go_and_no_request_fails(hosts, worker):
    for host, next_host in zip(hosts, ("second", "third")):
        assert answered_by(worker) == host.name
        host.stop_database()
        assert [answered_by(worker) for _ in range(5)] == [next_host] * 5


def test_the_first_host_is_returned_to(hosts, worker):
    assert answered_by(worker) == "first"
    hosts[0].stop_database()
    assert answered_by(worker) == "second"
    hosts[0].start_database()
    start = time.monotonic()
    wait_until(lambda: answered_by(worker) == "first", 5)
    assert time.monotonic() - start < 4  # a second, or two after one look in vain


def test_a_read_only_host_serves_only_while_there_is_no_other(hosts, worker):
    hosts[0].set_read_only(True)
    assert answered_by(worker) == "second"
    time.sleep(1.1)  # it looks for a better one, and stays
    assert [answered_by(worker) for _ in range(3)] == ["second"] * 3
    for host in hosts[1:]:
        host.stop_database()
    assert answered_by(worker) == "first"
    hosts[2].start_database()
    wait_until(lambda: answered_by(worker) == "third", 5)


def test_a_primary_that_becomes_a_replica_is_left(hosts, worker):
    assert answered_by(worker) == "first"
    hosts[0].set_read_only(True)
    time.sleep(1.1)
    assert answered_by(worker) == "second"
    hosts[0].set_read_only(False)
    wait_until(lambda: answered_by(worker) == "first", 5)


def test_a_host_that_stands_still_costs_one_answer(hosts, worker):
    """The silence of a connected host is waited out once; connecting to it, a second."""
    assert answered_by(worker) == "first"
    with stopped(hosts[0].pid("mysql")):
        start = time.monotonic()
        assert worker.ask(TARGET).status in (200, 500)
        assert time.monotonic() - start < 4.5
        start = time.monotonic()
        assert answered_by(worker) == "second"
        assert time.monotonic() - start < 2
    wait_until(lambda: answered_by(worker) == "first", 10)


def test_all_hosts_are_gone(hosts, worker):
    assert answered_by(worker) == "first"
    for host in hosts:
        host.stop_database()
    for _ in range(20):
        start = time.monotonic()
        assert worker.ask(TARGET).status == 500
        assert time.monotonic() - start < 0.1
    hosts[1].start_database()
    start = time.monotonic()
    wait_until(lambda: worker.ask(TARGET).status == 200, 5)
    assert time.monotonic() - start < 1
