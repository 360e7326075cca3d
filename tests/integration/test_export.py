"""Whole lists in one answer: NDJSON and CSV, their forms, and that a part never looks whole."""

import contextlib
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import time
import zlib

import pytest

import fastcgi
from loader import counts, load
from service import service_with_tables, stopped, wait_until
from test_openapi import validate
from worker import Worker

NDJSON, CSV = "application/x-ndjson", "text/csv"
PATH = "/org/{orgId}/usageRecordGroup"
MEMBERS = ["buyerID", "creationTime", "entitlementID", "id", "lastUpdateTime", "metaInfo", "organizationID", "partner",
           "serialID", "status", "usageRecordReportID"]


def walk(service, target):
    """The records of a list, page by page, each as its text."""
    texts = []
    while target is not None:
        answer = service.ask(target)
        assert answer.status == 200, answer.body
        texts += [text for text, _ in records_of(answer.body.decode())]
        target = answer.next_path()
    return texts


def records_of(page):
    """The records of a page as they stand in it, and what they mean."""
    decoder = json.JSONDecoder()
    at = page.index("[") + 1
    while page[at] == "{":
        record, end = decoder.raw_decode(page, at)
        yield page[at:end], record
        at = end + (page[end] == ",")


@pytest.mark.parametrize("query", ["", "&status=REPORTED", "&partner=AWS&limit=7", "&offset=3", "&offset=2995&limit=10", "&offset=900000",
                                   "&metaInfo=%7B%22source%22:%22API%22%7D&limit=20&offset=2"])
def test_lines_are_the_records_of_the_pages(service, sample, query):
    organization = sample["organizations"][0]
    target = f"/org/{organization}/usageRecordGroup?{sample['window']}{query}"
    answer = service.ask(target, Accept=NDJSON)
    assert answer.status == 200 and answer.header("Content-Type") == NDJSON
    wanted = [text for text, _ in records_of(service.ask(target).body.decode())] if "limit" in query else walk(service, target)
    assert answer.body.decode() == "".join(text + "\n" for text in wanted)


def test_cursors_and_paths(service, sample):
    organization = sample["organizations"][0]
    first = service.ask(f"/org/{organization}/usageRecordGroup?{sample['window']}&limit=100")
    rest = service.ask(first.next_path().replace("limit=100&", ""), Accept=NDJSON)
    assert len(rest.body.splitlines()) == sample["sizes"][0] - 100
    product = service.sql("SELECT product_id FROM usage_record_group WHERE organization_id = %s AND product_id IS NOT NULL LIMIT 1",
                          [organization])[0][0]
    target = f"/org/{organization}/product/{product}/usageRecordGroup?{sample['window']}"
    assert service.ask(target, Accept=NDJSON).body.decode().splitlines() == walk(service, target)


def test_a_csv_line_is_an_amount(service, sample):
    organization = sample["organizations"][0]
    target = f"/org/{organization}/usageRecordGroup?{sample['window']}"
    answer = service.ask(target, Accept=CSV, X_Request_Id="csv-1")
    assert answer.header("Content-Type") == "text/csv; charset=utf-8; header=present"
    first, last = [part.split("=")[1] for part in sample["window"].split("&")]
    assert answer.header("Content-Disposition") == f'attachment; filename="usage-records_{organization}_{first}_{last}.csv"'
    lines = list(csv.reader(io.StringIO(answer.body.decode(), newline="")))
    wanted = [MEMBERS[:8] + ["dimension", "quantity"] + MEMBERS[8:]]
    for text in walk(service, target):
        record = json.loads(text, parse_int=str, parse_float=str)
        meta_info = text[text.index('"metaInfo":') + 11:text.index(',"organizationID"')]
        for dimension, quantity in list(record["records"].items()) or [("", "")]:
            row = [meta_info if name == "metaInfo" else record[name] for name in MEMBERS]
            wanted.append(row[:8] + [dimension, quantity] + row[8:])
    assert lines == wanted
    line = service.log_of("csv-1")[-1]
    assert [line["call"], line["work"], line["rows"], line["bytes"]] == ["list", "search", sample["sizes"][0], len(answer.body)]


def test_what_a_spreadsheet_would_run(service, insert):
    insert("sheet", buyer_id="=1+1", entitlement_id="it's, \"so\"", product_id="p", id="-x", usage_record_report_id="@SUM(1)",
           meta_info='{"a":"=1,2\\n"}', records='{"+a":-1.50,"b\\r\\n\\"c":2E+3}')
    answer = service.ask("/org/sheet/usageRecordGroup?endDate=2024-08-12", Accept=CSV)
    assert answer.body.decode().split("\r\n", 1)[1] == "".join(
        f"'=1+1,2024-08-12T01:02:15.910Z,\"it's, \"\"so\"\"\",'-x,2024-08-12T01:02:16.000Z,\"{{\"\"a\"\":\"\"=1,2\\n\"\"}}\",sheet,AWS,"
        f"{amount},{serial(answer)},REPORTED,'@SUM(1)\r\n" for amount in ("'+a,-1.50", '"b\r\n""c",2E+3'))


def serial(answer):
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))[0]["serialID"]


def test_nothing_is_a_header_line(service):
    answer = service.ask("/org/nobody/usageRecordGroup", Accept=CSV)
    assert answer.status == 200 and answer.body.count(b"\n") == 1 and int(answer.header("Content-Length")) == len(answer.body)
    assert service.ask("/org/nobody/usageRecordGroup", Accept=NDJSON).body == b""


def test_pages_exports_and_summaries_of_one_worker(service, sample):
    """They use the same statements, each with buffers of its own."""
    list_of = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}"
    meta_info = "&metaInfo=%7B%22source%22:%22API%22%7D"
    summary = f"/org/{sample['organizations'][0]}/usageRecordSummary?{sample['window']}&amounts=false&groupBy=day"
    questions = [(list_of, ""), (list_of, NDJSON), (list_of + meta_info, ""), (list_of + meta_info, NDJSON), (summary + meta_info, ""),
                 (list_of + meta_info + "&cursor=", ""), (summary, "")]
    wanted = {}
    worker = Worker(service.dir, service.environment()).start()
    try:
        for first in questions:
            for second in questions:
                for target, accept in (first, second):
                    body = worker.ask(target, HTTP_ACCEPT=accept).body
                    assert wanted.setdefault((target, accept), body) == body
    finally:
        worker.close()


@pytest.mark.parametrize("accept, content_type", [
    ("*/*", "application/json"), ("text/*", "text/csv; charset=utf-8; header=present"), ("application/json, text/csv", "application/json"),
    ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8; header=present"), ("application/*;q=0.1, application/x-ndjson", NDJSON),
    ("text/html, application/xhtml+xml, */*;q=0.8", "application/json")])
def test_accept_chooses(service, accept, content_type):
    answer = service.ask("/org/nobody/usageRecordGroup", Accept=accept)
    assert [answer.status, answer.header("Content-Type")] == [200, content_type]
    assert answer.headers["vary"] == ["Accept, Accept-Encoding"]


def test_what_cannot_be_given_is_a_406(service):
    for path, words in (("usageRecordGroup", "application/json, application/x-ndjson or text/csv"), ("usageRecordGroup/x", "application/json")):
        answer = service.ask(f"/org/o/{path}", Accept="text/html")
        assert [answer.status, json.loads(answer.body)] == [406, f"Accept must allow {words}"]
    refused = service.ask("/org/o/usageRecordGroup?limit=0", Accept=CSV)
    assert refused.status == 400 and refused.header("Content-Type") == "application/json" and refused.header("Content-Disposition") is None
    assert validate([answer, refused], PATH) == ""


def test_head_and_gzip(service, sample):
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}"
    plain = service.ask(target, Accept=NDJSON)
    head = service.ask(target, method="HEAD", Accept=NDJSON)
    assert head.status == 200 and head.header("Content-Type") == NDJSON
    packed = service.ask(target, Accept=NDJSON, Accept_Encoding="gzip")
    assert packed.header("Content-Encoding") == "gzip" and gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3


def test_round_trip(service, sample, own_service):
    """What an export gives, the loader takes, and gives back."""
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}"
    exported = service.ask(target, Accept=NDJSON).body
    result = load(own_service, data=exported)
    assert counts(result) == (sample["sizes"][0], 0, 0, 0), result.stderr
    own_service.serve()
    assert own_service.ask(target, Accept=NDJSON).body == exported


# -- one that cannot be completed

LONG = "/org/long/usageRecordGroup?startDate=2024-08-01&endDate=2024-08-31"
LONG_COUNT = 60000


@pytest.fixture(scope="module")
def long():
    """A service with a list whose export takes a while."""
    with service_with_tables(workers=1, search_workers=1) as service:
        service.sql("INSERT INTO usage_record_group (id, organization_id, partner, status, records, creation_time, last_update_time) "
                    "WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 399) "
                    "SELECT CONCAT('id-', a.n * 400 + b.n), 'long', 'AWS', 'REPORTED', CONCAT('{\"a\":', b.n, ',\"b\":1.50}'), "
                    "'2024-08-12' + INTERVAL a.n * 400 + b.n SECOND, '2024-08-20' FROM c a, c b WHERE a.n < 150")
        service.serve()
        yield service


@contextlib.contextmanager
def begun(service, tmp_path, *words):
    """An export that has begun, its worker standing still in the middle of it: (curl, file, worker)."""
    file = tmp_path / "export"
    worker, = service.worker_pids("search")
    with subprocess.Popen(["curl", "-s", "-S", "-N", "-o", file, *words, f"http://127.0.0.1:{service.port}{LONG}"], stderr=subprocess.PIPE) as curl:
        try:
            wait_until(lambda: file.exists() and file.stat().st_size > 0)
            os.kill(worker, signal.SIGSTOP)
            assert curl.poll() is None
            yield curl, file, worker
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
            curl.kill()


def assert_broken(service, curl, file, is_packed=False):
    assert curl.wait(30) in (18, 56), curl.stderr.read()  # a partial file; a connection that was lost
    data = file.read_bytes()
    if is_packed:
        unpacker = zlib.decompressobj(31)
        data = unpacker.decompress(data)
        assert not unpacker.eof
    assert data.count(b"\n") > 0 and b",id-0," not in data and b'"id":"id-0"' not in data  # the last one


FORMS = pytest.mark.parametrize("words", [["-H", "Accept: text/csv"], ["-H", "Accept: application/x-ndjson"],
                                          ["-H", "Accept: application/x-ndjson", "-H", "Accept-Encoding: gzip"]], ids=["csv", "ndjson", "gzip"])


@FORMS
def test_an_export_that_is_not_disturbed_is_whole(long, tmp_path, words):
    with begun(long, tmp_path, *words) as (curl, file, worker):
        os.kill(worker, signal.SIGCONT)
        assert curl.wait(60) == 0
        data = file.read_bytes()
        data = gzip.decompress(data) if len(words) > 2 else data
        assert data.count(b"\n") == (LONG_COUNT if "ndjson" in words[1] else 2 * LONG_COUNT + 1)


def test_http_1_0_has_no_long_export(long):
    """A client of it, as nginx is to what it is a proxy of, would take a part for the whole."""
    def ask(query, form):
        head = f"GET /org/long/usageRecordGroup?{query} HTTP/1.0\r\nHost: t\r\nAccept: {form}\r\nAccept-Encoding: gzip\r\n\r\n"
        return long.send(head.encode())
    for form in (CSV, NDJSON):
        answer = ask(LONG.split("?")[1], form)
        assert [answer.status, json.loads(answer.body)] == [400, "an answer of this length needs HTTP/1.1, in which its end shows"]
        assert ask("endDate=2024-08-31&limit=100", form).status == 200
    assert ask("endDate=2024-08-31", "application/json").status == 200


@FORMS
def test_a_worker_that_is_killed(long, tmp_path, words):
    with begun(long, tmp_path, *words) as (curl, file, worker):
        os.kill(worker, signal.SIGKILL)
        assert_broken(long, curl, file, len(words) > 2)
    wait_until(lambda: long.worker_pids("search") not in ([], [worker]))


@FORMS
def test_a_connection_that_is_killed(long, tmp_path, words):
    with begun(long, tmp_path, *words, "-H", "X-Request-Id: killed") as (curl, file, worker):
        for (number,) in long.sql("SELECT id FROM information_schema.processlist WHERE id != CONNECTION_ID() AND db = 'usage_record_api'"):
            long.sql(f"KILL {number}")
        os.kill(worker, signal.SIGCONT)
        assert_broken(long, curl, file, len(words) > 2)
    line = long.log_of("killed")[-1]
    assert [line["level"], line["fault"]] == ["error", "the answer was broken off"]
    assert long.ask(LONG, Accept=NDJSON).body.count(b"\n") == LONG_COUNT  # the worker goes on


def test_a_query_that_is_killed(long, tmp_path):
    with begun(long, tmp_path, "-H", f"Accept: {NDJSON}") as (curl, file, worker):
        os.kill(worker, signal.SIGCONT)
        while curl.poll() is None:
            for (number,) in long.sql("SELECT id FROM information_schema.processlist WHERE id != CONNECTION_ID() AND info LIKE 'SELECT creation%'"):
                with contextlib.suppress(Exception):  # it has ended
                    long.sql(f"KILL QUERY {number}")
        assert_broken(long, curl, file)


def test_a_statement_that_takes_too_long(long, tmp_path):
    long.restart_workers(DB_STATEMENT_TIMEOUT_MS=500)
    try:
        for _ in range(5):  # mostly the database stands still in the middle of a statement
            with begun(long, tmp_path, "-H", f"Accept: {CSV}") as (curl, file, worker):
                while curl.poll() is None:
                    with stopped(long.pid("mysql")):
                        os.kill(worker, signal.SIGCONT)
                        time.sleep(0.7)
                    time.sleep(0.002)
                if curl.poll() != 0:
                    assert_broken(long, curl, file)
                    return
            file.unlink()
        pytest.fail("no statement was stopped")
    finally:
        long.restart_workers(DB_STATEMENT_TIMEOUT_MS=5000)


def test_a_database_that_stops(long, tmp_path):
    with begun(long, tmp_path, "-H", f"Accept: {CSV}") as (curl, file, worker):
        os.kill(long.pid("mysql"), signal.SIGKILL)
        os.kill(worker, signal.SIGCONT)
        assert_broken(long, curl, file)
    long.close_database()
    long.stack("database", "start")


@pytest.mark.unsanitized  # AddressSanitizer keeps freed memory on purpose
def test_a_reader_that_does_not_read(long):
    """Straight at a worker: nginx would take it all."""
    worker = Worker(long.dir, long.environment()).start()
    try:
        assert worker.ask(LONG + "&limit=20").status == 200
        memory_kb = worker.status("VmHWM")
        with fastcgi.connect(worker.path, 40) as connection:
            connection.sendall(fastcgi.request(LONG, HTTP_ACCEPT=NDJSON))
            wait_until(lambda: b"before the end" in worker.log_path.read_bytes(), 20)
            data = fastcgi.read_all(connection)
        assert data.count(b"\n") < LONG_COUNT and fastcgi.record(fastcgi.END_REQUEST)[:4] not in data[-200:]
        assert worker.ask(LONG, HTTP_ACCEPT=NDJSON).is_ended
        assert worker.ask(LONG, HTTP_ACCEPT=CSV, HTTP_ACCEPT_ENCODING="gzip").is_ended
        assert worker.status("VmHWM") < memory_kb + 2048
    finally:
        worker.close()


@pytest.mark.unsanitized
def test_a_record_of_very_many_lines(long):
    """18 MB of lines, of which the worker holds a part at a time."""
    amounts = {f"dimension {n}": n for n in range(300)}
    long.insert("wide", meta_info=json.dumps({"a": "\"" * 20000}), records=json.dumps(amounts))
    long.insert("wide", records='{"a":1}')
    worker = Worker(long.dir, long.environment()).start()
    try:
        target = "/org/wide/usageRecordGroup?endDate=2024-08-12"
        assert worker.ask(target).status == 200
        memory_kb = worker.status("VmHWM")
        for headers in ({}, {"HTTP_ACCEPT_ENCODING": "gzip"}):
            answer = worker.ask(target, HTTP_ACCEPT=CSV, **headers)
            assert answer.is_ended
        assert worker.status("VmHWM") < memory_kb + 2048
        lines = list(csv.DictReader(io.StringIO(gzip.decompress(answer.body).decode(), newline="")))
        assert {line["dimension"]: int(line["quantity"]) for line in lines if len(line["metaInfo"]) > 2} == amounts and len(lines) == 301
    finally:
        worker.close()
