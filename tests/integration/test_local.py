"""What is told to the machine's own monitoring: alive, ready, metrics; and the log."""

import http.client
import json
import re
import signal
import socket
import threading
import time

import os

import pytest

from service import read_answer, wait_until


def ask_local(service, path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(service.dir / "local.sock"))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
        return read_answer(connection, "GET")


def metrics(service):
    """All samples by name and labels; also checks the form of each line."""
    answer = ask_local(service, "/metrics")
    assert answer.status == 200
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    samples, typed = {}, set()
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("#"):
            match = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? ([0-9.]+)', line)
            assert match, line
            samples[match[1] + (match[2] or "")] = float(match[4])
            assert re.sub("_(bucket|sum|count)$", "", match[1]) in typed or match[1] in typed, line
    return samples


@pytest.fixture
def pool(own_service):
    own_service.workers = 3
    own_service.serve()
    return own_service


def test_alive_and_ready(pool):
    assert ask_local(pool, "/healthz").status == 200
    assert ask_local(pool, "/readyz").status == 200
    pool.close_database()
    pool.stack("database", "stop")
    assert ask_local(pool, "/healthz").status == 200
    answer = ask_local(pool, "/readyz")
    assert answer.status == 503 and json.loads(answer.body) == "the database does not answer"
    pool.stack("database", "start")
    wait_until(lambda: ask_local(pool, "/readyz").status == 200, 2)
    pool.stack("workers", "stop")
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = ask_local(pool, path)
        assert answer.status == 503 and json.loads(answer.body) == "no worker answered"


def test_local_paths_are_not_for_clients(service):
    for path in ("/healthz", "/readyz", "/metrics", "/org/../metrics", "/org/%2e%2e/metrics", "/org/..%2Fmetrics",
                 "//metrics", "/org/metrics", "/%6detrics"):
        answer = service.ask(path)
        assert answer.status in (400, 404) and b"usage_record_api_" not in answer.body
    for path in ("/", "/org/o/usageRecordGroup", "/metrics/", "/metrics2"):
        answer = ask_local(service, path)
        assert answer.status == 404 and isinstance(json.loads(answer.body), str)


def test_metrics_count_the_whole_pool(pool):
    before = metrics(pool)
    for number in range(30):
        assert pool.ask("/org/o/usageRecordGroup").status == 200
        assert pool.ask("/org/o/usageRecordGroup?limit=0").status == 400
        if number % 10 == 0:
            pool.insert("o", id=str(number))
    assert pool.ask("/org/o/usageRecordGroup?endDate=2024-08-12").status == 200
    after = metrics(pool)

    def grown(name):
        return after[f"usage_record_api_{name}"] - before[f"usage_record_api_{name}"]
    assert grown('requests_total{role="call",status="200"}') == 31
    assert grown('requests_total{role="call",status="400"}') == 30
    assert grown('requests_total{role="local",status="200"}') == 1
    assert grown('request_duration_seconds_count{work="page"}') == 61
    assert grown('request_duration_seconds_bucket{work="page",le="+Inf"}') == 61
    assert grown("records_total") == 3
    assert 0 < grown('request_duration_seconds_sum{work="page"}') < 10
    assert grown("response_bytes_total") > 31 * 39
    assert after["usage_record_api_workers"] == 5  # two of them search
    assert after["usage_record_api_requests_in_flight"] == 1
    assert after["usage_record_api_database_connects_total"] <= 3


def test_metrics_stay_right_when_workers_are_killed(pool):
    for _ in range(20):
        pool.ask("/org/o/usageRecordGroup")
    # A request is counted behind its answer.
    wait_until(lambda: metrics(pool)['usage_record_api_requests_total{role="call",status="200"}'] == 20)
    for _ in range(3):
        for pid in pool.worker_pids():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(pool.worker_pids()) == 3 and metrics(pool)["usage_record_api_workers"] == 5)
    samples = metrics(pool)
    assert samples['usage_record_api_requests_total{role="call",status="200"}'] == 20
    assert samples["usage_record_api_requests_in_flight"] == 1


def test_requests_in_flight(pool):
    for _ in range(12):
        pool.ask("/org/o/usageRecordGroup")
    pool.sql("LOCK TABLES usage_record_group WRITE")
    waiting = [http.client.HTTPConnection("127.0.0.1", pool.port, timeout=20) for _ in range(2)]
    for connection in waiting:
        connection.request("GET", "/org/o/usageRecordGroup")
    wait_until(lambda: metrics(pool)["usage_record_api_requests_in_flight"] == 3)
    pool.sql("UNLOCK TABLES")
    for connection in waiting:
        assert connection.getresponse().status == 200
    wait_until(lambda: metrics(pool)["usage_record_api_requests_in_flight"] == 1)


def test_one_line_a_request(service, sample):
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}&status=REPORTED&limit=7"
    for _ in range(10):
        service.ask(target)  # whoever answers next is connected
    answer = service.ask(target, X_Request_Id="line-1")
    lines = service.log_of("line-1")
    assert len(lines) == 1
    line = lines[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("pid") in service.worker_pids()
    for name in ("db_ms", "json_ms", "total_ms"):
        assert 0 <= line.pop(name) < 1000
    assert line == {"level": "info", "event": "request", "request_id": "line-1", "method": "GET", "target": target,
                    "organization": sample["organizations"][0], "call": "list", "work": "page", "status": 200, "bytes": len(answer.body),
                    "shape": "status", "rows": 7, "retries": 0}


def test_hostile_text_breaks_no_line(service):
    service.ask("/org/a%0a%22%7D/usageRecordGroup?x=%0a{\"forged\":1}\"\\", X_Request_Id="line-2")
    line = service.log_of("line-2")[0]
    assert line["status"] == 400 and line["target"].endswith('x=%0a{"forged":1}"\\')
    assert all(isinstance(line, dict) for line in service.log())


def test_slow_requests_are_marked(own_service):
    own_service.settings.update(SLOW_MS=50)
    own_service.serve()
    own_service.ask("/org/o/usageRecordGroup")
    own_service.ask("/org/o/usageRecordGroup")
    own_service.sql("LOCK TABLES usage_record_group WRITE")
    waiting = http.client.HTTPConnection("127.0.0.1", own_service.port, timeout=20)
    waiting.request("GET", "/org/o/usageRecordGroup?partner=AWS&status=INVALID", headers={"X-Request-Id": "slow-1"})
    time.sleep(0.2)
    own_service.sql("UNLOCK TABLES")
    assert waiting.getresponse().status == 200
    line = own_service.log_of("slow-1")[-1]
    assert line["event"] == "slow request" and line["level"] == "warning"
    assert line["shape"] == "partner+status" and line["db_ms"] >= 50


@pytest.mark.parametrize("level, expected", [("error", 0), ("warning", 0), ("info", 1), ("debug", 1)])
def test_levels(own_service, level, expected):
    own_service.settings.update(LOG_LEVEL=level)
    own_service.serve()
    own_service.ask("/org/o/usageRecordGroup", X_Request_Id="level-1")
    ask_local(own_service, "/healthz")
    own_service.stack("workers", "stop")
    lines = own_service.log()
    assert len([line for line in lines if line.get("request_id") == "level-1" and line["event"] == "request"]) == expected
    assert any(line.get("role") == "local" for line in lines) == (level == "debug")


def test_metrics_file_that_is_cut_short_under_load(pool):
    """Workers that share memory of a file which is truncated go on, each with numbers of its own."""
    file = next(pool.dir.glob("metrics.*"))
    pids = pool.worker_pids()
    stop = threading.Event()

    def cut():
        while not stop.wait(0.005):
            os.truncate(file, 0)
    thread = threading.Thread(target=cut)
    thread.start()
    try:
        for _ in range(100):
            assert pool.ask("/org/o/usageRecordGroup").status == 200
    finally:
        stop.set()
        thread.join()
    assert metrics(pool)["usage_record_api_workers"] == 5
    assert pool.worker_pids() == pids
    lines = [line for line in pool.log() if "cut short" in line.get("message", "")]
    assert 1 <= len(lines) == len({line["pid"] for line in lines})
