"""Three Galera nodes, a pool before them, and what befalls the node that the pool is on: under
checked load, and beside a writer whose records have to be in the next page."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from galera import make_nodes, remove_nodes
from load import watch
from service import free_port, stopped, wait_until

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(shutil.which("mariadbd") is None, reason="Galera is MariaDB's")

SAMPLE_ROWS = 12000


@pytest.fixture(scope="module")
def nodes():
    nodes = make_nodes(SAMPLE_ROWS)
    yield nodes
    remove_nodes(nodes)


@pytest.fixture(scope="module")
def service(nodes):
    """A pool before the three: its folder is that of the first."""
    nodes[0].workers = 4
    return nodes[0].serve_from(nodes)


@pytest.fixture
def watched(request, nodes, service, questions):
    victim = request.node.callspec.params.get("victim", 0) if hasattr(request.node, "callspec") else 0
    with watch(request.node.name, service, questions, [nodes[victim - 1]]) as load:
        wait_until(lambda: sum(node.users() for node in nodes) == service.workers, 20)
        yield load


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_node_goes_and_comes_back(nodes, service, watched, duration, how):
    """It comes back by IST: its port is open before it may answer."""
    watched.wait(0.5)
    nodes[0].close_database()
    os.kill(nodes[0].pid("mysql"), how)
    watched.wait(min(duration, 20))
    nodes[0].come_back()
    wait_until(nodes[0].is_member, 30)
    wait_until(lambda: nodes[0].users() == service.workers, 15)
    watched.wait(0.5)


def test_a_node_is_cut_off_from_the_majority(nodes, service, watched, duration):
    """It accepts connections and knows its data, but may not say so."""
    watched.wait(0.5)
    nodes[0].set_isolated(True)
    wait_until(lambda: not nodes[0].is_member(), 10)
    watched.wait(2)
    before = nodes[0].connections()
    watched.wait(max(3, min(duration, 20)))
    # A connection a second and worker, and those of this test.
    assert nodes[0].connections() - before <= service.workers * (max(3, min(duration, 20)) + 1) + 2
    nodes[0].set_isolated(False)
    wait_until(nodes[0].is_member, 30)
    wait_until(lambda: nodes[0].users() == service.workers, 15)


def test_a_node_stands_still(nodes, service, watched, duration):
    watched.wait(0.5)
    nodes[0].close_database()
    with stopped(nodes[0].pid("mysql")):
        watched.wait(max(9, min(duration, 20)))
    wait_until(nodes[0].is_member, 30)
    wait_until(lambda: nodes[0].users() == service.workers, 15)


def test_the_schema_changes(nodes, watched, duration):
    """Galera ends the statements that are in its way: error 1213."""
    deadline, count = time.monotonic() + duration, 0
    while time.monotonic() < deadline or count < 4:
        nodes[1].sql("ALTER TABLE usage_record_group ADD COLUMN passing INT NULL")
        watched.wait(0.2)
        nodes[1].sql("ALTER TABLE usage_record_group DROP COLUMN passing")
        watched.wait(0.2)
        count += 1


@pytest.fixture
def one_address(nodes, service, tmp_path):
    """HAProxy before the nodes, which notices within a second that one is gone."""
    port = free_port()
    servers = "".join(f"    server n{node.number} {node.address} check inter 500ms fall 2\n" for node in nodes)
    config = tmp_path / "haproxy.cfg"
    config.write_text("defaults\n    mode tcp\n    timeout connect 1s\n    timeout client 1h\n    timeout server 1h\n"
                      f"listen records\n    bind 127.0.0.1:{port}\n    balance first\n{servers}")
    proxy = subprocess.Popen([HAPROXY, "-db", "-q", "-f", config])
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    hosts = service.settings["DB_HOST"]
    service.restart_workers(DB_HOST=f"127.0.0.1:{port}")
    yield
    service.restart_workers(DB_HOST=hosts)
    proxy.kill()
    proxy.wait()


def test_a_node_is_killed_behind_one_address(nodes, one_address, watched, duration):
    watched.wait(0.5)
    nodes[0].close_database()
    os.kill(nodes[0].pid("mysql"), signal.SIGKILL)
    watched.wait(max(4, min(duration, 20)))
    nodes[0].come_back()
    wait_until(nodes[0].is_member, 30)
    watched.wait(1)


@pytest.fixture
def spread(service):
    service.workers = 6
    service.stack("workers", "stop")
    (service.dir / "workers.log").unlink()
    service.restart_workers(DB_READS="all", DB_RETURN_AFTER_S=10)
    yield
    service.workers = 4
    service.restart_workers(DB_READS="primary", DB_RETURN_AFTER_S=1)


@contextlib.contextmanager
def befallen(node, how):
    """A node that is in trouble; afterwards it is a member again."""
    node.close_database()
    if how == "frozen":
        with stopped(node.pid("mysql")):
            yield
    elif how == "isolated":
        node.set_isolated(True)
        yield
        node.set_isolated(False)
    else:
        os.kill(node.pid("mysql"), signal.SIGKILL if how == "killed" else signal.SIGTERM)
        yield
        node.come_back()
    wait_until(node.is_member, 30)


def seconds_until(nodes, counts):
    """How long it takes till so many workers are on each node; 15 s at most."""
    start = time.monotonic()
    wait_until(lambda: [node.users() for node in nodes] == counts, 15)
    return time.monotonic() - start


@pytest.mark.parametrize("victim, how", [(victim, how) for victim in range(3) for how in ("killed", "stopped", "isolated", "frozen")]
                         if float(os.environ.get("FAULT_SECONDS", "3")) >= 10 else [(1, "killed")])
def test_reads_are_spread(nodes, service, spread, watched, duration, victim, how):
    """Two of six workers on each node; when one goes, three on each of the others."""
    # One that starts when there is no host to be had refuses at once, so all have to be there.
    wait_until(lambda: len({line["pid"] for line in service.log() if "connected to" in line.get("message", "")}) == service.workers, 15)
    seconds_until(nodes, [2, 2, 2])
    with befallen(nodes[victim], how):
        without = seconds_until([node for node in nodes if node is not nodes[victim]], [3, 3])
        watched.wait(min(duration, 20))
    print(f"even over the other two after {without:.1f} s, over all {seconds_until(nodes, [2, 2, 2]):.1f} s after the return")
    watched.wait(0.5)
