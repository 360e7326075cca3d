"""The table keeps at the source what the contract promises; migrations and accounts."""

import contextlib
import subprocess
import time

import pymysql
import pytest

from loader import counts, lines, load, record
from promises import ACCEPTED, REFUSED, REFUSED_BY_MARIADB, REFUSED_BY_MYSQL, REFUSED_IF_STRICT
from service import ROOT, build_dir


def shown(value):
    return ascii(value)[:60]


@pytest.mark.parametrize("columns, sql_mode", [(columns, "STRICT_TRANS_TABLES") for columns in REFUSED + REFUSED_IF_STRICT]
                         + [(columns, "") for columns in REFUSED], ids=shown)
def test_bad_rows_are_refused(service, columns, sql_mode):
    columns = {"organization_id": "refused", **columns}
    before = service.sql("SELECT COUNT(*) FROM usage_record_group")[0][0]
    service.sql("SET SESSION sql_mode = %s", [sql_mode])
    try:
        with pytest.raises(pymysql.MySQLError):
            service.insert(columns.pop("organization_id"), **columns)
    finally:
        service.sql("SET SESSION sql_mode = DEFAULT")
    assert service.sql("SELECT COUNT(*) FROM usage_record_group")[0][0] == before


@pytest.mark.parametrize("columns", REFUSED_BY_MARIADB + REFUSED_BY_MYSQL, ids=shown)
def test_what_one_server_refuses(service, organization, columns):
    with contextlib.suppress(pymysql.MySQLError):
        service.insert(organization, **columns)
    found = service.sql("SELECT source FROM usage_record_group WHERE organization_id = %s", [organization])
    if columns in (REFUSED_BY_MARIADB if service.is_mariadb() else REFUSED_BY_MYSQL):
        assert found == ()
    else:
        assert found == (("ORB" if "ORB" in str(columns) else "",),)


@pytest.mark.parametrize("columns", ACCEPTED, ids=shown)
def test_good_rows_are_accepted(service, columns):
    service.insert(columns.get("organization_id", "accepted"), **{"id": f"accepted {time.monotonic_ns()}", **columns})


@pytest.mark.parametrize("column", ["id", "organization_id", "buyer_id", "entitlement_id", "product_id",
                                    "usage_record_report_id", "meta_info", "records"])
def test_surrogates_are_refused(service, column):
    """The driver would refuse them itself: they come from the server's own hexadecimal."""
    value = {"meta_info": "CONCAT('{\"a\":\"', _utf8mb4 X'EDA080', '\"}')",
             "records": "CONCAT('{\"', _utf8mb4 X'EDBFBF', '\":1}')"}.get(column, "CONCAT('a', _utf8mb4 X'EDA080')")
    columns = {"id": "UUID()", "organization_id": "'refused'", "partner": "'AWS'", "status": "'REPORTED'", column: value}
    with pytest.raises(pymysql.MySQLError):
        service.sql(f"INSERT INTO usage_record_group ({', '.join(columns)}) VALUES ({', '.join(columns.values())})")


def test_a_writer_may_leave_out_the_times(service):
    service.sql("SET SESSION time_zone = '+09:00'")
    try:
        service.sql("INSERT INTO usage_record_group (id, organization_id, partner, status) "
                    "VALUES ('now', 'times', 'AWS', 'CREATED')")
        found = service.sql("SELECT creation_time = last_update_time, ABS(TIMESTAMPDIFF(SECOND, creation_time, UTC_TIMESTAMP())) "
                            "FROM usage_record_group WHERE organization_id = 'times'")
    finally:
        service.sql("SET SESSION time_zone = DEFAULT")
    assert found[0][0] == 1 and found[0][1] < 60


def test_ids_are_unique_within_their_organization(service):
    service.insert("unique 1", id="same")
    service.insert("unique 2", id="same")
    service.insert("unique 1", id="Same")
    with pytest.raises(pymysql.IntegrityError):
        service.insert("unique 1", id="same")


def test_serial_ids_ascend(service):
    ids = [service.insert("serial") for _ in range(5)]
    rows = service.sql("SELECT id, serial_id FROM usage_record_group WHERE organization_id = 'serial' "
                       "ORDER BY serial_id")
    assert [row[0] for row in rows] == ids


def test_migrations_may_be_run_again(own_service):
    assert own_service.migrate() == ""  # the fixture has run them
    own_service.insert("kept")
    assert own_service.migrate() == ""
    assert own_service.sql("SELECT COUNT(*) FROM usage_record_group")[0][0] == 1
    assert "Applying 001-usage-record-group" in own_service.migrate("another")
    own_service.sql("DELETE FROM another.schema_migration")  # cut off before they were noted
    assert own_service.migrate("another") == ("Applying 001-usage-record-group\nApplying 002-api-key\n"
                                              "Applying 003-promises\nApplying 004-heartbeat\nApplying 005-text\n")


def tool(service, name, *arguments, option=()):
    """Runs a script of sql/ as the administrator."""
    client = ["--no-defaults", "--user=root", f"--socket={service.dir}/mysql.sock", *option]
    return subprocess.run([ROOT / "sql" / name, *arguments, *client], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def old_database(own_service):
    """A database as the first two migrations left it."""
    own_service.sql("CREATE DATABASE old")
    own_service.sql("CREATE TABLE schema_migration (name VARCHAR(100) PRIMARY KEY)", database="old")
    for name in ("001-usage-record-group", "002-api-key"):
        for statement in (ROOT / f"sql/{name}.sql").read_text().split(";\n"):
            if statement.strip():
                own_service.sql(statement, database="old")
        own_service.sql("INSERT INTO schema_migration VALUES (%s)", [name], database="old")
    return own_service


def test_a_migration_over_bad_records_changes_nothing(old_database):
    service, insert = old_database, ("INSERT INTO usage_record_group (id, organization_id, partner, status, meta_info, records, "
                                     "creation_time, last_update_time) VALUES (UUID(), %s, 'AWS', 'REPORTED', %s, %s, NOW(), NOW())")
    service.sql(insert, ["good", '{"source":"API"}', '{"x":1}'], database="old")
    assert tool(service, "check", "old").stdout == ""
    assert tool(service, "check", "old").returncode == 0
    service.sql(insert, ["bad", '{"source":null}', '{"x":"1"}'], database="old")
    before = service.sql("SHOW CREATE TABLE usage_record_group", database="old")

    check = tool(service, "check", "old")
    assert check.returncode == 1 and check.stdout.split() == ["2", "bad", "records_are_numbers,", "source_is_text"] or \
        check.stdout.split() == ["2", "bad", "source_is_text,", "records_are_numbers"], check
    migrate = tool(service, "migrate", "old")
    assert migrate.returncode == 1 and "sql/check old lists the records" in migrate.stderr
    assert service.sql("SHOW CREATE TABLE usage_record_group", database="old") == before

    service.sql("DELETE FROM usage_record_group WHERE organization_id = 'bad'", database="old")
    migrate = tool(service, "migrate", "old")
    assert migrate.returncode == 0 and migrate.stdout == "Applying 003-promises\nApplying 004-heartbeat\nApplying 005-text\n", migrate
    assert service.sql("SHOW PROCEDURE STATUS WHERE db = 'old'", database="old") == ()
    assert [row[0] for row in service.sql("SHOW DATABASES LIKE 'ura%%'", database=None)] == []


@pytest.fixture
def json_service(own_service):
    """A table whose documents have the type JSON, as it was before migration 005: on MySQL no text."""
    own_service.sql("DROP DATABASE usage_record_api", database=None)
    own_service.sql("CREATE DATABASE usage_record_api CHARACTER SET utf8mb4", database=None)
    own_service.sql("CREATE TABLE schema_migration (name VARCHAR(100) PRIMARY KEY)")
    for file in sorted((ROOT / "sql").glob("00[1-4]-*.sql")):
        subprocess.run([ROOT / "sql/client", "--no-defaults", "--user=root", f"--socket={own_service.dir}/mysql.sock",
                        "usage_record_api"], input=file.read_bytes(), check=True)
        own_service.sql("INSERT INTO schema_migration VALUES (%s)", [file.stem])
    return own_service


DIGITS = '{"x":10234.55000000000000019, "y":1.10}'


def test_documents_become_text(json_service):
    service = json_service
    service.insert("o", id="id-1", meta_info=f'{{"source":"API", "deep":[{DIGITS}]}}', records=DIGITS)
    service.stack("workers", "start")
    service.stack("nginx", "start")

    def stored():
        return service.sql("SELECT meta_info, records, source FROM usage_record_group WHERE organization_id = 'o'")

    def assert_is_shown():
        [[meta_info, records, _]] = stored()
        body = service.ask("/org/o/usageRecordGroup?endDate=2024-08-12").body.decode()
        assert f'"metaInfo":{meta_info},"organizationID"' in body and f'"records":{records},"serialID"' in body
    assert_is_shown()
    before = stored()
    line = lines([record("o", 1, records=0)]).replace(b'"records":0', b'"records":' + DIGITS.encode())
    result = load(service, data=line)
    if service.is_mariadb():  # whose JSON is text
        assert result.returncode == 0 and before[0][1] == DIGITS
    else:
        assert result.returncode == 1 and "sql/migrate makes them text" in result.stderr, result
        assert stored() == before
    assert service.migrate() == "Applying 005-text\n"
    assert stored() == before or service.is_mariadb()
    load(service, data=line)
    assert counts(load(service, data=line)) == (0, 0, 1, 0)
    assert stored()[0][1:] == (DIGITS, "API")
    assert_is_shown()


@pytest.mark.parametrize("change, difference", [
    ("ALTER TABLE usage_record_group DROP KEY by_time", "KEY `by_time`"),
    ("ALTER TABLE usage_record_group DROP CONSTRAINT source_is_known", "CONSTRAINT `source_is_known`"),
    ("ALTER TABLE usage_record_group MODIFY buyer_id VARCHAR(200)", "`buyer_id` varchar(200)"),
    ("ALTER TABLE api_key ADD COLUMN note TEXT", "`note` text"),
])
def test_a_table_that_is_not_ours_is_told_apart(own_service, change, difference):
    own_service.sql(change)
    migrate = tool(own_service, "migrate", "usage_record_api")
    assert migrate.returncode == 1 and difference in migrate.stderr, migrate


def test_a_table_with_another_collation_is_refused(own_service):
    own_service.sql("CREATE DATABASE foreign_one CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    own_service.sql("CREATE TABLE usage_record_group (id VARCHAR(64), organization_id VARCHAR(64))", database="foreign_one")
    before = own_service.sql("SHOW CREATE TABLE usage_record_group", database="foreign_one")
    migrate = tool(own_service, "migrate", "foreign_one")
    assert migrate.returncode == 1
    assert "usage_record_group.organization_id has the collation utf8mb4_unicode_ci" in migrate.stderr
    assert "Applying" not in migrate.stdout
    assert own_service.sql("SHOW CREATE TABLE usage_record_group", database="foreign_one") == before


def test_a_divided_table_is_ours(own_service):
    own_service.sql("ALTER TABLE usage_record_group PARTITION BY KEY (organization_id) PARTITIONS 4")
    own_service.insert("o")
    assert own_service.migrate() == ""


@pytest.mark.parametrize("setting", ["SET GLOBAL autocommit = 0", "SET GLOBAL init_connect = 'SET autocommit = 0'"])
def test_the_tools_commit_whatever_the_server_says(own_service, setting):
    own_service.sql(setting)
    own_service.sql("CREATE USER admin; ")
    own_service.sql("GRANT ALL ON *.* TO admin")
    if own_service.is_mariadb():  # whom init_connect is for
        own_service.sql("REVOKE SUPER, CONNECTION ADMIN ON *.* FROM admin")
    option = ["--user=admin"]
    assert tool(own_service, "migrate", "another", option=option).returncode == 0
    assert tool(own_service, "migrate", "another", option=option).stdout == ""
    made = tool(own_service, "usage-record-api-key", "create", "o", "--", option=option)
    assert made.returncode == 0, made
    assert own_service.sql("SELECT last_four FROM api_key") == ((made.stdout.strip()[-4:],),)
    assert tool(own_service, "usage-record-api-key", "revoke", "o", made.stdout.strip()[-4:], "--", option=option).returncode == 0
    assert own_service.sql("SELECT COUNT(*) FROM api_key WHERE revocation_time IS NULL") == ((0,),)


def test_the_account_may_read_and_nothing_else(own_service):
    own_service.insert("o")
    script = "SET @host = 'localhost', @password = 'it''s \"secret\"\\\\'; " + (ROOT / "sql/account.sql").read_text()
    for _ in range(2):
        subprocess.run([ROOT / "sql/client", "--no-defaults", f"--socket={own_service.dir}/mysql.sock", "--user=root",
                        "usage_record_api"], input=script, text=True, check=True)
    account = own_service.connect_database(user="usage_record_api", password="it's \"secret\"\\")
    with account, account.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM usage_record_group")
        assert cursor.fetchall() == ((1,),)
        for statement in ("DELETE FROM usage_record_group", "UPDATE usage_record_group SET status = 'DELETED'",
                          "INSERT INTO usage_record_group (id) VALUES ('x')", "DROP TABLE usage_record_group",
                          "CREATE TABLE t (i INT)", "SELECT * FROM mysql.user", "SELECT * FROM schema_migration",
                          "SELECT * FROM usage_record_group INTO OUTFILE '/tmp/x'", "TRUNCATE usage_record_group"):
            with pytest.raises(pymysql.MySQLError):
                cursor.execute(statement)
    # The worker lives with it.
    option_file = own_service.dir / "client.cnf"
    option_file.write_text('[client]\nuser=usage_record_api\npassword="it\'s \\"secret\\"\\\\"\n')
    own_service.settings.update(DB_USER="", DB_OPTION_FILE=option_file)
    own_service.serve()
    answer = own_service.ask("/org/o/usageRecordGroup?endDate=2024-08-12")
    assert answer.status == 200 and len(answer.json()["usageRecordGroups"]) == 1
    with pytest.raises(pymysql.MySQLError):
        own_service.connect_database(user="usage_record_api", password="wrong")


def generate(*options):
    return subprocess.run([build_dir() / "generate", *options], check=True, stdout=subprocess.PIPE).stdout


def test_the_generator_gives_the_same_bytes_again():
    options = ["--rows", "5000", "--end", "2024-08-12"]
    everything = generate(*options)
    assert everything == generate(*options)
    assert everything == generate(*options, "--to", "1234") + generate(*options, "--from", "1234")
    assert everything != generate(*options, "--seed", "2")
    assert everything.count(b"\n") == 5000


def test_the_sample_is_believable(service, sample):
    assert sample["sizes"][:3] == [6000, 3000, 1500] and len(sample["sizes"]) == 12
    organization = sample["organizations"][0]
    for column, expected in [("partner", 3), ("status", 6), ("source", 5), ("product_id", 9)]:
        found = service.sql(f"SELECT COUNT(DISTINCT COALESCE({column}, 'none')) FROM usage_record_group "
                            "WHERE organization_id = %s", [organization])[0][0]
        assert found == expected, column

    def count(condition):
        return service.sql("SELECT COUNT(*) FROM usage_record_group AS r WHERE organization_id = %s AND "
                           f"({condition})", [organization])[0][0]
    for column in ("buyer_id", "entitlement_id", "product_id", "meta_info", "usage_record_report_id"):
        assert count(f"{column} IS NULL") > 0, column
    assert count("EXISTS (SELECT 1 FROM usage_record_group AS t WHERE t.organization_id = r.organization_id AND "
                 "t.creation_time = r.creation_time AND t.serial_id <> r.serial_id)") > 1000
    assert {count(f"JSON_LENGTH(meta_info, '$.billableRecords') = {number}") > 500 for number in (1, 2, 3)} == {True}
    assert count("meta_info LIKE '%%é%%'") > 100
    assert count("meta_info LIKE '%%\\\\\\\\u00e9%%'") > 100
    assert count("meta_info RLIKE '[0-9][.][0-9]{19}'") > 1000
