"""The calls beside the list: one record, the lists of an entitlement and of a product; and how
answers lead on from wherever the service is reached."""

import json
import subprocess
import urllib.parse

import pytest

from service import children, free_port, service_with_tables, wait_until
from test_openapi import validate

WINDOW = "endDate=2024-08-12"


def quote(text):
    return urllib.parse.quote(text, safe="")


def ids(answer):
    assert answer.status == 200, answer.body
    return [record["id"] for record in answer.json()["usageRecordGroups"]]


@pytest.mark.parametrize("identifier", ["5a3e", "a/b", "a b+c", "é", "x" * 64, "%2F"])
def test_one_record_is_the_one_of_the_list(service, insert, identifier):
    insert("singles", id=identifier, meta_info='{"a":0.10000000000000000555}', records='{"n":1.50}')
    insert("others", id=identifier)
    answer = service.ask(f"/org/singles/usageRecordGroup/{quote(identifier)}", X_Request_Id="one")
    listed = service.ask(f"/org/singles/usageRecordGroup?{WINDOW}").json()["usageRecordGroups"]
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    assert answer.json() == next(record for record in listed if record["id"] == identifier)
    assert answer.header("Link") is None and int(answer.header("Content-Length")) == len(answer.body)
    line, = [line for line in service.log_of("one")[-1:]]
    assert [line["call"], line["work"], line["rows"], line["organization"]] == ["record", "page", 1, "singles"]
    head = service.ask(f"/org/singles/usageRecordGroup/{quote(identifier)}", method="HEAD")
    assert head.status == 200 and int(head.header("Content-Length")) == len(answer.body)


@pytest.mark.parametrize("identifier", ["nobody", "5A3E", "5a3e%20", "%C3%A9%CC%81"])
def test_no_record_is_a_404(service, insert, identifier):
    insert("few", id="5a3e")
    for organization in ("few", "nobody"):
        answer = service.ask(f"/org/{organization}/usageRecordGroup/{identifier}")
        assert answer.status == 404 and answer.header("Content-Type") == "application/json"
        assert json.loads(answer.body) == "this organization has no usage record group of that id"
        assert answer.header("X-Request-Id")


@pytest.mark.parametrize("target, fault", [
    ("/org/o/usageRecordGroup/a?limit=1", '"limit" is not a parameter of this request'),
    ("/org/o/usageRecordGroup/%ff", 'usageRecordGroupId must be UTF-8, not "%ff"'),
    ("/org/o/usageRecordGroup/", 'the path must not have an empty, "." or ".." segment'),
    ("/org/o/entitlement/e/usageRecordGroup?entitlementId=e", "entitlementId must be given once, not 2 times"),
    ("/org/o/entitlement/e/usageRecordGroup?partner=AWS",
     "only one of partner, buyerId, entitlementId and productId may be given"),
    ("/org/o/product/p/usageRecordGroup?buyerId=b",
     "only one of partner, buyerId, entitlementId and productId may be given"),
    ("/org/o/product/p/usageRecordGroup?limit=0&status=x&foo=1",
     'status must be CREATED, DELETED, INVALID, REPORTED, REPORT_PENDING or REPORT_FAILED, not "x"'),
])
def test_faults(service, target, fault):
    answer = service.ask(target)
    assert answer.status == 400 and json.loads(answer.body) == fault


@pytest.mark.parametrize("call, parameter, column", [("entitlement", "entitlementId", "entitlement_id"),
                                                     ("product", "productId", "product_id")])
def test_a_path_is_the_filter(service, sample, call, parameter, column):
    organization = sample["organizations"][0]
    value = service.sql(f"SELECT {column} FROM usage_record_group WHERE organization_id = %s AND {column} IS NOT NULL "
                        f"GROUP BY 1 ORDER BY COUNT(*) DESC LIMIT 1", [organization])[0][0]
    for query in ("", "&limit=2", "&status=REPORTED&source=API", "&limit=2&offset=1", "&metaInfo=%7B%22SkipValidation%22:false%7D"):
        path = service.ask(f"/org/{organization}/{call}/{quote(value)}/usageRecordGroup?{sample['window']}{query}")
        plain = service.ask(f"/org/{organization}/usageRecordGroup?{parameter}={quote(value)}&{sample['window']}{query}")
        assert path.status == 200 and path.body == plain.body
        assert (path.next_path() is None) == (plain.next_path() is None)
    walked, target = [], f"/org/{organization}/{call}/{quote(value)}/usageRecordGroup?{sample['window']}&limit=3"
    while target is not None:
        answer = service.ask(target)
        walked, target = walked + ids(answer), answer.next_path()
    whole = service.ask(f"/org/{organization}/usageRecordGroup?{parameter}={quote(value)}&{sample['window']}")
    assert walked == ids(whole) and walked
    assert service.ask(f"/org/{organization}/{call}/nobody/usageRecordGroup").body == b'{"nextOffset":0,"usageRecordGroups":[]}'


def test_a_killed_query_is_no_404(service, insert):
    """What is not found is asked for twice; a statement of one record reads one row of one index."""
    insert("once", id="there")
    service.ask("/org/once/usageRecordGroup/there")
    before = reads_by_key(service)
    assert service.ask("/org/once/usageRecordGroup/there").status == 200
    middle = reads_by_key(service)
    assert service.ask("/org/once/usageRecordGroup/gone").status == 404
    assert [middle - before, reads_by_key(service) - middle] == [1, 2]


def reads_by_key(service):
    return int(dict(service.sql("SHOW GLOBAL STATUS LIKE 'Handler_read_key'"))["Handler_read_key"])


def test_answers_are_in_keeping_with_the_document(service, sample):
    organization = sample["organizations"][0]
    record = service.ask(f"/org/{organization}/usageRecordGroup?limit=1&{sample['window']}").json()["usageRecordGroups"][0]
    answers = [service.ask(f"/org/{organization}/usageRecordGroup/{record['id']}")]
    assert validate(answers, "/org/{orgId}/usageRecordGroup/{usageRecordGroupId}") == ""
    answers = [service.ask(f"/org/{organization}/usageRecordGroup/{target}") for target in ("nobody", "%ff")]
    assert {answer.status for answer in answers} == {400, 404}
    assert validate(answers, "/org/{orgId}/usageRecordGroup/{usageRecordGroupId}") == ""
    for name, value in (("entitlement", record["entitlementID"] or "e"), ("product", "p")):
        answers = [service.ask(f"/org/{organization}/{name}/{value}/usageRecordGroup?{sample['window']}")]
        assert validate(answers, f"/org/{{orgId}}/{name}/{{{name}Id}}/usageRecordGroup") == ""


# -- Link

@pytest.mark.parametrize("meta_info", ['{"customer":"%s"}' % ("x" * 4000), '{"customer":"%s"}' % ("é" * 2040),
                                       '{%s}' % ",".join(f'"k{number}":"v"' for number in range(220))],
                         ids=["ascii", "other", "members"])
def test_a_link_is_no_longer_than_it_has_to_be(service, organization, meta_info):
    for _ in range(2):
        service.insert(organization, meta_info=meta_info)
    spaced = json.dumps(json.loads(meta_info), ensure_ascii=False, separators=(" , ", " : "))
    spelled = quote(spaced if len(spaced.encode()) <= 4096 else meta_info)
    answer = service.ask(f"/org/{organization}/usageRecordGroup?{WINDOW}&limit=1&cursor=&metaInfo={spelled}")
    assert answer.status == 200, answer.body
    shortest = urllib.parse.quote_plus(meta_info, safe="-._~!$'()*,;:@/?=")
    assert len(answer.header("Link")) <= len(shortest) + 120
    assert len(ids(service.ask(answer.next_path()))) == 1


@pytest.fixture(scope="module")
def site():
    """A service whose site has a prefix in front, a base URL or other origins."""
    with service_with_tables() as service:
        service.stack("workers", "start")
        for _ in range(3):
            service.insert("o")
            service.insert("a/b")
        yield service


def start_nginx(site, *changes, auth="0"):
    site.stack("nginx", "stop")
    site.stack("nginx", "start", AUTH=auth)
    text = (site.dir / "site.conf").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (site.dir / "site.conf").write_text(text)
    wait_until(lambda: children(site.pid("nginx")))
    site.reload_nginx()


def test_a_walk_survives_a_prefix(site):
    """As curl does: the reference is resolved against the address that was asked."""
    start_nginx(site)
    port = free_port()
    folders = "".join(f"{name}_temp_path {site.dir}/front;" for name in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
    (site.dir / "front.conf").write_text(f"""
        pid {site.dir}/front.pid; error_log {site.dir}/front.log; events {{}} daemon on;
        http {{ access_log off; {folders} map $request_uri $target {{ "~^/billing(/.*)$" $1; }}
            server {{ listen 127.0.0.1:{port};
                      location /billing/ {{ proxy_pass http://127.0.0.1:{site.port}$target; }} }} }}""")
    subprocess.run(["nginx", "-e", f"{site.dir}/front.log", "-c", f"{site.dir}/front.conf"], check=True)
    try:
        url, count = f"http://127.0.0.1:{port}/billing/org/a%2Fb/usageRecordGroup?{WINDOW}&limit=1", 0
        while url is not None:
            run = subprocess.run(["curl", "-fsS", "-D", "-", "-o", "/dev/null", url], check=True, text=True, stdout=subprocess.PIPE)
            links = [line[len("Link: <"):].split(">")[0] for line in run.stdout.splitlines() if line.startswith("Link: ")]
            url, count = urllib.parse.urljoin(url, links[0]) if links else None, count + 1
        assert count == 3
    finally:
        subprocess.run(["nginx", "-e", f"{site.dir}/front.log", "-c", f"{site.dir}/front.conf", "-s", "stop"], check=True)


def test_a_site_may_name_its_base_url(site):
    start_nginx(site, ("# fastcgi_param USAGE_RECORD_API_BASE_URL https://api.example.com;",
                       "fastcgi_param USAGE_RECORD_API_BASE_URL https://api.example.com/billing/;"))
    for query in ("", "&metaInfo=%7B%7D", "&cursor="):
        link = site.ask(f"/org/%6F/usageRecordGroup?{WINDOW}&limit=1{query}").header("Link")
        assert link.startswith(f"<https://api.example.com/billing/org/%6F/usageRecordGroup?{WINDOW}&limit=1&cursor="), link


# -- other origins

ORIGIN = "https://console.example.com"
ALLOW = ('# "https://console.example.com" $http_origin;', '"https://console.example.com" $http_origin;')


def test_no_other_origin_is_let_in_by_default(site):
    start_nginx(site)
    for method, status in (("GET", 200), ("OPTIONS", 405)):
        answer = site.ask(f"/org/o/usageRecordGroup?{WINDOW}", method=method, Origin=ORIGIN)
        assert answer.status == status
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "Origin" not in answer.headers.get("vary", [])


def test_an_origin_that_the_site_names_is_let_in(site):
    start_nginx(site, ALLOW, auth="1")
    preflight = site.ask("/org/o/usageRecordGroup", method="OPTIONS", Origin=ORIGIN,
                         Access_Control_Request_Method="GET", Access_Control_Request_Headers="authorization")
    assert preflight.status == 204 and preflight.header("Access-Control-Allow-Origin") == ORIGIN
    assert preflight.header("Access-Control-Allow-Methods") == "GET, HEAD"
    assert "Authorization" in preflight.header("Access-Control-Allow-Headers")
    refused = site.ask(f"/org/o/usageRecordGroup?{WINDOW}", Origin=ORIGIN)
    assert refused.status == 401 and refused.header("Access-Control-Allow-Origin") == ORIGIN
    start_nginx(site, ALLOW)
    for query, status in (("", 200), ("&metaInfo=%7B%22a%22:1%7D", 200), ("&limit=x", 400)):
        answer = site.ask(f"/org/o/usageRecordGroup?{WINDOW}{query}", Origin=ORIGIN)
        assert answer.status == status and answer.header("Access-Control-Allow-Origin") == ORIGIN
        assert "Link" in answer.header("Access-Control-Expose-Headers") and "Origin" in answer.headers["vary"]
    for other in ("https://evil.example.com", ORIGIN + ".evil.example.com", "null"):
        answer = site.ask(f"/org/o/usageRecordGroup?{WINDOW}", Origin=other)
        assert answer.status == 200 and answer.header("Access-Control-Allow-Origin") is None
        assert site.ask("/org/o/usageRecordGroup", method="OPTIONS", Origin=other).status == 405
