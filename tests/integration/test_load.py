"""usage-record-api-load: what it stores, what it refuses, and how often one likes."""

import contextlib
import csv
import datetime
import io
import json
import os
import random
import re
import signal
import subprocess
import time
import urllib.parse

import pytest

from loader import LOADER, counts, environment, lines, load, record
from promises import ACCEPTED, REFUSED, REFUSED_BY_MARIADB, REFUSED_BY_MYSQL
from service import ROOT, build_dir, stopped, wait_until


def stored(service, organization, columns="id, records, meta_info, creation_time, last_update_time, status"):
    return service.sql(f"SELECT {columns} FROM usage_record_group WHERE organization_id = %s ORDER BY id", [organization])


def count(service, organization):
    return len(stored(service, organization))


DIGITS = '{"a":0.1000000000000000000001,"b":123456789012345678901,"c":1e-9,"\\u00fc":1.50}'
TEXT = '{ "x" : "x\\/y \\u00e9 é 🚀",\t"source":"ORB" }'


def test_digits_and_text_arrive_as_they_came(service, organization):
    line = json.dumps({**record(organization, 1), "records": None, "metaInfo": None})
    line = line.replace('"records": null', f'"records": {DIGITS}').replace('"metaInfo": null', f'"metaInfo": {TEXT}')
    result = load(service, data=line.encode())
    assert (result.returncode, result.stderr, counts(result)) == (0, "", (1, 0, 0, 0))
    [row] = stored(service, organization, "records, meta_info")
    assert row == (DIGITS, TEXT)
    again = load(service, data=line.encode())
    assert counts(again)[2:] == (1, 0)


FORMS = {
    "ndjson": lambda records: lines(records),
    "page": lambda records: json.dumps({"nextOffset": 0, "usageRecordGroups": records}).encode(),
    "page, order of the keys": lambda records: json.dumps({"usageRecordGroups": records, "nextOffset": 0}).encode(),
    "pages": lambda records: b"".join(json.dumps({"nextOffset": 1, "usageRecordGroups": [each]}).encode() for each in records),
    "list": lambda records: json.dumps(records).encode(),
    "laid out": lambda records: "\n".join(json.dumps(each, indent=2) for each in records).encode(),
    "no end of the last line": lambda records: lines(records)[:-1],
    "CRLF": lambda records: lines(records).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_recognised(service, organization, form):
    records = [record(organization, number) for number in range(7)]
    data = FORMS[form](records)
    result = load(service, data=data)
    assert (result.returncode, result.stderr, counts(result)) == (0, "", (7, 0, 0, 0))
    assert [row[0] for row in stored(service, organization)] == [f"id-{number}" for number in range(7)]
    assert counts(load(service, data=data)) == (0, 0, 7, 0)


def test_csv(service, organization):
    data = ('id,organizationID,partner,status,creationTime,records.seats,records."x,y",metaInfo\r\n'
            f'1,{organization},AWS,REPORTED,2024-08-12T03:02:15.9109999+02:00,1.000000001,,"{{""source"":""API"",""n"":""two\nlines""}}"\r\n'
            f'\r\n2,{organization},GCP,CREATED,,,7,\r\n').replace('records."x,y"', '"records.x,y"')
    data = data.replace("two\nlines", "two lines")
    result = load(service, data=data.encode())
    assert (result.returncode, result.stderr, counts(result)) == (0, "", (2, 0, 0, 0))
    first, second = stored(service, organization)
    assert first[1] == '{"seats":1.000000001}'
    assert str(first[3]) == "2024-08-12 01:02:15.910000"
    assert json.loads(second[1]) == {"x,y": 7} and second[2] is None
    assert counts(load(service, data=data.encode())) == (0, 0, 2, 0)


STATUS = "CREATED, DELETED, INVALID, REPORTED, REPORT_PENDING or REPORT_FAILED"
QUANTITY = "metaInfo.billableRecords: a quantity must be a number"
# Members of a record, and what is said about them.
FAULTS = [
    ({"status": "reported"}, f'status must be {STATUS}, not "reported"'),
    ({"partner": ""}, 'partner must be AWS, AZURE or GCP, not ""'),
    ({"id": ""}, "id is missing"),
    ({"id": 5}, "id must be a string"),
    ({"id": "a\nb"}, 'id must not have control characters: "a\\u000ab"'),
    ({"buyerID": "x" * 256}, None),
    ({"creationTime": "2024-02-30T00:00:00Z"}, 'creationTime must be a time like 2024-08-12T01:02:15.910Z, not "2024-02-30T00:00:00Z"'),
    ({"creationTime": "2024-08-12 01:02:15"}, None),
    ({"creationTime": "0999-12-31T23:59:59Z"}, None),
    ({"creationTime": "9999-12-31T23:59:59-01:00"}, None),
    ({"serialID": -1}, "serialID must be an integer from 1 to 9223372036854775807, not \"-1\""),
    ({"serialID": "1"}, "serialID must be a number"),
    ({"records": []}, "records must be an object"),
    ({"records": {"x": "12.5"}}, "records.x must be a number"),
    ({"records": {"x": None}}, "records.x must be a number"),
    ({"records": {"x": {"y": 1}}}, "records.x must be a number"),
    ({"metaInfo": "x"}, "metaInfo must be an object"),
    ({"metaInfo": {"source": "api"}}, 'metaInfo.source must be API, INTERNAL, METRONOME, ORB or empty, not "api"'),
    ({"metaInfo": {"source": {}}}, "metaInfo.source must be a string"),
    ({"metaInfo": {"source": None}}, "metaInfo.source must be a string"),
    ({"metaInfo": {"timestamp": "yesterday"}}, None),
    ({"metaInfo": {"timestamp": 1}}, "metaInfo.timestamp must be a string"),
    ({"metaInfo": {"SkipValidation": "true"}}, "metaInfo.SkipValidation must be true or false"),
    ({"metaInfo": {"SkipValidation": None}}, "metaInfo.SkipValidation must be true or false"),
    ({"metaInfo": {"billableRecords": {"quantity": 1}}}, "metaInfo.billableRecords must be a list"),
    ({"metaInfo": {"billableRecords": None}}, "metaInfo.billableRecords must be a list"),
    ({"metaInfo": {"billableRecords": [{"quantity": 1}, {"quantity": "3"}]}}, QUANTITY),
    ({"metaInfo": {"billableRecords": [{"quantity": [1]}]}}, QUANTITY),
    ({"metainfo": {}}, 'a record has no member "metainfo"'),
]


@pytest.mark.parametrize("members, message", FAULTS, ids=[str(members)[:40] for members, _ in FAULTS])
def test_faults_are_named(service, organization, members, message, tmp_path):
    file = tmp_path / "usage.ndjson"
    file.write_bytes(lines([record(organization, 1), {**record(organization, 2), **members}]))
    result = load(service, file)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{file}:2: "), result.stderr
    if message is not None:
        assert result.stderr.splitlines()[0] == f"{file}:2: {message}"
    assert count(service, organization) == 0, "nothing of its batch is stored"


# A line as text, with ORG for the organization.
TEXTS = ['{"id":"1"', '"open', 'tru', '{"id":"1",}', '{"id":01}', "{'id':1}", '{"id":"\\x"}', '{"id":"a\tb"}', '{"id":NaN}', "null",
         '"an answer"', "{}", '{"id":"\\ud800","organizationID":"ORG","partner":"AWS","status":"CREATED"}',
         '{"id":"1","id":"2","organizationID":"ORG","partner":"AWS","status":"CREATED"}',
         '{"id":"1","organizationID":"ORG","partner":"AWS","status":"CREATED","records":{"a":1,"\\u0061":2}}',
         '{"id":"1","organizationID":"ORG","partner":"AWS","status":"CREATED","records":{"a":1e999}}',
         '{"id":"1","organizationID":"ORG","partner":"AWS","status":"CREATED","metaInfo":' + '{"a":' * 40 + "1" + "}" * 41]


@pytest.mark.parametrize("text", TEXTS, ids=[text[:30] for text in TEXTS])
def test_broken_lines_are_refused_alone(service, organization, text, tmp_path):
    good = lines([record(organization, 1), record(organization, 2)]).splitlines(keepends=True)
    data = good[0] + text.replace("ORG", organization).encode() + b"\n" + good[1]
    rejects = tmp_path / "rejects"
    result = load(service, "--format", "ndjson", "--rejects", rejects, data=data)
    assert result.returncode == 1 and counts(result) == (2, 0, 0, 1), result.stderr
    assert [row[0] for row in stored(service, organization)] == ["id-1", "id-2"]
    [refused] = map(json.loads, rejects.read_text().splitlines())
    assert (refused["line"], refused["file"], refused["text"]) == (2, "standard input", text.replace("ORG", organization))
    assert refused["reason"] and result.stderr == f"standard input:2: {refused['reason']}\n"


def test_what_is_refused_never_overwrites_what_is_loaded(service, organization, tmp_path):
    data = b"broken\n" + lines([record(organization, 1)])
    file, other = tmp_path / "usage.ndjson", tmp_path / "other"
    file.write_bytes(data)
    other.symlink_to(file)
    for words in ((file,), ("--format", "ndjson", "-", file)):
        result = load(service, "--rejects", other, *words)
        assert result.returncode == 2 and "is to be loaded" in result.stderr
    with file.open() as opened:
        result = subprocess.run([LOADER, "--rejects", file], stdin=opened, env=environment(service), capture_output=True, timeout=60)
    assert result.returncode == 2 and file.read_bytes() == data


DOCUMENTS = {"meta_info": "metaInfo", "records": "records"}


def line_of(organization, columns):
    """A record whose documents stand in it as they are; None when there is none to be held against the table."""
    if not set(columns) <= set(DOCUMENTS) or None in columns.values() or "null" in columns.values():
        return None
    members = json.dumps({"id": f"id-{time.monotonic_ns()}", "organizationID": organization, "partner": "AWS", "status": "REPORTED"})
    texts = "".join(f',"{DOCUMENTS[column]}":{text}' for column, text in columns.items())
    return (members[:-1] + texts + "}").encode()


def test_what_the_table_refuses_the_loader_refuses_by_itself(service, organization):
    lines = [line for columns in REFUSED + REFUSED_BY_MARIADB + REFUSED_BY_MYSQL if (line := line_of(organization, columns))]
    assert len(lines) > 50
    for line in lines:
        assert load(service, "--format", "json", "--dry-run", data=line).returncode == 1, line


def test_what_the_loader_lets_pass_the_table_takes(service, organization):
    lines = [line for columns in ACCEPTED if (line := line_of(organization, columns))]
    assert len(lines) > 10
    for line in lines:
        result = load(service, "--format", "json", data=line)
        assert (result.returncode, result.stderr, counts(result)) == (0, "", (1, 0, 0, 0)), line


def test_deep_documents_that_are_taken_are_stored(service, organization):
    deep = '{"a":' * 29 + "1" + "}" * 29
    line = json.dumps({**record(organization, 1), "metaInfo": 0}).replace('"metaInfo": 0', f'"metaInfo": {deep}')
    result = load(service, data=line.encode())
    assert (result.returncode, result.stderr) == (0, "")


def test_older_never_overwrites_newer(service, organization):
    def at(second, status):
        return lines([record(organization, 1, status=status, lastUpdateTime=f"2024-08-12T02:00:{second:02}Z")])
    assert counts(load(service, data=at(5, "CREATED"))) == (1, 0, 0, 0)
    older = load(service, data=at(4, "INVALID"))
    assert older.returncode == 0 and older.stdout.endswith("1 older than what is stored\n")
    assert stored(service, organization)[0][5] == "CREATED"
    assert counts(load(service, data=at(5, "REPORT_PENDING"))) == (0, 1, 0, 0)
    assert counts(load(service, data=at(6, "REPORTED"))) == (0, 1, 0, 0)
    assert stored(service, organization)[0][5] == "REPORTED"
    # Both versions in one file, in either order.
    assert counts(load(service, data=at(9, "INVALID") + at(8, "CREATED")))[:2] == (0, 1)
    assert stored(service, organization)[0][5] == "INVALID"


def test_what_a_record_does_not_say_stays(service, organization):
    load(service, data=lines([record(organization, 1, productID="p", buyerID="b")]))
    short = {"id": "id-1", "organizationID": organization, "partner": "AWS", "status": "INVALID", "buyerID": ""}
    assert counts(load(service, data=lines([short]))) == (0, 1, 0, 0)
    [row] = stored(service, organization, "product_id, buyer_id, status, records, creation_time")
    assert row[:3] == ("p", None, "INVALID") and json.loads(row[3]) == {"seats": 1} and row[4].year == 2024
    # The time of the change is now, since the record did not say.
    assert service.sql("SELECT last_update_time > UTC_TIMESTAMP() - INTERVAL 1 MINUTE FROM usage_record_group "
                       "WHERE organization_id = %s", [organization]) == ((1,),)
    assert counts(load(service, data=lines([short]))) == (0, 0, 1, 0)


def test_messages_cannot_be_forged(service, organization):
    """What a message quotes of the file neither begins a line of its own nor speaks to the terminal."""
    name = "x\n/etc/passwd:1: \x1b[2J\x9b2J\u00e9"
    result = load(service, data=lines([{**record(organization, 1), name: 1}]))
    assert result.stderr == 'standard input:1: a record has no member "x?/etc/passwd:1: ?[2J?2J\u00e9"\n'


def test_dry_run_stores_nothing(service, organization):
    data = lines([record(organization, number) for number in range(3)])
    result = load(service, "--dry-run", data=data)
    assert result.returncode == 0 and counts(result) == (3, 0, 0, 0) and count(service, organization) == 0


def test_table_refuses_what_the_checks_let_pass(service, organization, tmp_path):
    """A serialID that another record of its time has: said by the database, the rest is as asked for."""
    load(service, data=lines([record(organization, 0, serialID=4000000000)]))
    data = lines([record(organization, 1), record(organization, 2, serialID=4000000000), record(organization, 3)])
    result = load(service, data=data)
    assert result.returncode == 1 and result.stderr.startswith("standard input:2: the database refuses it: 1062 ")
    assert count(service, organization) == 1
    result = load(service, "--rejects", tmp_path / "rejects", data=data)
    assert counts(result) == (2, 0, 0, 1) and count(service, organization) == 3


def test_two_at_once(service, organization):
    records = [record(organization, number) for number in range(4000)]
    loaders = []
    for seed in range(3):
        random.Random(seed).shuffle(records)
        loaders.append(subprocess.Popen([LOADER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(service)))
        loaders[-1].stdin.write(lines(records))
    for loader in loaders:
        loader.stdin.close()
    outputs = [loader.stdout.read().decode() for loader in loaders]
    assert [loader.wait(60) for loader in loaders] == [0, 0, 0], outputs
    assert sum(int(output.split()[0]) for output in outputs) == 4000 == count(service, organization)


@pytest.mark.parametrize("words", [(), ("--rejects", "/dev/null")], ids=["whole", "rejects"])
def test_what_others_hold_up_is_stored_all_the_same(service, organization, words):
    """Another loader was faster at each try, until this one looks for a record to blame and finds none."""
    trigger = f"tries_{organization}"
    service.sql(f"CREATE TRIGGER {trigger} BEFORE INSERT ON usage_record_group FOR EACH ROW "
                f"IF NEW.organization_id = '{organization}' AND COALESCE(@tries, 0) < 3 THEN "  # no rollback takes a variable back
                "SET @tries = COALESCE(@tries, 0) + 1; SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062; "
                "ELSE SET NEW.usage_record_report_id = @tries; END IF")
    try:
        result = load(service, *words, data=lines(record(organization, number) for number in range(5)))
    finally:
        service.sql(f"DROP TRIGGER {trigger}")
    assert (result.returncode, counts(result)) == (0, (5, 0, 0, 0)), result.stderr
    assert service.sql(f"SELECT DISTINCT usage_record_report_id FROM usage_record_group WHERE organization_id = '{organization}'")[0][0] == "3"
    assert count(service, organization) == 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_cut_off_and_run_again(service, organization, number, tmp_path):
    file = tmp_path / "usage.ndjson"
    file.write_bytes(lines([record(organization, n) for n in range(30000)]))
    loader = subprocess.Popen([LOADER, file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(service))
    wait_until(lambda: count_fast(service, organization) > 0)
    loader.send_signal(number)
    out, err = loader.communicate(timeout=30)
    done = count_fast(service, organization)
    assert 0 < done < 30000, "it was cut off in the middle"
    if number == signal.SIGINT:
        assert loader.returncode == 1 and b"load it again to go on" in err
        assert int(out.split()[0]) == done, "the batch was finished, and is counted"
    result = load(service, file)
    assert counts(result) == (30000 - done, 0, done, 0) and count_fast(service, organization) == 30000


def read_terminal(terminal):
    """All that is written to a terminal until nobody has it open any more."""
    text = b""
    with contextlib.suppress(OSError):  # that is how a terminal ends
        while piece := os.read(terminal, 4096):
            text += piece
    os.close(terminal)
    return text.decode()


def test_progress_is_shown_on_a_terminal(service, organization, tmp_path):
    file = tmp_path / "usage.ndjson"
    file.write_bytes(lines([record(organization, n) for n in range(20000)]))
    terminal, end = os.openpty()
    with subprocess.Popen([LOADER, file], stdout=subprocess.PIPE, stderr=end, env=environment(service)) as loader:
        os.close(end)
        wait_until(lambda: count_fast(service, organization) > 0)
        with stopped(loader.pid):  # however fast the machine is, this takes its time
            time.sleep(0.6)
        shown = read_terminal(terminal)
        assert loader.stdout.read() == b"20000 new, 0 changed, 0 the same, 0 refused\n"
    assert re.search(rf"\r\x1b\[K{re.escape(str(file))}: \d+ records, \d+ a second, \d+ %, \d+ s left", "\r\x1b[K" + shown), shown
    assert shown.endswith("\r\x1b[K"), "the line is gone at the end"


def test_progress_of_standard_input_knows_no_end(service, organization):
    terminal, end = os.openpty()
    with subprocess.Popen([LOADER], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=end, env=environment(service)) as loader:
        os.close(end)
        loader.stdin.write(lines([record(organization, n) for n in range(3000)]))
        loader.stdin.flush()
        time.sleep(0.6)
        loader.stdin.write(lines([record(organization, n) for n in range(3000, 6000)]))
        loader.stdin.close()
        shown = read_terminal(terminal)
    assert re.search(r"standard input: \d+ records, \d+ a second\r\x1b\[K", shown), shown


def count_fast(service, organization):
    return service.sql("SELECT COUNT(*) FROM usage_record_group WHERE organization_id = %s", [organization])[0][0]


def test_memory_does_not_grow_with_the_file(service, organization, tmp_path):
    def peak_kb(rows):
        file = tmp_path / "usage.ndjson"
        file.write_bytes(lines([record(organization, n, metaInfo={"text": "x" * 500}) for n in range(rows)]))
        loader = subprocess.Popen([LOADER, "--dry-run", file], stdout=subprocess.DEVNULL, env=environment(service))
        _, status, usage = os.wait4(loader.pid, 0)
        loader.returncode = status
        assert status == 0
        return usage.ru_maxrss
    assert peak_kb(40000) < peak_kb(5000) + 2048


def test_loaders_account(service, organization):
    with service.database().cursor() as cursor:
        cursor.execute("USE usage_record_api")
        cursor.execute("SET @host = 'localhost', @password = 'secret'")
        for statement in (ROOT / "sql/loader-account.sql").read_text().split(";\n"):
            if statement.strip():
                cursor.execute(statement)
    option_file = service.dir / "loader.cnf"
    option_file.write_text("[usage-record-api-load]\nuser=usage_record_api_load\npassword=secret\n")
    result = load(service, data=lines([record(organization, 1)]), DB_USER="", DB_OPTION_FILE=option_file)
    assert (result.returncode, result.stderr, counts(result)) == (0, "", (1, 0, 0, 0))


def test_the_sample_is_the_same_as_by_load_data(own_service):
    """tools/run loads it so; in the table are the bytes that LOAD DATA puts there."""
    own_service.load_sample(2000, "--end", "2024-08-12")
    records = subprocess.run([build_dir() / "generate", "--ndjson", "--rows", "2000", "--end", "2024-08-12"],
                             check=True, stdout=subprocess.PIPE).stdout
    result = load(own_service, data=records)
    assert (result.returncode, result.stderr, counts(result)) == (0, "", (0, 0, 2000, 0))


SOURCES = {"API", "INTERNAL", "METRONOME", "ORB", "", None}


def strict_json(text):
    """A document that each client reads, and each in the same way."""
    def once(pairs):
        assert len({name for name, _ in pairs}) == len(pairs), text
        return dict(pairs)

    def refuse(name):
        raise AssertionError(f"{name} in {text}")
    document = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    json.dumps(document, ensure_ascii=False).encode()  # no half of a surrogate pair
    assert isinstance(document, dict), text
    return document


def check_promises(service):
    """Each record of the table against doc/data.md, by other means than the loader's."""
    rows = service.sql("SELECT id, organization_id, buyer_id, product_id, partner, status, creation_time, last_update_time, "
                       "records, meta_info FROM usage_record_group")
    for record_id, organization, buyer, product, partner, status, created, updated, records, meta_info in rows:
        for text in (record_id, organization, buyer, product):
            assert text is None or (0 < len(text) <= 255 and not re.search("[\0-\x1f\x7f-\x9f]", text)), text
        assert record_id and organization and created and updated
        assert partner in ("AWS", "AZURE", "GCP") and status in STATUS.replace(" or ", ", ").split(", ")
        amounts = strict_json(records or "{}").values()
        assert all(isinstance(amount, (int, float)) and not isinstance(amount, bool) for amount in amounts), records
        meta_info = strict_json(meta_info or "{}")
        assert meta_info.get("source") in SOURCES, meta_info
        if "timestamp" in meta_info:
            datetime.datetime.fromisoformat(meta_info["timestamp"].replace("Z", "+00:00"))
    return len(rows)


def damaged_files(seed, records, page, table):
    generator = random.Random(seed)
    while True:
        for whole in (records, page, table):
            damaged = bytearray(whole)
            for _ in range(generator.randrange(1, 6)):
                at = generator.randrange(len(damaged) or 1)
                damaged = damaged or bytearray(b"{")  # all of it may be gone by now
                match generator.randrange(4):
                    case 0: damaged[at] = generator.randrange(256)
                    case 1: del damaged[at:at + generator.randrange(1, 40)]
                    case 2: damaged[at:at] = generator.choice([b"\0", b'"', b"{", b"}", b"\xff", b"\\u0000", b"\n", b",", b"\xed\xa0\x80", b"-"])
                    case 3: damaged = damaged[:at + 1]
            yield damaged


def test_pages_of_one_service_fill_another(service, sample):
    """What a walk gives, loaded into an empty table, is there as it was; productID is in no answer."""
    organization = sample["organizations"][1]
    path, pages = f"/org/{organization}/usageRecordGroup?{sample['window']}", b""
    while path:
        answer = service.ask(path)
        pages += answer.body
        link = answer.next_path()
        path = urllib.parse.urljoin(path, link) if link else None
    service.sql("CREATE DATABASE mirror", database=None)
    try:
        service.migrate("mirror")
        result = load(service, data=pages, DB_NAME="mirror")
        assert (result.returncode, result.stderr, counts(result)) == (0, "", (sample["sizes"][1], 0, 0, 0))
        columns = ("serial_id, id, organization_id, partner, status, buyer_id, entitlement_id, usage_record_report_id, "
                   "COALESCE(meta_info, '{}'), records, creation_time, last_update_time")
        rows = [service.sql(f"SELECT {columns} FROM usage_record_group WHERE organization_id = %s ORDER BY serial_id",
                            [organization], database=name) for name in ("usage_record_api", "mirror")]
        assert rows[0] == rows[1]
    finally:
        service.sql("DROP DATABASE mirror", database=None)


def test_damaged_files(own_service, organization, tmp_path):
    """Each gets a message with file and line or is taken; whatever is stored is what the table promises.
    A few hundred here; DAMAGED_FILES says how many, tools/test faults takes 10,000."""
    records = lines([record(organization, n, metaInfo={"source": "API", "timestamp": "2024-08-12T01:02:15Z", "customer": "Café",
                                                       "deep": [{"a": 1.50}]}) for n in range(4)])
    page = json.dumps({"nextOffset": 0, "usageRecordGroups": [json.loads(line) for line in records.splitlines()]}, indent=1).encode()
    table = ("id,organizationID,partner,status,creationTime,records.seats,metaInfo\n" + "".join(
        f'{n},{organization},AWS,REPORTED,2024-08-12T01:02:15.910Z,{n}.5,"{{""a"":""b""}}"\n' for n in range(4))).encode()
    file, refused, stored_count = tmp_path / "damaged", 0, 0
    count = int(os.environ.get("DAMAGED_FILES", "300"))
    for n, damaged in zip(range(count), damaged_files(12, records, page, table)):
        file.write_bytes(damaged)
        result = load(own_service, "--rejects", tmp_path / "rejects", file)
        assert result.returncode in (0, 1), (damaged, result.stderr)
        said = [line for line in result.stderr.split("\n") if line]
        assert (result.returncode == 0) == (not said), (damaged, result.stderr)
        assert all(line.startswith(f"{file}:") for line in said), (damaged, result.stderr)
        refused += result.returncode
        if n % 100 == 99 or n == count - 1:
            stored_count += check_promises(own_service)
            own_service.sql("TRUNCATE usage_record_group")
    print(f"{count} damaged files: {refused} with a message, {stored_count} records stored, all as promised")
    assert refused > count / 2 and stored_count > 0


def real_rows(generator, count, organization):
    """Records in the forms that clouds write: ARNs and OCIDs of 190 characters, up to nineteen decimals."""
    for n in range(count):
        whole, part = generator.randrange(10 ** generator.randrange(1, 12)), generator.randrange(10 ** 9)
        amount = generator.choice([f"{whole}.{part:09}", f"{whole}", f"0.{part:019}", f"{whole}.{part:09}0", f"{part}e-9", f"-{whole}.5"])
        arn = ("arn:aws:s3:eu-central-1:123456789012:accesspoint/" + "x" * 200)[:183] + f"{n:07}"
        yield {"id": arn, "organizationID": organization, "partner": ("AWS", "AZURE", "GCP")[n % 3], "status": "CREATED",
               "buyerID": ("ocid1.tenancy.oc1..aaaaaaaa" + "b" * 200)[:190], "creationTime": f"2024-08-{n % 28 + 1:02}T01:02:15.9{n % 90 + 10}Z",
               "records": f'{{"usage:{n % 5}":{amount}}}', "metaInfo": f'{{"source":"API","sku":"Größe {n}","cost":{amount}}}'}


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_real_rows_read_back_digit_for_digit(service, organization, form, tmp_path):
    """30,000 records, of which the database's own text is compared with what was written."""
    rows = list(real_rows(random.Random(5), 15000, organization))
    file = tmp_path / f"usage.{form}"
    with open(file, "w", encoding="utf-8", newline="") as out:
        if form == "csv":
            writer = csv.writer(out)
            writer.writerow(rows[0])
            writer.writerows(row.values() for row in rows)
        else:
            for row in rows:
                out.write("{" + ",".join(f'"{name}":{value if name in ("records", "metaInfo") else json.dumps(value)}'
                                         for name, value in row.items()) + "}\n")
    result = load(service, file)
    assert (result.returncode, result.stderr, counts(result)) == (0, "", (15000, 0, 0, 0))
    read = stored(service, organization, "id, buyer_id, records, meta_info, DATE_FORMAT(creation_time, '%%Y-%%m-%%dT%%T.%%f')")
    written = sorted((row["id"], row["buyerID"], row["records"], row["metaInfo"], row["creationTime"][:-1] + "000") for row in rows)
    assert list(read) == written


def code_of_data_page(first_word):
    """The Python lines of doc/data.md that read such a file."""
    page = (ROOT / "doc/data.md").read_text(encoding="utf-8")
    block = page.split(f"    python3 - {first_word} <<'PYTHON' | usage-record-api-load\n")[1].split("    PYTHON\n")[0]
    return "".join(line[4:] for line in block.splitlines(keepends=True))


FOREIGN_COUNT = 8000


def amount_texts(generator):
    """Amounts as they stand in such files, with up to nineteen decimals."""
    while True:
        whole, part = generator.randrange(10 ** generator.randrange(1, 12)), generator.randrange(10 ** 9)
        yield from (f"{whole}.{part:09}", f"{whole}", f"0.{part:019}", f"{whole}.{part:09}0", f"{part}e-9", f"{whole}.{part:09}{part:09}")


def csv_text(rows):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def focus(amounts, organization):
    """FOCUS 1.0, several SKUs of one resource in one hour, and a line without a quantity."""
    rows, wanted = [], {}
    for n, amount in zip(range(FOREIGN_COUNT), amounts):
        resource = (("arn:aws:s3:eu-central-1:123456789012:accesspoint/", "ocid1.instance.oc1.eu-frankfurt-1.")[n % 2] + "x" * 200)[:183] + f"{n // 4:07}"
        row = {"BilledCost": "0.10", "BillingAccountId": ("ocid1.tenancy.oc1..aaaaaaaa" + "b" * 200)[:190], "BillingCurrency": "EUR",
               "ChargeCategory": "Usage", "ChargeDescription": 'said "so", twice\nGröße', "ChargePeriodEnd": f"2024-08-{n % 7 + 1:02}T02:00:00Z",
               "ChargePeriodStart": f"2024-08-{n % 7 + 1:02}T01:00:00Z", "ConsumedQuantity": amount, "ConsumedUnit": "GB-Hours",
               "ResourceId": resource, "SkuId": f"SKU-{n % 4}", "SubAccountId": organization, "Tags": '{"a":"b"}'}
        rows.append(row)
        wanted[f'{row["ChargePeriodStart"]}/{resource}/SKU-{n % 4}'] = f'{{"SKU-{n % 4}":{amount}}}'
    rows.append(dict(rows[0], ChargeCategory="Tax", ConsumedQuantity=""))
    return "\ufeff" + csv_text(rows), wanted


def cur(amounts, organization):
    """An AWS cost and usage report."""
    rows, wanted = [], {}
    for n, amount in zip(range(FOREIGN_COUNT), amounts):
        interval = f"2024-08-{n % 7 + 1:02}T00:00:00Z/2024-08-{n % 7 + 1:02}T01:00:00Z"
        row = {"identity/LineItemId": f"{n // 7:052}", "identity/TimeInterval": interval, "bill/PayerAccountId": "123456789012",
               "lineItem/UsageAccountId": organization, "lineItem/LineItemType": "Usage", "lineItem/UsageStartDate": interval.split("/")[0],
               "lineItem/UsageType": f"EUC1-Requests-Tier{n % 3}", "lineItem/UsageAmount": amount, "lineItem/ResourceId": "arn:aws:s3:::b,\"q\""}
        rows.append(row)
        wanted[f"{interval}/{row['identity/LineItemId']}"] = f'{{"{row["lineItem/UsageType"]}":{amount}}}'
    rows.append(dict(rows[0], **{"lineItem/LineItemType": "Tax"}))
    return csv_text(rows), wanted


def events(amounts, _):
    """Azure Marketplace metering: usageEvent."""
    texts, wanted = [], {}
    for n, amount in zip(range(FOREIGN_COUNT), amounts):
        resource, start = f"/subscriptions/0f1e/resourceGroups/größe/{n // 8}", f"2018-12-01T0{n % 4}:30:14.1234567Z"
        texts.append(f'{{"resourceId":"{resource}","quantity":{amount},"dimension":"dim{n // 4 % 2}","effectiveStartTime":"{start}","planId":"plan1"}}')
        wanted[f"{resource}/dim{n // 4 % 2}/{start}"] = f'{{"dim{n // 4 % 2}":{amount}}}'
    return "[" + ",".join(texts) + "]", wanted


def operations(amounts, _):
    """GCP Service Control: operations with doubles, and with integers, which are texts there."""
    texts, wanted = [], {}
    for n, amount, other in zip(range(FOREIGN_COUNT // 2), amounts, amounts):
        texts.append(f'{{"operationId":"op-{n}","operationName":"Usage","consumerId":"project:p","startTime":"2024-08-12T01:00:00.123456789Z",'
                     f'"metricValueSets":[{{"metricName":"svc/requests","metricValues":[{{"doubleValue":{amount}}},'
                     f'{{"labels":{{"a":"b"}},"doubleValue":{other}}}]}},'
                     f'{{"metricName":"svc/bytes","metricValues":[{{"int64Value":"{9007199254740993 + n}"}}]}}]}}')
        wanted.update({f"op-{n}/svc/requests/0": f'{{"svc/requests":{amount}}}', f"op-{n}/svc/requests/1": f'{{"svc/requests":{other}}}',
                       f"op-{n}/svc/bytes/0": f'{{"svc/bytes":{9007199254740993 + n}}}'})
    return '{"operations":[' + ",".join(texts) + "]}", wanted


@pytest.mark.parametrize("name, make", [("focus.csv", focus), ("cur.csv", cur), ("events.json", events), ("operations.json", operations)])
def test_foreign_files_as_the_page_says(service, organization, name, make, tmp_path):
    """More than 30,000 records of four kinds, read back from the service digit for digit."""
    text, wanted = make(amount_texts(random.Random(name)), organization)
    assert len(wanted) >= FOREIGN_COUNT
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    code = code_of_data_page(name).replace("GtKPXMjlw", organization)
    made = subprocess.run(["python3", "-", tmp_path / name], input=code.encode(), stdout=subprocess.PIPE, check=True).stdout
    result = load(service, data=made)
    assert (result.returncode, result.stderr, counts(result)) == (0, "", (len(wanted), 0, 0, 0))
    lines = service.ask(f"/org/{organization}/usageRecordGroup?startDate=2018-01-01", Accept="application/x-ndjson").body.decode().splitlines()
    pieces = (re.fullmatch(r'.*"id":"([^"]*)".*"records":(\{.*\}),"serialID":.*', line) for line in lines)
    found = {piece[1]: piece[2] for piece in pieces}
    assert found == wanted
