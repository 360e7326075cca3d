"""Database hosts that go, one after the other, under eight checked clients."""

import os
import signal

import pytest

from host import Host
from load import Load, assert_pool_is_whole, pool_state, questions
from service import wait_until

SAMPLE_ROWS = 12000


@pytest.fixture(scope="module")
def hosts():
    """Three databases with the same records."""
    made = []
    try:
        for _ in range(3):
            made.append(Host())
            made[-1].load_sample(SAMPLE_ROWS, "--organizations", "12")
        yield made
    finally:
        for host in made:
            host.remove()


@pytest.fixture(scope="module")
def service(hosts):
    """A pool before the three: its folder is that of the first."""
    hosts[0].workers = 4
    return hosts[0].serve_from(hosts)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_two_of_three_hosts_go(hosts, service, how, duration):
    answers = questions(service)
    before = pool_state(service, answers)
    load = Load(service, answers)
    load.wait(0.5)
    for host in hosts[:2]:
        host.close_database()
        os.kill(host.pid("mysql"), how)
        load.wait(min(duration, 10))
    for host in hosts[:2]:
        host.stop_database()
        host.start_database()
    # They look for the first less and less often, but at least every ten seconds.
    wait_until(lambda: hosts[0].users() == service.workers, 15)
    load.stop()
    load.assert_none_failed()
    assert_pool_is_whole(service, answers, before)
