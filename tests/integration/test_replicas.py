"""Replicas: how old what they show may be, and what becomes of one that is older or does not say."""

import re
import subprocess
import time

import pytest

from host import FRESH
from replicas import Watcher, age, make_hosts, remove_hosts
from service import ROOT, wait_until
from test_hosts import start_worker
from test_local import ask_local, metrics

BOUND_S = 3


@pytest.fixture(scope="module")
def hosts():
    hosts = make_hosts(1)
    yield hosts
    remove_hosts(hosts)


@pytest.fixture(scope="module")
def service(hosts):
    """A pool of two over the two, in the folder of the primary."""
    service = hosts[0]
    service.workers, service.search_workers = 2, 0
    return service.serve_from(hosts, DB_READS="all", DB_STALENESS_S=BOUND_S)


@pytest.fixture
def watcher(hosts, service):
    watcher = Watcher(hosts[0], service, BOUND_S)
    try:
        wait_until(lambda: [host.users() for host in hosts] == [1, 1], 20)
        yield watcher
    finally:
        watcher.stop()
    assert not watcher.failed
    assert watcher.oldest <= BOUND_S


def host_metrics(service, number):
    """What is told of a host: name to value, and its state."""
    address = re.escape(service.settings["DB_HOST"].split(",")[number])
    found = {}
    for name, value in metrics(service).items():
        match = re.fullmatch(rf'usage_record_api_database_host_(\w+)\{{host="{address}"(?:,state="(\w+)")?\}}', name)
        if match:
            found[match[1]] = match[2] or value
    return found


def messages(service, words):
    return [line["message"] for line in service.log() if words in line.get("message", "")]


@pytest.mark.parametrize("what", ["stopped_applying", "without_heartbeat"])
def test_a_replica_that_is_too_old_or_does_not_say_is_not_used(hosts, service, watcher, what):
    replica = hosts[1]
    wait_until(lambda: host_metrics(service, 0)["state"] == "primary")
    wait_until(lambda: host_metrics(service, 1)["workers"] == 1)
    found = host_metrics(service, 1)
    assert found["state"] == "replica" and 0 <= found["lag_seconds"] < BOUND_S, found
    assert found["unseen_seconds"] < 2
    refusals, lines = found["refusals_total"], len(messages(service, f"{replica.address} is not used"))
    start = time.monotonic()
    with getattr(replica, what)():
        wait_until(lambda: replica.users() == 0, BOUND_S + 2)
        wait_until(lambda: hosts[0].users() == 2, 5)
        time.sleep(1.5)
        found = host_metrics(service, 1)
        assert found["state"] == "stale" and found["workers"] == 0 and found["refusals_total"] > refusals
        assert ("lag_seconds" in found) == (what == "stopped_applying")
        assert ask_local(service, "/readyz").status == 200
        # By one worker, whichever of them looked first.
        assert len(messages(service, f"{replica.address} is not used")) == lines + 1
        # That nothing older was seen is of worth only where something older was to be seen.
        if what == "stopped_applying":
            assert time.monotonic() - start > BOUND_S and watcher.oldest > BOUND_S / 2
    wait_until(lambda: [host.users() for host in hosts] == [1, 1], 15)
    wait_until(lambda: host_metrics(service, 1)["state"] == "replica")


def test_no_replica_is_used_while_the_heart_does_not_beat(hosts, service, watcher):
    hosts[0].sql("ALTER EVENT heartbeat DISABLE")
    try:
        wait_until(lambda: [host.users() for host in hosts] == [2, 0], BOUND_S + 3)
        assert "the event heartbeat is DISABLED" in check_heartbeat(hosts[0]).stdout
    finally:
        hosts[0].sql("ALTER EVENT heartbeat ENABLE")
    wait_until(lambda: [host.users() for host in hosts] == [1, 1], 15)


def test_a_replica_may_stop_right_behind_a_look(hosts, tmp_path):
    """What it shows gets older from one look to the next."""
    primary, replica = hosts
    worker = start_worker([replica, primary], tmp_path, DB_READS="all", DB_STALENESS_S=BOUND_S)
    try:
        wait_until(lambda: age(replica) < 0.1)  # or the heartbeat alone makes it seem older than it is
        with replica.stopped_applying():
            primary.sql("INSERT INTO usage_record_group (id, organization_id, partner, status) VALUES ('missed', 'fresh', 'AWS', 'CREATED')")
            committed = time.monotonic()
            time.sleep(0.5)
            asked = committed + 0.5
            while b'"missed"' not in worker.ask(FRESH).body:
                last, asked = asked, time.monotonic()
        assert BOUND_S - 1 < last - committed <= BOUND_S
    finally:
        worker.close()


def test_a_revoked_key_is_good_for_the_bound_at_most(hosts, tmp_path):
    primary, replica = hosts
    key = subprocess.run([ROOT / "sql/usage-record-api-key", "create", "fresh", "--", "--no-defaults", "--user=root",
                          f"--socket={primary.dir}/mysql.sock"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    worker = start_worker([replica, primary], tmp_path, DB_READS="all", DB_STALENESS_S=BOUND_S, KEY_MEMORY_S=2)

    def status():
        return worker.ask(FRESH, USAGE_RECORD_API_ROLE="authorizer", HTTP_AUTHORIZATION=f"Key {key}").status
    try:
        wait_until(lambda: status() == 200)
        wait_until(lambda: replica.users() >= 1)
        with replica.stopped_applying():
            time.sleep(0.2)
            revoked = time.monotonic()
            primary.sql("UPDATE api_key SET revocation_time = UTC_TIMESTAMP(3)")
            assert status() == 200  # it is not known there
            wait_until(lambda: status() == 401, BOUND_S + 1)
            assert time.monotonic() - revoked < BOUND_S + 0.3
            assert status() == 401
    finally:
        worker.close()


def test_without_a_primary_a_replica_is_used_within_the_bound(hosts, tmp_path):
    """It is not known whether somebody writes to a primary that cannot be reached."""
    primary, replica = hosts
    worker = start_worker([primary, replica], tmp_path, DB_STALENESS_S=BOUND_S)
    unbounded = start_worker([primary, replica], tmp_path)
    try:
        assert worker.ask(FRESH).status == 200
        primary.kill_database()
        stopped = time.monotonic()
        while time.monotonic() < stopped + BOUND_S - 1.5:
            assert worker.ask(FRESH).status == 200 and worker.is_ready()
        wait_until(lambda: worker.ask(FRESH).status == 500, 10)
        assert not worker.is_ready()
        assert time.monotonic() - stopped < BOUND_S + 3  # the last to ask waits for as long as a host may be silent
        assert unbounded.ask(FRESH).status == 200 and unbounded.is_ready()
        primary.start_database()
        wait_until(lambda: worker.ask(FRESH).status == 200 and worker.is_ready(), 5)
    finally:
        primary.start_database()
        worker.close()
        unbounded.close()


def check_heartbeat(host):
    return subprocess.run([ROOT / "sql/check", "--heartbeat", "usage_record_api", "--no-defaults", "--user=root",
                           f"--socket={host.dir}/mysql.sock"], stdout=subprocess.PIPE, text=True)


def test_who_asks_is_told_why_a_heart_does_not_beat(hosts):
    primary = hosts[0]
    for host in hosts:
        wait_until(lambda: age(host) < 2)
        check = check_heartbeat(host)
        assert (check.returncode, check.stdout) == (0, ""), check
    primary.sql("SET GLOBAL event_scheduler = OFF")
    primary.sql("DROP EVENT heartbeat")
    primary.sql("DELETE FROM heartbeat")
    check = check_heartbeat(primary)
    assert check.returncode == 1
    assert [line[:26] for line in check.stdout.splitlines()] == [
        "event_scheduler is OFF: SE", "there is no event heartbea", "there was no beat yet"]
    primary.sql("SET GLOBAL event_scheduler = ON")
    with open(ROOT / "sql/004-heartbeat.sql") as migration:
        subprocess.run([ROOT / "sql/client", "--no-defaults", "--user=root", f"--socket={primary.dir}/mysql.sock", "usage_record_api"],
                       check=True, stdin=migration)
    wait_until(lambda: check_heartbeat(primary).returncode == 0, 5)


def test_the_event_leaves_a_replica_alone(hosts):
    """Enabled on it, too, to go on when it is the primary one day."""
    replica = hosts[1]
    assert replica.sql("SELECT status FROM information_schema.events WHERE event_name = 'heartbeat'")[0][0] == replica.words["disabled"]
    replica.admin("SET GLOBAL event_scheduler = ON")
    replica.sql("ALTER EVENT heartbeat ENABLE")
    with replica.stopped_applying():
        before = replica.sql("SELECT beat_time FROM heartbeat")
        time.sleep(2.2)
        assert replica.sql("SELECT beat_time FROM heartbeat") == before
        replica.set_read_only(False)
        wait_until(lambda: age(replica) < 1.2)
        replica.set_read_only(True)
    replica.admin("SET GLOBAL event_scheduler = OFF")
    wait_until(lambda: age(replica) < 1.2)
