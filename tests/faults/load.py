"""A steady load of requests whose every answer is compared, byte by byte, with what the
database held before the fault began."""

import contextlib
import json
import pathlib
import threading
import time

import pymysql

from host import FRESH, STORE_FRESH
from service import Digits, pss_kb, read_answer, wait_until

CLIENTS = 8


def questions(service):
    """Targets and their right answers: taken from an undisturbed service, and held against
    the database by other means first."""
    organizations = [row[0] for row in service.sql(
        "SELECT organization_id FROM usage_record_group GROUP BY organization_id ORDER BY COUNT(*) DESC")]
    first, last = service.sql("SELECT DATE(MIN(creation_time)), DATE(MAX(creation_time)) FROM usage_record_group")[0]
    window = f"startDate={first}&endDate={last}"
    queries = ["limit=1000", "limit=1000&offset=1000", "limit=100", "limit=20", "limit=20&status=REPORTED",
               "limit=20&partner=AWS&status=REPORTED", "limit=100&source=API", "limit=50&offset=3000", "limit=1"]
    answers = {}
    for organization in organizations[:6]:
        for query in queries:
            target = f"/org/{organization}/usageRecordGroup?{window}&{query}"
            answer = service.ask(target)
            assert answer.status == 200
            check_against_database(service, organization, query, answer)
            answers[target] = answer.body
        answers[f"/org/{organization}/usageRecordGroup?limit=0"] = None  # a 400
    return answers


def check_against_database(service, organization, query, answer):
    parameters = dict(pair.split("=") for pair in query.split("&"))
    limit, offset = int(parameters.pop("limit")), int(parameters.pop("offset", 0))
    condition = "".join(f" AND {column} = %s" for column in parameters)
    rows = service.sql(f"SELECT id, meta_info, records FROM usage_record_group WHERE organization_id = %s{condition} "
                       "ORDER BY creation_time DESC, serial_id DESC LIMIT %s OFFSET %s",
                       [organization, *parameters.values(), limit, offset])

    def parse(text):
        return json.loads(text or "{}", parse_float=Digits, parse_int=Digits)
    assert [(record["id"], record["metaInfo"], record["records"]) for record in answer.json()["usageRecordGroups"]] \
        == [(row[0], parse(row[1]), parse(row[2])) for row in rows]


class Load:
    """Threads that ask until they are stopped.  What they see is told apart:

    good      the right answer
    refused   a whole 500 or 502 or 504: nothing was said
    wrong     anything else: another body, a cut one, another status, no answer at all
    """

    def __init__(self, service, answers, clients=CLIENTS, header="Accept: */*"):
        self.service = service
        self.header = header
        self.answers = list(answers.items())
        self.good, self.refused, self.wrong = [], [], []  # (when, how long, what)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        while not self._stop.is_set():
            target, body = self.answers[number % len(self.answers)]
            number += CLIENTS + 1
            start = time.monotonic()
            kind, what = self._ask(target, body)
            end = time.monotonic()
            with self._lock:
                getattr(self, kind).append((end, end - start, what))

    def _ask(self, target, body):
        try:
            with self.service.connect() as connection:
                connection.sendall(f"GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                                   f"{self.header}\r\n\r\n".encode())
                answer = read_answer(connection, "GET")
        except (OSError, ValueError, IndexError) as error:
            return "wrong", f"{target}: {error!r}"
        if answer.status == 200 and answer.body == body or answer.status == 400 and body is None:
            return "good", answer.status
        if answer.status in (500, 502, 504) and answer.body.startswith(b'"') and answer.body.endswith(b'"'):
            return "refused", answer.status
        return "wrong", f"{target}: {answer.header('X-Request-Id')} {answer.status} {answer.body[:100]!r}"

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request was never answered"

    def wait(self, seconds):
        """Lets the load go on for a while."""
        time.sleep(seconds)

    def count(self):
        return len(self.good) + len(self.refused) + len(self.wrong)

    def summary(self, seconds):
        slowest = max((took for _, took, _ in self.good + self.refused), default=0)
        return (f"{self.count()} requests in {seconds:.1f} s: {len(self.good)} good, {len(self.refused)} refused, "
                f"{len(self.wrong)} wrong; the slowest took {slowest * 1e3:.0f} ms")

    def assert_none_failed(self):
        assert not self.wrong, self.wrong[:5]
        assert not self.refused, self.refused[:5]
        assert len(self.good) > 50

    def assert_none_wrong(self):
        assert not self.wrong, self.wrong[:5]

    def first_good_after(self, instant):
        """Seconds from an instant to the next good answer of a page."""
        def find():
            with self._lock:
                return [when for when, _, status in self.good if when > instant and status == 200]
        return min(wait_until(find, 20)) - instant


class Writer:
    """Stores a record on one of the hosts, the first that takes it, and asks the service for the newest
    one: it has to be there."""

    def __init__(self, service, hosts):
        self.service, self.hosts = service, list(hosts)
        self.count, self.stale, self.refused = 0, [], []  # answers; when one had another record, or none
        self.started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _store(self, name):
        for host in list(self.hosts):
            try:
                with host.connect_database(read_timeout=3) as connection, connection.cursor() as cursor:
                    cursor.execute(STORE_FRESH, [name])
                return host in self.hosts
            except pymysql.MySQLError:
                pass  # at least now it takes none, or it lost against a change of the schema
        return False

    def _run(self):
        while not self._stop.is_set():
            name = f"{time.monotonic_ns()}"
            if not self._store(name):
                time.sleep(0.05)
                continue
            answer = self.service.ask(FRESH)
            self.count += 1
            when = round(time.monotonic() - self.started, 1)
            if answer.status != 200:
                self.refused.append((when, answer.status))
            elif [record["id"] for record in answer.json()["usageRecordGroups"]] != [name]:
                self.stale.append(when)
            time.sleep(0.02)

    def stop(self):
        self._stop.set()
        self._thread.join(60)


@contextlib.contextmanager
def watch(name, service, answers, hosts):
    """A load, and beside it a writer to the hosts; at the end nothing failed, was wrong or stale, and what was seen is
    printed."""
    load, writer = Load(service, answers), Writer(service, hosts)
    load.writer = writer
    yield load
    load.stop()
    writer.stop()
    took = max(took for _, took, _ in load.good + load.refused)
    print(f"{name}: {load.count() + writer.count} requests in {time.monotonic() - writer.started:.0f} s, "
          f"{len(load.refused) + len(writer.refused)} failed, {len(load.wrong)} wrong, {len(writer.stale)} of {writer.count} "
          f"stale, longest wait {took:.2f} s")
    load.assert_none_failed()
    assert not writer.stale and not writer.refused and writer.count > 10
    assert took < 8


def descriptors(pid):
    """What a worker has open at rest: a moment after its last answer the web server's connection
    is still there."""
    def count():
        time.sleep(0.02)
        return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
    return min(count() for _ in range(15))


def pool_state(service, answers, warm_up_s=1):
    """The pool at rest, each worker having served each question."""
    load = Load(service, answers)
    load.wait(warm_up_s)
    load.stop()
    pids = service.worker_pids()
    return {"workers": len(pids), "descriptors": [descriptors(pid) for pid in pids],
            "memory_kb": max(pss_kb(pid) for pid in pids)}


def assert_pool_is_whole(service, answers, before):
    """No worker is lost, each answers rightly, and none has more open or in memory than
    before."""
    wait_until(lambda: len(service.worker_pids()) == before["workers"])
    wait_until(lambda: service.ask("/org/nobody/usageRecordGroup").status == 200)
    for target, body in answers.items():
        answer = service.ask(target)
        assert answer.status == 400 if body is None else answer.body == body
    after = pool_state(service, answers, 0.4)
    assert after["descriptors"] == before["descriptors"]
    assert after["memory_kb"] <= before["memory_kb"] * 1.1, (before, after)
