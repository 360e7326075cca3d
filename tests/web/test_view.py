"""What the explorer shows of an organization's usage."""

import datetime
import decimal

import pytest

import reference
import relay as relay_module
from selenium.webdriver.support.ui import Select
from service import Digits


def number(text):
    return int(text.replace(",", ""))


def address(browser):
    return browser.current_url.split("?", 1)[1] if "?" in browser.current_url else ""


def days():
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return {"startDate": str(today - datetime.timedelta(days=30)), "endDate": str(today)}


def expected(service, **filters):
    return reference.rows(service, service.organization, {**days(), **filters})


def type_in(browser, selector, text):
    element = browser.one(selector)
    element.clear()
    element.send_keys(text)


# -- asking

def test_it_asks_for_an_organization_and_shows_it(browser, relay, service):
    browser.get(f"{relay.origin}/")
    assert browser.one("#welcome").is_displayed() and not browser.one("#view").is_displayed()
    type_in(browser, "#org", service.organization)
    browser.click("button.main")
    browser.wait_text("#showing", service.organization)
    assert f"org={service.organization}&startDate=" in address(browser)


def test_an_empty_form_says_what_is_needed(browser, relay):
    browser.get(f"{relay.origin}/")
    browser.click("button.main")
    assert browser.text("#org-fault") == "Organization is needed"
    assert browser.switch_to.active_element.get_attribute("id") == "org"
    assert relay.targets("^/org/") == []


def test_the_key_is_sent_but_never_stands_in_an_address(browser, relay, service):
    browser.get(f"{relay.origin}/")
    type_in(browser, "#org", service.organization)
    type_in(browser, "#key", "ura_secret")
    browser.click("button.main")
    browser.wait_text("#tiles", "records")
    assert "secret" not in browser.current_url and not [target for target, _ in relay.asked if "secret" in target]
    calls = [headers for target, headers in relay.asked if target.startswith("/org/")]
    assert {headers["Authorization"] for headers in calls} == {"Key ura_secret"}
    browser.refresh()  # the tab still has it
    browser.wait_text("#tiles", "records")
    assert browser.one("#key").get_attribute("value") == "ura_secret"
    assert browser.execute_script("return localStorage.length + document.cookie.length") == 0
    browser.switch_to.new_window("tab")  # another one has not
    browser.get(f"{relay.origin}/")
    assert browser.one("#key").get_attribute("value") == ""
    browser.close()
    browser.switch_to.window(browser.window_handles[0])


def test_filters_are_in_the_address_and_back_works(visit, service):
    browser = visit(org=service.organization)
    all_records = browser.text("#tiles")
    Select(browser.one("#status")).select_by_value("REPORT_FAILED")
    browser.click("button.main")
    browser.wait_text("#showing", "status REPORT_FAILED")
    failed = browser.current_url
    assert "status=REPORT_FAILED" in failed
    browser.back()
    browser.wait(lambda: browser.text("#tiles") == all_records)
    assert Select(browser.one("#status")).first_selected_option.text == "Any"
    browser.get(failed)  # as a colleague opens it
    browser.wait_text("#tiles", "REPORT_FAILED")
    assert Select(browser.one("#status")).first_selected_option.text == "REPORT_FAILED"


@pytest.mark.parametrize("name, value", [("partner", "AWS"), ("status", "INVALID"), ("source", "ORB"), ("source", ""),
                                         ("metaInfo", '{"source": "METRONOME"}'), ("buyerId", None), ("entitlementId", None), ("productId", None)])
def test_each_filter_reaches_each_call(visit, relay, service, name, value):
    if value is None:
        value = service.sql(f"SELECT {reference.COLUMNS[name]} FROM usage_record_group WHERE organization_id = %s "
                            f"AND {reference.COLUMNS[name]} IS NOT NULL ORDER BY creation_time DESC LIMIT 1", [service.organization])[0][0]
    browser = visit(org=service.organization, **{name: value})
    compact = value.replace(" ", "")
    assert number(browser.text("#tiles .value")) == len(expected(service, **{name: compact}))
    calls = [reference.split(target)[1] for target in relay.targets("^/org/")]
    assert len(calls) >= 3 and all(call[name] == compact for call in calls)
    assert all(call["startDate"] == days()["startDate"] and call["endDate"] == days()["endDate"] for call in calls)


def test_the_form_offers_what_the_service_accepts(browser, relay):
    browser.get(f"{relay.origin}/")
    values = {name: sorted(browser.texts(f"#{name} option")) for name in ("status", "source", "partner", "subject")}
    assert values["status"] == sorted(["Any", "CREATED", "DELETED", "INVALID", "REPORTED", "REPORT_PENDING", "REPORT_FAILED"])
    assert values["source"] == sorted(["Any", "none", "API", "INTERNAL", "METRONOME", "ORB"])
    assert values["partner"] == ["AWS", "AZURE", "GCP"]
    assert values["subject"] == sorted(["Everything", "Partner", "Buyer", "Entitlement", "Product"])
    assert {browser.one(f"#{name}").get_attribute("type") for name in ("startDate", "endDate")} == {"date"}


def test_one_of_the_four_is_chosen_at_a_time(visit, relay, service):
    buyer = expected(service)[0]["buyer_id"]
    browser = visit(org=service.organization, partner="AWS")
    assert browser.one("#partner").is_displayed() and not browser.one("#subject-value").is_displayed()
    Select(browser.one("#subject")).select_by_value("buyerId")
    assert not browser.one("#partner").is_displayed() and browser.text("#subject-label") == "Buyer id"
    type_in(browser, "#subject-value", buyer)
    browser.click("button.main")
    browser.wait_text("#showing", f"buyer {buyer}")
    assert "partner=" not in browser.current_url


@pytest.mark.parametrize("text, words", [("{", "the name of a member is wanted"), ("{'a': 1}", "the name of a member is wanted"),
                                         ('{"a": 01}', "a comma or } is wanted (character 8)"), ("[1]", "an object is wanted"),
                                         ('{"a": "' + "x" * 4100 + '"}', "at most 4096 bytes"), ('{"a":' * 17 + "1" + "}" * 17, "at most 16 levels")])
def test_a_fault_of_metainfo_is_shown_while_typing(browser, relay, text, words):
    browser.get(f"{relay.origin}/")
    browser.click("#more summary")
    place = browser.one("#metaInfo")
    browser.execute_script("arguments[0].value = arguments[1]", place, text[:-1])
    place.send_keys(text[-1])
    assert words in browser.text("#metaInfo-fault")
    assert place.get_attribute("aria-invalid") == "true"
    place.clear()
    place.send_keys('{"source": "API"}')
    assert browser.text("#metaInfo-fault") == "" and place.get_attribute("aria-invalid") is None


def test_an_address_with_a_bad_filter_says_so_and_asks_nothing(visit, relay):
    for query in ({"status": "reported"}, {"metaInfo": "{"}, {"startDate": "2026-02-30"}, {"partner": "AWS", "buyerId": "b"},
                  {"startDate": "2026-02-02", "endDate": "2026-02-01"}):
        browser = visit(is_awaited=False, org="o", **query)
        browser.wait_text("#alert", "not accepted")
    assert relay.targets("^/org/") == []


# -- counts, sums, failures

def test_records_a_day_by_status(visit, service):
    browser = visit(org=service.organization)
    rows = expected(service)
    assert number(browser.text("#tiles .value")) == len(rows)
    head = browser.texts("#counts thead th")
    for line in browser.execute_script("return [...document.querySelectorAll('#counts tbody tr')].map((tr) => [...tr.cells].map((cell) => cell.textContent))"):
        day = datetime.datetime.strptime(line[0], "%d %b %Y").date()
        for status, cell in zip(head[1:-1], line[1:-1]):
            assert number(cell) == sum(row["creation_time"].date() == day and row["status"] == status for row in rows)
    drawn = browser.execute_script("const chart = Chart.getChart(document.querySelector('#counts canvas'));"
                                   "return [chart.options.scales.y.stacked, ...chart.data.datasets.map((set) => [set.label, set.data])]")
    assert drawn[0] is True and [label for label, _ in drawn[1:]] == head[1:-1]
    assert sum(sum(data) for _, data in drawn[1:]) == len(rows)


def test_sums_are_exact_text(visit, service):
    browser = visit(org=service.organization)
    found = dict(zip(browser.texts("#amounts > div > .scroll th[scope=row]"), browser.texts("#amounts > div > .scroll td")))
    sums, _ = reference.sums(expected(service))
    assert {name: decimal.Decimal(text) for name, text in found.items()} == sums
    assert any(len(text) > 20 for text in found.values())  # more than a double has
    assert dict(zip(browser.texts("figcaption bdi"), browser.texts("figcaption .sum"))) == found


def test_one_dimension_or_all(visit, service):
    browser = visit(org=service.organization)
    names = browser.texts("figcaption bdi")
    assert len(browser.all("#amounts canvas")) == len(names) > 1
    Select(browser.one("#dimension")).select_by_visible_text("seats")
    assert browser.texts("figcaption bdi") == ["seats"]
    rows = expected(service)
    for day, text in zip(browser.texts("#amounts details th[scope=row]"), browser.texts("#amounts details tbody td")):
        day = datetime.datetime.strptime(day, "%d %b %Y").date()
        values = [decimal.Decimal(value) for row in rows if row["creation_time"].date() == day
                  for name, value in reference.amounts_of(row).items() if name == "seats" and isinstance(value, Digits)]
        assert (decimal.Decimal(text) == sum(values)) if values else text == ""


def test_digits_are_those_that_were_sent(visit, relay, service):
    digits = "123456789012345678901234567890.10000000000000000001"
    body = f'{{"groups":[{{"day":"{days()["endDate"]}","count":1,"amounts":{{"gb":{digits}}}}}],"count":1,"amounts":{{"gb":{digits}}},"unsummed":3}}'.encode()
    with relay.rule("usageRecordSummary.*groupBy=day$", relay_module.answer(200, body)):
        browser = visit(org=service.organization)
        assert browser.text("figcaption .sum") == digits
        assert digits in browser.text("#amounts details")
        assert "3 values are no number and in no sum" in browser.text("#amounts")


def test_months_where_days_would_be_too_many(visit, service):
    browser = visit(org=service.organization, startDate="2020-01-01", endDate=days()["endDate"])
    assert browser.text("#counts-title") == "Records a month, by status"
    assert browser.text("#counts tbody th") == "Jan 2020"
    assert number(browser.text("#tiles .value")) == len(expected(service, startDate="2020-01-01"))


def test_failures_by_partner_and_product_and_failing_records_first(visit, service):
    browser = visit(org=service.organization)
    failing = [row for row in expected(service) if row["status"] in ("REPORT_FAILED", "INVALID")]
    counts = {}
    for row in failing:
        place = (row["partner"], row["product_id"] or "none")
        counts[place] = counts.get(place, 0) + 1
    lines = browser.execute_script("return [...document.querySelectorAll('.products tbody tr')].map((tr) => [...tr.cells].map((cell) => cell.textContent))")
    assert {(line[0], line[1]): number(line[2]) + number(line[3]) for line in lines} == counts
    assert [number(line[2]) + number(line[3]) for line in lines] == sorted(counts.values(), reverse=True)
    assert browser.texts("#failures .scroll:not(.products) td:last-child") == [row["id"] for row in failing[:10]]
    above = browser.execute_script("return document.querySelector('#failures').getBoundingClientRect().top < document.querySelector('#list').getBoundingClientRect().top")
    assert above


def test_a_failing_record_of_a_buyer_is_found_and_read_and_closed(visit, service):
    failing = [row for row in expected(service, status="REPORT_FAILED")][0]
    browser = visit(org=service.organization, buyerId=failing["buyer_id"])
    browser.click("#failures .scroll:not(.products) a")
    browser.wait(lambda: browser.one("#record").is_displayed())
    assert failing["id"] in browser.text("#record-title")
    assert "Reporting it to the marketplace failed" in browser.text("#record-content")
    browser.back()
    browser.wait(lambda: not browser.one("#record").is_displayed())


def test_a_status_is_one_click_away(visit, service):
    browser = visit(org=service.organization)
    browser.click("a.tile[href*='status=INVALID']")
    browser.wait(lambda: browser.text("#tiles .value") and "status INVALID" in browser.text("#showing") and browser.text("#failures"))
    assert number(browser.text("#tiles .value")) == len(expected(service, status="INVALID"))
