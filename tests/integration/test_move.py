"""usage-record-api-move: an organization goes to another cell, whatever comes between."""

import os
import random
import signal
import subprocess
import time
import urllib.parse

import pytest

from cells import Cells
from loader import counts, lines, load, record
from service import ROOT

ORGANIZATION = "Ünited/Møbler 100%"
PATH = f"/org/{urllib.parse.quote(ORGANIZATION, safe='')}/usageRecordGroup?startDate=2024-08-01&endDate=2024-08-31"
TEXT = '{ "a" :\n[1.50, "\\u00e9 é 🚀 \\\\ \\""], "source" : "ORB"\t}'


@pytest.fixture(scope="module")
def cells():
    cells = Cells(AUTH="1")
    try:
        yield cells
    finally:
        cells.remove()


@pytest.fixture
def key(cells):
    """The organization lives in the default cell, with 600 records, some of them odd; a key of it."""
    for cell in cells.cells.values():
        cell.sql("DELETE FROM usage_record_group")
        cell.sql("DELETE FROM api_key")
    cells.write("# kept\nother b\n")
    home = cells["default"]
    records = [record(ORGANIZATION, n, buyerID=f"b|{n}", productID="é\\'\"") for n in range(597)]
    assert counts(load(home, data=lines(records))) == (597, 0, 0, 0)
    home.insert(ORGANIZATION, id="odd-1", meta_info=TEXT, records='{"x": 0.1000000000000000000001}')
    home.insert(ORGANIZATION, id="odd-2", meta_info=None, records=None, buyer_id=None)
    home.insert(ORGANIZATION, id="odd-3 é'\\", usage_record_report_id="r")
    home.insert("neighbour", id="stays")
    cells["b"].insert("other", id="stays")
    revoked = cells.run("usage-record-api-key", "create", ORGANIZATION).stdout.strip()
    cells.run("usage-record-api-key", "revoke", ORGANIZATION, revoked[-4:])
    return cells.run("usage-record-api-key", "create", ORGANIZATION).stdout.strip()


def move(cells, to):
    return cells.run("usage-record-api-move", "--wait", 0, ORGANIZATION, to)


def rows(cell, organization=ORGANIZATION):
    return cell.sql("SELECT * FROM usage_record_group WHERE organization_id = %s ORDER BY id", [organization])


def keys(cell):
    return cell.sql("SELECT * FROM api_key ORDER BY key_hash")


def pages(cells, key):
    """All answers of a walk, byte by byte."""
    bodies, path = [], PATH + "&limit=100"
    while path:
        answer = cells.ask(path, Authorization=f"Key {key}")
        assert answer.status == 200, answer.body
        bodies.append(answer.body)
        link = answer.next_path()
        path = urllib.parse.urljoin(PATH, link) if link else None
    return bodies


def assert_moved(cells, key, before, to):
    assert pages(cells, key) == before
    for name, cell in cells.cells.items():
        assert len(rows(cell)) == (600 if name == to else 0)
        assert len(keys(cell)) == (2 if name == to else 0)
    assert len(rows(cells["default"], "neighbour")) == len(rows(cells["b"], "other")) == 1


def test_there_and_back(cells, key):
    before, old_keys, old_rows = pages(cells, key), keys(cells["default"]), rows(cells["default"])
    said = move(cells, "b").stdout
    assert "Cells default and b hold the same: 600 records, digest " in said
    assert cells.file.read_text() == "# kept\nother b\n%C3%9Cnited%2FM%C3%B8bler%20100%25 b\n"
    assert_moved(cells, key, before, "b")
    assert keys(cells["b"]) == old_keys
    if cells["b"].is_mariadb():  # as text; NULL became {}, which the API shows alike
        assert [row for row in rows(cells["b"]) if row[1] != "odd-2"] and len(rows(cells["b"])) == len(old_rows)
    assert move(cells, "b").stdout == "", "a second time there is nothing to do"
    move(cells, "default")
    assert cells.file.read_text() == "# kept\nother b\n"
    assert_moved(cells, key, before, "default")


def test_cut_off_anywhere_and_run_again(cells, key, tmp_path):
    before = pages(cells, key)
    generator, kills = random.Random(7), 0
    start = time.monotonic()
    move(cells, "b")
    took = time.monotonic() - start
    move(cells, "default")
    env = {**os.environ, "USAGE_RECORD_API_CELLS_FILE": str(cells.file), "PATH": f"{cells.programs}:{os.environ['PATH']}",
           "TMPDIR": str(tmp_path)}
    for to, home in (("b", "default"), ("default", "b"), ("b", "default")):
        for _ in range(6):
            start = time.monotonic()
            with subprocess.Popen([ROOT / "sql/usage-record-api-move", "--wait", "0", ORGANIZATION, to], env=env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as script:
                try:
                    script.wait(generator.random() * took)
                except subprocess.TimeoutExpired:
                    os.killpg(script.pid, signal.SIGKILL)
                    kills += 1
                else:  # quicker than the first: there has to be something to do again
                    took = min(took, time.monotonic() - start)
                    move(cells, home)
            assert pages(cells, key) == before
        move(cells, to)
        assert_moved(cells, key, before, to)
    assert kills > 4


def test_what_was_written_to_the_old_cell_comes_along(cells, key):
    move(cells, "b")
    late = [record(ORGANIZATION, 1000), record(ORGANIZATION, 5, status="INVALID", lastUpdateTime="2024-08-13T00:00:00Z"),
            record(ORGANIZATION, 6, status="CREATED", lastUpdateTime="2024-08-11T00:00:00Z")]
    load(cells["default"], data=lines(late))  # by somebody who does not know of cells
    said = move(cells, "b").stdout
    assert "Cell b has all of cell default, and what was written since" in said
    assert not rows(cells["default"]) and len(rows(cells["b"])) == 601
    found = dict(cells["b"].sql("SELECT id, status FROM usage_record_group WHERE id IN ('id-1000', 'id-5', 'id-6')"))
    assert found == {"id-1000": "REPORTED", "id-5": "INVALID", "id-6": "REPORTED"}


def test_a_key_that_was_revoked_stays_revoked(cells, key):
    old = keys(cells["default"])
    move(cells, "b")
    cells.run("usage-record-api-key", "revoke", ORGANIZATION, key[-4:])
    for row in old:  # an old copy of the keys turns up where they were
        cells["default"].sql("INSERT INTO api_key VALUES (%s)" % ", ".join(["%s"] * len(row)), list(row))
    move(cells, "b")
    assert not keys(cells["default"])
    assert cells["b"].sql("SELECT COUNT(*) FROM api_key WHERE revocation_time IS NULL") == ((0,),)


def test_nothing_is_switched_that_does_not_arrive(cells, key):
    before = pages(cells, key)
    cells["b"].sql("RENAME TABLE usage_record_group TO away")
    try:
        result = cells.run("usage-record-api-move", "--wait", 0, ORGANIZATION, "b", check=False)
        assert result.returncode == 1 and "does not take all of it" in result.stderr
    finally:
        cells["b"].sql("RENAME TABLE away TO usage_record_group")
    assert cells.file.read_text() == "# kept\nother b\n" and pages(cells, key) == before
    assert cells.run("usage-record-api-move", ORGANIZATION, "none", check=False).returncode == 1
    for words in ([], [ORGANIZATION], ["--wait", "x", ORGANIZATION, "b"], ["", "b"]):
        assert cells.run("usage-record-api-move", *words, check=False).returncode == 2
