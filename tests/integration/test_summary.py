"""Counts and sums by group, against Python's decimal over the same rows."""

import collections
import csv
import decimal
import io
import itertools
import json
import random
import urllib.parse

import pymysql
import pytest

import fastcgi
from service import Service
from test_openapi import validate
from worker import Worker

decimal.getcontext().prec = 2000
GROUPS = ["day", "month", "partner", "buyerId", "entitlementId", "productId", "status", "source", "dimension"]
COLUMNS = {"partner": 2, "buyerId": 3, "entitlementId": 4, "productId": 5, "status": 6, "source": 7}
PATH = "/org/{orgId}/usageRecordSummary"
ODD = ['{"a":1}', '{"a":0.1,"b":0.20000000000000000019}', '{"a":-0.10}', '{"a":1e3,"b":1E-7}', '{}', None, '{ "a" : 5 , "c" : 7 }',
       '{"a":12345678901234567890.123456789}', '{"b":99999999999999999999999999999999999999}', '{"a":1,"a":2}',
       '{"a":1e399}', '{"a":-1e-400}', '{"a":123456789e-300,"é":1}', '{"\\u00e9":2,"q\\"":3}', '{"a":0,"b":-0.0}', '{"a":0e999999}',
       '{"z":170141183460469231731687303715884105727}', '{"z":-170141183460469231731687303715884105728}', '{"z":1e-38}']
UNSUMMED = ['{"a":"12.5","b":1}', '{"a":null}', '{"a":{"b":1},"c":[1,2]}', '{"a":true}', '{"a":1e400}', '{"b":1e-401}', '{"a":1e999999999}',
            '{"a":1e-99999999999999999999}']


def number(text):
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:  # an exponent of 20 digits
        return decimal.Decimal("1e999")


def parse(text):
    """The amounts of a record: numbers that are summed, and how many others there are."""
    amounts = json.loads(text or "{}", parse_float=number, parse_int=number)
    sums = {}
    for name, value in amounts.items():
        is_number = isinstance(value, decimal.Decimal) and (not value or (
            value.adjusted() < 400 and value.normalize().as_tuple().exponent >= -400))
        sums[name] = value if is_number else None
    return sums


def expected(rows, groups):
    """The groups and the total, as {key: [count, sums, unsummed]}."""
    found = collections.defaultdict(lambda: [0, {}, 0])

    def add(key, amounts):
        found[key][0] += 1
        for name, value in amounts.items():
            if value is None:
                found[key][2] += 1
            else:
                found[key][1][name] = found[key][1].get(name, 0) + value
    for row in rows:
        amounts = parse(row[8])
        values = {"day": str(row[1])[:10], "month": str(row[1])[:7], **{name: row[at] or "" for name, at in COLUMNS.items()}}
        add(None, amounts)
        if "dimension" not in groups:
            add(tuple(values[group] for group in groups), amounts)
        for name in (amounts or {"": None}) if "dimension" in groups else ():
            key = tuple(name if group == "dimension" else values[group] for group in groups)
            add(key, {name: amounts[name]} if amounts else {})
    return found


def given(answer, groups):
    assert answer.status == 200, answer.body
    body = json.loads(answer.body, parse_float=decimal.Decimal)
    keys = [tuple(group[name] for name in groups) for group in body["groups"]]
    assert keys == sorted(keys, key=lambda key: [part.encode() for part in key])
    found = {key: [group["count"], group.get("amounts", {}), group.get("unsummed", 0)] for key, group in zip(keys, body["groups"])}
    assert len(found) == len(keys)
    found[None] = [body["count"], body.get("amounts", {}), body.get("unsummed", 0)]
    return found


def rows_of(service, organization, condition="", values=()):
    return service.sql("SELECT id, creation_time, partner, buyer_id, entitlement_id, product_id, status, source, records "
                       f"FROM usage_record_group WHERE organization_id = %s {condition}", [organization, *values])


@pytest.fixture(scope="module")
def odd(service):
    """An organization whose records have all sorts of amounts."""
    if not rows_of(service, "odd"):
        chance = random.Random(14)
        is_mariadb = service.is_mariadb()  # which lets in, if asked to, what its constraints refuse
        if is_mariadb:
            service.sql("SET SESSION check_constraint_checks = 0")
        for number, records in enumerate(ODD * 8 + UNSUMMED * 3):
            try:
                service.insert("odd", partner=chance.choice(["AWS", "AZURE", "GCP"]), records=records,
                               buyer_id=chance.choice(["b1", "B1", "b1 ", "é", "", None]), entitlement_id=chance.choice(["e1", None]),
                               product_id=chance.choice(["p1", "p2"]), status=chance.choice(["REPORTED", "CREATED", "DELETED"]),
                               meta_info=chance.choice(['{"source":"API"}', '{"source":"ORB","x":1}', "{}", None]),
                               creation_time=f"2024-0{chance.randint(1, 3)}-0{chance.randint(1, 4)} 0{number % 10}:00:00.{number:03}")
            except pymysql.Error:
                assert not is_mariadb, records
        if is_mariadb:
            service.sql("SET SESSION check_constraint_checks = 1")
    return "odd"


SINGLES = [[group] for group in GROUPS]
PAIRS = [list(pair) for pair in itertools.permutations(GROUPS, 2)][::5]
TRIPLES = [list(triple) for triple in itertools.permutations(GROUPS, 3)][::41]


@pytest.mark.parametrize("groups", SINGLES + PAIRS + TRIPLES, ids=",".join)
def test_sums_are_those_of_decimal(service, odd, groups):
    target = f"/org/odd/usageRecordSummary?startDate=2024-01-01&endDate=2024-12-31&groupBy={','.join(groups)}"
    wanted = expected(rows_of(service, odd), groups)
    answer = service.ask(target)
    assert given(answer, groups) == wanted
    counts = {key: [value[0], {}, 0] for key, value in wanted.items()}
    assert given(service.ask(target + "&amounts=false"), groups) == counts


FILTERS = {"": "", "partner=AWS": "AND partner = 'AWS'", "buyerId=b1": "AND buyer_id = 'b1'", "entitlementId=e1": "AND entitlement_id = 'e1'",
           "productId=p2&status=REPORTED": "AND product_id = 'p2' AND status = 'REPORTED'", "status=DELETED": "AND status = 'DELETED'",
           "source=": "AND source = ''", "source=ORB&partner=GCP": "AND source = 'ORB' AND partner = 'GCP'",
           "metaInfo=%7B%22x%22:1%7D": "AND source = 'ORB'", "startDate=2024-02-02&endDate=2024-03-01":
           "AND creation_time >= '2024-02-02' AND creation_time < '2024-03-02'", "buyerId=nobody": "AND 1 = 0"}


@pytest.mark.parametrize("query", FILTERS)
def test_filters_are_those_of_the_list(service, odd, query):
    days = "" if "Date" in query else "startDate=2024-01-01&endDate=2024-12-31&"
    for groups in (["day", "status"], ["dimension"], ["buyerId", "month"], ["productId"], ["partner", "source", "status"]):
        wanted = expected(rows_of(service, odd, FILTERS[query]), groups)
        wanted[None]  # there is a total even of nothing
        target = f"/org/odd/usageRecordSummary?{days}groupBy={','.join(groups)}&{query}"
        assert given(service.ask(target), groups) == wanted, groups
        counts = {key: [value[0], {}, 0] for key, value in wanted.items()}
        assert given(service.ask(target + "&amounts=false"), groups) == counts


def test_the_sample_by_default(service, sample):
    organization = sample["organizations"][0]
    answer = service.ask(f"/org/{organization}/usageRecordSummary?{sample['window']}", X_Request_Id="sum-1")
    assert given(answer, ["day", "status"]) == expected(rows_of(service, organization), ["day", "status"])
    line = service.log_of("sum-1")[-1]
    assert [line["call"], line["work"], line["rows"]] == ["summary", "search", sample["sizes"][0]]
    assert answer.header("Content-Type") == "application/json"
    head = service.ask(f"/org/{organization}/usageRecordSummary?{sample['window']}", method="HEAD")
    assert head.status == 200 and int(head.header("Content-Length")) == len(answer.body)
    assert validate([answer, service.ask(f"/org/{organization}/usageRecordSummary?amounts=false&{sample['window']}"),
                     service.ask("/org/nobody/usageRecordSummary"), service.ask("/org/o/usageRecordSummary?groupBy=x"),
                     service.ask("/org/o/usageRecordSummary", Accept="image/png")], PATH) == ""
    assert service.ask("/org/nobody/usageRecordSummary").body == b'{"groups":[],"count":0,"amounts":{},"unsummed":0}'


@pytest.mark.parametrize("groups", ["day,status", "dimension", "buyerId,dimension", "partner"])
@pytest.mark.parametrize("amounts", ["true", "false"])
def test_csv_has_the_same(service, odd, groups, amounts):
    target = f"/org/odd/usageRecordSummary?startDate=2024-01-01&endDate=2024-12-31&groupBy={groups}&amounts={amounts}"
    wanted = given(service.ask(target), groups.split(","))
    answer = service.ask(target, Accept="text/csv")
    assert answer.header("Content-Type") == "text/csv; charset=utf-8; header=present"
    assert answer.header("Content-Disposition") == 'attachment; filename="usage-summary_odd_2024-01-01_2024-12-31.csv"'
    found = collections.defaultdict(lambda: [0, {}, 0])
    for line in csv.DictReader(io.StringIO(answer.body.decode("utf-8"), newline="")):
        group = found[tuple(line[name] for name in groups.split(","))]
        group[0] += int(line["count"])
        group[2] += int(line.get("unsummed", 0))
        if line.get("quantity"):
            group[1][line["dimension"]] = decimal.Decimal(line["quantity"])
    del wanted[None]
    assert found == wanted
    answer = service.ask(target, Accept="application/x-ndjson")
    assert answer.header("Content-Disposition") == 'attachment; filename="usage-summary_odd_2024-01-01_2024-12-31.ndjson"'
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    answer = service.ask(target)
    assert lines == json.loads(answer.body)["groups"] and answer.header("Content-Disposition") is None


def test_what_cannot_be_given_is_a_406(service):
    answer = service.ask("/org/o/usageRecordSummary", Accept="text/html")
    assert answer.status == 406 and answer.header("Content-Type") == "application/json"
    assert json.loads(answer.body) == "Accept must allow application/json, application/x-ndjson or text/csv"


def test_too_many_groups(service):
    service.sql("INSERT INTO usage_record_group (id, organization_id, partner, buyer_id, status, records, creation_time, last_update_time) "
                "SELECT CONCAT('g', a.n * 100 + b.n), 'crowd', 'AWS', CONCAT('b', a.n * 100 + b.n), 'REPORTED', '{\"a\":1}', "
                "'2024-08-12', '2024-08-12' FROM "
                "(WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT n FROM c) a, "
                "(WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 99) SELECT n FROM c) b")
    for amounts in ("true", "false"):
        answer = service.ask(f"/org/crowd/usageRecordSummary?endDate=2024-08-12&groupBy=buyerId&amounts={amounts}")
        assert answer.status == 400 and json.loads(answer.body).startswith("groupBy gives more than 10000 groups")
    service.sql("DELETE FROM usage_record_group WHERE organization_id = 'crowd' AND buyer_id LIKE 'b100__'")
    for amounts in ("true", "false"):
        answer = service.ask(f"/org/crowd/usageRecordSummary?endDate=2024-08-12&groupBy=buyerId&amounts={amounts}")
        assert answer.status == 200 and len(json.loads(answer.body)["groups"]) == 10000


@pytest.mark.unsanitized  # AddressSanitizer keeps freed memory on purpose
def test_memory_is_bounded(service, tmp_path):
    """The groups are forgotten when they are sent."""
    worker = Worker(service.dir, service.environment()).start()
    try:
        target = "/org/crowd/usageRecordSummary?endDate=2024-08-12&groupBy=buyerId,day,dimension"
        sizes = []
        for _ in range(4):
            assert worker.ask(target).status == 200
            sizes.append(worker.status("VmRSS"))
        assert max(sizes) < 24 * 1024 and sizes[-1] - sizes[1] < 512, sizes
    finally:
        worker.close()
