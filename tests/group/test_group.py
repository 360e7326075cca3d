"""Three members of a MySQL group with one primary, a pool before them, and what befalls the primary: under checked
load, and beside a writer whose records have to be in the next page."""

import contextlib
import os
import re
import signal
import time

import pytest

import fastcgi
from group import make_members, make_networks, remove_members, remove_networks
from host import FRESH
from load import questions, watch
from service import stopped, wait_until

SAMPLE_ROWS = 6000


@pytest.fixture(scope="module")
def members():
    make_networks()
    members = make_members(SAMPLE_ROWS)
    yield members
    remove_members(members)
    remove_networks()


@pytest.fixture(scope="module")
def service(members):
    members[0].workers = 4
    return members[0].serve_from(members)


@pytest.fixture(scope="module")
def answers(service):
    return questions(service)


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
    with watch(request.node.name, service, answers, members) as load:
        yield load


def lose_primary(members, watched, lose):
    """Returns the old primary and the new one, whom the workers are on by then."""
    watched.wait(1)
    old = primary_of(members)
    others = [member for member in members if member is not old]
    watched.writer.hosts = others
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
    watched.writer.hosts = list(members)
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
        assert is_ready(service) and service.ask(FRESH).status == 200
        primary.sql("STOP GROUP_REPLICATION", database=None)
        assert not is_ready(service) and service.ask(FRESH).status == 500
        primary.join()
        wait_until(primary.is_online, 60)
        wait_until(lambda: is_ready(service), 5)
    finally:
        service.restart_workers(DB_HOST=everybody)
