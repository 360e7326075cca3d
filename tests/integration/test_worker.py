"""The worker process by itself: its life, its command line, its peers, its memory."""

import contextlib
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import time

import pytest

import fastcgi
from service import wait_until
from worker import WORKER, Worker


@pytest.fixture
def worker(service):
    worker = Worker(service.dir, service.environment())
    yield worker
    worker.close()


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_idle_worker_leaves_at_once(worker, number):
    worker.start()
    assert worker.ask("/org/nobody/usageRecordGroup").status == 200
    start = time.monotonic()
    assert worker.end(number, 5) == 0
    assert time.monotonic() - start < 0.5


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("sent", [b"", fastcgi.request("/org/o/usageRecordGroup")[:20]])
def test_a_worker_with_a_silent_peer_leaves_at_once(worker, number, sent):
    worker.start()
    with fastcgi.connect(worker.path) as peer:
        peer.sendall(sent)
        time.sleep(0.1)  # lets the worker accept; what is asserted holds in either case
        start = time.monotonic()
        assert worker.end(number, 5) == 0
        assert time.monotonic() - start < 0.5


def test_a_request_right_behind_the_signal_is_answered(worker):
    """The peer has connected, the worker has taken the connection, and the signal comes
    before the request: a whole pool that is told to leave must not refuse it twice."""
    worker.start()
    assert worker.ask("/org/nobody/usageRecordGroup").status == 200
    idle = worker.descriptors()
    with fastcgi.connect(worker.path) as peer:
        wait_until(lambda: len(worker.descriptors()) > len(idle))
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
        peer.sendall(fastcgi.request("/org/nobody/usageRecordGroup"))
        assert fastcgi.parse(fastcgi.read_all(peer)).status == 200
    assert worker.process.wait(5) == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_the_request_in_hand_is_answered_in_full(service, worker, sample, number):
    """A page on its way when the signal comes, its peer reading slowly."""
    worker.start()
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}"
    expected = worker.ask(target).body
    with fastcgi.connect(worker.path) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(fastcgi.request(target))
        data = peer.recv(1000)
        worker.process.send_signal(number)
        while chunk := peer.recv(10000):
            data += chunk
    response = fastcgi.parse(data)
    assert response.status == 200 and response.body == expected and response.is_ended
    assert worker.process.wait(5) == 0


def test_a_slow_statement_is_answered_before_the_worker_leaves(service, worker):
    """The signal comes while the database works."""
    worker.start()
    worker.ask("/org/locked/usageRecordGroup")
    service.sql("LOCK TABLES usage_record_group WRITE")
    try:
        with fastcgi.connect(worker.path) as peer:
            peer.sendall(fastcgi.request("/org/locked/usageRecordGroup"))
            time.sleep(0.2)
            worker.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert worker.process.poll() is None
            service.sql("UNLOCK TABLES")
            response = fastcgi.parse(fastcgi.read_all(peer))
    finally:
        service.sql("UNLOCK TABLES")
    assert response.status == 200
    assert worker.process.wait(5) == 0


def test_signals_while_requests_come_lose_none(worker):
    """A worker that is restarted all the time, its socket staying: whoever connects gets a
    whole answer, unless the worker left without having read the request, which the web
    server sends again."""
    answered = 0
    for number in range(60):
        worker.start()
        assert worker.ask("/org/nobody/usageRecordGroup").status == 200
        with fastcgi.connect(worker.path) as peer:
            peer.sendall(fastcgi.request("/org/nobody/usageRecordGroup"))
            if number % 3:
                time.sleep(0.0005 * (number % 7))
            assert worker.end(signal.SIGTERM, 5) == 0
            worker.start()  # another takes what waits in the backlog
            data = fastcgi.read_all(peer)
        if data:
            answered += 1
            response = fastcgi.parse(data)
            assert response.status == 200 and response.is_ended
        assert worker.ask("/org/nobody/usageRecordGroup").status == 200
        assert worker.end(signal.SIGTERM, 5) == 0
    assert answered >= 55


def test_an_idle_worker_uses_no_cpu(worker):
    worker.start()
    worker.ask("/org/nobody/usageRecordGroup")
    with fastcgi.connect(worker.path):  # silent, also after the worker has given it up
        before = worker.cpu_ticks()
        time.sleep(1.5)
        assert worker.cpu_ticks() - before <= 5


def test_a_silent_peer_is_given_up_and_the_next_one_served(worker):
    worker.start()
    with fastcgi.connect(worker.path), fastcgi.connect(worker.path) as half:
        half.sendall(fastcgi.request("/org/nobody/usageRecordGroup")[:-20])
        start = time.monotonic()
        assert worker.ask("/org/nobody/usageRecordGroup").status == 200
        assert time.monotonic() - start < 4


def test_a_request_in_small_pieces_is_served(worker):
    worker.start()
    with fastcgi.connect(worker.path) as peer:
        request = fastcgi.request("/org/nobody/usageRecordGroup")
        for at in range(0, len(request), 3):
            peer.sendall(request[at:at + 3])
            time.sleep(0.001)
        assert fastcgi.parse(fastcgi.read_all(peer)).status == 200


def test_a_peer_that_leaves_costs_the_database_nothing(service, worker):
    """Its request waits behind a slow one; when its turn comes it is gone."""
    worker.start()
    worker.ask("/org/gone/usageRecordGroup")

    def executed():
        return int(service.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")[0][1])
    service.sql("LOCK TABLES usage_record_group WRITE")
    with fastcgi.connect(worker.path) as first:
        first.sendall(fastcgi.request("/org/gone/usageRecordGroup"))
        time.sleep(0.2)
        for _ in range(10):
            with fastcgi.connect(worker.path) as impatient:
                impatient.sendall(fastcgi.request("/org/gone/usageRecordGroup"))
        before = executed()
        service.sql("UNLOCK TABLES")
        assert fastcgi.parse(fastcgi.read_all(first)).status == 200
    assert worker.ask("/org/gone/usageRecordGroup").status == 200
    assert executed() - before <= 4  # an empty page is asked for twice


def test_a_peer_that_does_not_read_does_not_end_the_worker(worker, sample):
    worker.start()
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}"
    for _ in range(5):
        with fastcgi.connect(worker.path) as peer:
            peer.sendall(fastcgi.request(target))
            peer.recv(10)
    assert worker.ask("/org/nobody/usageRecordGroup").status == 200
    assert worker.process.poll() is None


@pytest.mark.parametrize("data", [
    b"", b"\0" * 100, b"\xff" * 1000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    fastcgi.record(fastcgi.STDIN), fastcgi.record(fastcgi.PARAMS), fastcgi.record(9, b"", 0),
    fastcgi.record(fastcgi.BEGIN_REQUEST, b"\0\1\0\0\0\0\0\0", version=0) + fastcgi.record(fastcgi.PARAMS),
    fastcgi.record(fastcgi.BEGIN_REQUEST, b"\0\3\0\0\0\0\0\0") + fastcgi.record(fastcgi.PARAMS),
    fastcgi.record(fastcgi.BEGIN_REQUEST, b"\0\1\0\0\0\0\0\0") + fastcgi.record(fastcgi.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff") + fastcgi.record(fastcgi.PARAMS),
    fastcgi.record(fastcgi.BEGIN_REQUEST, b"\0\1\0\0\0\0\0\0") + fastcgi.record(fastcgi.PARAMS, b"\x7f\xff\xff\xfe\x7f") + fastcgi.record(fastcgi.PARAMS),
    fastcgi.record(fastcgi.BEGIN_REQUEST, b"\0\1\0\0\0\0\0\0") * 3,
], ids=range(12))
def test_malformed_requests_are_dropped(worker, data):
    worker.start()
    with fastcgi.connect(worker.path) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        assert fastcgi.read_all(peer) == b""
    assert worker.ask("/org/nobody/usageRecordGroup").status == 200
    assert worker.process.poll() is None


def test_more_than_a_request_is_served_once(worker):
    """A body, or anything else behind the parameters, changes nothing."""
    worker.start()
    request = fastcgi.request("/org/nobody/usageRecordGroup")
    body = fastcgi.record(fastcgi.STDIN, b"x" * 60000)
    for data in (request[:-8] + body + fastcgi.record(fastcgi.STDIN), request + request, request + b"\xff" * 50000,
                 request[:-8]):
        with fastcgi.connect(worker.path) as peer:
            peer.sendall(data)
            response = fastcgi.parse(fastcgi.read_all(peer))
            assert response.status == 200 and response.body.count(b"nextOffset") == 1


def test_head_has_no_body(worker):
    worker.start()
    head = worker.ask("/org/nobody/usageRecordGroup", method="HEAD")
    get = worker.ask("/org/nobody/usageRecordGroup")
    assert head.body == b"" and head.headers["Content-Length"] == str(len(get.body))


def test_request_without_any_parameter(worker):
    worker.start()
    with fastcgi.connect(worker.path) as peer:
        peer.sendall(fastcgi.record(fastcgi.BEGIN_REQUEST, struct.pack(">HB5x", 1, 0)) + fastcgi.record(fastcgi.PARAMS))
        assert fastcgi.parse(fastcgi.read_all(peer)).status == 404


@pytest.mark.unsanitized  # AddressSanitizer keeps freed memory on purpose
def test_memory_and_descriptors_stay_where_they_were(worker, sample):
    worker.start()
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}"
    queries = ["", "&limit=1", "&status=INVALID", "&offset=3000", "&partner=AWS&source=API", "&limit=x", "&metaInfo={}"]

    def serve(count):
        for number in range(count):
            worker.ask(target + queries[number % len(queries)])
    serve(200)
    memory, descriptors = worker.pss(), worker.descriptors()
    serve(2000)
    assert worker.pss() <= memory * 1.01 + 64
    assert worker.descriptors() == descriptors
    assert worker.pss() < 8 * 1024


@pytest.mark.unsanitized
def test_memory_comes_back_after_long_documents(service, worker, organization):
    for _ in range(30):
        service.insert(organization, meta_info='{"t":"%s"}' % ("x" * 1_000_000))
    worker.environment["USAGE_RECORD_API_PAGE_BYTES"] = str(1 << 26)  # a page as long as the test wants it
    worker.start()
    worker.ask("/org/nobody/usageRecordGroup")
    memory = worker.pss()
    assert len(worker.ask(f"/org/{organization}/usageRecordGroup?endDate=2024-08-12").body) > 30_000_000
    worker.ask("/org/nobody/usageRecordGroup")
    assert worker.pss() < memory + 4096


@pytest.mark.unsanitized  # AddressSanitizer wants an address space of its own
def test_whatever_does_not_fit_memory_is_named_in_the_log(service, worker, organization):
    """One long record, with room for nothing of it, for the library's copy, for the row's, ..."""
    service.insert(organization, meta_info='{"t":"%s"}' % ("x" * 8_000_000))
    worker.start()
    target = f"/org/{organization}/usageRecordGroup?endDate=2024-08-12"
    assert worker.ask(target + "&partner=AZURE").status == 200
    size = worker.status("VmSize") * 1024
    statuses = []
    for room in range(2, 48, 3):
        resource.prlimit(worker.process.pid, resource.RLIMIT_AS, (size + room * 2**20, resource.RLIM_INFINITY))
        statuses.append(worker.ask(target, HTTP_X_REQUEST_ID=f"room-{len(statuses)}").status)
    assert worker.end(signal.SIGTERM, 5) == 0
    assert statuses[0] == 500 and statuses[-1] == 200 and set(statuses) == {200, 500}
    # libmysqlclient has a word of its own there, which is no JSON.
    lines = [json.loads(line) for line in worker.log_path.read_text().splitlines() if line.startswith("{")]
    for number, status in enumerate(statuses):
        own = [line["event"] for line in lines if line.get("request_id") == f"room-{number}" and line["level"] == "error"]
        assert own[-2:] == (["message", "request"] if status == 500 else [])


# -- the command line

def run(*arguments, stdin=subprocess.DEVNULL, **settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("USAGE_RECORD_API_")}
    environment.update({f"USAGE_RECORD_API_{name}": value for name, value in settings.items()})
    return subprocess.run([WORKER, *arguments], stdin=stdin, env=environment, text=True, timeout=20,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_help_and_version():
    result = run("--help")
    assert result.returncode == 0 and "USAGE_RECORD_API_DB_HOST" in result.stdout and not result.stderr
    result = run("--version")
    assert result.returncode == 0 and result.stdout.startswith("usage-record-api ")


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["--help=1"], ["--check-config", "x"]])
def test_bad_arguments(arguments):
    result = run(*arguments)
    assert result.returncode == 2 and "--help" in result.stderr and not result.stdout


def test_check_config():
    result = run("--check-config", DB_HOST="db1,db2", LOG_LEVEL="debug")
    assert result.returncode == 0 and not result.stderr
    assert "USAGE_RECORD_API_DB_HOST=db1,db2\n" in result.stdout
    assert "USAGE_RECORD_API_LOG_LEVEL=debug\n" in result.stdout


@pytest.mark.parametrize("settings", [{"DB_PORT": "x"}, {"NO_SUCH": "1"}, {"DB_OPTION_FILE": "/no/such"},
                                      {"DB_STATEMENT_TIMEOUT_MS": "9000"}])
@pytest.mark.parametrize("arguments", [["--check-config"], []])
def test_bad_settings_end_the_worker_at_the_start(settings, arguments):
    result = run(*arguments, **settings)
    assert result.returncode == 2 and list(settings.values())[0] in result.stderr or "NO_SUCH" in result.stderr \
        or "less than" in result.stderr


@pytest.mark.parametrize("stdin", ["null", "pipe", "connected"])
def test_without_a_listening_socket(stdin):
    with contextlib.ExitStack() as stack:
        if stdin == "pipe":
            read_end, write_end = os.pipe()
            stack.callback(os.close, read_end)
            stack.callback(os.close, write_end)
            result = run(stdin=read_end)
        elif stdin == "connected":
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            stack.enter_context(theirs)
            result = run(stdin=theirs)
        else:
            result = run()
    assert result.returncode == 1
    assert "standard input is not a listening socket" in result.stderr


def test_over_tcp(service):
    """A web server on another machine: the same, with a connection that is closed gently."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen([WORKER], stdin=listener, stderr=subprocess.DEVNULL,
                               env={**os.environ, **service.environment()})
    try:
        for _ in range(3):
            with socket.create_connection(listener.getsockname(), timeout=10) as peer:
                peer.sendall(fastcgi.request("/org/nobody/usageRecordGroup") + b"x" * 20000)
                assert fastcgi.parse(fastcgi.read_all(peer)).status == 200
        process.terminate()
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
        listener.close()


def test_an_nonblocking_flag_that_others_clear_does_not_matter(worker):
    """systemd makes the shared socket blocking whenever it starts an instance."""
    worker.start()
    worker.ask("/org/nobody/usageRecordGroup")
    other = Worker(worker.path.parent, worker.environment)
    other.listener.close()
    other.listener, other.path = worker.listener.dup(), worker.path
    other.start()
    try:
        wait_until(lambda: "serves" in other.log_path.read_text())
        worker.listener.setblocking(True)
        for _ in range(30):  # both are woken, one gets it, the other must not hang in accept
            assert worker.ask("/org/nobody/usageRecordGroup").status == 200
        time.sleep(0.05)
        assert worker.end(signal.SIGTERM, 2) == 0
        assert other.end(signal.SIGTERM, 2) == 0
    finally:
        other.close()


@pytest.mark.unsanitized
def test_valgrind_finds_nothing_after_every_kind_of_request(service, worker, sample):
    # libfcgi keeps one table until the process ends: reachable, not lost.
    worker.start("valgrind", "--quiet", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible",
                 "--show-leak-kinds=definite,indirect,possible", "--error-exitcode=99")
    target = f"/org/{sample['organizations'][1]}/usageRecordGroup?{sample['window']}"
    service.insert("long document", meta_info='{"t":"%s"}' % ("x" * 500_000))
    for query in ("", "&limit=3", "&offset=500&limit=3", "&partner=AWS&status=REPORTED&source=API", "&buyerId=x",
                  "&metaInfo=%7B%22customer%22%3A%22x%22%2C%22SkipValidation%22%3Atrue%7D", "&metaInfo=%7B%7D", "&metaInfo={",
                  "&metaInfo={\"a\":1,\"a\":2}", "&limit=x", "&status=x", "&foo=1", "&%00", "&limit=1&limit=2"):
        first = worker.ask(target + query)
        assert first.status in (200, 400)
        if "Link" in first.headers:
            assert worker.ask(target.split("?")[0] + first.headers["Link"][1:].split(">")[0]).status == 200
    assert worker.ask("/org/long%20document/usageRecordGroup?endDate=2024-08-12").status == 200
    assert worker.ask("/nowhere").status == 404
    assert worker.ask(target, method="POST").status == 405
    assert worker.ask(target, method="HEAD").status == 200
    service.sql("RENAME TABLE usage_record_group TO elsewhere")
    assert worker.ask(target + "&productId=never-prepared").status == 500
    service.sql("RENAME TABLE elsewhere TO usage_record_group")
    assert worker.ask(target).status == 200
    with fastcgi.connect(worker.path) as peer:
        peer.sendall(b"\xff" * 100)
        fastcgi.read_all(peer)
    status = worker.end(signal.SIGTERM, 60)
    assert status == 0, worker.log_path.read_text()[-5000:]
