"""How much a page reads: every combination of filters is one short range of one index,
counted by the server's own handlers."""

import itertools
import urllib.parse

import pytest

LIMIT = 20
# Rows of the page, the one behind it, and a look-up or two at the ends of the ranges.
READS_MAX = LIMIT + 1 + 4

EXCLUSIVE = [{}, {"partner": "AWS"}, {"partner": "GCP"}, {"buyerId": None}, {"entitlementId": None},
             {"productId": None}, {"buyerId": "nobody"}]
STATUSES = [{}, {"status": "REPORTED"}, {"status": "REPORT_FAILED"}, {"status": "DELETED"}]
SOURCES = [{}, {"source": "API"}, {"source": "ORB"}, {"source": ""}]
COLUMNS = {"buyerId": "buyer_id", "entitlementId": "entitlement_id", "productId": "product_id"}


def reads(service):
    """What the server has read by index and sorted so far.  Its own status tables are read
    by rnd_next, which is left out here and looked at by another test."""
    counters = dict(service.sql("SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Handler_read_%%' "
                                "OR Variable_name LIKE 'Handler_icp_%%' OR Variable_name LIKE 'Sort_r%%'"))
    return sum(int(value) for name, value in counters.items()
               if not name.startswith("Handler_read_rnd") and name != "Handler_icp_match")


def cost(service, target):
    """What is read for an answer, at the least: a worker that connects first also asks whether the host is good."""
    costs = []
    for _ in range(3):
        before = reads(service)
        answer = service.ask(target)
        costs.append(reads(service) - before)
        assert answer.status == 200, answer.body
    return min(costs), answer


@pytest.fixture(scope="module")
def values(service, sample):
    organization = sample["organizations"][0]
    return {name: service.sql(f"SELECT {column} FROM usage_record_group WHERE organization_id = %s AND {column} "
                              f"IS NOT NULL GROUP BY {column} ORDER BY COUNT(*) DESC LIMIT 1", [organization])[0][0]
            for name, column in COLUMNS.items()}


@pytest.mark.parametrize("parts", list(itertools.product(EXCLUSIVE, STATUSES, SOURCES)),
                         ids=lambda parts: "+".join(f"{n}={v}" for part in parts for n, v in part.items()) or "all")
def test_a_page_reads_its_rows_and_no_more(service, sample, values, parts):
    filters = {name: value or values.get(name, "") for part in parts for name, value in part.items()}
    query = urllib.parse.urlencode(filters)
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{query}&{sample['window']}&limit={LIMIT}"
    assert cost(service, "/org/nobody/usageRecordGroup")[0] <= 3  # also connects and prepares
    service.ask(target)  # prepares
    read, answer = cost(service, target)
    found = len(answer.json()["usageRecordGroups"])
    assert found <= read <= found + 5 <= READS_MAX
    pages = 0
    while answer.next_path() and pages < 3:
        target, pages = answer.next_path(), pages + 1
        service.ask(target)
        read, answer = cost(service, target)
        assert read <= READS_MAX


def test_a_deep_cursor_reads_no_more_than_a_shallow_one(service, sample):
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}&limit=1000"
    for _ in range(5):
        target = service.ask(target).next_path()
    target = target.replace("limit=1000", f"limit={LIMIT}")
    service.ask(target)
    assert cost(service, target)[0] <= READS_MAX


def test_a_deep_offset_reads_index_entries_but_not_rows(service, sample):
    """The rows that are passed over are read in an index that covers them."""
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}&limit={LIMIT}&offset=5003"  # no page of another test ended there
    service.ask(target)
    assert 5003 <= cost(service, target)[0] <= 5003 + READS_MAX + 5
    plan = service.sql("EXPLAIN FORMAT=TRADITIONAL SELECT creation_time, serial_id FROM usage_record_group FORCE INDEX (by_time) "
                       "WHERE organization_id = %s AND creation_time >= '2000-01-01' AND creation_time <= '2100-01-01' "
                       "ORDER BY creation_time DESC, serial_id DESC LIMIT 1 OFFSET 4999", [sample["organizations"][0]])
    assert "Using index" in plan[0][-1] and "filesort" not in plan[0][-1]


def test_ties_are_no_reason_to_read_more(service):
    """A thousand records of one instant: a page in their midst still reads its own rows."""
    if not service.sql("SELECT 1 FROM usage_record_group WHERE organization_id = 'one instant' LIMIT 1"):
        service.sql("INSERT INTO usage_record_group (id, organization_id, partner, status, creation_time, "
                    "last_update_time) WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number "
                    "WHERE n < 1000) SELECT n, 'one instant', 'AWS', 'REPORTED', '2024-05-01', '2024-05-01' FROM number")
    target = f"/org/one%20instant/usageRecordGroup?endDate=2024-05-01&limit={LIMIT}"
    for _ in range(20):
        target = service.ask(target).next_path()
    service.ask(target)
    assert cost(service, target)[0] <= READS_MAX


def test_no_page_sorts_or_scans_a_table(service, sample):
    before = dict(service.sql("SHOW GLOBAL STATUS WHERE Variable_name IN "
                              "('Sort_merge_passes', 'Sort_range', 'Sort_scan', 'Select_full_join')"))
    for parts in itertools.product([{}, {"partner": "AWS"}], STATUSES, SOURCES):
        query = urllib.parse.urlencode({name: value for part in parts for name, value in part.items()})
        for more in ("", "&offset=500"):
            service.ask(f"/org/{sample['organizations'][0]}/usageRecordGroup?{query}&{sample['window']}&limit=5{more}")
    assert before == dict(service.sql("SHOW GLOBAL STATUS WHERE Variable_name IN "
                                      "('Sort_merge_passes', 'Sort_range', 'Sort_scan', 'Select_full_join')"))


def test_meta_info_alone_reads_its_window_and_no_more(service, sample):
    query = urllib.parse.urlencode({"metaInfo": '{"customer":"Rocket 🚀 Labs","SkipValidation":true}'})
    organization, rows = sample["organizations"][3], sample["sizes"][3]
    target = f"/org/{organization}/usageRecordGroup?{query}&{sample['window']}"
    service.ask(target)
    read, answer = cost(service, target)
    assert 0 < len(answer.json()["usageRecordGroups"]) < rows
    assert rows <= read <= rows + 5


def test_statements_are_sent_once_and_kept(service, sample):
    """No ping, no COUNT, no SET: a page is one Execute, and its statement is prepared once
    by each worker."""
    def commands():
        return {name: int(value) for name, value in service.sql(
            "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_stmt_prepare', 'Com_stmt_execute', 'Com_stmt_close', "
            "'Com_set_option', 'Com_select', 'Com_admin_commands')")}
    target = f"/org/{sample['organizations'][0]}/usageRecordGroup?{sample['window']}&status=REPORTED&limit=3"
    for _ in range(20):
        service.ask(target)  # by now both workers know it
    before = commands()
    for _ in range(50):
        service.ask(target)
    after = commands()
    assert after["Com_stmt_execute"] - before["Com_stmt_execute"] == 50
    assert after["Com_select"] - before["Com_select"] == 50
    for name in ("Com_stmt_prepare", "Com_stmt_close", "Com_set_option", "Com_admin_commands"):
        assert after[name] == before[name], name


def test_counts_are_read_from_an_index_alone(service, sample):
    """Also on a connection that has just read rows by another index."""
    target = f"/org/{sample['organizations'][0]}/usageRecordSummary?{sample['window']}&groupBy=day,status"
    conditions = "SHOW GLOBAL STATUS LIKE 'Handler_icp_attempts'"  # looked at where rows are to be read
    for _ in range(2):
        for query in ("", "&amounts=false"):
            for _ in range(6):
                before = service.sql(conditions)
                assert service.ask(target + query).status == 200
        assert service.sql(conditions) == before
