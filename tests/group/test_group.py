"""Three members of a MySQL group with one primary, a pool before them, and what befalls the primary: under checked
load, and beside a writer whose records have to be in the next page."""

import contextlib
import os
import re
import signal
import threading
import time

import pymysql
import pytest

import fastcgi
from group import make_members, make_networks, remove_members, remove_networks
from load import Load, questions
from service import stopped, wait_until

SAMPLE_ROWS = 6000
TARGET = "/org/fresh/usageRecordGroup?limit=1"


@pytest.fixture(scope="module")
def members():
    make_networks()
    members = make_members(SAMPLE_ROWS)
    yield members
    remove_members(members)
    remove_networks()


@pytest.fixture(scope="module")
def service(members):
    service = members[0]
    service.workers = 4
    service.settings = {"DB_OPTION_FILE": service.option_file, "DB_RETURN_AFTER_S": 1, "DB_TLS": "required",
                        "DB_HOST": ",".join(member.address for member in members)}
    service.stack("workers", "start")
    service.stack("nginx", "start")
    return service


@pytest.fixture(scope="module")
def answers(service):
    return questions(service)


class Writer:
    """Stores a record on the primary, and asks the service for the newest one: it has to be there."""

    def __init__(self, service, members):
        self.service, self.members = service, list(members)
        self.count, self.stale, self.refused = 0, [], []
        self.started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _store(self, name):
        for member in list(self.members):
            try:
                connection = pymysql.connect(unix_socket=f"{member.dir}/mysql.sock", user="root", database="usage_record_api",
                                             autocommit=True, read_timeout=3)
                with connection, connection.cursor() as cursor:
                    cursor.execute("INSERT INTO usage_record_group (id, organization_id, partner, status, records) "
                                   "VALUES (%s, 'fresh', 'AWS', 'REPORTED', '{}')", [name])
                return member in self.members
            except pymysql.MySQLError:
                pass  # it is no primary, at least not now
        return False

    def _run(self):
        while not self._stop.is_set():
            name = f"{time.monotonic_ns()}"
            if not self._store(name):
                time.sleep(0.05)
                continue
            answer = self.service.ask(TARGET)
            self.count += 1
            when = round(time.monotonic() - self.started, 1)
            if answer.status != 200:
                self.refused.append((when, answer.status))
            elif answer.json()["usageRecordGroups"][0]["id"] != name:
                self.stale.append(when)
            time.sleep(0.02)

    def stop(self):
        self._stop.set()
        self._thread.join(60)


def primary_of(members):
    return wait_until(lambda: next((member for member in members if member.is_primary()), None), 40)


def is_ready(service):
    return fastcgi.ask(service.dir / "fastcgi.sock", "/readyz", USAGE_RECORD_API_ROLE="local").status == 200


def users(service, member):
    """The workers that are on a member, by their own word."""
    text = fastcgi.ask(service.dir / "fastcgi.sock", "/metrics", USAGE_RECORD_API_ROLE="local").body.decode()
    found = re.search(rf'\nusage_record_api_database_host_workers{{host="{member.address}"}} (\d+)', text)
    return int(found[1]) if found else 0


@pytest.fixture
def watched(request, members, service, answers):
    """The load and the writer; at the end nothing failed, was wrong or stale, and what was seen is printed."""
    load, writer = Load(service, answers), Writer(service, members)
    load.writer = writer
    started = time.monotonic()
    yield load
    load.stop()
    writer.stop()
    took = max(took for _, took, _ in load.good + load.refused)
    print(f"{request.node.name}: {load.count() + writer.count} requests in {time.monotonic() - started:.0f} s, "
          f"{len(load.refused) + len(writer.refused)} failed, {len(load.wrong)} wrong, {len(writer.stale)} of {writer.count} "
          f"stale, longest wait {took:.2f} s")
    load.assert_none_failed()
    assert not writer.stale and not writer.refused and writer.count > 10
    assert took < 8


def lose_primary(members, watched, lose):
    """Returns the old primary and the new one, whom the workers are on by then."""
    watched.wait(1)
    old = primary_of(members)
    others = [member for member in members if member is not old]
    watched.writer.members = others
    lost = time.monotonic()
    lose(old)
    wait_until(lambda: users(watched.service, old) == 0, 10)
    print(f"left after {time.monotonic() - lost:.1f} s")
    assert is_ready(watched.service)
    new = primary_of(others)
    print(f"a new primary after {time.monotonic() - lost:.1f} s")
    watched.wait(3)
    return old, new


def see_back(old, new, members, watched):
    """The old primary is a secondary, and nobody takes it for more."""
    started = time.monotonic()
    wait_until(lambda: new.members().get(old.number) == ("ONLINE", "SECONDARY"), 90)
    print(f"back after {time.monotonic() - started:.1f} s")
    watched.writer.members = list(members)
    watched.wait(2)
    assert users(watched.service, old) == 0


def test_the_primary_is_cut_off_from_its_group(members, watched):
    with contextlib.ExitStack() as stack:
        def cut_off(old):
            old.set_cut_off(True)
            stack.callback(old.set_cut_off, False)
        old, new = lose_primary(members, watched, cut_off)
    see_back(old, new, members, watched)


def test_the_primary_stands_still(members, watched):
    """Where it goes on, it still holds itself for the primary."""
    with contextlib.ExitStack() as stack:
        def freeze(old):
            old.close_database()
            stack.enter_context(stopped(old.pid("mysql")))
        old, new = lose_primary(members, watched, freeze)
    see_back(old, new, members, watched)


def test_the_primary_is_killed(members, watched):
    def kill(old):
        old.close_database()
        os.kill(old.pid("mysql"), signal.SIGKILL)
    old, new = lose_primary(members, watched, kill)
    old.stop_database()
    old.start_database()
    old.join()
    see_back(old, new, members, watched)


@pytest.fixture
def spread(service):
    service.restart_workers(DB_READS="all")
    yield
    service.restart_workers(DB_READS="primary")


def test_reads_of_all_come_from_the_primary(members, service, spread, watched):
    """The others are read-only, and may be behind."""
    watched.wait(5)
    primary = primary_of(members)
    wait_until(lambda: [users(service, member) for member in members] == [service.workers * (member is primary) for member in members])


def test_a_member_that_left_its_group_is_not_ready(members, service):
    primary = primary_of(members)
    everybody = service.settings["DB_HOST"]
    service.restart_workers(DB_HOST=primary.address)
    try:
        assert is_ready(service) and service.ask(TARGET).status == 200
        primary.sql("STOP GROUP_REPLICATION", database=None)
        assert not is_ready(service) and service.ask(TARGET).status == 500
        primary.join()
        wait_until(primary.is_online, 60)
        wait_until(lambda: is_ready(service), 5)
    finally:
        service.restart_workers(DB_HOST=everybody)
