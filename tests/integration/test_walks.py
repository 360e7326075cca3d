"""Walks through whole lists: by nextOffset and by cursor, for every combination of
filters, against what one SQL query gives."""

import itertools
import json
import urllib.parse

import pytest

from service import Digits

COLUMNS = {"partner": "partner", "buyerId": "buyer_id", "entitlementId": "entitlement_id",
           "productId": "product_id", "status": "status", "source": "source"}


def records_of_database(service, organization, filters, first, last):
    """The list as one SQL query gives it, written by other means than the worker's."""
    condition = "".join(f" AND {COLUMNS[name]} = %s" for name in filters)
    rows = service.sql(
        "SELECT COALESCE(buyer_id, ''), DATE_FORMAT(creation_time, '%%Y-%%m-%%dT%%H:%%i:%%s.%%f'),"
        " COALESCE(entitlement_id, ''), id, DATE_FORMAT(last_update_time, '%%Y-%%m-%%dT%%H:%%i:%%s.%%f'),"
        " COALESCE(meta_info, '{}'), organization_id, partner, COALESCE(records, '{}'), serial_id,"
        " status, COALESCE(usage_record_report_id, '') FROM usage_record_group"
        f" WHERE organization_id = %s{condition} AND DATE(creation_time) BETWEEN %s AND %s"
        " ORDER BY creation_time DESC, serial_id DESC",
        [organization, *filters.values(), first, last])

    def parse(text):
        return json.loads(text, parse_float=Digits, parse_int=Digits)

    return [{"buyerID": row[0], "creationTime": row[1][:-3] + "Z", "entitlementID": row[2],
             "id": row[3], "lastUpdateTime": row[4][:-3] + "Z", "metaInfo": parse(row[5]),
             "organizationID": row[6], "partner": row[7], "records": parse(row[8]),
             "serialID": str(row[9]), "status": row[10], "usageRecordReportID": row[11]}
            for row in rows]


def walk_by_offset(service, organization, query, limit):
    """The loop of a client that only knows nextOffset."""
    records, offset = [], 0
    while True:
        answer = service.ask(f"/org/{organization}/usageRecordGroup?{query}&limit={limit}&offset={offset}")
        assert answer.status == 200, answer.body
        page = answer.json()
        assert len(page["usageRecordGroups"]) <= limit
        assert (answer.next_path() is None) == (page["nextOffset"] == "0")
        records += page["usageRecordGroups"]
        if page["nextOffset"] == "0":
            return records
        assert len(page["usageRecordGroups"]) == limit
        offset = int(page["nextOffset"])
        assert offset == len(records)


def walk_by_cursor(service, organization, query, limit, between_pages=lambda: None):
    """The loop of a client that follows Link headers."""
    records, target = [], f"/org/{organization}/usageRecordGroup?{query}&limit={limit}"
    while target is not None:
        answer = service.ask(target)
        assert answer.status == 200, answer.body
        page = answer.json()
        records += page["usageRecordGroups"]
        target = answer.next_path()
        assert int(page["nextOffset"]) == (len(records) if target else 0)
        between_pages()
    return records


def all_filters(service, organization):
    """Every combination of filters, each with a common value of this organization."""
    def common(column):
        return service.sql(f"SELECT {column} FROM usage_record_group WHERE organization_id = %s AND "
                           f"{column} IS NOT NULL GROUP BY {column} ORDER BY COUNT(*) DESC LIMIT 1",
                           [organization])[0][0]
    exclusive = [{}] + [{name: common(COLUMNS[name])}
                        for name in ("partner", "buyerId", "entitlementId", "productId")]
    statuses = [{}, {"status": "REPORTED"}]
    sources = [{}, {"source": "API"}, {"source": ""}]
    for parts in itertools.product(exclusive, statuses, sources):
        yield {name: value for part in parts for name, value in part.items()}


def test_walks_of_every_combination_of_filters(service, sample):
    organization = sample["organizations"][2]
    first, last = sample["window"].replace("startDate=", "").replace("endDate=", "").split("&")
    seen = 0
    for filters in all_filters(service, organization):
        expected = records_of_database(service, organization, filters, first, last)
        query = f"{urllib.parse.urlencode(filters)}&{sample['window']}"
        limit = max(1, len(expected) // 7)
        assert walk_by_offset(service, organization, query, limit) == expected, filters
        assert walk_by_cursor(service, organization, query, limit) == expected, filters
        seen += len(expected) > 0
    assert seen >= 25  # the sample is rich enough to mean something


@pytest.mark.parametrize("index", [0, 1, 3, 5, 8, 11])
def test_walks_of_whole_organizations(service, sample, index):
    organization = sample["organizations"][index]
    first, last = sample["window"].replace("startDate=", "").replace("endDate=", "").split("&")
    expected = records_of_database(service, organization, {}, first, last)
    assert walk_by_offset(service, organization, sample["window"], 1000) == expected
    assert walk_by_cursor(service, organization, sample["window"], 1000) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7, 11, 12, 13])
def test_ties_across_page_borders(service, organization, limit):
    if not service.sql("SELECT 1 FROM usage_record_group WHERE organization_id = 'ties' LIMIT 1"):
        for number in range(12):  # three instants, four records each
            service.insert("ties", serial_id=3_000_000 + number,
                           creation_time=f"2024-05-01 00:00:00.00{number // 4}")
    expected = [str(3_000_000 + number) for number in reversed(range(12))]
    for walk in (walk_by_offset, walk_by_cursor):
        records = walk(service, "ties", "endDate=2024-05-01", limit)
        assert [record["serialID"] for record in records] == expected


def test_records_inserted_during_a_cursor_walk_repeat_and_hide_nothing(service, organization):
    def insert(count, time):
        for _ in range(count):
            service.insert(organization, creation_time=time)

    insert(30, "2024-05-01 00:00:00.000")
    insert(30, "2024-05-02 00:00:00.000")
    before = [record["id"] for record in walk_by_cursor(service, organization, "endDate=2024-05-03", 1000)]

    def between_pages():
        insert(3, "2024-05-03 00:00:00.000")  # newer than all
        insert(2, "2024-05-02 00:00:00.000")  # a tie with half of them, by serial id newer
    walked = [record["id"] for record in
              walk_by_cursor(service, organization, "endDate=2024-05-03", 7, between_pages)]
    assert [identifier for identifier in walked if identifier in set(before)] == before
    assert len(walked) == len(set(walked))


def test_records_inserted_before_the_cursor_are_seen(service, organization):
    for number in range(10):
        service.insert(organization, creation_time=f"2024-05-01 00:00:0{number}.000")
    page = service.ask(f"/org/{organization}/usageRecordGroup?endDate=2024-05-01&limit=5")
    late = service.insert(organization, creation_time="2024-05-01 00:00:03.500")
    rest = service.ask(page.next_path()).json()["usageRecordGroups"]
    assert late in [record["id"] for record in rest]


def test_a_cursor_goes_with_every_other_limit(service, sample):
    organization = sample["organizations"][1]
    all_records = walk_by_cursor(service, organization, sample["window"], 1000)
    answer = service.ask(f"/org/{organization}/usageRecordGroup?{sample['window']}&limit=10")
    target, records = answer.next_path(), answer.json()["usageRecordGroups"]
    for limit in (1, 7, 100, 33):
        answer = service.ask(target.replace("limit=10&", f"limit={limit}&"))
        records += answer.json()["usageRecordGroups"]
        target = answer.next_path().replace(f"limit={limit}&", "limit=10&")
    assert records == all_records[:len(records)] and len(records) == 151


@pytest.mark.parametrize("offset", [0, 1, 98, 99, 100, 101, 999, 1000, 2999, 5998, 5999, 6000, 6001,
                                    2147483647])
def test_offsets_shallow_and_deep(service, sample, offset):
    """The worker finds deep places another way than shallow ones."""
    organization = sample["organizations"][0]
    total = len(walk_by_cursor(service, organization, sample["window"], 1000))
    assert total == 6000
    expected = service.sql("SELECT serial_id FROM usage_record_group WHERE organization_id = %s "
                           "ORDER BY creation_time DESC, serial_id DESC LIMIT 7 OFFSET %s",
                           [organization, offset])
    answer = service.ask(f"/org/{organization}/usageRecordGroup?{sample['window']}&limit=7&offset={offset}")
    page = answer.json()
    assert [int(record["serialID"]) for record in page["usageRecordGroups"]] == [row[0] for row in expected]
    assert int(page["nextOffset"]) == (offset + 7 if offset + 7 < total else 0)


@pytest.mark.parametrize("limit, offset, count, next_offset", [
    (10, 0, 10, 0), (9, 0, 9, 9), (11, 0, 10, 0), (5, 5, 5, 0), (4, 5, 4, 9), (1, 9, 1, 0), (1, 10, 0, 0)])
def test_next_offset_at_the_end(service, limit, offset, count, next_offset):
    if not service.sql("SELECT 1 FROM usage_record_group WHERE organization_id = 'ten' LIMIT 1"):
        for _ in range(10):
            service.insert("ten")
    answer = service.ask(f"/org/ten/usageRecordGroup?endDate=2024-08-12&limit={limit}&offset={offset}")
    page = answer.json()
    assert len(page["usageRecordGroups"]) == count
    assert page["nextOffset"] == str(next_offset)
    assert (answer.header("Link") is not None) == (next_offset != 0)
