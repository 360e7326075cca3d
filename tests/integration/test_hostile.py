"""Requests that nobody should send: each gets its 400, as a JSON string, and nothing else
happens."""

import json
import urllib.parse

import pytest

PARAMETERS = ["partner", "buyerId", "entitlementId", "productId", "status", "source", "metaInfo", "startDate",
              "endDate", "limit", "offset", "cursor"]
IDENTIFIERS = ["buyerId", "entitlementId", "productId"]  # where nearly every text is a value

SQL = ["' OR '1'='1", "'; DROP TABLE usage_record_group; --", '" OR ""="', "1 OR 1=1", "1; SELECT SLEEP(5)",
       "\\' OR 1=1 -- ", "%' OR '%'='", "0x27204f5220313d31", "1 UNION SELECT * FROM mysql.user", "`", "/**/OR/**/1",
       "ｱ' OR 1=1", "\u02bc OR 1=1"]


def assert_refused(answer, status=400):
    assert answer.status == status, (answer.status, answer.body[:200])
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("X-Request-Id") is not None
    message = json.loads(answer.body)
    assert isinstance(message, str) and 0 < len(message) <= 1024
    return message


def record_count(service):
    return service.sql("SELECT COUNT(*) FROM usage_record_group")[0][0]


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_sql_in_every_parameter(service, sample, parameter):
    before = record_count(service)
    for text in SQL:
        query = urllib.parse.urlencode({parameter: text})
        answer = service.ask(f"/org/{sample['organizations'][0]}/usageRecordGroup?{query}&{sample['window']}"
                             if "Date" not in parameter else
                             f"/org/{sample['organizations'][0]}/usageRecordGroup?{query}")
        if parameter in IDENTIFIERS:
            assert answer.status == 200
            assert answer.json() == {"nextOffset": "0", "usageRecordGroups": []}
        else:
            assert assert_refused(answer).startswith(parameter)
    assert record_count(service) == before


def test_sql_in_the_path(service):
    before = record_count(service)
    for text in SQL:
        answer = service.ask(f"/org/{urllib.parse.quote(text, safe='')}/usageRecordGroup")
        assert answer.status == 200
        assert answer.json()["usageRecordGroups"] == []
    assert record_count(service) == before


@pytest.mark.parametrize("parameter", PARAMETERS + ["unknown"])
@pytest.mark.parametrize("value", ["%00", "a%00b", "%0A", "%0d%0aSet-Cookie:x", "%1b[31m", "%7f", "%c2%85", "%", "%4",
                                   "%zz", "%u0041", "%c0%af", "%c1%81", "%e0%80%af", "%f0%80%80%af", "%ed%a0%80",
                                   "%f4%90%80%80", "%ff", "%80", "%e2%82", "\udcff", "\udcc0\udcaf"])
def test_bad_bytes_in_every_parameter(service, parameter, value):
    data = (f"GET /org/o/usageRecordGroup?{parameter}={value} HTTP/1.1\r\nHost: t\r\n"
            "Connection: close\r\n\r\n").encode("utf-8", "surrogateescape")
    assert_refused(service.send(data))


@pytest.mark.parametrize("value", ["%00", "%0A", "%zz", "%", "%c0%af", "%ed%a0%80", "%ff", "a%00b", "%7F", "%c2%80"])
def test_bad_bytes_in_the_path_and_in_names(service, value):
    assert_refused(service.ask(f"/org/{value}/usageRecordGroup"))
    assert_refused(service.ask(f"/org/o/usageRecordGroup?{value}=1"))


@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("size", [256, 257, 4097, 8192, 20000])
def test_long_values(service, parameter, size):
    message = assert_refused(service.ask(f"/org/o/usageRecordGroup?{parameter}={'x' * size}"))
    assert message.startswith(parameter)
    message = assert_refused(service.ask(f"/org/o/usageRecordGroup?{parameter}={'%C3%A9' * min(size, 8000)}"))
    assert message.startswith(parameter)


def test_long_names_and_paths(service):
    assert_refused(service.ask(f"/org/o/usageRecordGroup?{'x' * 8192}=1"))
    assert_refused(service.ask(f"/org/{'x' * 8192}/usageRecordGroup"))
    assert_refused(service.ask(f"/org/{'x' * 256}/usageRecordGroup"))
    assert_refused(service.ask(f"/org/o/usageRecordGroup?limit={'9' * 70000}"), 414)


def test_ten_thousand_parameters(service):
    assert_refused(service.ask("/org/o/usageRecordGroup?" + "a=1&" * 10000))
    assert_refused(service.ask("/org/o/usageRecordGroup?" + "limit=1&" * 8000))
    assert_refused(service.ask("/org/o/usageRecordGroup?" + "=&" * 10000))
    assert service.ask("/org/nobody/usageRecordGroup?" + "&" * 10000).status == 200


@pytest.mark.parametrize("text", ['{"a":' * 17 + "1" + "}" * 17, "[" * 2000, '{"a":' + "[" * 2000, "{" * 4096,
                                  '{"a":"' + "\\" * 4000, '{"a":1e999999}', '{"a":' + "9" * 4000 + "}",
                                  '{"a":NaN}', "{'a':1}", '{"a":1}{"a":1}', '{"a":1,"a":2}', '{"__proto__":',
                                  '{"\\u0000":1}', '{"a":"\\ud800"}x'])
def test_deep_and_broken_json(service, text):
    query = urllib.parse.urlencode({"metaInfo": text})
    assert assert_refused(service.ask(f"/org/o/usageRecordGroup?{query}")).startswith("metaInfo")


@pytest.mark.parametrize("path", [
    "/org/../usageRecordGroup", "/org/./usageRecordGroup", "/org//usageRecordGroup", "//org/o/usageRecordGroup",
    "/org/o//usageRecordGroup", "/org/o/usageRecordGroup/", "/org/o/usageRecordGroup/.", "/org/o/./usageRecordGroup",
    "/org/o/../o/usageRecordGroup", "/org/%2e%2e/usageRecordGroup", "/org/%2E/usageRecordGroup",
    "/org/o/../../etc/passwd", "/org/..", "/org/../org/o/usageRecordGroup", "/./org/o/usageRecordGroup",
    "/x/../org/o/usageRecordGroup", "/org/o/usageRecordGroup/../../../../etc/passwd", "/org/../../x",
    "/org/.%2e/usageRecordGroup", "/org/o%00/usageRecordGroup", "/org/", "/%zz", "/org/%zz/usageRecordGroup"])
def test_paths_that_are_refused(service, path):
    assert_refused(service.ask(path))


@pytest.mark.parametrize("path", ["/docs/", "/x", "/org", "/org/o", "/org/o/usageRecordGroups", "/org/o/usagerecordgroup",
                                  "/ORG/o/usageRecordGroup", "/org/o/usageRecordGroup/x", "/org%2Fo/usageRecordGroup",
                                  "/org/o%2FusageRecordGroup", "/favicon.ico", "/org/o/usageRecordGroup;v=1"])
def test_paths_that_do_not_exist(service, path):
    assert_refused(service.ask(path), 404)


@pytest.mark.parametrize("organization, segment", [
    ("a/b", "a%2Fb"), ("a/b", "a%2fb"), ("..a", "..a"), ("...", "..."), ("a;b=c", "a;b=c"), ("a+b", "a+b"),
    ("a+b", "a%2Bb"), ("a b", "a%20b"), ("a\\b", "a%5Cb"), ("a?b", "a%3Fb"), ("a#b", "a%23b"), ("%2F", "%252F"),
    ("../b", "..%2Fb"), ("a:b@c", "a:b@c"), ("~a", "~a")])
def test_odd_organizations_are_reached_and_no_others(service, insert, organization, segment):
    insert(organization)
    groups = service.ask(f"/org/{segment}/usageRecordGroup?endDate=2024-08-12").json()["usageRecordGroups"]
    assert [group["organizationID"] for group in groups] == [organization]


def test_a_fragment_does_not_hide_a_filter(service):
    """Clients keep fragments to themselves; where one comes all the same, what follows it
    must not be dropped in silence."""
    assert_refused(service.ask("/org/o/usageRecordGroup?status=REPORTED#&partner=x"))
    assert_refused(service.ask("/org/o/usageRecordGroup?limit=1#"))


@pytest.mark.parametrize("data", [
    b"GET /org/o/usageRecordGroup?limit=1 HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX: " + b"y" * 100000 + b"\r\n\r\n",
    b"GET /org/o/usageRecordGroup HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /org/o/usageRecordGroup HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    b"GET /org/o/usage RecordGroup HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
    b"GET /org/o/\x01 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    b"GET org HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"])
def test_malformed_http(service, data):
    assert_refused(service.send(data))


def test_a_large_body_is_refused_and_a_small_one_ignored(service):
    target = "/org/nobody/usageRecordGroup"
    assert_refused(service.ask(target, Content_Length="100000"), 413)
    data = f"GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello".encode()
    assert service.send(data).status == 200
