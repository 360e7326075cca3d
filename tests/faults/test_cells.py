"""A cell that is dead or slow, and an organization that moves, under a load that is checked."""

import contextlib
import subprocess
import threading
import time
import urllib.parse

import pytest

from cells import Cells
from load import Load
from loader import counts, lines, load, record
from service import stopped

WINDOW = "startDate=2024-08-01&endDate=2024-08-31"


@pytest.fixture(scope="module")
def cells():
    cells = Cells(AUTH="1")
    try:
        cells.write("elsewhere b\n")
        yield cells
    finally:
        cells.remove()


def fill(cells, name, organization, row_count):
    data = lines([record(organization, n, creationTime=f"2024-08-{n % 31 + 1:02}T01:02:{n % 60:02}Z") for n in range(row_count)])
    assert counts(load(cells[name], data=data))[0] == row_count
    return cells.run("usage-record-api-key", "create", organization).stdout.strip()


def right_answers(cells, organization, key, row_count):
    """Pages by limit, offset and cursor, and what an undisturbed service says to each."""
    answers = {}
    for query in ("limit=1000", "limit=20", "limit=100&status=REPORTED", f"limit=50&offset={row_count // 2}", "limit=100&cursor="):
        target = f"/org/{organization}/usageRecordGroup?{WINDOW}&{query}"
        for _ in range(3):
            answer = cells.ask(target, Authorization=f"Key {key}")
            assert answer.status == 200
            answers[target] = answer.body
            target = urllib.parse.urljoin(target, answer.next_path())
    return answers


def test_a_cell_that_stands_still_slows_no_other(cells, duration):
    key = fill(cells, "default", "here", 3000)
    answers = right_answers(cells, "here", key, 3000)
    fill(cells, "b", "elsewhere", 10)

    def slowest(seconds):
        load = Load(cells.gate, answers, header=f"Authorization: Key {key}")
        load.wait(seconds)
        load.stop()
        load.assert_none_failed()
        took = sorted(took for _, took, _ in load.good)
        return took[len(took) * 99 // 100]
    usual = slowest(duration)
    with stopped(cells["b"].pid("mysql")), contextlib.ExitStack() as asking:
        for _ in range(20):  # they all wait
            connection = asking.enter_context(cells.gate.connect())
            connection.sendall(f"GET /org/elsewhere/usageRecordGroup?{WINDOW} HTTP/1.1\r\nHost: t\r\nAuthorization: Key {key}\r\n\r\n".encode())
        beside = slowest(duration)
    print(f"99 of 100 answers of cell default within {usual * 1e3:.0f} ms, beside a dead cell within {beside * 1e3:.0f} ms")
    assert beside < usual * 3 + 0.05


class Writer(threading.Thread):
    """Stores a record after the other in the cell where the organization lives, as the file says."""

    def __init__(self, cells, organization):
        super().__init__(daemon=True)
        self.cells, self.organization, self.stored = cells, organization, 0
        self.is_stopped = threading.Event()
        self.start()

    def cell(self):
        return subprocess.run([self.cells.programs / "usage-record-api", "--cell-of", self.organization], check=True, text=True,
                              stdout=subprocess.PIPE, env={"USAGE_RECORD_API_CELLS_FILE": str(self.cells.file)}).stdout.strip()

    def run(self):
        while not self.is_stopped.is_set():
            cell = self.cell()
            data = lines([record(self.organization, self.stored, id=f"new-{self.stored}", creationTime="2025-01-01T00:00:00Z")])
            result = load(self.cells[cell], data=data, CELLS_FILE=self.cells.file, CELL=cell)
            assert result.returncode == 0 or "lives in cell" in result.stderr, result.stderr
            self.stored += result.returncode == 0

    def stop(self):
        self.is_stopped.set()
        self.join(60)


def test_an_organization_moves_under_load(cells, is_long):
    row_count = 100000 if is_long else 3000
    key = fill(cells, "default", "mover", row_count)
    answers = right_answers(cells, "mover", key, row_count)
    writer, readers = Writer(cells, "mover"), Load(cells.gate, answers, header=f"Authorization: Key {key}")
    readers.wait(0.5)
    started = time.monotonic()
    said = cells.run("usage-record-api-move", "--wait", 2, "mover", "b", timeout=600).stdout
    took = time.monotonic() - started
    readers.wait(0.5)
    writer.stop()
    readers.stop()
    print(said, readers.summary(took + 1), f"; {writer.stored} records written meanwhile; {took:.1f} s for {row_count} records", sep="")
    readers.assert_none_failed()
    assert "It lives in cell b now." in said and "Cell default has nothing of it any more." in said
    assert writer.stored > 3
    found = {name: cell.sql("SELECT COUNT(*) FROM usage_record_group WHERE organization_id = 'mover'")[0][0] for name, cell in cells.cells.items()}
    assert found == {"default": 0, "b": row_count + writer.stored}
    for target, body in answers.items():
        assert cells.ask(target, Authorization=f"Key {key}").body == body
