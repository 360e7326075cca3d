"""Searches have a pool of their own: which requests are searches, that they reach it and no
other request does, and what its absence does to whom."""

import contextlib
import json
import os
import signal

import pytest

import fastcgi
from service import service_with_tables, stopped, wait_until

LIST = "/org/o/usageRecordGroup"
LOCATION = {"USAGE_RECORD_API_SEARCH": "@elsewhere"}
SEARCHES = ['metaInfo={"a":1}', "metaInfo=%7B%22a%22:1%7D", "metaInf%6f=%7b%22a%22:1}", "offset=10000", "offset=2147483647",
            'metaInfo={"a":1}&cursor=', "%6Fffset=10000"]
PAGES = ["", "metaInfo={}", "offset=9999", "limit=1000", "source=ORB&status=REPORTED&partner=AWS"]
FAULTS = ["metaInfo={", "offset=2147483648", 'metaInfo={"a":1}&limit=0', 'metaInfo={"a":1}&metaInfo={"a":1}']


@pytest.fixture(scope="module")
def pools():
    with service_with_tables(workers=1, search_workers=1, LOG_LEVEL="debug") as service:
        service.serve(AUTH="0")
        service.insert("o", meta_info='{"a": 1}')
        yield service


def ask_worker(service, query, socket="fastcgi.sock", **more):
    return fastcgi.ask(service.dir / socket, f"{LIST}?startDate=2024-08-01&endDate=2024-08-31&{query}", **more)


def ask(service, query, **more):
    return service.ask(f"{LIST}?startDate=2024-08-01&endDate=2024-08-31&{query}", **more)


@pytest.mark.parametrize("query", SEARCHES)
def test_a_search_is_passed_on(pools, query):
    answer = ask_worker(pools, query, **LOCATION)
    assert answer.headers == {"Status": "200 OK", "X-Accel-Redirect": "@elsewhere"} and answer.body == b""


@pytest.mark.parametrize("query", PAGES + FAULTS)
def test_nothing_else_is_passed_on(pools, query):
    answer = ask_worker(pools, query, **LOCATION)
    assert "X-Accel-Redirect" not in answer.headers and answer.status == (400 if query in FAULTS else 200)


@pytest.mark.parametrize("query", SEARCHES + PAGES)
def test_a_worker_that_knows_no_other_pool_does_all(pools, query):
    answer = ask_worker(pools, query)
    assert answer.status == 200 and b"usageRecordGroups" in answer.body


def test_a_search_through_nginx_is_answered_once(pools):
    answer = ask(pools, 'metaInfo={"a":1}', X_Request_Id="a-search")
    assert answer.status == 200 and len(answer.json()["usageRecordGroups"]) == 1
    assert answer.header("X-Request-Id") == "a-search" and answer.header("Cache-Control") == "private, no-store"
    assert answer.header("X-Accel-Redirect") is None and answer.header("Content-Type") == "application/json"
    first, second = [line for line in pools.log_of("a-search") if "work" in line]
    assert [first["event"], first["work"]] == ["passed on", "search"]
    assert [second["event"], second["work"], second["rows"]] == ["request", "search", 1]


def amounts(size):
    """A document of about so many bytes; MySQL takes names of up to 65535."""
    return json.dumps({f"{at} {'x' * min(size - at, 50_000)}": 1 for at in range(0, size, 50_000)})


@pytest.mark.parametrize("limit, status", [(1, 200), (4, 400)])
def test_a_page_that_turns_out_long_is_a_search(pools, limit, status):
    """Its records are too long for a page; that is seen before anything was sent."""
    if not pools.sql("SELECT 1 FROM usage_record_group WHERE organization_id = 'fat'"):
        for number in range(4):
            pools.insert("fat", id=f"{number}", records=amounts(6_000_000))
    answer = pools.ask(f"/org/fat/usageRecordGroup?endDate=2024-08-12&limit={limit}", X_Request_Id=f"fat-{limit}")
    assert answer.status == status and (status == 400 or len(answer.body) > 6_000_000)
    lines = [line for line in pools.log_of(f"fat-{limit}") if "work" in line]
    assert [(line["event"], line["work"]) for line in lines] == [("passed on", "search"), ("request", "search")]


def test_a_page_through_nginx_is_answered_at_once(pools):
    assert ask(pools, "limit=1", X_Request_Id="a-page").status == 200
    line, = [line for line in pools.log_of("a-page") if "work" in line]
    assert [line["event"], line["work"]] == ["request", "page"]


def test_head(pools):
    answer = ask(pools, 'metaInfo={"a":1}', method="HEAD")
    assert answer.status == 200 and int(answer.header("Content-Length")) > 300


def test_no_client_chooses_the_way(pools):
    """Whoever names the header or the parameter himself is not heard, nor is its echo in an answer."""
    for name in ("X_Accel_Redirect", "USAGE_RECORD_API_SEARCH", "Usage_Record_Api_Search"):
        answer = ask(pools, "", **{name: "@usage_record_api_search", "X_Request_Id": f"own-{name}"})
        assert answer.status == 200 and len(answer.json()["usageRecordGroups"]) == 1
        assert [line["work"] for line in pools.log_of(f"own-{name}") if "work" in line] == ["page"]
    assert pools.ask("/_usage_record_api_search").status == pools.ask("/@usage_record_api_search").status == 404


def test_searches_are_counted(pools):
    def count(name):
        text = fastcgi.ask(pools.dir / "fastcgi.sock", "/metrics", USAGE_RECORD_API_ROLE="local").body.decode()
        return int(text.split(f"\nusage_record_api_{name} ", 1)[1].split("\n", 1)[0])
    names = ("searches_total", 'requests_total{role="call",status="200"}', 'request_duration_seconds_count{work="search"}',
             'request_duration_seconds_count{work="page"}')
    before = [count(name) for name in names]
    for query in ('metaInfo={"a":1}', "offset=10000", "limit=1"):
        assert ask(pools, query).status == 200
    assert [count(name) - was for name, was in zip(names, before)] == [2, 3, 2, 1]
    assert count("requests_in_flight") == 1


def test_no_page_waits_for_a_search(pools):
    with stopped(pools.worker_pids("search")[0]), pools.connect() as connection:
        connection.sendall(f"GET {LIST}?metaInfo=%7B%22a%22:1%7D HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        for _ in range(5):
            assert ask(pools, "").status == 200
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError), contextlib.suppress(BlockingIOError):
            connection.recv(1)


def test_without_its_pool_a_search_fails_alone(pools):
    os.kill(pools.pid("search"), signal.SIGTERM)
    wait_until(lambda: ask(pools, 'metaInfo={"a":1}').status == 502)
    answer = ask(pools, 'metaInfo={"a":1}', X_Request_Id="nobody")
    assert json.loads(answer.body) == "no worker answered, request id nobody"
    assert answer.header("X-Request-Id") == "nobody" and answer.header("Content-Type") == "application/json"
    assert ask(pools, "").status == 200
    pools.stack("workers", "start")
    assert ask(pools, 'metaInfo={"a":1}').status == 200


def test_a_search_wants_the_key_that_a_page_wants(pools):
    pools.stack("nginx", "stop")
    pools.stack("nginx", "start", AUTH="1")
    try:
        assert ask(pools, 'metaInfo={"a":1}').status == ask(pools, "").status == 401
    finally:
        pools.stack("nginx", "stop")
        pools.stack("nginx", "start", AUTH="0")


def test_a_site_with_one_pool(pools):
    pools.search_workers = 0
    for part in ("nginx", "workers"):
        pools.stack(part, "stop")
    for part in ("workers", "nginx"):
        pools.stack(part, "start")
    try:
        for query in ('metaInfo={"a":1}', "offset=10000", ""):
            assert ask(pools, query).status == 200
    finally:
        pools.search_workers = 1


def walk(service, target):
    """Follows the Links from an empty cursor on: the ids by page."""
    pages = []
    while target is not None:
        answer = service.ask(target)
        assert answer.status == 200, answer.body
        page = answer.json()
        pages.append([record["id"] for record in page["usageRecordGroups"]])
        assert (answer.next_path() is not None) >= (page["nextOffset"] != "0")
        assert page["nextOffset"] == str(sum(map(len, pages)) if answer.next_path() else 0)
        target = answer.next_path()
    return pages


@pytest.fixture(scope="module")
def many():
    """A list that takes longer to be searched than a search may take."""
    with service_with_tables(SEARCH_TIMEOUT_MS=10, PAGE_BYTES=65536) as service:
        service.load_sample(40000, "--organizations", "1")
        service.serve()
        yield service


def list_of(service):
    organization, first, last = service.sql("SELECT organization_id, DATE(MIN(creation_time)), DATE(MAX(creation_time)) "
                                            "FROM usage_record_group GROUP BY 1 ORDER BY COUNT(*) DESC LIMIT 1")[0]
    return organization, f"/org/{organization}/usageRecordGroup?startDate={first}&endDate={last}"


def test_a_search_over_its_time_is_refused(many):
    answer = many.ask(list_of(many)[1] + "&metaInfo=%7B%22nowhere%22:%22to%20be%20found%22%7D")
    assert answer.status == 400 and answer.json().startswith("the search takes too long: give fewer days")


@pytest.mark.parametrize("meta_info, found", [("%7B%22nowhere%22:1%7D", False), ("%7B%22source%22:%22ORB%22%7D", True)])
def test_a_search_by_cursor_comes_to_its_end(many, meta_info, found):
    """In steps, each bounded, and finds all."""
    organization, target = list_of(many)
    pages = walk(many, f"{target}&limit=100&metaInfo={meta_info}&cursor=")
    expected = [row[0] for row in many.sql(
        "SELECT id FROM usage_record_group WHERE organization_id = %s AND source = 'ORB' "
        "ORDER BY creation_time DESC, serial_id DESC", [organization])] if found else []
    assert sum(pages, []) == expected and (expected or not found)
    assert len(pages) > 1 and all(len(page) <= 100 for page in pages)


def insert_long(service, organization, count, size):
    return [service.insert(organization, id=f"{number}", records=amounts(size),
                           creation_time=f"2024-08-12 01:02:15.{999 - number:03}") for number in range(count)]


@pytest.fixture
def patient(many):
    """The same with time enough on a busy machine."""
    many.restart_workers(SEARCH_TIMEOUT_MS=15000)
    yield many
    many.restart_workers(SEARCH_TIMEOUT_MS=10)


@pytest.mark.parametrize("more", ["", "&metaInfo=%7B%22a%22:1%7D"])
def test_a_page_over_its_bytes(patient, more):
    """Three records of 30 KB do not fit one page of 64 KB, and each of 100 KB is a page of its own."""
    organization = f"long{len(more)}"
    ids = insert_long(patient, organization, 5, 30000) + insert_long(patient, organization + "er", 3, 100000)
    patient.sql("UPDATE usage_record_group SET meta_info = '{\"a\": 1}' WHERE organization_id LIKE 'long%'")
    target = f"/org/{organization}/usageRecordGroup?endDate=2024-08-12{more}"
    longer = target.replace(organization, organization + "er")
    answer = patient.ask(target)
    assert answer.status == 400 and answer.json().startswith("limit must be lower")
    assert patient.ask(target + "&limit=2").status == 200
    assert patient.ask(longer + "&limit=2").status == 400 and patient.ask(longer + "&limit=1").status == 200
    assert walk(patient, target + "&cursor=") == [ids[0:2], ids[2:4], ids[4:5]]
    assert walk(patient, longer + "&cursor=") == [[id] for id in ids[5:]]


def test_a_document_that_costs_too_much(patient):
    """Objects in long arrays have to be held against each other; nobody waits for that."""
    document = json.dumps({"a": [{"b": number} for number in range(50000)] + [{"c": 1}, {"d": 1}]})
    patient.insert("costly", meta_info=document)
    wanted = json.dumps({"a": [{"b": number, "c": 1} for number in range(200)]}, separators=(",", ":"))
    answer = patient.ask(f"/org/costly/usageRecordGroup?endDate=2024-08-12&metaInfo={wanted}")
    assert answer.status == 200 and not answer.json()["usageRecordGroups"]  # the first one is in none
    wanted = json.dumps({"a": [{"b": 49999 - number} for number in range(300)] + [{"c": 1, "d": 1}]}, separators=(",", ":"))
    answer = patient.ask(f"/org/costly/usageRecordGroup?endDate=2024-08-12&metaInfo={wanted}")
    assert answer.status == 400 and answer.json().startswith("metaInfo must be simpler")
