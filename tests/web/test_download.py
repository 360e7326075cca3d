"""The whole list as a file."""

import csv
import decimal
import io
import os

import pytest

import reference
import relay as relay_module
from browser import STALL_MS_MAX
from test_view import days, expected

LINE = b"id-%d,2026-11-01T00:00:00.000Z,REPORTED,gb,1.50,%s\r\n"
HEAD = b"id,creationTime,status,dimension,quantity,metaInfo\r\n"


@pytest.fixture(autouse=True)
def empty_folder(chromium):
    yield
    for name in os.listdir(chromium.downloads):
        os.remove(os.path.join(chromium.downloads, name))


def files(browser):
    return [name for name in os.listdir(browser.downloads) if not name.endswith(".crdownload")]


def counted(total):
    """A summary that counts so many."""
    return relay_module.answer(200, f'{{"groups":[],"count":{total},"amounts":{{}}}}'.encode())


def lines(first, last):
    return b"".join(LINE % (number, b'"{""a"":""x\r\ny""}"') for number in range(first, last))


def test_the_whole_list_is_saved_and_its_sum_is_the_one_shown(visit, relay, service):
    browser = visit(org=service.organization, status="REPORTED")
    shown = dict(zip(browser.texts("figcaption bdi"), map(decimal.Decimal, browser.texts("figcaption .sum"))))
    browser.click("#download")
    total = len(expected(service, status="REPORTED"))
    browser.wait_text("#progress", f"Downloaded: {total:,} records, complete.")
    names = browser.wait(lambda: files(browser))
    assert len(names) == 1 and names[0].endswith(".csv")
    with open(os.path.join(browser.downloads, names[0]), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sums = {}
    for row in rows:
        if row["dimension"]:
            sums[row["dimension"]] = sums.get(row["dimension"], 0) + decimal.Decimal(row["quantity"])
    assert sums == shown
    assert len({row["id"] for row in rows}) == total
    asked = [(target, headers) for target, headers in relay.asked if headers.get("Accept") == "text/csv"]
    assert len(asked) == 1
    assert reference.split(asked[0][0])[1] == {**days(), "status": "REPORTED"}


def test_progress_is_of_what_the_summary_counted(visit, relay, service):
    pieces = [HEAD] + [lines(start, start + 100) for start in range(0, 1000, 100)]
    with relay.rule("Summary", counted(1000)), relay.rule("usageRecordGroup[?][^&]*&endDate=[^&]*$", relay_module.streamed(pieces, pause_s=0.15)):
        browser = visit(org=service.organization)
        browser.click("#download")
        browser.wait(lambda: 0 < float(browser.one("progress").get_attribute("value")) < 1000)
        assert browser.one("progress").get_attribute("max") == "1000"
        browser.wait_text("#progress", " of 1,000 records")
        browser.wait_text("#progress", "Downloaded: 1,000 records, complete.")
    browser.wait(lambda: files(browser))


def test_it_can_be_cancelled_and_then_saves_nothing(visit, relay, service):
    pieces = [HEAD] + [lines(start, start + 10) for start in range(0, 1000, 10)]
    with relay.rule("usageRecordGroup[?][^&]*&endDate=[^&]*$", relay_module.streamed(pieces, pause_s=0.2)):
        browser = visit(org=service.organization)
        browser.click("#download")
        browser.wait_text("#progress", "records")
        browser.click("#progress button")
        browser.wait_text("#progress", "cancelled. Nothing was saved.")
    assert files(browser) == []


@pytest.mark.parametrize("pieces, is_whole", [([HEAD, lines(0, 300)], False),            # the connection broke
                                              ([HEAD, lines(0, 300)[:-30]], True),       # within a line
                                              ([HEAD, lines(0, 300), b'x,"'], True),     # within a cell
                                              ([], True)])                               # nothing at all
def test_a_part_is_said_to_be_one_and_is_not_saved(visit, relay, service, pieces, is_whole):
    with relay.rule("Summary", counted(1000)), relay.rule("usageRecordGroup[?][^&]*&endDate=[^&]*$", relay_module.streamed(pieces, is_whole=is_whole)):
        browser = visit(org=service.organization)
        browser.click("#download")
        browser.wait_text("#progress [role=alert]", "The download is not complete: it broke off after")
        assert "of 1,000 records" in browser.text("#progress") and "Nothing was saved" in browser.text("#progress")
    assert files(browser) == []


def test_fewer_records_than_were_counted_are_not_taken_for_all(visit, relay, service):
    with relay.rule("Summary", counted(1000)), relay.rule("usageRecordGroup[?][^&]*&endDate=[^&]*$", relay_module.streamed([HEAD, lines(0, 300)])):
        browser = visit(org=service.organization)
        browser.click("#download")
        browser.wait_text("#progress [role=alert]", "may not be complete: 300 records came, 1,000 were counted")
    assert files(browser) == []


def test_a_refused_download_says_why(visit, relay, service):
    with relay.rule("usageRecordGroup[?][^&]*&endDate=[^&]*$", relay_module.answer(406, b'"only application/json"')):
        browser = visit(org=service.organization)
        browser.click("#download")
        browser.wait_text("#progress [role=alert]", "cannot give this form")
    with relay.rule("usageRecordGroup[?][^&]*&endDate=[^&]*$", relay_module.answer(200, b"[]")):  # an older service
        browser.click("#download")
        browser.wait_text("#progress [role=alert]", "answered in another form")


def test_half_a_million_records_are_counted_without_holding_up_the_page(visit, relay, service):
    pieces = [HEAD] + [b"".join(LINE % (number, b"{}") for number in range(start, start + 10000)) for start in range(0, 500000, 10000)]
    with relay.rule("Summary", counted(500000)), relay.rule("usageRecordGroup[?][^&]*&endDate=[^&]*$", relay_module.streamed(pieces)):
        browser = visit(org=service.organization)
        browser.execute_script("window.slowest = 0; new PerformanceObserver((list) => list.getEntries().forEach((task) => {"
                               "window.slowest = Math.max(window.slowest, task.duration) })).observe({ type: 'longtask' })")
        browser.click("#download")
        browser.wait_text("#progress", "Downloaded: 500,000 records, complete.", 40)
        assert browser.execute_script("return window.slowest") < STALL_MS_MAX
    browser.wait(lambda: files(browser))
    assert os.path.getsize(os.path.join(browser.downloads, files(browser)[0])) == sum(map(len, pieces))


def test_what_is_counted_is_what_a_csv_reader_counts(browser, relay):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["serialID", "id", "metaInfo"])
    values = ['a,b', 'a"b', "a\r\nb", '"', "", "\n", "é"]
    for index, value in enumerate(values * 30):
        for _ in range(index % 3 + 1):
            writer.writerow([index, f"id,{index}\n", value])
    browser.get(f"{relay.origin}/icon.svg")
    counted_ = browser.execute_async_script("""
        const [text, done] = arguments;
        import('/csv.js').then(({ CsvCounter }) => done([1, 2, 3, 7, 1000].map((size) => {
            const counter = new CsvCounter();
            for (let at = 0; at < text.length; at += size) counter.add(text.slice(at, at + size));
            return [counter.records, counter.isWhole()];
        })));""", text.getvalue())
    assert counted_ == [[len(values) * 30, True]] * 5
