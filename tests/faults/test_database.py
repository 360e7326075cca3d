"""Faults of the database under eight checked clients."""

import os
import signal
import threading
import time

import pymysql
import pytest

from service import stopped, wait_until


def accepts(service):
    """The instant at which the database first accepts again."""
    def connect():
        try:
            pymysql.connect(unix_socket=f"{service.dir}/mysql.sock", user="root").close()
            return True
        except pymysql.MySQLError:
            return False
    wait_until(connect, 60)
    return time.monotonic()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_database_is_restarted(service, load, how):
    service.close_database()
    load.wait(0.5)
    begin = time.monotonic()
    if how == "kill":
        os.kill(service.pid("mysql"), signal.SIGKILL)
    service.stack("database", "stop")
    gone = time.monotonic()
    load.wait(1)
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
    slow = [took for when, took, _ in load.refused if took > 0.1]
    assert not slow, f"{len(slow)} of {len(load.refused)} refusals took up to {max(slow):.3f} s"
    # While it is away, nearly all are refused at once, and many are.
    assert len([1 for when, _, _ in load.refused if gone < when < back]) > 100
    assert len([1 for when, _, status in load.good if when > back + 1 and status == 200]) > 10, end


def test_the_database_is_frozen(service, load, duration):
    """For longer than every limit: 5 s for a statement, 7 s of silence, 1 s to connect."""
    load.wait(0.5)
    frozen_for = 12 if duration < 20 else 30
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
                taken.append(pymysql.connect(unix_socket=f"{service.dir}/mysql.sock", user="usage_filler",
                                             password="x"))
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


def test_one_expensive_query_holds_one_worker(service, questions):
    """A statement that reaches its limit is a 500 that the log explains; the pool serves on."""
    import load as load_module
    service.restart_workers(DB_STATEMENT_TIMEOUT_MS=500)
    try:
        wait_until(lambda: service.ask("/org/nobody/usageRecordGroup").status == 200)
        blocker = pymysql.connect(unix_socket=f"{service.dir}/mysql.sock", user="root", database="usage_record_api")
        organization = service.sql("SELECT organization_id FROM usage_record_group LIMIT 1")[0][0]
        load = load_module.Load(service, {target: body for target, body in questions.items()}, clients=4)
        with blocker.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS expensive LIKE usage_record_group")
            cursor.execute("LOCK TABLES expensive WRITE")
        load.wait(1)
        load.stop()
        load.assert_none_failed()
        blocker.close()

        # A lock on the table itself stops every statement at its limit.
        locker = pymysql.connect(unix_socket=f"{service.dir}/mysql.sock", user="root", database="usage_record_api")
        with locker.cursor() as cursor:
            cursor.execute("LOCK TABLES usage_record_group WRITE")
        start = time.monotonic()
        answer = service.ask(f"/org/{organization}/usageRecordGroup", X_Request_Id="expensive-1")
        took = time.monotonic() - start
        locker.close()
        assert answer.status == 500 and 0.4 < took < 2
        lines = service.log_of("expensive-1")
        assert any("statement limit" in line.get("message", "") for line in lines)
    finally:
        service.sql("DROP TABLE IF EXISTS expensive")
        service.restart_workers(DB_STATEMENT_TIMEOUT_MS=5000)


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


