"""Faults of workers, web server and clients under eight checked clients."""

import itertools
import os
import random
import signal
import socket
import subprocess
import time

import pytest

import fastcgi
from load import Load
from service import ROOT, stopped, wait_until


def kill_workers(service, load, seconds, pause):
    """Any of them, again and again; how many."""
    deadline, killed = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        load.wait(pause)
        os.kill(random.choice(service.worker_pids()), signal.SIGKILL)
        killed += 1
    load.stop()
    return killed


def test_workers_are_killed_every_300_ms(service, load, duration):
    killed = kill_workers(service, load, duration, 0.3)
    load.assert_none_failed()
    assert killed >= duration


def test_workers_are_killed_as_they_send(service, questions, duration):
    """Only full pages, so that nearly every kill hits the making or sending of one."""
    pages = {target: body for target, body in questions.items() if body is not None and len(body) > 500_000}
    assert pages
    load = Load(service, pages)
    kill_workers(service, load, duration, 0.15)
    load.assert_none_failed()


@pytest.fixture
def key(service, questions):
    """A key of the largest organization, at a site that asks for one."""
    organization = next(iter(questions)).split("/")[2]
    service.stack("nginx", "stop")
    service.stack("nginx", "start", AUTH="1")
    yield subprocess.run([ROOT / "sql/usage-record-api-key", "create", organization, "--", "--no-defaults", "--user=root",
                          f"--socket={service.dir}/mysql.sock"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    service.stack("nginx", "stop")
    service.stack("nginx", "start")


def test_workers_are_killed_as_they_let_in(service, questions, key, duration):
    """Each request is two here: whether it may be made, and itself."""
    organization = next(iter(questions)).split("/")[2]
    load = Load(service, {target: body for target, body in questions.items() if f"/{organization}/" in target},
                header=f"Authorization: Key {key}")
    kill_workers(service, load, duration, 0.3)
    load.assert_none_failed()
    assert service.ask(next(iter(questions))).status == 401


def test_the_pool_is_restarted_twenty_times(service, load):
    for _ in range(20):
        before = service.worker_pids()
        for pid in before:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: len(service.worker_pids()) == len(before) and not set(before) & set(service.worker_pids()))
        load.wait(0.05)
    load.stop()
    load.assert_none_failed()


def test_nginx_is_reloaded_twenty_times(service, load):
    for _ in range(20):
        os.kill(service.pid("nginx"), signal.SIGHUP)
        load.wait(0.15)
    load.stop()
    load.assert_none_failed()


def test_a_worker_stands_still(service, load, duration):
    """Its own request waits for it, which the database puts up with for less than the
    statement limit; the others are served by the rest of the pool."""
    with stopped(service.worker_pids()[0]):
        load.wait(min(duration, 4))
    load.stop()
    load.assert_none_failed()


def test_clients_leave_halfway(service, load, questions, duration):
    target = max((target for target, body in questions.items() if body), key=lambda target: len(questions[target]))
    deadline, count = time.monotonic() + duration, itertools.count()
    while time.monotonic() < deadline:
        with service.connect() as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            if next(count) % 2:
                connection.recv(1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    load.stop()
    load.assert_none_failed()
    assert next(count) > 20


def test_slow_clients_hold_no_worker(service, load, questions):
    """Thirty clients that take a full page byte by byte, and thirty that send their request
    so: more than there are workers, for longer than a request takes."""
    target = max((target for target, body in questions.items() if body), key=lambda target: len(questions[target]))
    slow = []
    for number in range(60):
        connection = service.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode()
        connection.sendall(request if number % 2 else request[:20])
        slow.append(connection)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        for number, connection in enumerate(slow):
            if number % 2:
                connection.recv(100)
        load.wait(0.05)
    load.stop()
    for connection in slow:
        connection.close()
    load.assert_none_failed()
    assert max(took for _, took, _ in load.good) < 3


def test_silent_peers_at_the_socket(service, load):
    """As many as there are workers, again and again: each is held for a second at most."""
    for _ in range(2):
        silent = [fastcgi.connect(service.dir / "fastcgi.sock") for _ in range(4)]
        load.wait(1.5)
        for peer in silent:
            peer.close()
    load.stop()
    load.assert_none_failed()
    assert max(took for _, took, _ in load.good) < 4


def test_the_disk_of_the_log_is_full(service, questions):
    log = service.dir / "workers.log"
    service.stack("workers", "stop")
    log.rename(service.dir / "workers.log.kept")
    log.symlink_to("/dev/full")  # each write to it fails with ENOSPC
    service.stack("workers", "start")
    try:
        load = Load(service, questions)
        load.wait(2)
        load.stop()
        load.assert_none_failed()
    finally:
        service.stack("workers", "stop")
        log.unlink()
        service.stack("workers", "start")
        wait_until(lambda: service.ask("/org/nobody/usageRecordGroup").status == 200)


def test_more_requests_than_workers_wait_in_order(service, questions):
    """Two hundred at once: all are answered, the last within a bound."""
    load = Load(service, questions, clients=200)
    load.wait(3)
    load.stop()
    load.assert_none_failed()
    times = sorted(took for _, took, _ in load.good)
    assert times[-1] < 10


