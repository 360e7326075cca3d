"""The table divided by organization: answers stay what they were, and each asks one part."""

import itertools
import subprocess
import urllib.parse

import pytest

from loader import counts, lines, load, record
from service import ROOT
from test_plans import EXCLUSIVE, SOURCES, STATUSES

MORE = [{"limit": 1000, "offset": 2000}, {"offset": 11}, {"metaInfo": '{"source":"ORB"}'}, {"metaInfo": '{"nobody":1}'},
        {"startDate": "2024-01-01"}, {"cursor": ""}]


def partition(service, count, database="usage_record_api"):
    return subprocess.run([ROOT / "sql/partition", str(count), database, "--no-defaults", "--user=root",
                           f"--socket={service.dir}/mysql.sock"], capture_output=True, text=True)


@pytest.fixture
def filled(own_service):
    own_service.load_sample(12000, "--organizations", "12")
    own_service.serve()
    return own_service


def organizations(service):
    return [row[0] for row in service.sql("SELECT DISTINCT organization_id FROM usage_record_group ORDER BY 1")]


def answers(service):
    """What each kind of question is answered, with the way to the next page."""
    buyer = service.sql("SELECT MAX(buyer_id) FROM usage_record_group")[0][0]
    given = {}
    for parts in [*itertools.product(EXCLUSIVE, STATUSES, SOURCES), *((more,) for more in MORE)]:
        filters = {name: value if value is not None else buyer for part in parts for name, value in part.items()}
        query = urllib.parse.urlencode({"startDate": "2000-01-01", "limit": 50, **filters})
        given |= {(organization, query): service.ask(f"/org/{urllib.parse.quote(organization)}/usageRecordGroup?{query}")
                  for organization in organizations(service)[::4]}
    return {question: (answer.status, answer.body, answer.header("Link")) for question, answer in given.items()}


def parts_asked(service, where):
    row = service.sql(f"EXPLAIN {'PARTITIONS' if service.is_mariadb() else 'FORMAT=TRADITIONAL'} SELECT * FROM usage_record_group "
                      f"FORCE INDEX (PRIMARY) WHERE {where} ORDER BY creation_time DESC LIMIT 20")[0]
    return len(row[3].split(","))


def test_answers_stay_the_same(filled):
    before = answers(filled)
    assert sum(status == 200 for status, _, _ in before.values()) > 300 and len({body for _, body, _ in before.values()}) > 100
    made = partition(filled, 8)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    assert answers(filled) == before
    assert parts_asked(filled, f"organization_id = '{organizations(filled)[0]}'") == 1
    assert parts_asked(filled, "TRUE") == 8

    data = lines([record(name, number) for name in ("one", "two", "three") for number in range(100)])
    assert counts(load(filled, data=data)) == (300, 0, 0, 0)
    assert counts(load(filled, data=data)) == (0, 0, 300, 0)
    filled.sql("DELETE FROM usage_record_group WHERE organization_id IN ('one', 'two', 'three')")
    assert partition(filled, 1).returncode == 0
    assert answers(filled) == before
    assert "PARTITION" not in filled.sql("SHOW CREATE TABLE usage_record_group")[0][1]


def test_it_is_divided_once(own_service):
    assert partition(own_service, 4).returncode == 0
    made = own_service.sql("SELECT create_time FROM information_schema.tables WHERE table_name = 'usage_record_group'")
    assert partition(own_service, 4).returncode == 0 and own_service.migrate() == ""
    assert own_service.sql("SELECT create_time FROM information_schema.tables WHERE table_name = 'usage_record_group'") == made
    assert partition(own_service, 7).returncode == 0 and parts_asked(own_service, "TRUE") == 7
    for count in ("0", "", "x", "-1"):
        assert partition(own_service, count).returncode == 2


def test_the_sample_loads_into_a_divided_table(own_service):
    own_service.load_sample(3000)
    undivided = own_service.sql("CHECKSUM TABLE usage_record_group")
    own_service.sql("TRUNCATE usage_record_group")
    assert partition(own_service, 5).returncode == 0
    own_service.load_sample(3000)
    assert own_service.sql("CHECKSUM TABLE usage_record_group") == undivided
    assert own_service.migrate() == ""  # its indexes were dropped and made again
