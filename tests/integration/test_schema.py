"""The table keeps at the source what the contract promises; migrations and accounts."""

import subprocess

import pymysql
import pytest

from service import ROOT, build_dir

REFUSED = [
    {"partner": "aws"}, {"partner": "ALIBABA"}, {"partner": ""}, {"partner": None},
    {"status": "reported"}, {"status": "DONE"}, {"status": ""}, {"status": None},
    {"organization_id": ""}, {"organization_id": None}, {"id": ""}, {"id": None},
    {"meta_info": "[]"}, {"meta_info": "1"}, {"meta_info": '"x"'}, {"meta_info": "null"}, {"meta_info": ""},
    {"meta_info": "{"}, {"meta_info": "{'a':1}"}, {"meta_info": '{"a":"\n"}'}, {"meta_info": '{"a":NaN}'},
    {"meta_info": '{"a":01}'}, {"meta_info": "{} x"},
    {"records": "[]"}, {"records": "{"}, {"records": ""},
    {"meta_info": '{"source":"api"}'}, {"meta_info": '{"source":"OTHER"}'}, {"meta_info": '{"source":"API "}'},
    {"meta_info": '{"source":"METRONOMETRONOME"}'}, {"meta_info": '{"source":1}'},
    {"meta_info": '{"source":{}}'}, {"meta_info": '{"source":["API"]}'}, {"meta_info": '{"source":"%s"}' % ("x" * 600)},
    {"creation_time": None}, {"creation_time": "0000-00-00 00:00:00"}, {"creation_time": "0999-12-31 23:59:59.999"},
    {"creation_time": "2023-02-29 00:00:00"}, {"creation_time": "10000-01-01 00:00:00"}, {"creation_time": ""},
    {"last_update_time": None}, {"last_update_time": "0000-00-00 00:00:00"}, {"last_update_time": ""},
]
# What a writer without strict mode has cut or converted by its own wish.
REFUSED_IF_STRICT = [
    {"organization_id": "x" * 65}, {"id": "x" * 65}, {"buyer_id": "x" * 65}, {"entitlement_id": "x" * 65},
    {"product_id": "x" * 65}, {"source": "API"}, {"serial_id": -1}, {"serial_id": "x"},
]


@pytest.mark.parametrize("columns, sql_mode", [(columns, "STRICT_TRANS_TABLES") for columns in REFUSED + REFUSED_IF_STRICT]
                         + [(columns, "") for columns in REFUSED], ids=str)
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


def test_ids_are_unique_within_their_organization(service):
    service.insert("unique 1", id="same")
    service.insert("unique 2", id="same")
    service.insert("unique 1", id="Same")
    with pytest.raises(pymysql.IntegrityError):
        service.insert("unique 1", id="same")


def test_serial_ids_are_unique_and_ascend(service):
    ids = [service.insert("serial") for _ in range(5)]
    rows = service.sql("SELECT id, serial_id FROM usage_record_group WHERE organization_id = 'serial' "
                       "ORDER BY serial_id")
    assert [row[0] for row in rows] == ids
    with pytest.raises(pymysql.IntegrityError):
        service.insert("serial 2", serial_id=rows[0][1])


def test_migrations_may_be_run_again(own_service):
    assert own_service.migrate() == ""  # the fixture has run them
    own_service.insert("kept")
    assert own_service.migrate() == ""
    assert own_service.sql("SELECT COUNT(*) FROM usage_record_group")[0][0] == 1
    assert "Applying 001-usage-record-group" in own_service.migrate("another")
    own_service.sql("DELETE FROM another.schema_migration")  # cut off before they were noted
    assert own_service.migrate("another") == "Applying 001-usage-record-group\nApplying 002-api-key\n"


def test_the_account_may_read_and_nothing_else(own_service):
    own_service.insert("o")
    script = "SET @host = 'localhost', @password = 'it''s \"secret\"\\\\'; " + (ROOT / "sql/account.sql").read_text()
    for _ in range(2):
        subprocess.run([ROOT / "sql/client", "--no-defaults", f"--socket={own_service.dir}/mysql.sock", "--user=root",
                        "usage_record_api"], input=script, text=True, check=True)
    account = pymysql.connect(unix_socket=f"{own_service.dir}/mysql.sock", user="usage_record_api",
                              password="it's \"secret\"\\", database="usage_record_api")
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
    own_service.stack("workers", "start")
    own_service.stack("nginx", "start")
    answer = own_service.ask("/org/o/usageRecordGroup?endDate=2024-08-12")
    assert answer.status == 200 and len(answer.json()["usageRecordGroups"]) == 1
    with pytest.raises(pymysql.MySQLError):
        pymysql.connect(unix_socket=f"{own_service.dir}/mysql.sock", user="usage_record_api", password="wrong")


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
    if service.is_mariadb():  # MySQL decodes strings and rounds numbers before it stores them
        assert count("meta_info LIKE '%%\\\\\\\\u00e9%%'") > 100
        assert count("meta_info RLIKE '[0-9][.][0-9]{19}'") > 1000
