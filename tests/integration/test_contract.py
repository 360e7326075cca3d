"""What every answer promises: form, headers, statuses, defaults and days."""

import datetime
import gzip
import json
import re
import urllib.parse

import pytest

KEYS = ["buyerID", "creationTime", "entitlementID", "id", "lastUpdateTime", "metaInfo",
        "organizationID", "partner", "records", "serialID", "status", "usageRecordReportID"]


def path(organization, query=""):
    return f"/org/{urllib.parse.quote(organization, safe='')}/usageRecordGroup?{query}"


def ids(answer):
    assert answer.status == 200, answer.body
    return [record["id"] for record in answer.json()["usageRecordGroups"]]


def assert_error(answer, status):
    assert answer.status == status, answer.body
    assert answer.header("Content-Type") == "application/json"
    message = json.loads(answer.body)
    assert isinstance(message, str) and message
    return message


def test_a_record_goes_out_as_it_is_stored(service, organization):
    meta_info = '{ "a": 0.10000000000000000555, "\\u00e9":"x\\/y", "big":123456789012345678901234567890 }'
    records = '{"quantity":12345678901234567890.123456789}'
    service.insert(organization, id="5a3e", buyer_id='b"\\/é', entitlement_id=None, product_id="p",
                   partner="GCP", status="REPORT_FAILED", meta_info=meta_info, records=records,
                   usage_record_report_id="r1", creation_time="2024-02-29 23:59:59.999",
                   last_update_time="2024-03-01 00:00:00.001")
    stored = service.sql("SELECT serial_id, meta_info, records FROM usage_record_group WHERE organization_id = %s",
                         [organization])[0]
    assert stored[1:] == (meta_info, records)
    serial_id = stored[0]
    answer = service.ask(path(organization, "startDate=2024-02-29&endDate=2024-02-29"))
    assert answer.status == 200
    assert answer.body.decode() == (
        '{"nextOffset":0,"usageRecordGroups":[{"buyerID":"b\\"\\\\/é",'
        '"creationTime":"2024-02-29T23:59:59.999Z","entitlementID":"","id":"5a3e",'
        f'"lastUpdateTime":"2024-03-01T00:00:00.001Z","metaInfo":{meta_info},'
        f'"organizationID":"{organization}","partner":"GCP","records":{records},'
        f'"serialID":{serial_id},"status":"REPORT_FAILED","usageRecordReportID":"r1"}}]}}')


def test_missing_values_go_out_as_empty_ones(service, organization):
    service.insert(organization, buyer_id=None, entitlement_id=None, product_id=None,
                   meta_info=None, records=None, usage_record_report_id=None)
    record = service.ask(path(organization, "endDate=2024-08-12")).json()["usageRecordGroups"][0]
    assert list(record) == KEYS
    assert record["buyerID"] == record["entitlementID"] == record["usageRecordReportID"] == ""
    assert record["metaInfo"] == record["records"] == {}


def test_long_documents_come_whole(service, organization):
    sizes = [10, 16 * 1024 - 20, 16 * 1024, 100_000, 20, 3_000_000, 30]
    for number, size in enumerate(sizes):
        service.insert(organization, serial_id=1_000_000 + number,
                       meta_info=json.dumps({"text": "é" * (size // 2)}, ensure_ascii=False),
                       records=json.dumps({"n": number}))
    for _ in range(2):
        groups = service.ask(path(organization, "endDate=2024-08-12")).json()["usageRecordGroups"]
        assert [len(group["metaInfo"]["text"]) for group in groups] == [s // 2 for s in reversed(sizes)]
        assert [int(group["records"]["n"]) for group in groups] == list(reversed(range(len(sizes))))


def test_an_unknown_organization_has_an_empty_list(service):
    answer = service.ask(path("nobody"))
    assert answer.status == 200
    assert answer.body == b'{"nextOffset":0,"usageRecordGroups":[]}'
    assert answer.header("Link") is None


def test_headers_of_a_page(service, sample):
    answer = service.ask(path(sample["organizations"][0], "limit=1"))
    assert answer.header("Content-Type") == "application/json"
    assert int(answer.header("Content-Length")) == len(answer.body)
    assert re.fullmatch(r"[0-9a-f]{32}", answer.header("X-Request-Id"))
    assert re.fullmatch(r"db;dur=\d+\.\d{3}, json;dur=\d+\.\d{3}", answer.header("Server-Timing"))
    assert answer.header("Cache-Control") == "private, no-store"


@pytest.mark.parametrize("target", ["/org/o/usageRecordGroup", "/org/o/usageRecordGroup?x=1",
                                    "/org/o/other", "/nowhere", "/org/../x"])
def test_every_answer_has_a_request_id(service, target):
    answer = service.ask(target, X_Request_Id="client-1.2_3")
    assert answer.header("X-Request-Id") == "client-1.2_3"
    assert answer.header("Cache-Control") == "private, no-store"
    assert answer.header("Server-Timing") is not None
    for bad in ("a b", "x" * 65, "ü", '"><script>'):
        fresh = service.ask(target, X_Request_Id=bad).header("X-Request-Id")
        assert re.fullmatch(r"[0-9a-f]{32}", fresh)
    assert fresh != service.ask(target).header("X-Request-Id")


def test_head_has_the_headers_of_get(service, sample):
    for query in ("limit=3", "limit=x", sample["window"]):
        get = service.ask(path(sample["organizations"][0], query))
        head = service.ask(path(sample["organizations"][0], query), method="HEAD")
        assert head.status == get.status
        assert head.body == b""
        for name in ("Content-Type", "Content-Length", "Link", "Cache-Control"):
            assert head.header(name) == get.header(name)


def test_newest_first_and_ties_by_serial_id(service, organization):
    times = ["2024-08-12 00:00:00.001", "2024-08-12 00:00:00.000", "2024-08-12 00:00:00.001",
             "2024-08-11 23:59:59.999", "2024-08-12 00:00:00.001"]
    for number, time in enumerate(times):
        service.insert(organization, id=str(number), serial_id=2_000_000 + number, creation_time=time)
    assert ids(service.ask(path(organization, "endDate=2024-08-12"))) == ["4", "2", "0", "1", "3"]


@pytest.mark.parametrize("day", ["2024-02-29", "2023-03-01", "2024-12-31", "1000-01-01", "9999-12-31"])
def test_days_include_all_their_milliseconds(service, organization, day):
    date = datetime.date.fromisoformat(day)
    inside = [f"{day} 00:00:00.000", f"{day} 12:00:00.500", f"{day} 23:59:59.999"]
    outside = []
    if date != datetime.date(1000, 1, 1):
        outside.append(f"{date - datetime.timedelta(1)} 23:59:59.999")
    if date != datetime.date.max:
        outside.append(f"{date + datetime.timedelta(1)} 00:00:00.000")
    for time in inside + outside:
        service.insert(organization, id=time, creation_time=time)
    answer = service.ask(path(organization, f"startDate={day}&endDate={day}"))
    assert ids(answer) == list(reversed(inside))


def test_default_days_are_the_last_thirty_and_today(service, organization):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    for age in (-1, 0, 1, 29, 30, 31):
        day = today - datetime.timedelta(age)
        service.insert(organization, id=f"{age} first", creation_time=f"{day} 00:00:00.000")
        service.insert(organization, id=f"{age} last", creation_time=f"{day} 23:59:59.999")
    expected = [f"{age} {which}" for age in (0, 1, 29, 30) for which in ("last", "first")]
    assert ids(service.ask(path(organization))) == expected
    assert ids(service.ask(path(organization, f"endDate={today}"))) == expected
    start = today - datetime.timedelta(31)
    assert ids(service.ask(path(organization, f"startDate={start}"))) == expected + ["31 last", "31 first"]
    end = today - datetime.timedelta(1)
    assert ids(service.ask(path(organization, f"endDate={end}")))[0] == "1 last"


def test_organizations_are_told_apart_byte_by_byte(service, insert):
    names = ["Acme", "acme", "ACME", "acme ", " acme", "acmé", "acme\u0301", "a/b", "a%2Fb", "a+b",
             "a b", "a;b", "á", "a\u0301", "株式会社", "🚀" * 255, "x" * 255, "'; DROP TABLE x; --", "%", "_"]
    for number, name in enumerate(names):
        insert(name, id=str(number), buyer_id=name)
    for number, name in enumerate(names):
        answer = service.ask(path(name, "endDate=2024-08-12"))
        assert ids(answer) == [str(number)], name
        assert answer.json()["usageRecordGroups"][0]["organizationID"] == name
        query = urllib.parse.urlencode({"buyerId": name, "endDate": "2024-08-12"})
        assert ids(service.ask(path(name, query))) == [str(number)], name
        assert ids(service.ask(path("Acme", query))) == (["0"] if name == "Acme" else [])


@pytest.mark.parametrize("column, parameter, values", [
    ("partner", "partner", ["AWS", "AZURE", "GCP"]),
    ("status", "status", ["CREATED", "DELETED", "INVALID", "REPORTED", "REPORT_PENDING",
                          "REPORT_FAILED"]),
    ("buyer_id", "buyerId", ["b", "B", "b ", "é", "NULL", "null", "0"]),
    ("entitlement_id", "entitlementId", ["e", "E", "e/1", "e+1", "e 1"]),
    ("product_id", "productId", ["p", "P", "p%", "p_", "p\\"]),
])
def test_a_filter_finds_its_value_and_no_other(service, organization, column, parameter, values):
    for value in values:
        service.insert(organization, id=f"is {value}", **{column: value})
    if column.endswith("_id"):
        service.insert(organization, id="is NULL in the table", **{column: None})
    for value in values:
        query = urllib.parse.urlencode({parameter: value, "endDate": "2024-08-12"})
        assert ids(service.ask(path(organization, query))) == [f"is {value}"]


def test_source_comes_from_meta_info(service, organization):
    sources = {
        '{"source":"API"}': "API", '{"source":"INTERNAL"}': "INTERNAL",
        '{"a":{"source":"ORB"},"source":"METRONOME"}': "METRONOME", '{"source":"ORB"}': "ORB",
        '{"source":"\\u0041PI"}': "API", '{"source":""}': "", '{}': "",
        '{"a":{"source":"API"}}': "", '{"Source":"API"}': "", None: "",
    }
    for meta_info in sources:
        service.insert(organization, id=str(meta_info), meta_info=meta_info)
    for source in ("API", "INTERNAL", "METRONOME", "ORB", ""):
        expected = {str(meta_info) for meta_info, its in sources.items() if its == source}
        for query in (f"source={source}&endDate=2024-08-12",) + (("source&endDate=2024-08-12",) if not source else ()):
            assert set(ids(service.ask(path(organization, query)))) == expected


def test_an_error_is_one_json_string(service):
    message = assert_error(service.ask(path("o", "limit=abc")), 400)
    assert message == 'limit must be an integer from 1 to 1000, not "abc"'
    message = assert_error(service.ask(path("o", 'limit="%5C')), 400)
    assert message == 'limit must be an integer from 1 to 1000, not ""\\"'


def test_a_server_fault_tells_the_request_id_and_nothing_else(own_service):
    own_service.sql("DROP TABLE usage_record_group")
    own_service.serve()
    answer = own_service.ask(path("o"), X_Request_Id="fault-1")
    assert assert_error(answer, 500) == "internal server error, request id fault-1"
    assert answer.header("Link") is None
    lines = own_service.log_of("fault-1")
    assert any("usage_record_group' doesn't exist" in line.get("message", "") for line in lines)
    assert lines[-1]["status"] == 500


def test_each_answer_without_a_database_has_its_reason_in_the_log(own_service):
    """Whatever the level, and though a worker asks for a connection only now and then."""
    own_service.settings["LOG_LEVEL"] = "error"
    own_service.close_database()
    own_service.stack("database", "stop")
    own_service.serve()
    for number in range(8):
        assert own_service.ask(path("o"), X_Request_Id=f"away-{number}").status == 500
        message, request = own_service.log_of(f"away-{number}")[-2:]
        assert "connect" in message["message"] and request["status"] == 500


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_other_methods_are_not_allowed(service, method):
    if method == "CONNECT":  # a malformed request to nginx
        assert service.ask("/org/o/usageRecordGroup", method=method).status in (400, 405)
        return
    answer = service.ask("/org/o/usageRecordGroup", method=method, Content_Length="0")
    assert_error(answer, 405)
    if method != "TRACE":
        assert answer.header("Allow") == "GET, HEAD"


def test_a_page_is_compressed_when_the_client_asks(service, sample):
    target = path(sample["organizations"][0], sample["window"])
    plain = service.ask(target)
    packed = service.ask(target, Accept_Encoding="gzip")
    assert packed.header("Content-Encoding") == "gzip"
    assert int(packed.header("Content-Length")) == len(packed.body) < len(plain.body) / 3
    assert gzip.decompress(packed.body) == plain.body
    head = service.ask(target, method="HEAD", Accept_Encoding="gzip")
    for name in ("Content-Encoding", "Content-Length", "Vary", "Link"):
        assert head.header(name) == packed.header(name)
    for answer in (plain, packed):
        assert answer.header("Vary") == "Accept, Accept-Encoding"
    assert plain.header("Content-Encoding") is None


@pytest.mark.parametrize("accepted, status, encoding", [
    ("gzip;q=0", 200, None), ("br, deflate", 200, None), ("*", 200, "gzip"), ("gzip;q=0.5, *;q=0", 200, "gzip"),
    ("identity, gzip;q=0.9", 200, None), ("identity;q=0", 406, None), ("br, *;q=0", 406, None)])
def test_the_encoding_is_what_the_client_accepts(service, sample, accepted, status, encoding):
    answer = service.ask(path(sample["organizations"][0], sample["window"]), Accept_Encoding=accepted)
    assert answer.status == status and answer.header("Content-Encoding") == encoding
    assert answer.header("Vary") == "Accept, Accept-Encoding"
    if status == 406:
        assert_error(answer, 406)
