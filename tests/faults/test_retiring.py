"""Old records are retired beside everybody's pages."""

import pathlib
import subprocess
import time

from loader import counts, environment, load as load_file
from service import build_dir

COLUMNS = ("partner, status, buyer_id, entitlement_id, product_id, meta_info, records, usage_record_report_id, "
           "last_update_time")


def slowest_of_100(answers):
    """p99 of how long answers took, ms."""
    return 1e3 * sorted(took for _, took, _ in answers)[int(len(answers) * 0.99)]


def table(service):
    texts = ", ".join(f"CAST({column} AS BINARY)" for column in ("id", "creation_time", "serial_id", *COLUMNS.split(", ")))
    return service.sql(f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', {texts}))) FROM usage_record_group "
                       "WHERE organization_id = 'old'")


def test_pages_beside_retiring(service, load, duration, is_long, tmp_path):
    for copy in range(84 if is_long else 1):
        service.sql(f"INSERT INTO usage_record_group (id, organization_id, creation_time, {COLUMNS}) "
                    f"SELECT CONCAT('{copy}-', organization_id, '-', id), 'old', creation_time - INTERVAL 3000 DAY, {COLUMNS} "
                    f"FROM usage_record_group WHERE organization_id <> 'old' LIMIT {12000 if is_long else 3000}")
    before, archive = table(service), pathlib.Path(tmp_path / "archive.ndjson")
    first = len(load.good)
    load.wait(duration)
    second = len(load.good)
    start = time.monotonic()
    result = subprocess.run([build_dir() / "usage-record-api-retire", "--organization", "old", "--archive", archive, "--before",
                             time.strftime("%Y-01-01", time.gmtime())], env=environment(service), capture_output=True, text=True)
    seconds = time.monotonic() - start
    load.stop()
    alone, beside = slowest_of_100(load.good[first:second]), slowest_of_100(load.good[second:])
    print(f"\np99 {alone:.1f} ms alone, {beside:.1f} ms beside retiring {before[0][0] / seconds:.0f} records a second")
    assert (result.returncode, result.stderr) == (0, "") and table(service)[0][0] == 0
    load.assert_none_failed()
    assert not is_long or beside <= 2 * alone
    assert counts(load_file(service, archive))[0] == before[0][0] and table(service) == before
    service.sql("DELETE FROM usage_record_group WHERE organization_id = 'old'")
