"""usage-record-api-retire: old records leave the table, in steps, and an archive of them loads back."""

import gzip
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from host import Host
from loader import counts, environment, lines, load, record
from service import ROOT, build_dir, service_with_tables, wait_until
from test_divided import partition

RETIRE = build_dir() / "usage-record-api-retire"
DAY = "2024-08-12"
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
COLUMNS = ("id, organization_id, partner, status, buyer_id, entitlement_id, product_id, meta_info, records, "
           "usage_record_report_id, creation_time, last_update_time, serial_id")


def retire(service, *words, **settings):
    return subprocess.run([str(RETIRE), *map(str, words)], capture_output=True, timeout=120, text=True,
                          env=environment(service, **settings))


def table(service, where="TRUE"):
    return service.sql(f"SELECT {COLUMNS} FROM usage_record_group WHERE {where} ORDER BY organization_id, creation_time, serial_id")


def reads(service):
    return sum(int(value) for _, value in service.sql("SHOW GLOBAL STATUS LIKE 'Handler_read_%%'"))


@pytest.fixture(scope="module")
def own_service():
    """A service of this file's own, whose table a test may empty."""
    with service_with_tables() as service:
        service.load_sample(6000, "--organizations", "12")
        service.day = str(service.sql("SELECT DATE(creation_time) FROM usage_record_group "
                                      "ORDER BY creation_time LIMIT 1 OFFSET 3000")[0][0])
        service.sql("CREATE TABLE sample LIKE usage_record_group")
        service.sql(f"INSERT INTO sample ({COLUMNS}) SELECT {COLUMNS} FROM usage_record_group")
        service.serve()
        yield service


@pytest.fixture
def emptied(own_service):
    own_service.sql("TRUNCATE usage_record_group")
    return own_service


@pytest.fixture
def filled(emptied):
    emptied.sql(f"INSERT INTO usage_record_group ({COLUMNS}) SELECT {COLUMNS} FROM sample")
    return emptied


def test_what_is_older_goes_and_the_rest_stays(filled):
    before = table(filled)
    stays = table(filled, f"creation_time >= '{filled.day}'")
    gone = len(before) - len(stays)
    assert 1000 < gone < 5000
    dry = retire(filled, "--before", filled.day, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "") and table(filled) == before
    assert dry.stdout.splitlines()[-1] == f"would retire {gone} records of 12 organizations from before {filled.day}"
    found = {json.loads(line.split("  ")[-1]): int(line.split()[0]) for line in dry.stdout.splitlines()[:-1]}
    assert found == dict(filled.sql("SELECT organization_id, COUNT(*) FROM usage_record_group WHERE creation_time < %s "
                                    "GROUP BY organization_id", [filled.day]))

    one = max(found)
    result = retire(filled, "--before", filled.day, "--organization", one)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == f"retired {found[one]} records of 1 organizations from before {filled.day}"
    assert len(table(filled)) == len(before) - found[one]
    result = retire(filled, "--before", filled.day, "--share", "100")
    assert (result.returncode, result.stderr) == (0, "") and table(filled) == stays
    assert retire(filled, "--before", filled.day).stdout == f"retired 0 records of 0 organizations from before {filled.day}\n"


def test_the_day_begins_at_midnight(emptied):
    for time_of_it in ("2024-08-11 23:59:59.999", "2024-08-12 00:00:00.000"):
        emptied.insert("o", id=time_of_it, creation_time=time_of_it)
    assert retire(emptied, "--before", DAY).returncode == 0
    assert [row[0] for row in table(emptied)] == ["2024-08-12 00:00:00.000"]


@pytest.mark.parametrize("parts", [1, 4])
def test_an_archive_loads_back_the_same(filled, tmp_path, parts):
    assert partition(filled, parts).returncode == 0
    filled.sql("UPDATE usage_record_group SET meta_info = CONCAT('{\\r\\n', SUBSTRING(meta_info, 2)) WHERE MOD(serial_id, 7) = 0")
    filled.insert("z 'o\"\\'☃", id='a"b\\c', meta_info='{"t":"\\u00e9\\n\\\\ é🚀"}', records='{"x":0.10000000000000000000001}')
    before = table(filled)
    archive = tmp_path / "archive.ndjson"
    result = retire(filled, "--before", TODAY, "--archive", archive)
    assert (result.returncode, result.stderr) == (0, ""), result
    assert len(archive.read_text().splitlines()) == len(before) - len(table(filled)) and len(table(filled)) < 100
    assert archive.stat().st_mode & 0o777 == 0o600
    assert counts(load(filled, archive))[0] == len(archive.read_text().splitlines())
    assert [row.replace("\\r\\n", "  ") for row in map(str, table(filled))] == [row.replace("\\r\\n", "  ") for row in map(str, before)]
    assert counts(load(filled, archive))[:2] == (0, 0)
    assert partition(filled, 1).returncode == 0


def test_it_reads_no_more_than_it_has_to(filled):
    """Neither a dry run over years in which there is nothing nor the many steps of a run."""
    def cost(*words):
        first, before = reads(filled), reads(filled)  # asking reads rows, too
        assert retire(filled, *words).returncode == 0
        return reads(filled) - before - (before - first)
    cost("--before", "1000-01-02", "--dry-run")
    assert cost("--before", "1000-01-02", "--dry-run") < 12 * 5
    gone = filled.sql("SELECT COUNT(*) FROM usage_record_group WHERE creation_time < %s", [filled.day])[0][0]
    assert cost("--before", filled.day, "--share", "100") < 2.5 * gone + 12 * 20
    # A thousand of each of a few instants, as an import may have.
    filled.sql("INSERT INTO usage_record_group (id, organization_id, partner, status, records, creation_time) "
               "SELECT CONCAT(organization_id, id), 'old', partner, status, '{}', '2001-02-03' + INTERVAL MOD(CRC32(id), 6) HOUR FROM sample")
    assert cost("--before", "2001-02-04", "--share", "100") < 2.5 * 6000 + 12 * 20


def test_cut_off_and_run_again(filled, tmp_path):
    """Killed at any place: each record is in the table or in the archive, and the next run goes on."""
    before = table(filled)
    stays = table(filled, f"creation_time >= '{filled.day}'")
    archive = tmp_path / "archive.ndjson"
    for number in range(6):
        process = subprocess.Popen([str(RETIRE), "--before", filled.day, "--archive", str(archive), "--share", "30"],
                                   env=environment(filled), stdout=subprocess.DEVNULL)
        time.sleep(0.05 + 0.03 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with open(archive, "a") as file:
        file.write('{"id":"torn')
    assert len(stays) <= len(table(filled))
    result = retire(filled, "--before", filled.day, "--archive", archive, "--share", "100")
    assert (result.returncode, result.stderr) == (0, "") and table(filled) == stays
    assert load(filled, archive).returncode == 0
    assert table(filled) == before


def test_interrupted_it_ends_with_its_batch(filled, tmp_path):
    before = len(table(filled))
    archive = tmp_path / "archive.ndjson"
    process = subprocess.Popen([str(RETIRE), "--before", filled.day, "--archive", str(archive), "--share", "1"],
                               env=environment(filled), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(table(filled)) < before)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1 and err == "usage-record-api-retire: ended early; run it again to go on\n"
    assert out.splitlines()[-1].startswith(f"retired {before - len(table(filled))} records of ")
    assert len(archive.read_text().splitlines()) == before - len(table(filled))


def test_what_cannot_be_kept_is_not_deleted(emptied, tmp_path):
    """A record that would not load back, and an archive that takes no more."""
    load(emptied, data=lines([record("good", number) for number in range(3)]))
    emptied.insert("poor", id="line\nline")
    archive = tmp_path / "archive.ndjson"
    result = retire(emptied, "--before", "2024-08-13", "--archive", archive)
    assert result.returncode == 1 and len(table(emptied)) == 1
    assert "would not load back: id must not have control characters" in result.stderr
    emptied.sql("DELETE FROM usage_record_group")
    load(emptied, data=lines([record("good", number) for number in range(3)]))
    full = retire(emptied, "--before", "2024-08-13", "--archive", "/dev/full")
    assert full.returncode == 1 and "No space left on device" in full.stderr
    packed = tmp_path / "archive.gz"
    packed.write_bytes(gzip.compress(b"a\n", mtime=0) + b"\nno line ends here")
    before = packed.read_bytes()
    for path, word in ((tmp_path, "Is a directory"), (tmp_path / "no/such", "No such file"), (packed, "Wrong medium type")):
        result = retire(emptied, "--before", "2024-08-13", "--archive", path)
        assert result.returncode == 2 and word in result.stderr, result
    assert packed.read_bytes() == before
    full = subprocess.run(["sh", "-c", f"ulimit -f 0; trap '' XFSZ; exec {RETIRE} --before 2024-08-13 --archive {tmp_path}/full"],
                          env=environment(emptied), capture_output=True, text=True)
    assert full.returncode == 1 and "File too large" in full.stderr, full
    assert len(table(emptied)) == 3


@pytest.mark.parametrize("words, message", [
    ([], "--before must be a day like 2024-08-12, today at most, not \"\""),
    (["--before", "2024-02-30"], "--before must be a day"),
    (["--before", "2100-01-01"], "--before must be a day"),
    (["--before", DAY, "--organization", ""], "--organization must be 1 to 255 characters"),
    (["--before", DAY, "--organization", "x" * 256], "--organization must be 1 to 255 characters"),
    (["--before", DAY, "--share", "0"], "--share must be 1 to 100"),
    (["--before", DAY, "--share", "5x"], "--share must be 1 to 100"),
    (["--before", DAY, "file"], "usage: "),
    (["--befor", DAY, "--x"], "unrecognized option"),
])
def test_command_lines_that_are_refused(own_service, words, message):
    result = retire(own_service, *words)
    assert result.returncode == 2 and message in result.stderr


def test_two_at_once_do_not_share_an_archive(filled, tmp_path):
    archive = tmp_path / "archive.ndjson"
    first = subprocess.Popen([str(RETIRE), "--before", filled.day, "--archive", str(archive), "--share", "1"], env=environment(filled),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: archive.exists() and archive.stat().st_size > 0)
    second = retire(filled, "--before", filled.day, "--archive", archive)
    first.terminate()
    first.wait()
    assert second.returncode == 2 and str(archive) in second.stderr


def test_the_account_may_do_this_and_no_more(emptied):
    if not emptied.is_mariadb():
        pytest.skip("the script is the same")
    text = (ROOT / "sql/retire-account.sql").read_text()
    client = ["mariadb", "--no-defaults", "--user=root", f"--socket={emptied.dir}/mysql.sock", "usage_record_api"]
    subprocess.run(client, input="SET @host = 'localhost', @password = 'secret';\n" + text, text=True, check=True)
    option_file = emptied.dir / "retire.cnf"
    option_file.write_text("[usage-record-api-retire]\nuser=usage_record_api_retire\npassword=secret\n")
    load(emptied, data=lines([record("o", number) for number in range(3)]))
    result = retire(emptied, "--before", "2024-08-13", "--archive", emptied.dir / "archive", DB_USER="",
                    DB_OPTION_FILE=option_file)
    assert (result.returncode, result.stderr, table(emptied)) == (0, "", ())


@pytest.fixture
def hosts():
    made = []
    try:
        for _ in range(2):
            made.append(Host())
        yield made
    finally:
        for host in made:
            host.remove()


def test_it_waits_for_a_replica(hosts, tmp_path):
    """The second host is behind until its rows are taken away by hand."""
    primary, replica = hosts
    for host in hosts:
        for number in range(200):
            host.insert("o", id=str(number), serial_id=number + 1)
        host.sql("CREATE USER retire IDENTIFIED BY 'secret'")
        host.sql("GRANT SELECT, DELETE ON usage_record_api.* TO retire")
    replica.set_read_only(True)
    option_file = tmp_path / "retire.cnf"
    option_file.write_text("[client]\nuser=retire\npassword=secret\n")
    names = {"DB_OPTION_FILE": option_file, "DB_HOST": f"{primary.address},{replica.address}", "DB_TLS": primary.tls()}
    environ = {**os.environ, **{f"USAGE_RECORD_API_{name}": str(value) for name, value in names.items()}}
    process = subprocess.Popen([str(RETIRE), "--before", "2024-08-13"], env=environ, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(table(primary)) < 200)
    time.sleep(1)
    assert len(table(primary)) == 200 - 64 and process.poll() is None
    replica.sql("DELETE FROM usage_record_group")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "") and table(primary) == () and "retired 200 records" in out


def test_pages_go_on_meanwhile(filled):
    """An organization whose records stay is served, byte by byte the same."""
    names = [row[0] for row in filled.sql("SELECT DISTINCT organization_id FROM usage_record_group ORDER BY 1")]
    target = f"/org/{names[0]}/usageRecordGroup?startDate={filled.day}&limit=1000"
    expected = filled.ask(target).body
    done = threading.Event()

    def run():
        assert retire(filled, "--before", filled.day).returncode == 0
        done.set()
    thread = threading.Thread(target=run)
    thread.start()
    asked = 0
    while not done.is_set():
        answer = filled.ask(target)
        assert answer.status == 200 and answer.body == expected
        asked += 1
    thread.join()
    assert asked > 5
