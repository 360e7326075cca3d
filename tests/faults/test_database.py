"""Faults of the database under eight checked clients."""

import os
import signal
import threading
import time
import urllib.parse

import pymysql
import pytest

from service import stopped, wait_until


def accepts(service):
    """The instant at which the database first accepts again."""
    def connect():
        try:
            service.connect_database(database=None).close()
            return True
        except pymysql.MySQLError:
            return False
    wait_until(connect, 60)
    return time.monotonic()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_database_is_restarted(service, load, how):
    """A request waits for it, as long as for a connection that is silent."""
    service.close_database()
    load.wait(0.5)
    if how == "kill":
        os.kill(service.pid("mysql"), signal.SIGKILL)
    service.stack("database", "stop")
    starter = threading.Thread(target=service.stack, args=("database", "start"))
    starter.start()
    assert load.first_good_after(accepts(service)) <= 1
    starter.join()
    load.wait(1)
    load.stop()
    load.assert_none_failed()


@pytest.fixture
def impatient(service):
    service.restart_workers(DB_STATEMENT_TIMEOUT_MS=500, DB_READ_TIMEOUT_S=1)
    yield
    service.restart_workers(DB_STATEMENT_TIMEOUT_MS=5000, DB_READ_TIMEOUT_S=7)


def test_the_database_stays_away(service, impatient, load, is_long):
    """Who waited in vain is refused, and those behind him at once."""
    service.close_database()
    load.wait(0.5)
    begin = time.monotonic()
    service.stack("database", "stop")
    gone = time.monotonic()
    load.wait(3)
    starter = threading.Thread(target=service.stack, args=("database", "start"))
    starter.start()
    back = accepts(service)
    first_good = load.first_good_after(back)
    starter.join()
    load.wait(1)
    end = time.monotonic()
    load.stop()

    load.assert_none_wrong()
    assert first_good <= 1
    # Only while it was away; a request that began before may end just after.
    assert all(begin <= when <= back + 1 for when, _, _ in load.refused)
    assert load.refused and all(status == 500 for _, _, status in load.refused)
    # On a busy machine the clients themselves may take longer.
    slow = [took for when, took, _ in load.refused if when > gone + 2 and took > (0.1 if is_long else 1)]
    assert not slow, f"{len(slow)} of {len(load.refused)} refusals took up to {max(slow):.3f} s"
    assert max(took for _, took, _ in load.refused) < 3
    # While it is away, nearly all are refused at once, and many are.
    assert len([1 for when, _, _ in load.refused if gone < when < back]) > 100
    assert len([1 for when, _, status in load.good if when > back + 1 and status == 200]) > 10, end


def test_the_database_is_frozen(service, load, duration):
    """For longer than every limit: 5 s for a statement, 7 s of silence, 1 s to connect."""
    load.wait(0.5)
    frozen_for = max(12, min(duration, 30))
    with stopped(service.pid("mysql")):
        load.wait(frozen_for)
    thawed = time.monotonic()
    first_good = load.first_good_after(thawed)
    load.wait(1.5)
    load.stop()

    load.assert_none_wrong()
    assert first_good <= 1
    assert load.refused and all(status == 500 for _, _, status in load.refused)
    # The limit of a request: 7 s of silence, and up to 1 s before it for a worker.
    assert max(took for _, took, _ in load.refused + load.good) < 9
    assert all(when <= thawed + 1 for when, _, _ in load.refused)
    # What comes after the first silence fails fast or waits a second for a connection.
    late = [took for when, took, _ in load.refused if when > thawed - frozen_for + 8.5]
    assert late and max(late) < 2.5, late


def test_the_table_is_altered_under_its_statements(service, load, duration):
    deadline, count = time.monotonic() + duration, 0
    while time.monotonic() < deadline or count < 4:
        service.sql("ALTER TABLE usage_record_group ADD COLUMN passing INT NULL")
        load.wait(0.1)
        service.sql("ALTER TABLE usage_record_group DROP COLUMN passing")
        load.wait(0.1)
        count += 1
    load.stop()
    load.assert_none_failed()


def test_queries_and_connections_are_killed(service, load, duration):
    deadline, count = time.monotonic() + duration, 0
    while time.monotonic() < deadline:
        for number, command in service.sql("SELECT ID, COMMAND FROM information_schema.PROCESSLIST "
                                           "WHERE DB = 'usage_record_api' AND ID <> CONNECTION_ID()"):
            try:
                service.sql(f"KILL {'QUERY ' if count % 2 else ''}{number}")
            except pymysql.MySQLError:
                pass  # it left by itself
            count += 1
        load.wait(0.2)
    load.stop()
    load.assert_none_failed()
    assert count > 10


def test_the_database_has_no_connection_left(service, load):
    """Workers keep theirs; one that starts now gets its own when there is one again."""
    service.sql("SET GLOBAL max_connections = 10")
    taken = []
    try:
        with pytest.raises(pymysql.MySQLError):
            while True:
                taken.append(service.connect_database(user="usage_filler", password="x", database=None))
    finally:
        load.wait(0.5)
    victim = service.worker_pids()[0]
    os.kill(victim, signal.SIGTERM)
    load.wait(0.5)
    for connection in taken:
        connection.close()
    freed = time.monotonic()
    service.sql("SET GLOBAL max_connections = 151")
    load.wait(1.5)
    load.stop()
    load.assert_none_wrong()
    assert all(when < freed + 1 for when, _, _ in load.refused)
    assert all(status == 500 and took < 0.1 for _, took, status in load.refused)


@pytest.fixture(autouse=True)
def filler(service):
    """An account without the privilege to connect beyond the limit."""
    service.sql("CREATE USER IF NOT EXISTS usage_filler@localhost IDENTIFIED BY 'x'", database=None)


def test_the_database_prepares_no_more_statements(service, load):
    """What a worker has prepared goes on; what is new to it is refused until it may be."""
    service.sql("SET GLOBAL max_prepared_stmt_count = 0")
    load.wait(0.5)
    answer = service.ask("/org/nobody/usageRecordGroup?productId=new&status=DELETED&source=ORB")
    service.sql("SET GLOBAL max_prepared_stmt_count = 16382")
    assert answer.status == 500
    wait_until(lambda: service.ask("/org/nobody/usageRecordGroup?productId=new&status=DELETED&source=ORB").status == 200)
    load.stop()
    load.assert_none_wrong()


@pytest.fixture
def expensive(service):
    """A question whose answer takes the database long: a metaInfo that no record of many
    has.  A search may take 100 ms meanwhile."""
    service.sql("INSERT INTO usage_record_group (id, organization_id, partner, status, meta_info, creation_time, "
                "last_update_time) WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 149) "
                "SELECT a.n * 150 + b.n, 'expensive', 'AWS', 'REPORTED', JSON_OBJECT('text', REPEAT('x', 8000)), "
                "'2024-08-12', '2024-08-12' FROM number AS a, number AS b")
    service.restart_workers(SEARCH_TIMEOUT_MS=100)
    query = urllib.parse.urlencode({"endDate": "2024-08-12", "metaInfo": '{"text":"y"}'})
    yield f"/org/expensive/usageRecordGroup?{query}"
    service.sql("DELETE FROM usage_record_group WHERE organization_id = 'expensive'")
    service.restart_workers(SEARCH_TIMEOUT_MS=15000)


def test_an_expensive_query_holds_one_worker(service, expensive, load, duration):
    """It ends at its limit as a 400 that says what to narrow; everybody else is served on."""
    deadline = time.monotonic() + duration
    number = 0
    while time.monotonic() < deadline:
        number += 1
        start = time.monotonic()
        answer = service.ask(expensive, X_Request_Id=f"expensive-{number}")
        took = time.monotonic() - start
        assert answer.status == 400 and "startDate" in answer.json() and 0.1 <= took < 1.5
        assert [line["work"] for line in service.log_of(f"expensive-{number}") if "status" in line] == ["search"]
    load.stop()
    load.assert_none_failed()
    assert number >= 2


@pytest.fixture
def short_limit(service):
    service.restart_workers(DB_STATEMENT_TIMEOUT_MS=500)
    yield
    service.restart_workers(DB_STATEMENT_TIMEOUT_MS=5000)


def test_a_locked_table_holds_nobody_beyond_the_limit(service, short_limit, load):
    load.wait(0.5)
    with service.connect_database() as locker:
        locker.cursor().execute("LOCK TABLES usage_record_group WRITE")
        locked = time.monotonic()
        load.wait(2)
    freed = time.monotonic()
    load.wait(0.5)
    load.stop()
    load.assert_none_wrong()
    # Four workers, eight clients: each waits for one other at most.
    assert load.refused and all(locked < when < freed + 1 and took < 2 for when, took, _ in load.refused)


def test_a_worker_starts_without_a_database(service):
    service.close_database()
    service.stack("workers", "stop")
    service.stack("database", "stop")
    service.stack("workers", "start")
    for _ in range(20):
        start = time.monotonic()
        assert service.ask("/org/nobody/usageRecordGroup").status == 500
        assert time.monotonic() - start < 0.1
    assert len(service.worker_pids()) == 4
    service.stack("database", "start")
    start = time.monotonic()
    wait_until(lambda: service.ask("/org/nobody/usageRecordGroup").status == 200)
    assert time.monotonic() - start < 1


