"""FastCGI requests that no web server sends, straight to the workers' socket."""

import random
import socket
import time

import fastcgi
from service import wait_until

SEEDS = [fastcgi.request("/org/nobody/usageRecordGroup?limit=1"), fastcgi.request("/x", method="HEAD"),
         fastcgi.request("/org/nobody/usageRecordGroup?metaInfo=%7B%22a%22:[1]%7D&startDate=2024-02-29"),
         fastcgi.request("/org/nobody/usageRecordGroup", HTTP_X="y" * 300), b"\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0", b""]


def mutate(source, data):
    data = bytearray(data)
    for _ in range(source.randrange(1, 6)):
        kind, at = source.randrange(5), source.randrange(len(data) or 1)
        if kind == 0 and data:
            data[at] = source.randrange(256)
        elif kind == 1:
            data[at:at] = source.randbytes(source.randrange(1, 20))
        elif kind == 2:
            del data[at:at + source.randrange(1, 20)]
        elif kind == 3 and len(data) > 7:
            data[at % 8] = source.choice([0, 1, 2, 4, 5, 9, 255])  # a header's field
        else:
            data[at:at] = data[:at]
    return bytes(data[:60000])


def send_mutated(service, source):
    with fastcgi.connect(service.dir / "fastcgi.sock") as peer:
        try:
            peer.sendall(mutate(source, source.choice(SEEDS)))
            peer.shutdown(socket.SHUT_WR)
            fastcgi.read_all(peer)  # an answer or none, but an end: else the time limit raises
        except (BrokenPipeError, ConnectionError):
            pass


def test_malformed_requests_beside_good_ones(service, load, duration):
    source = random.Random(20240812)
    pids, deadline, count = service.worker_pids(), time.monotonic() + duration, 0
    while time.monotonic() < deadline:
        send_mutated(service, source)
        count += 1
    load.stop()
    load.assert_none_failed()
    assert service.worker_pids() == pids  # none ended
    assert count > 50


def test_many_malformed_requests(service, many):
    source = random.Random(many)
    wait_until(lambda: service.ask("/org/nobody/usageRecordGroup").status == 200)
    pids = service.worker_pids()
    for _ in range(many):
        send_mutated(service, source)
    assert service.worker_pids() == pids
    assert service.ask("/org/nobody/usageRecordGroup").status == 200
