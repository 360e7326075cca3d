"""Walks by nextOffset that go on behind the page before: two workers that remember places
together, asked in turns, while the list changes under the walk."""

import json
import signal
import time

import pytest

from worker import Worker


class Pool:
    """Two workers without a web server; each page is another one's."""

    def __init__(self, service, **settings):
        environment = {**service.environment(), "USAGE_RECORD_API_PLACES_FILE": str(service.dir / f"places-{time.monotonic_ns()}"),
                       **{f"USAGE_RECORD_API_{name}": value for name, value in settings.items()}}
        self.workers = [Worker(service.dir, environment).start() for _ in range(2)]
        self.turn = 0

    def page(self, organization, query, offset=0, **headers):
        """Ids and nextOffset of a page."""
        self.turn += 1
        answer = self.workers[self.turn % 2].ask(f"/org/{organization}/usageRecordGroup?{query}&offset={offset}", **headers)
        assert answer.status == 200, answer.body
        page = json.loads(answer.body)
        return [record["id"] for record in page["usageRecordGroups"]], page["nextOffset"]

    def walk(self, organization, query, between_pages=lambda: None, **headers):
        seen, offset = [], 0
        while True:
            ids, offset = self.page(organization, query, offset, **headers)
            seen += ids
            if offset == 0:
                return seen
            assert offset == len(seen)
            between_pages()

    def close(self):
        for worker in self.workers:
            worker.close()


@pytest.fixture
def pool(service):
    pool = Pool(service)
    yield pool
    pool.close()


WINDOW = "startDate=2024-05-01&endDate=2024-05-03"


def fill(service, organization, count=40):
    """Records of one day, half of them in one millisecond; their ids, in the list's order."""
    for number in range(count):
        service.insert(organization, id=f"{organization}-{number:03}", meta_info='{"a": 1}',
                       creation_time=f"2024-05-02 00:00:00.{number // 2 * (number % 2):03}")
    return [row[0] for row in service.sql(
        "SELECT id FROM usage_record_group WHERE organization_id = %s "
        "ORDER BY creation_time DESC, serial_id DESC", [organization])]


def changes(service, organization):
    """What happens between two pages: records come, before and behind the walk, some that were
    passed go, and some change their status."""
    for day in (1, 3):
        for _ in range(2):
            service.insert(organization, creation_time=f"2024-05-0{day} 00:00:00.000", meta_info='{"a": 1}')
    newest = [row[0] for row in service.sql(
        "SELECT id FROM usage_record_group WHERE organization_id = %s AND creation_time > '2024-05-02' "
        "ORDER BY creation_time DESC, serial_id DESC LIMIT 5", [organization])]
    service.sql("DELETE FROM usage_record_group WHERE organization_id = %s AND id = %s", [organization, newest[-1]])
    service.sql("UPDATE usage_record_group SET status = 'INVALID' WHERE organization_id = %s AND id = %s",
                [organization, newest[-2]])


@pytest.mark.parametrize("query", ["", "status=REPORTED", 'metaInfo={"a":1}', "source=", "partner=AWS&status=REPORTED"])
def test_a_walk_in_a_changing_list_neither_repeats_nor_hides(service, pool, organization, query):
    before = fill(service, organization)
    walked = pool.walk(organization, f"{WINDOW}&limit=3&{query}", lambda: changes(service, organization))
    assert len(walked) == len(set(walked))
    left = {row[0] for row in service.sql(
        "SELECT id FROM usage_record_group WHERE organization_id = %s AND status = 'REPORTED'", [organization])}
    there_all_the_time = [record for record in before if record in left]
    assert [record for record in walked if record in set(there_all_the_time)] == there_all_the_time
    assert len(there_all_the_time) >= 25


def test_walkers_with_keys_of_their_own_do_not_disturb_each_other(service, pool, organization):
    before = fill(service, organization)
    walks = {f"Key {number}": [] for number in range(3)}
    offsets = dict.fromkeys(walks, 0)
    while any(offset is not None for offset in offsets.values()):
        for key, offset in offsets.items():
            if offset is not None:
                ids, next_offset = pool.page(organization, f"{WINDOW}&limit=7", offset, HTTP_AUTHORIZATION=key)
                walks[key] += ids
                offsets[key] = next_offset or None
            service.insert(organization, creation_time="2024-05-03 00:00:00.000")
    for walked in walks.values():
        assert len(walked) == len(set(walked))
        assert [record for record in walked if record in set(before)] == before


def test_walkers_that_cannot_be_told_apart_count(service, pool, organization):
    """Their pages end at different records: whoever asks gets what counting gives."""
    query = f"{WINDOW}&limit=5"
    before = fill(service, organization, 20)
    pool.page(organization, query)
    newest = service.insert(organization, creation_time="2024-05-03 00:00:00.000")
    assert pool.page(organization, query) == ([newest, *before[:4]], 5)
    assert pool.page(organization, query, 5)[0] == before[4:9]
    service.sql("DELETE FROM usage_record_group WHERE organization_id = %s AND id = %s", [organization, newest])
    assert pool.page(organization, query, 5)[0] == before[5:10]
    assert pool.page(organization, query, 5, HTTP_AUTHORIZATION="Key k")[0] == before[5:10]


def test_a_place_outlives_the_workers(service, pool, organization):
    before = fill(service, organization)

    def between_pages():
        service.insert(organization, creation_time="2024-05-03 00:00:00.000")
        worker = pool.workers[(pool.turn + 1) % 2]
        worker.end(signal.SIGKILL if pool.turn % 3 else signal.SIGTERM, 5)
        worker.start()

    assert pool.walk(organization, f"{WINDOW}&limit=9", between_pages) == before


def test_what_is_no_longer_remembered_is_counted(service, organization):
    pool = Pool(service, PLACE_MEMORY_S="1")
    try:
        before = fill(service, organization, 20)
        first, offset = pool.page(organization, f"{WINDOW}&limit=8")
        service.insert(organization, creation_time="2024-05-03 00:00:00.000")
        second, offset = pool.page(organization, f"{WINDOW}&limit=8", offset)
        assert first + second == before[:16]
        time.sleep(1.1)  # the place's life
        assert pool.page(organization, f"{WINDOW}&limit=8", offset)[0] == before[15:]
    finally:
        pool.close()


@pytest.mark.parametrize("settings", [{"PLACE_MEMORY_S": "0"}, {"PLACES_FILE": ""}])
def test_places_can_be_turned_off(service, organization, settings):
    pool = Pool(service, **settings)
    try:
        before = fill(service, organization, 10)
        pool.page(organization, f"{WINDOW}&limit=5")
        service.insert(organization, creation_time="2024-05-03 00:00:00.000")
        assert pool.page(organization, f"{WINDOW}&limit=5", 5)[0] == before[4:9]
    finally:
        pool.close()


def test_what_a_head_gave_is_no_place(service, pool, organization):
    before = fill(service, organization, 10)
    answer = pool.workers[0].ask(f"/org/{organization}/usageRecordGroup?{WINDOW}&limit=5", method="HEAD")
    assert "Link" in answer.headers
    service.insert(organization, creation_time="2024-05-03 00:00:00.000")
    assert pool.page(organization, f"{WINDOW}&limit=5", 5)[0] == before[4:9]


def test_a_deep_page_behind_its_place_is_no_search(service, pool, organization):
    """Only the page that nobody has asked for before its own is passed on."""
    fill(service, organization, 1)
    rows = ", ".join(f"('n{number}', '{organization}', 'AWS', 'REPORTED', '{{}}', '2024-05-02', '2024-05-02')"
                     for number in range(10100))
    service.sql("INSERT INTO usage_record_group (id, organization_id, partner, status, records, creation_time,"
                f" last_update_time) VALUES {rows}")
    target = f"/org/{organization}/usageRecordGroup?{WINDOW}&limit=50"
    elsewhere = {"USAGE_RECORD_API_SEARCH": "@elsewhere"}
    assert "X-Accel-Redirect" in pool.workers[0].ask(f"{target}&offset=10000", **elsewhere).headers
    assert pool.workers[0].ask(f"{target}&offset=10000").status == 200
    assert "X-Accel-Redirect" not in pool.workers[1].ask(f"{target}&offset=10050", **elsewhere).headers
    assert "X-Accel-Redirect" in pool.workers[1].ask(f"{target}&offset=10000", **elsewhere).headers
