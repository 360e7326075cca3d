"""Old records are retired beside everybody's pages, and a replica follows."""

import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from loader import counts, environment, load as load_file
from replicas import make_hosts, remove_hosts
from service import build_dir, wait_until

SAMPLE_ROWS = 12000
COLUMNS = ("partner, status, buyer_id, entitlement_id, product_id, meta_info, records, usage_record_report_id, "
           "last_update_time")


class Lag(threading.Thread):
    """How far a replica is behind: how old the last beat is that it has.  One comes each 20 ms."""

    def __init__(self, primary, replica):
        super().__init__(daemon=True)
        self.ends = [host.connect_database().cursor() for host in (primary, replica)]
        self.longest = 0
        wait_until(lambda: self.beat_and_look() < 1)
        self.is_over = threading.Event()
        self.start()

    def beat_and_look(self):
        beat, look = self.ends
        beat.execute("UPDATE beat SET at = NOW(6)")
        look.execute("SELECT TIMESTAMPDIFF(MICROSECOND, at, NOW(6)) / 1e6 FROM beat")
        return float(look.fetchone()[0])

    def run(self):
        while not self.is_over.wait(0.02):
            self.longest = max(self.longest, self.beat_and_look())

    def stop(self):
        """The longest, s."""
        self.is_over.set()
        self.join()
        return self.longest


@pytest.fixture(scope="module")
def hosts(is_long):
    """A primary, and in the long form a replica, whose statements are MariaDB's."""
    hosts = make_hosts(int(is_long and shutil.which("mariadbd") is not None), lambda primary: primary.load_sample(SAMPLE_ROWS, "--organizations", "12"))
    yield hosts
    remove_hosts(hosts)


@pytest.fixture(scope="module")
def service(hosts):
    """The primary, with a pool of four."""
    service = hosts[0]
    service.workers = 4
    service.serve()
    return service


def slowest_of_100(answers):
    """p99 of how long answers took, ms."""
    return 1e3 * sorted(took for _, took, _ in answers)[int(len(answers) * 0.99)]


def table(service):
    texts = ", ".join(f"CAST({column} AS BINARY)" for column in ("id", "creation_time", "serial_id", *COLUMNS.split(", ")))
    return service.sql(f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', {texts}))) FROM usage_record_group "
                       "WHERE organization_id = 'old'")


@pytest.fixture
def old_records(hosts, is_long):
    """Those that are to go, with the replica too; before there is any load."""
    service = hosts[0]
    service.sql("CREATE TABLE beat (at DATETIME(6) NOT NULL)")
    record_count = int(os.environ.get("RETIRE_RECORDS", "100000" if is_long else "3000"))
    for first in range(0, record_count, SAMPLE_ROWS):
        service.sql(f"INSERT INTO usage_record_group (id, organization_id, creation_time, {COLUMNS}) "
                    f"SELECT CONCAT('{first}-', organization_id, '-', id), 'old', creation_time - INTERVAL 3000 DAY, {COLUMNS} "
                    f"FROM usage_record_group WHERE organization_id <> 'old' LIMIT {min(SAMPLE_ROWS, record_count - first)}")
    service.sql("INSERT INTO beat VALUES (NOW(6))")  # the last that a replica gets
    for replica in hosts[1:]:
        wait_until(lambda: replica.sql("SHOW TABLES LIKE 'beat'") and replica.sql("SELECT * FROM beat"), 600)


def test_pages_beside_retiring(hosts, service, old_records, load, duration, is_long, tmp_path):
    before, archive = table(service), pathlib.Path(tmp_path / "archive.ndjson")
    first = len(load.good)
    load.wait(duration)
    second = len(load.good)
    names = {"DB_SOCKET": "", "DB_HOST": ",".join(host.address for host in hosts), "DB_TLS": service.tls()}
    lags = [Lag(service, replica) for replica in hosts[1:]]
    start = time.monotonic()
    result = subprocess.run([build_dir() / "usage-record-api-retire", "--organization", "old", "--archive", archive, "--before",
                             time.strftime("%Y-01-01", time.gmtime())], env=environment(service, **names), capture_output=True, text=True)
    seconds = time.monotonic() - start
    load.stop()
    behind = [lag.stop() for lag in lags]
    alone, beside = slowest_of_100(load.good[first:second]), slowest_of_100(load.good[second:])
    print(f"\np99 {alone:.1f} ms alone, {beside:.1f} ms beside retiring {before[0][0] / seconds:.0f} records a second, {before[0][0]} in all; "
          f"seconds that each replica was behind at most: {behind}")
    assert (result.returncode, result.stderr) == (0, "") and table(service)[0][0] == 0, result.stderr
    load.assert_none_failed()
    assert not is_long or beside <= 2 * alone and max(behind, default=0) <= 1
    assert counts(load_file(service, archive, timeout=900))[0] == before[0][0] and table(service) == before
