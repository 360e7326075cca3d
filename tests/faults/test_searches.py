"""Sixteen clients ask the worst there is; another organization's pages of 20 go on as before, and so do
its searches."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

from service import ROOT, Service, pss_kb, wait_until

CLIENTS = 16
LONGEST_S = 60  # until nginx answers for a pool that is too busy
# What a page may take beside the greedy when ten times as long as alone is less: 16 clients and all servers
# share the processors, perhaps with other tests.  Where pages wait for searches it is 100 ms to seconds.
BUSY_MS, QUIET_MS = 50, 10
# What a worker keeps of it all; one that searches also its connection's buffer, as long as the longest record.
PAGE_WORKER_MIB, SEARCH_WORKER_MIB = 5, 16
SCRIPT = """
import json, sys, time
import service
asked = service.Service.__new__(service.Service)
asked.port = int(sys.argv[1])
took, failed, end = [], 0, time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    start = time.monotonic()
    failed += asked.ask(sys.argv[2]).status != 200
    took.append((time.monotonic() - start) * 1e3)
print(json.dumps([sorted(took), failed]))
"""


def meta_info(value):
    return "metaInfo=" + urllib.parse.quote(json.dumps(value, separators=(",", ":")))


@pytest.fixture(scope="module")
def greedy(is_long):
    """One organization with very many records, one with a very long array, one with very long records."""
    service = Service(workers=4, search_workers=3)
    service.timeout_s = LONGEST_S + 10
    try:
        service.stack("database", "start", DATABASE_OPTIONS="--max-allowed-packet=64M")
        service.migrate()
        service.load_sample(1000000 if is_long else 50000, "--organizations", "1")
        name, first, last = service.sql("SELECT organization_id, DATE(MIN(creation_time)), DATE(MAX(creation_time)) "
                                        "FROM usage_record_group GROUP BY 1")[0]
        many = f"/org/{name}/usageRecordGroup?startDate={first}&endDate={last}&"
        for number in range(100):
            service.insert("innocent", id=f"{number}", meta_info='{"a": 1}')
        service.insert("array", meta_info=json.dumps({"a": [f"s{number:06}" for number in range(100000)]}))
        for number in range(60 if is_long else 6):
            service.insert("fat", id=f"{number}", records=json.dumps({"x" * 8000000: 1}))
        service.serve()
        end = "endDate=2024-08-12&"
        service.worst = {
            "a wide metaInfo": many + meta_info({"nowhere": "to be found"}),
            "a number": many + meta_info({"nowhere": 1}),
            "a deep offset": many + "offset=2147483647",
            "a long array": f"/org/array/usageRecordGroup?{end}"
                            + meta_info({"a": [f"s{number:06}" for number in range(99600, 99999)] + ["z"]}),
            "long records": f"/org/fat/usageRecordGroup?{end}",
            "long records by cursor": f"/org/fat/usageRecordGroup?{end}cursor="}
        yield service
    finally:
        service.remove()


PAGE = "/org/innocent/usageRecordGroup?endDate=2024-08-12&limit=20"
SEARCH = f"{PAGE}&{meta_info({'a': 1})}"


def innocent(service, seconds, target=PAGE):
    """Milliseconds that its requests took, ascending; asked from a process of its own, which waits for no other client."""
    output = subprocess.run([sys.executable, "-c", SCRIPT, str(service.port), target, str(seconds)],
                            env={**os.environ, "PYTHONPATH": str(ROOT / "tests/integration")},
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    took, failed = json.loads(output)
    assert failed == 0
    return took


def percentile(took, part):
    return took[int(len(took) * part)]


@contextlib.contextmanager
def asking(service, target):
    """Clients that ask without a pause; the statuses that they got, and how long each took."""
    seen, is_over = [], threading.Event()

    def ask():
        while not is_over.is_set():
            start = time.monotonic()
            status = service.ask(target).status
            seen.append((status, time.monotonic() - start))
    clients = [threading.Thread(target=ask, daemon=True) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    yield seen
    is_over.set()
    for client in clients:
        client.join(LONGEST_S + 10)
        assert not client.is_alive(), "a request was never answered"
    statuses = [status for status, _ in seen]
    print({status: statuses.count(status) for status in set(statuses)}, f"the slowest took {max(took for _, took in seen):.1f} s")
    assert set(statuses) <= {200, 400} and max(took for _, took in seen) < LONGEST_S


def assert_as_alone(what, alone, beside, is_long):
    print(f"innocent {what}, p50, p99: alone {percentile(alone, .5):.2f}, {percentile(alone, .99):.2f} ms, beside "
          f"{percentile(beside, .5):.2f}, {percentile(beside, .99):.2f} ms, the slowest {beside[-1]:.2f} ms")
    part, floor_ms = (.99, QUIET_MS) if is_long else (.5, BUSY_MS)
    assert percentile(beside, part) <= max(10 * percentile(alone, part), floor_ms)


@pytest.mark.parametrize("name", ["a wide metaInfo", "a number", "a deep offset", "a long array", "long records",
                                  "long records by cursor"])
def test_nobody_waits_for_the_greedy(greedy, name, duration, is_long):
    seconds = min(duration, 20)
    alone = [innocent(greedy, seconds / 3, target) for target in (PAGE, SEARCH)]
    with asking(greedy, greedy.worst[name]):
        pages = innocent(greedy, seconds)
        searches = innocent(greedy, seconds / 2, SEARCH)
    assert_as_alone("pages", alone[0], pages, is_long)
    assert_as_alone("searches", alone[1], searches, False)  # they have to share processors and memory, not to wait
    wait_until(lambda: all(pss_kb(pid) <= most * 1024 for pool, most in (("workers", PAGE_WORKER_MIB), ("search", SEARCH_WORKER_MIB))
                           for pid in greedy.worker_pids(pool)))


def test_what_waits_is_not_lost_with_its_worker(greedy):
    """One after the other is told to leave, and another one is killed."""
    with asking(greedy, greedy.worst["a number"]) as seen:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            count, before = len(seen), greedy.worker_pids("search")
            os.kill(before[0], number)
            wait_until(lambda: set(greedy.worker_pids("search")) - set(before), 20)
            wait_until(lambda: len(seen) > count, 20)
