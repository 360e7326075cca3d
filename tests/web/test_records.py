"""The table of records, and one record in full."""

import json
import re

import reference
import relay as relay_module
from browser import STALL_MS_MAX
from test_view import expected


def scroll(browser, seconds=30):
    """Scrolls until all is there; the most lines that stood in the document at once."""
    most = 0

    def is_at_end():
        nonlocal most
        browser.execute_script("const place = document.querySelector('.lines'); place.scrollTop = place.scrollHeight")
        most = max(most, len(browser.all(".records tr[data-place]")))
        return "All " in browser.text("#records-state")
    browser.wait(is_at_end, seconds)
    is_at_end()  # the last page made it longer
    return most


def ids(browser):
    return browser.texts(".records tr[data-place] a")


def test_it_goes_on_by_cursor_while_one_scrolls(visit, relay, service):
    browser = visit(org=service.organization)
    rows = expected(service)
    assert ids(browser)[:10] == [row["id"] for row in rows[:10]]
    most = scroll(browser)
    assert f"All {len(rows):,} records" in browser.text("#records-state")
    assert most < 100
    browser.wait(lambda: ids(browser)[-1] == rows[-1]["id"])
    pages = [reference.split(target)[1] for target in relay.targets("usageRecordGroup.*limit=200")]
    assert pages[0]["cursor"] == "" and len(pages) == -(-len(rows) // 200)
    assert all(page["cursor"] and "offset" not in page for page in pages[1:])


def test_no_record_is_left_out_where_pages_end_early(visit, relay, service):
    """A page of a walk may be short, even empty, and still have a next one."""
    record = json.dumps({"buyerID": "", "creationTime": "2026-11-01T00:00:00.000Z", "entitlementID": "", "id": "ID", "lastUpdateTime": "",
                         "metaInfo": {}, "organizationID": "o", "partner": "AWS", "records": {}, "serialID": 1, "status": "CREATED", "usageRecordReportID": ""})
    pages = {"": ([], "a"), "a": (["one"], "b"), "b": ([], "c"), "c": (["two"], None)}

    def act(handler, relay):
        names, following = pages[reference.split(handler.path)[1].get("cursor", "")]
        body = '{"nextOffset":0,"usageRecordGroups":[' + ",".join(record.replace('"ID"', f'"{name}"') for name in names) + "]}"
        link = {"Link": f'<?cursor={following}>; rel="next"'} if following else {}
        relay_module.answer(200, body.encode(), **link)(handler, relay)
    with relay.rule("usageRecordGroup", act), relay.rule("Summary", relay_module.answer(404, b'""')):
        browser = visit(is_awaited=False, org="o")
        browser.wait_text("#records-state", "All 2 records")
        assert ids(browser) == ["one", "two"]
        browser.wait_text("#failures", "Failing records")
        assert set(browser.texts("#failures td:last-child")) == {"one", "two"}


def test_columns_sort_when_the_whole_list_is_there(visit, service):
    browser = visit(org=service.organization)
    assert all(not button.is_enabled() for button in browser.all(".records thead button"))
    scroll(browser)
    rows = expected(service)
    assert all(button.is_enabled() for button in browser.all(".records thead button"))
    browser.execute_script("document.querySelector('.lines').scrollTop = 0")
    browser.click(".records th:nth-child(5) button")
    browser.wait(lambda: ids(browser))
    by_buyer = [row["id"] for row in sorted(rows, key=lambda row: row["buyer_id"] or "")]
    assert ids(browser)[:10] == by_buyer[:10]
    assert browser.one(".records th:nth-child(5)").get_attribute("aria-sort") == "ascending"
    browser.click(".records th:nth-child(5) button")
    assert browser.one(".records th:nth-child(5)").get_attribute("aria-sort") == "descending"
    assert browser.text(".records tr[data-place] td:nth-child(5)") == max(row["buyer_id"] or "" for row in rows)


def test_a_page_that_fails_can_be_asked_for_again(visit, relay, service):
    with relay.rule("usageRecordGroup.*cursor=[^&]", relay_module.answer(502, b'"no worker answered"')):
        browser = visit(org=service.organization)
        browser.execute_script("document.querySelector('.lines').scrollTop = 1e6")
        browser.wait_text("#records", "The service is away")
        known = browser.text("#records-state")
        assert known.startswith("200 ")
    browser.click("#records .message button")
    scroll(browser)


def test_a_record_in_full_with_the_digits_that_came(visit, service, organization):
    amounts = '{"gb": 0.10, "calls": 12345678901234567890123, "tiny": 1E-30, "text": "12", "none": null}'
    meta = r'{"z": 1.50, "10": -0, "a": {"deep": [1e5, 9007199254740993]}, "name": "Café \"x\""}'
    service.insert(organization, id="full", records='{"gb": 0.10, "calls": 12345678901234567890123, "tiny": 1E-30}', meta_info=meta,
                   buyer_id="b", creation_time="2024-08-12 01:02:15.910")
    del amounts
    browser = visit(org=organization, endDate="2024-08-12")
    browser.click(".records a")
    browser.wait(lambda: browser.one("#record").is_displayed())
    cells = dict(zip(browser.texts("#record-content th[scope=row]"), browser.texts("#record-content td")))
    assert cells == {"gb": "0.10", "calls": "12345678901234567890123", "tiny": "1E-30"}
    shown = browser.text("#record-content pre")
    assert list(json.loads(shown)) == ["z", "10", "a", "name"]
    assert re.findall(r"(?<=[:\[ ])-?\d[^,\s\]]*", shown) == ["1.50", "-0", "1e5", "9007199254740993"]
    assert "2024-08-12 01:02:15.910 UTC" in browser.text("#record-content dl")
    assert "record=full" in browser.current_url
    browser.click("#record-close")
    browser.wait(lambda: "record=" not in browser.current_url)


def test_a_record_is_opened_by_its_address(visit, relay, service):
    row = expected(service)[3]
    page = json.loads(service.ask(f"/org/{service.organization}/usageRecordGroup?limit=10").body)["usageRecordGroups"]
    body = json.dumps(next(one for one in page if one["id"] == row["id"])).encode()
    with relay.rule(f"usageRecordGroup/{row['id']}", relay_module.answer(200, body)):
        browser = visit(org=service.organization, record=row["id"])
        browser.wait_text("#record-content", row["buyer_id"])
        browser.click("#record-close")
        browser.wait(lambda: "record=" not in browser.current_url)
    with relay.rule("usageRecordGroup/nobody", relay_module.answer(404, b'"there is nothing at this path"')):
        browser = visit(org=service.organization, record="nobody")
        browser.wait_text("#record-content", "There is no record of this id")


def test_half_a_million_records_leave_the_page_fluent(visit, relay):
    """Scrolled as fast as it goes for two seconds: no task of the page holds it up, few lines stand in it."""
    record = json.dumps({"buyerID": "buyer", "creationTime": "2026-11-01T00:00:00.000Z", "entitlementID": "e", "id": "ID",
                         "lastUpdateTime": "2026-11-01T00:00:00.000Z", "metaInfo": {"note": "x" * 400, "n": [1.5] * 20}, "organizationID": "o",
                         "partner": "AWS", "records": {"gb": 1.25, "calls": 3}, "serialID": 1, "status": "REPORTED", "usageRecordReportID": ""})

    def page(handler, relay):
        start = int(reference.split(handler.path)[1].get("cursor") or 0)
        body = ",".join(record.replace('"ID"', f'"id-{start + index}"') for index in range(200))
        relay_module.answer(200, f'{{"nextOffset":{start + 200},"usageRecordGroups":[{body}]}}'.encode(),
                            Link=f'<?cursor={start + 200}>; rel="next"')(handler, relay)
    total = '"count":500000,"amounts":{"gb":625000.00}'
    groups = ",".join(f'{{"day":"2026-11-{day:02}","status":"{status}","count":{500000 // 180},"amounts":{{"gb":3472.25}}}}'
                      for day in range(1, 31) for status in ("REPORTED", "CREATED", "REPORT_PENDING", "REPORT_FAILED", "INVALID", "DELETED"))
    summary = relay_module.answer(200, f'{{"groups":[{groups}],{total}}}'.encode())
    failures = relay_module.answer(200, ('{"groups":[' + ",".join(f'{{"partner":"AWS","productId":"p{index}","count":5}}' for index in range(9000)) + '],"count":45000}').encode())
    with relay.rule("usageRecordGroup", page), relay.rule("Summary", summary), relay.rule("Summary.*productId", failures):
        browser = visit(org="o", startDate="2026-11-01", endDate="2026-11-30")
        assert "500,000" in browser.text("#tiles")
        slowest, loaded = browser.execute_async_script("""
            const done = arguments[0];
            const place = document.querySelector('.lines');
            const until = performance.now() + 2000;
            let slowest = 0;
            const observer = new PerformanceObserver((list) => {
                for (const task of list.getEntries()) slowest = Math.max(slowest, task.duration);
            });
            observer.observe({ type: 'longtask' });
            (function step() {
                place.scrollTop += 600;
                if (performance.now() < until) requestAnimationFrame(step);
                else setTimeout(() => done([slowest, document.querySelector('#records-state').textContent]), 100);
            })();""")
        assert int(loaded.split(" ")[0].replace(",", "")) > 400
        assert "of 500,000" in loaded
        assert slowest < STALL_MS_MAX
        assert len(browser.all(".records tr")) < 100
