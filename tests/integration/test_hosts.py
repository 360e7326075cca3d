"""Several database hosts: which one a worker takes, leaves and comes back to."""

import time

import pytest

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


@pytest.fixture
def worker(hosts, tmp_path):
    settings = {"DB_OPTION_FILE": hosts[0].option_file, "DB_HOST": ",".join(host.address for host in hosts),
                "DB_TLS": hosts[0].tls(), "DB_RETURN_AFTER_S": 1, "DB_READ_TIMEOUT_S": 2,
                "DB_STATEMENT_TIMEOUT_MS": 1000}
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
