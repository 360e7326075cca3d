"""A primary and two replicas, workers spread over the three, and what befalls a replica: under
checked load, and beside a writer whose records may be missed for the bound at most."""

import time

import pytest

from load import Load
from replicas import Watcher, make_hosts, remove_hosts
from service import wait_until

SAMPLE_ROWS = 12000
BOUND_S = 3


@pytest.fixture(scope="module")
def hosts():
    hosts = make_hosts(2, lambda primary: primary.load_sample(SAMPLE_ROWS, "--organizations", "12"))
    yield hosts
    remove_hosts(hosts)


@pytest.fixture(scope="module")
def service(hosts):
    hosts[0].workers = 6
    return hosts[0].serve_from(hosts, DB_READS="all", DB_STALENESS_S=BOUND_S)


@pytest.fixture
def load(request, hosts, service, questions):
    load, watcher = Load(service, questions), Watcher(hosts[0], service, BOUND_S, clients=1)
    started = time.monotonic()
    wait_until(lambda: [host.users() for host in hosts] == [2, 2, 2], 20)
    yield load
    load.stop()
    watcher.stop()
    took = max([watcher.longest, *(took for _, took, _ in load.good + load.refused)])
    print(f"{request.node.name}: {load.count() + watcher.count} requests in {time.monotonic() - started:.0f} s, "
          f"{len(load.refused) + len(watcher.failed)} failed, {len(load.wrong)} wrong, {watcher.stale} of {watcher.count} "
          f"older than {BOUND_S} s, the oldest {watcher.oldest:.2f} s, longest wait {took:.2f} s")
    load.assert_none_failed()
    assert not watcher.failed and watcher.count > 20
    assert watcher.oldest <= BOUND_S


@pytest.mark.parametrize("fault", ["stopped_applying", "lagging", "broken", "without_heartbeat"])
def test_a_replica(hosts, load, duration, fault):
    """Its workers leave it for the others, and come back."""
    with getattr(hosts[1], fault)():
        wait_until(lambda: [host.users() for host in hosts] == [3, 0, 3], BOUND_S + 5)
        load.wait(min(duration, 20) / 2)
        wait_until(lambda: hosts[1].users() == 0, 2)  # one may be there to look
    wait_until(lambda: [host.users() for host in hosts] == [2, 2, 2], 15)


def test_the_heart_stops(hosts, load, duration):
    """All workers go to the primary."""
    hosts[0].sql("ALTER EVENT heartbeat DISABLE")
    wait_until(lambda: [host.users() for host in hosts] == [6, 0, 0], BOUND_S + 5)
    load.wait(min(duration, 20) / 2)
    hosts[0].sql("ALTER EVENT heartbeat ENABLE")
    wait_until(lambda: [host.users() for host in hosts] == [2, 2, 2], 15)
