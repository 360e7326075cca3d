"""Pages of other origins, in a browser that keeps them apart: one that the site names, and one that it does not."""

import json
import re
from urllib.parse import urljoin

import pytest

from relay import Relay, answer
from test_calls import start_nginx
from test_keys import create

FETCH = """
    const [url, headers, done] = arguments;
    fetch(url, { headers }).then(async (answer) => done({ status: answer.status, body: await answer.text(),
        ...Object.fromEntries(["Link", "Content-Disposition", "Server"].map((name) => [name, answer.headers.get(name)])) }),
        (error) => done(String(error)));"""


@pytest.fixture(scope="module")
def site(service):
    """A site that asks for keys and lets one of two other origins in."""
    pages = [Relay(service.port), Relay(service.port)]
    for page in pages:
        page.rules.append((re.compile("^/page$"), answer(200, b"<!doctype html><title>another site's</title>", "text/html")))
    service.named, service.other = (page.origin for page in pages)
    start_nginx(service, ('# "https://console.example.com" $http_origin;', f'"{service.named}" $http_origin;'), auth="1")
    service.key = create(service, service.organization)
    yield service
    start_nginx(service)
    for page in pages:
        page.stop()


def fetch(browser, url, **headers):
    return browser.execute_async_script(FETCH, url, headers)


def preflights(browser):
    """How many the browser has sent since it was last asked."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return sum(message["method"] == "Network.requestWillBeSent" and message["params"]["request"]["method"] == "OPTIONS" for message in messages)


def test_a_page_that_the_site_names_walks_a_list(browser, site):
    browser.get(f"{site.named}/page")
    preflights(browser)
    url, count = f"http://127.0.0.1:{site.port}/org/{site.organization}/usageRecordGroup?limit=1000", 0
    while url is not None:
        page = fetch(browser, url, Authorization=f"Key {site.key}")
        assert page["status"] == 200 and page["Server"] is None, page
        count += len(json.loads(page["body"])["usageRecordGroups"])
        link = re.fullmatch('<(.*)>; rel="next"', page["Link"] or "")
        url = urljoin(url, link[1]) if link else None
    assert count == site.sql("SELECT COUNT(*) FROM usage_record_group WHERE organization_id = %s", [site.organization])[0][0] > 1000
    assert preflights(browser) > 0
    export = fetch(browser, f"http://127.0.0.1:{site.port}/org/{site.organization}/usageRecordSummary", Authorization=f"Key {site.key}",
                   Accept="text/csv")
    assert export["status"] == 200 and "usage-summary_" in export["Content-Disposition"], export
    refused = fetch(browser, f"http://127.0.0.1:{site.port}/org/{site.organization}/usageRecordGroup", Authorization="Key x")
    assert refused["status"] == 401 and isinstance(json.loads(refused["body"]), str), "a page is told why"


def test_a_page_that_it_does_not_name_reads_nothing(browser, site):
    browser.get(f"{site.other}/page")
    preflights(browser)
    list_url = f"http://127.0.0.1:{site.port}/org/{site.organization}/usageRecordGroup?limit=1"
    assert fetch(browser, list_url, Authorization=f"Key {site.key}") == "TypeError: Failed to fetch"
    assert fetch(browser, list_url) == "TypeError: Failed to fetch"
    assert preflights(browser) > 0
    faults = browser.faults()
    assert len(faults) == 2 and all("blocked by CORS policy" in fault for fault in faults), faults
