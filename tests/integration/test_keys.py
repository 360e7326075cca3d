"""Who may read: API keys bound to an organization, asked for by nginx through the worker
as an authorizer."""

import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest

import fastcgi
import service as service_module
from service import ROOT, wait_until
from test_openapi import validate


@pytest.fixture(scope="module")
def secured():
    """A service as in production: with keys, which workers remember for a second."""
    with service_module.service_with_tables(KEY_MEMORY_S=1) as service:
        service.serve(AUTH="1")
        for organization in ("acme", "other", "a/b", "é", "Acme", "acme "):
            service.insert(organization, id=f"of {organization}")
        yield service


def key_command(service, *arguments, check=True):
    return subprocess.run([ROOT / "sql/usage-record-api-key", *arguments, "--", "--no-defaults", "--user=root",
                           f"--socket={service.dir}/mysql.sock"], check=check, timeout=30, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def create(service, organization, *options):
    return key_command(service, "create", organization, *options).stdout.strip()


@pytest.fixture(scope="module")
def acme_key(secured):
    return create(secured, "acme")


def ask(service, path, key=None, scheme="Key", **headers):
    if key is not None:
        headers["Authorization"] = f"{scheme} {key}"
    return service.ask(path, **headers)


def listing(organization):
    return f"/org/{urllib.parse.quote(organization, safe='')}/usageRecordGroup?endDate=2024-08-12"


def assert_refused(answer, status):
    assert answer.status == status, answer.body
    assert answer.header("Content-Type") == "application/json"
    assert isinstance(json.loads(answer.body), str)
    assert answer.header("X-Request-Id")
    if status == 401:
        assert answer.header("WWW-Authenticate").startswith("Key ")


def test_a_key_opens_its_own_organization(secured, acme_key):
    answer = ask(secured, listing("acme"), acme_key)
    assert answer.status == 200
    assert [record["id"] for record in answer.json()["usageRecordGroups"]] == ["of acme"]
    assert ask(secured, listing("acme"), acme_key, scheme="key").status == 200
    assert ask(secured, listing("acme"), acme_key, scheme="Bearer").status == 200
    assert secured.ask(listing("acme"), method="HEAD", Authorization=f"Key {acme_key}").status == 200


@pytest.mark.parametrize("organization", ["other", "Acme", "acme ", "é", "a/b", "nobody"])
def test_a_key_does_not_open_another_organization(secured, acme_key, organization):
    assert_refused(ask(secured, listing(organization), acme_key), 403)


@pytest.mark.parametrize("organization", ["a/b", "é", "acme "])
def test_odd_organizations_have_keys_too(secured, organization):
    key = create(secured, organization)
    answer = ask(secured, listing(organization), key)
    assert [record["id"] for record in answer.json()["usageRecordGroups"]] == [f"of {organization}"]
    assert_refused(ask(secured, listing("acme"), key), 403)


def test_without_a_good_key(secured, acme_key):
    wrong = [None, "", "x", acme_key[:-1], acme_key + "x", acme_key.swapcase(), "' OR 1=1 --", "%00", "x" * 5000]
    for key in wrong:
        assert_refused(ask(secured, listing("acme"), key), 401)
    for scheme in ("Bearers", "Basic", "", "Keys"):
        assert_refused(ask(secured, listing("acme"), acme_key, scheme=scheme), 401)
    assert_refused(secured.ask(listing("acme"), Authorization=acme_key), 401)
    assert_refused(secured.ask(listing("acme") + f"&key={create(secured, 'acme')}"), 401)
    twice = (f"GET {listing('acme')} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Key {acme_key}\r\n"
             f"Authorization: Key {acme_key}\r\n\r\n").encode()
    assert secured.send(twice).status in (400, 401)


def foreign_spellings():
    """Two hundred ways to write another organization's path."""
    spellings = set()
    segments = {"org": ["org", "%6Frg", "o%72g", "%6f%72%67", "Org", "ORG", "org%20", "org;x", "org%00"],
                "other": ["other", "%6Fther", "o%74her", "%6f%74%68%65%72", "other%20", "Other", "./other", "x/../other",
                          "acme/../other", "other/.", "acme%2F..%2Fother", "..%2Fother", "acme/%2e%2e/other",
                          "acme/..%2Fother", "/other", "other;a=b", "acme;/../other", "acme%00/../other", "other%2F"],
                "usageRecordGroup": ["usageRecordGroup", "usageRecord%47roup", "usagerecordgroup", "usageRecordGroup/",
                                     "usageRecordGroup/.", "usageRecordGroup;x", "x/../usageRecordGroup"]}
    for first in segments["org"]:
        for second in segments["other"]:
            spellings.add(f"/{first}/{second}/usageRecordGroup")
    for second in segments["other"]:
        for third in segments["usageRecordGroup"]:
            spellings.add(f"/org/{second}/{third}")
    spellings.update({"//org/other/usageRecordGroup", "/./org/other/usageRecordGroup", "/acme/../org/other/usageRecordGroup",
                      "/org/acme/usageRecordGroup/../../other/usageRecordGroup", "http://test/org/other/usageRecordGroup",
                      "/org/acme/../../org/other/usageRecordGroup", "/org/other/usageRecordGroup#/org/acme/usageRecordGroup",
                      "/org/acme/usageRecordGroup%3F/../../other/usageRecordGroup", "/org/acme%3Fx/../other/usageRecordGroup"})
    return sorted(spellings)


def test_two_hundred_spellings_of_a_foreign_path(secured, acme_key):
    spellings = foreign_spellings()
    assert len(spellings) >= 200
    for spelling in spellings:
        for query in ("?endDate=2024-08-12", "?endDate=2024-08-12&orgId=acme"):
            answer = ask(secured, spelling + query, acme_key)
            assert answer.status in (400, 401, 403, 404), (spelling, answer.status, answer.body[:200])
            assert b"of other" not in answer.body and b"usageRecordGroups" not in answer.body
    # What the foreign path is spelled as cleanly as it can be is forbidden, not unknown.
    for spelling in ("/org/other/usageRecordGroup", "/%6Frg/%6Fther/usageRecord%47roup", "/org/Other/usageRecordGroup",
                     "/org/x/../other/usageRecordGroup", "/org//other/usageRecordGroup", "/org/acme%2F..%2Fother/usageRecordGroup"):
        assert_refused(ask(secured, spelling, acme_key), 403)


def test_a_path_with_a_slash_too_many_is_no_fault_of_the_key(secured, acme_key):
    for target in ("/org/acme/usageRecordGroup/", "/org/acme//usageRecordGroup", "/org/acme/usageRecordGroup/?limit=1", "/org/acme/"):
        assert_refused(ask(secured, target, acme_key), 400)
        assert_refused(ask(secured, target, None), 401)
        assert_refused(ask(secured, target.replace("acme", "other"), acme_key), 403)


def test_a_client_cannot_choose_a_role(secured, acme_key):
    answer = ask(secured, "/_usage_record_api_authorizer", acme_key)
    assert_refused(answer, 404)
    answer = secured.ask(listing("other"), Authorization=f"Key {acme_key}", USAGE_RECORD_API_ROLE="local",
                         X_Original_URI=listing("acme"), X_Rewrite_URL=listing("acme"))
    assert_refused(answer, 403)


def test_several_live_keys_and_a_change_without_a_gap(secured):
    old, new = create(secured, "rotated"), create(secured, "rotated")
    assert old != new
    for key in (old, new):
        assert ask(secured, listing("rotated"), key).status == 200
    key_command(secured, "revoke", "rotated", old[-4:])
    wait_until(lambda: ask(secured, listing("rotated"), old).status == 401, 5)
    assert ask(secured, listing("rotated"), new).status == 200


def test_a_revoked_key_is_forgotten_in_time(secured):
    key = create(secured, "revoked")
    for _ in range(6):  # every worker knows it
        assert ask(secured, listing("revoked"), key).status == 200
    key_command(secured, "revoke", "revoked", key[-4:])
    time.sleep(1.1)
    for _ in range(6):
        assert_refused(ask(secured, listing("revoked"), key), 401)
    assert key_command(secured, "revoke", "revoked", key[-4:], check=False).returncode == 1


def test_an_expired_key(secured):
    assert ask(secured, listing("expiring"), create(secured, "expiring", "--expires", "2999-12-31")).status == 200
    assert_refused(ask(secured, listing("expiring"), create(secured, "expiring", "--expires", "2020-01-01")), 401)
    for bad in ("tomorrow", "2024-13-01", "2024-02-30", "", "2024-1-1"):
        assert key_command(secured, "create", "expiring", "--expires", bad, check=False).returncode != 0


def test_the_command_shows_a_secret_once(secured):
    result = key_command(secured, "create", "it's \"odd\"\\; DROP TABLE api_key")
    secret = result.stdout.strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)
    shown = key_command(secured, "list", "it's \"odd\"\\; DROP TABLE api_key").stdout
    assert secret[-4:] in shown and secret not in shown and "live" in shown
    assert len(key_command(secured, "list").stdout.splitlines()) > 3
    dump = repr(secured.sql("SELECT * FROM api_key"))
    assert secret not in dump
    assert key_command(secured, "create", "", check=False).returncode != 0
    for arguments in ([], ["nonsense"], ["revoke", "acme"], ["create"], ["create", "acme", "extra"]):
        assert subprocess.run([ROOT / "sql/usage-record-api-key", *arguments], stderr=subprocess.DEVNULL).returncode == 2


def test_the_http_context_does_not_open_the_site(secured, acme_key):
    config = secured.dir / "nginx.conf"
    text = config.read_text()
    more = "satisfy any; allow all; fastcgi_intercept_errors on;"
    try:
        config.write_text(text.replace("http {", "http { " + more))
        secured.reload_nginx()
        assert_refused(ask(secured, listing("acme")), 401)
        assert_refused(ask(secured, listing("other"), acme_key), 403)
        assert "limit must be" in ask(secured, listing("acme") + "&limit=x", acme_key).json()
    finally:
        config.write_text(text)
        secured.reload_nginx()


def test_secrets_are_in_no_log(secured, acme_key):
    ask(secured, listing("acme"), acme_key)
    ask(secured, listing("other"), acme_key)
    ask(secured, listing("other"), "wrong-secret-of-somebody")
    secured.stack("nginx", "stop")
    secured.stack("nginx", "start", AUTH="1")
    for path in list(secured.dir.glob("*.log")) + list(secured.dir.glob("nginx/**/*")):
        if path.is_file():
            text = path.read_bytes()
            assert acme_key.encode() not in text, path
            assert b"wrong-secret-of-somebody" not in text, path
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    assert acme_key.encode() not in file.read()
            except OSError:
                pass


def test_refusals_are_in_keeping_with_the_page(secured, acme_key):
    answers = [ask(secured, listing("acme")), ask(secured, listing("acme"), "x"), ask(secured, listing("other"), acme_key),
               ask(secured, "/nowhere", acme_key), secured.ask(listing("acme"), method="POST", Content_Length="0")]
    assert [answer.status for answer in answers] == [401, 401, 403, 404, 405]
    assert validate(answers) == ""


def test_refusals_are_logged(secured, acme_key):
    answer = ask(secured, listing("other"), acme_key, X_Request_Id="refused-1")
    assert_refused(answer, 403)
    line = secured.log_of("refused-1")[-1]
    assert line["role"] == "authorizer" and line["status"] == 403 and line["organization"] == "other"


def test_paths_without_data_behave_as_ever(secured, acme_key):
    assert_refused(ask(secured, "/nowhere", acme_key), 404)
    assert_refused(ask(secured, "/org/acme/other", acme_key), 404)
    assert_refused(ask(secured, listing("acme") + "&limit=x", acme_key), 400)
    assert_refused(secured.ask(listing("acme"), method="POST", Content_Length="0"), 405)


def test_a_peer_with_the_role_of_an_authorizer(secured, acme_key):
    """FastCGI's own way to say it, as other web servers do."""
    socket = secured.dir / "fastcgi.sock"
    for key, status in ((acme_key, 200), ("x", 401)):
        response = fastcgi.ask(socket, listing("acme"), role=fastcgi.AUTHORIZER, HTTP_AUTHORIZATION=f"Key {key}")
        assert response.status == status and b"of acme" not in response.body
    assert fastcgi.ask(socket, listing("other"), role=fastcgi.AUTHORIZER,
                       HTTP_AUTHORIZATION=f"Key {acme_key}").status == 403
    for role in ("authorizer ", "Authorizer", "x"):
        response = fastcgi.ask(socket, listing("acme"), USAGE_RECORD_API_ROLE=role)
        assert response.status == 500 and b"of acme" not in response.body


def test_no_key_is_good_while_the_database_is_away(secured, acme_key):
    time.sleep(1.1)  # no worker remembers it
    secured.close_database()
    secured.stack("database", "stop")
    try:
        answer = ask(secured, listing("acme"), acme_key)
        assert_refused(answer, 500)
        assert "request id" in json.loads(answer.body)
    finally:
        secured.stack("database", "start")
    wait_until(lambda: ask(secured, listing("acme"), acme_key).status == 200)
