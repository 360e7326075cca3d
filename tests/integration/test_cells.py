"""Organizations divided among cells: who answers for whom, and what is a cell's alone."""

import contextlib
import http.client
import os
import socket
import urllib.parse

import pytest

import fastcgi
from cells import Cells
from loader import counts, lines, load, record
from service import stopped

LIST = "usageRecordGroup?startDate=2024-08-01&endDate=2024-08-31"
CELL_OF = {"acme": "b", "Acme": "default", "a/b": "b", "a": "default", "é": "b", "100%": "b", "x+y z": "b", "plain": "default"}


@pytest.fixture(scope="module")
def cells():
    cells = Cells()
    try:
        # Each organization has a record in both cells: only the right one may be shown.
        for organization in CELL_OF:
            for name in cells.cells:
                cells[name].insert(organization, id=f"in-{name}")
        cells.write("".join(f"{urllib.parse.quote(organization, safe='+')} {cell}\n"
                            for organization, cell in CELL_OF.items() if cell != "default"))
        yield cells
    finally:
        cells.remove()


def spellings(organization):
    """Ways to write a segment that all mean the same."""
    plain = urllib.parse.quote(organization, safe="+")
    escaped = "".join(f"%{byte:02X}" for byte in organization.encode())
    first, rest = organization[0], urllib.parse.quote(organization[1:], safe="+")
    return {plain, escaped, escaped.lower(), "".join(f"%{byte:02x}" for byte in first.encode()) + rest}


@pytest.mark.parametrize("organization", CELL_OF)
def test_each_spelling_leads_to_the_cell(cells, organization):
    for segment in spellings(organization):
        for path in (f"/org/{segment}/{LIST}", f"/%6frg/{segment}/{LIST}", f"/org/{segment}/{LIST}&metaInfo={{}}",
                     f"/org/{segment}/{LIST}&offset=10000", f"/org/{segment}/usageRecordGroup/in-{CELL_OF[organization]}"):
            answer = cells.ask(path)
            assert answer.status == 200, (path, answer.body)
            assert "offset" in path or f"in-{CELL_OF[organization]}".encode() in answer.body, (path, answer.body)
        other = {"b": "default", "default": "b"}[CELL_OF[organization]]
        assert cells.ask(f"/org/{segment}/usageRecordGroup/in-{other}").status == 404


def test_a_whole_list_comes_from_the_cell(cells):
    for organization, name in (("acme", "b"), ("plain", "default")):
        for media in ("text/csv", "application/x-ndjson"):
            answer = cells.ask(f"/org/{organization}/{LIST}", Accept=media)
            assert answer.status == 200 and f"in-{name}".encode() in answer.body and answer.header("Content-Type").startswith(media)


@pytest.mark.parametrize("path", ["/org/x/../acme/", "/org//acme/", "/org/acme/./", "/org/%2e%2e/org/acme/", "/org/plain/..%2F..%2Facme/"])
def test_no_detour_leads_to_another_cell(cells, path):
    answer = cells.ask(f"{path}{LIST}")
    assert answer.status in (400, 404) and b"in-" not in answer.body


def test_no_client_names_a_cell(cells):
    for target in ("/_usage_record_api_cell/b", "/_usage_record_api_cell_search/b", "/_usage_record_api_cell_authorizer/b"):
        assert cells.ask(target).status == 404
    answer = cells.ask(f"/org/plain/{LIST}", X_Accel_Redirect="/_usage_record_api_cell/b", USAGE_RECORD_API_CELLS="/x/")
    assert b"in-default" in answer.body and answer.header("X-Accel-Redirect") is None


def test_a_worker_answers_for_its_own_cell_alone(cells):
    """Whatever the web server believes: a pool behind the wrong name shows nothing."""
    for socket in ("fastcgi.sock", "search.sock"):
        for role in ({}, {"USAGE_RECORD_API_ROLE": "authorizer"}):
            lost = fastcgi.ask(cells["b"].dir / socket, f"/org/plain/{LIST}", **role)
            assert lost.status == 500 and b"in-" not in lost.body
            sent = fastcgi.ask(cells["b"].dir / socket, f"/org/plain/{LIST}", USAGE_RECORD_API_CELLS="/way/", **role)
            assert (sent.headers, sent.body) == ({"Status": "200 OK", "X-Accel-Redirect": "/way/default"}, b"")


def test_a_pool_without_the_file_answers_no_site_with_cells(cells, service):
    answer = fastcgi.ask(service.dir / "fastcgi.sock", f"/org/plain/{LIST}", USAGE_RECORD_API_CELLS="/way/")
    assert answer.status == 500


def test_faults_are_said_as_ever(cells):
    for target, status in ((f"/org/acme/{LIST}&limit=x", 400), ("/org/acme/none", 404), ("/org/%ff/usageRecordGroup", 400),
                           ("/org/acme/usageRecordGroup/none", 404), ("/org/" + "x" * 2000 + "/usageRecordGroup", 400)):
        answer = cells.ask(target)
        assert answer.status == status and answer.header("Content-Type") == "application/json", target
    assert cells.ask(f"/org/acme/{LIST}", method="POST").status == 405


def test_the_gate_asks_no_database(cells):
    local = cells.gate.dir / "local.sock"
    for path, status in (("/readyz", 200), ("/cell/b/readyz", 200), ("/cell/default/readyz", 200), ("/cell/none/readyz", 503),
                         ("/cell/b/metrics", 200), ("/cell/b/org", 404)):
        assert ask_local(local, path) == status, path


def ask_local(path, target):
    """The status that the part of the site for monitoring gives."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("GET", target)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_dead_cell_touches_no_other(cells):
    pid = cells["b"].pid("mysql")
    workers = cells["b"].worker_pids("workers") + cells["b"].worker_pids("search")
    with contextlib.ExitStack() as standing:
        for each in (pid, *workers):
            standing.enter_context(stopped(each))
            assert cells.ask(f"/org/plain/{LIST}").status == 200
            assert cells.ask(f"/org/plain/{LIST}&offset=10000").status == 200
    assert b"in-b" in cells.ask(f"/org/acme/{LIST}").body


def test_a_new_file_counts_at_once_and_a_bad_one_never(cells):
    old = cells.file.read_text()
    try:
        cells.write(old.replace("acme b\n", "") + "plain b\n")
        assert b"in-default" in cells.ask(f"/org/acme/{LIST}").body
        assert b"in-b" in cells.ask(f"/org/plain/{LIST}").body
        cells.write("plain\n")
        assert b"in-b" in cells.ask(f"/org/plain/{LIST}").body
        assert any("a line must be" in line.get("message", str(line)) for line in cells.gate.log())
    finally:
        cells.write(old)
    assert b"in-default" in cells.ask(f"/org/plain/{LIST}").body


def test_the_loader_stores_in_its_own_cell_alone(cells):
    data = lines([record("acme", 1), record("plain", 2), record("acme", 3)])
    result = load(cells["b"], "--rejects", os.devnull, data=data, CELLS_FILE=cells.file, CELL="b")
    assert counts(result) == (2, 0, 0, 1)
    assert result.stderr == "standard input:2: its organization lives in cell default\n"
    assert load(cells["b"], data=data, CELLS_FILE=cells.file).returncode == 2
    cells["b"].sql("DELETE FROM usage_record_group WHERE id LIKE 'id-%%'")


@pytest.fixture(scope="module")
def locked_cells():
    cells = Cells(AUTH="1")
    try:
        cells.write("acme b\n")
        for name in cells.cells:
            cells[name].insert("acme", id=f"in-{name}")
            cells[name].insert("plain", id=f"in-{name}")
        yield cells
    finally:
        cells.remove()


def test_keys_live_with_the_cell(locked_cells):
    cells = locked_cells
    keys = {organization: cells.run("usage-record-api-key", "create", organization).stdout.strip() for organization in ("acme", "plain")}
    for organization, name in (("acme", "b"), ("plain", "default")):
        assert cells[name].sql("SELECT organization_id FROM api_key") == ((organization,),)
    for organization, name in (("acme", "b"), ("plain", "default")):
        for owner, key in keys.items():
            for segment in (organization, f"%{ord(organization[0]):02x}{organization[1:]}"):
                answer = cells.ask(f"/org/{segment}/{LIST}", Authorization=f"Key {key}")
                assert answer.status == (200 if owner == organization else 401)
                assert (f"in-{name}".encode() in answer.body) == (owner == organization)
        assert cells.ask(f"/org/{organization}/{LIST}").status == 401
        assert cells.ask(f"/org/{organization}/{LIST}&offset=10000", Authorization=f"Key {keys[organization]}").status == 200
    assert cells.ask("/org/%ff/usageRecordGroup", Authorization=f"Key {keys['plain']}").status == 403
    listed = cells.run("usage-record-api-key", "list").stdout
    assert listed.count("acme\t") == listed.count("plain\t") == 1
    cells.run("usage-record-api-key", "revoke", "acme", keys["acme"][-4:])
    assert cells["b"].sql("SELECT COUNT(*) FROM api_key WHERE revocation_time IS NOT NULL") == ((1,),)


def test_a_dead_cell_is_a_502_for_its_own_organizations_alone(locked_cells):
    cells = locked_cells
    key = cells.run("usage-record-api-key", "create", "plain").stdout.strip()
    cells["b"].stack("workers", "stop")
    try:
        assert cells.ask(f"/org/acme/{LIST}", Authorization=f"Key {key}").status == 502
        assert cells.ask(f"/org/plain/{LIST}", Authorization=f"Key {key}").status == 200
    finally:
        cells["b"].stack("workers", "start")
