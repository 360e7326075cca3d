"""Several database hosts: which one a worker takes, leaves and comes back to."""

import contextlib
import threading
import time

import pytest

from forgetful import IDLE_S, ForgetfulProxy
from host import Host
from service import stopped, wait_until
from worker import Worker

TARGET = "/org/acme/usageRecordGroup?endDate=2024-08-12"


@pytest.fixture(scope="module")
def hosts():
    made = []
    try:
        for name in ("first", "second", "third"):
            made.append(Host())
            made[-1].insert("acme", id=name)
        yield made
    finally:
        for host in made:
            host.remove()


def start_worker(hosts, folder, **more):
    settings = {"DB_OPTION_FILE": hosts[0].option_file, "DB_HOST": ",".join(host.address for host in hosts),
                "DB_TLS": hosts[0].tls(), "DB_RETURN_AFTER_S": 1, "DB_READ_TIMEOUT_S": 2,
                "DB_STATEMENT_TIMEOUT_MS": 1000, **more}
    return Worker(folder, {f"USAGE_RECORD_API_{name}": str(value) for name, value in settings.items()}).start()


@pytest.fixture
def worker(hosts, tmp_path):
    worker = start_worker(hosts, tmp_path)
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
    for host, name, next_name in zip(hosts, ("first", "second"), ("second", "third")):
        assert answered_by(worker) == name
        host.stop_database()
        assert [answered_by(worker) for _ in range(5)] == [next_name] * 5


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
        assert answered_by(worker) == "second"
        assert time.monotonic() - start < 4.5
        start = time.monotonic()
        assert answered_by(worker) == "second"
        assert time.monotonic() - start < 2
    wait_until(lambda: answered_by(worker) == "first", 10)


def test_all_hosts_are_gone(hosts, worker):
    assert answered_by(worker) == "first"
    for host in hosts:
        host.stop_database()
    start = time.monotonic()
    assert worker.ask(TARGET).status == 500  # the first waits for as long as a connection may be silent
    assert 1.5 < time.monotonic() - start < 3
    for _ in range(20):
        start = time.monotonic()
        assert worker.ask(TARGET).status == 500
        assert time.monotonic() - start < 0.1
    hosts[1].start_database()
    start = time.monotonic()
    wait_until(lambda: worker.ask(TARGET).status == 200, 5)
    assert time.monotonic() - start < 1


# What a worker needs of the table, each thing with what puts it back.
DAMAGE = {
    "index": ("RENAME INDEX by_status_source TO gone", "RENAME INDEX gone TO by_status_source"),
    "index of one record": ("RENAME INDEX by_id TO gone", "RENAME INDEX gone TO by_id"),
    "column": ("RENAME COLUMN serial_id TO gone", "RENAME COLUMN gone TO serial_id"),  # no constraint names it: MySQL would refuse
    "collation": ("CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "CONVERT TO CHARACTER SET utf8mb4 COLLATE {}"),
}


@contextlib.contextmanager
def damaged(host, what):
    collation = host.sql("SELECT table_collation FROM information_schema.tables "
                         "WHERE table_schema = DATABASE() AND table_name = 'usage_record_group'")[0][0]
    host.sql(f"ALTER TABLE usage_record_group {DAMAGE[what][0]}")
    try:
        yield
    finally:
        host.sql(f"ALTER TABLE usage_record_group {DAMAGE[what][1].format(collation)}")


@pytest.mark.parametrize("what", DAMAGE)
def test_a_host_whose_table_is_another_is_not_taken(hosts, what, tmp_path):
    with damaged(hosts[0], what):
        worker = start_worker(hosts, tmp_path)
        assert answered_by(worker) == "second"
        assert worker.is_ready()
        worker.close()


@pytest.mark.parametrize("what", DAMAGE)
def test_one_host_whose_table_is_another_is_not_served(hosts, what, tmp_path):
    worker = start_worker(hosts[:1], tmp_path)
    with damaged(hosts[0], what):
        for _ in range(3):
            assert worker.ask(TARGET).status == 500
        assert not worker.is_ready()
        assert "is not fit" in worker.log_path.read_text()
    wait_until(worker.is_ready, 2)
    assert answered_by(worker) == "first"
    worker.close()


def test_a_host_that_loses_an_index_is_left(hosts, worker):
    """As a replica behind a migration: the statement is refused, another host answers it."""
    target = TARGET + "&status=REPORTED&source="
    assert b'"first"' in worker.ask(target).body
    with damaged(hosts[0], "index"):
        for _ in range(5):
            response = worker.ask(target)
            assert response.status == 200 and b'"second"' in response.body
    wait_until(lambda: b'"first"' in worker.ask(target).body, 5)


def test_hosts_that_refuse_are_left_alone(hosts, tmp_path):
    """All can be connected to, and none answers: no more than a connection a second to each."""
    for host in hosts:
        host.sql("ALTER TABLE usage_record_group RENAME TO gone")
    worker = start_worker(hosts, tmp_path)
    try:
        assert worker.ask(TARGET).status == 500
        before = connections(hosts)
        start = time.monotonic()
        while time.monotonic() < start + 3:
            assert worker.ask(TARGET).status == 500
        assert all(after - count <= 4 for after, count in zip(connections(hosts), before))
    finally:
        for host in hosts:
            host.sql("ALTER TABLE gone RENAME TO usage_record_group")
    wait_until(lambda: worker.ask(TARGET).status == 200, 2)
    worker.close()


def connections(hosts):
    return [int(host.sql("SHOW GLOBAL STATUS LIKE 'Connections'")[0][1]) for host in hosts]


def test_a_connection_that_was_forgotten_costs_a_moment(hosts, tmp_path):
    proxy = ForgetfulProxy(int(hosts[0].address.split(":")[1]))
    worker = start_worker(hosts[:1], tmp_path, DB_HOST=f"127.0.0.1:{proxy.port}", DB_READ_TIMEOUT_S=7)
    try:
        for _ in range(3):
            start = time.monotonic()
            assert answered_by(worker) == "first"
            assert time.monotonic() - start < 1
            time.sleep(IDLE_S + 0.7)
        assert len(proxy.forgotten) >= 2
    finally:
        worker.close()
        proxy.close()


def test_the_only_host_is_waited_for_while_it_starts_again(hosts, tmp_path):
    """Behind a load balancer all hosts have one address: the next attempt may reach another."""
    worker = start_worker(hosts[:1], tmp_path, DB_READ_TIMEOUT_S=7)
    assert answered_by(worker) == "first"
    hosts[0].kill_database()
    starter = threading.Thread(target=hosts[0].start_database)
    starter.start()
    assert answered_by(worker) == "first"
    starter.join()
    worker.close()


@pytest.mark.parametrize("length", [b"\x04", b"\x06", b"\xfc", b"\xfe"], ids=bytes.hex)
def test_a_row_that_is_none_is_not_shown(hosts, length, tmp_path):
    """The length before an id is another than it has."""
    if not hosts[0].is_mariadb():
        pytest.skip("MySQL's accounts take TLS alone, through which nobody can lie")
    proxy = ForgetfulProxy(int(hosts[0].address.split(":")[1]))
    worker = start_worker(hosts[:1], tmp_path, DB_HOST=f"127.0.0.1:{proxy.port}", DB_TLS="off")
    try:
        assert answered_by(worker) == "first"
        proxy.lie = (b"\x05first", length + b"first")
        response = worker.ask(TARGET)
        assert response.status == 500 and b"request id" in response.body
        proxy.lie = (b"", b"")
        assert answered_by(worker) == "first"
    finally:
        worker.close()
        proxy.close()
