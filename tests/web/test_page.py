"""What holds for the page as a whole: hostile records, headers, origins, sizes, keyboard, axe, paper."""

import base64
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import SHOTS
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from service import ROOT

FIRST_VIEW_BYTES_MAX = 300_000
AXE_VERSION = "4.10.3"
HOSTILE = ["<script>window.hit=1</script>", "<img src=x onerror=window.hit=1>", "javascript:window.hit=1", "\"><svg onload=window.hit=1>",
           "a\u202eTLR\u202c", "{{7*7}}", "&lt;b&gt;", "' onclick='window.hit=1", "../../x?y#z", "__proto__", "\u200b\u2066x"]


@pytest.fixture
def hostile(service, organization):
    """An organization whose records say all of it, everywhere."""
    for number, text in enumerate(HOSTILE):
        quoted = json.dumps(text, ensure_ascii=False)
        service.insert(organization, id=text, buyer_id=text, entitlement_id=text, product_id=text, usage_record_report_id=text,
                       records=f"{{{quoted}: {number}.50}}", meta_info=f'{{{quoted}: [{quoted}], "source": "API"}}', status="REPORT_FAILED",
                       creation_time=f"2024-08-12 01:02:{number:02}.000")
    return organization


def axe():
    """axe-core, from AXE or from npm, which puts it into build/."""
    path = os.environ.get("AXE") or str(ROOT / "build/axe/node_modules/axe-core/axe.min.js")
    if not os.path.exists(path):
        if shutil.which("npm") is None:
            pytest.skip("axe-core is missing: name its axe.min.js in AXE, or install npm")
        os.makedirs(ROOT / "build/axe", exist_ok=True)
        result = subprocess.run(["npm", "install", "--prefix", ROOT / "build/axe", "--no-save", "--ignore-scripts", "--silent", f"axe-core@{AXE_VERSION}"],
                                capture_output=True, text=True, timeout=120)
        if result.returncode != 0:
            pytest.skip(f"axe-core cannot be had from npm: {result.stderr.strip()[-200:]}")
    with open(path, encoding="utf-8") as file:
        return file.read()


def violations(browser):
    browser.execute_script(axe())
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then((result) => done(result.violations.map("
                                         "(one) => [one.id, one.nodes.map((node) => node.html.slice(0, 200))])), (error) => done(String(error)))")
    return found


def shoot(browser, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SHOTS / f"{name}.png"))


# -- hostile records

def test_hostile_records_are_shown_and_never_run(visit, hostile):
    browser = visit(org=hostile, endDate="2024-08-12")
    newest_first = HOSTILE[::-1]
    assert browser.texts(".records tr[data-place] th a") == newest_first
    assert browser.texts(".records tr[data-place] td:nth-child(5)") == newest_first
    assert sorted(browser.texts(".products td:nth-child(2)")) == sorted(HOSTILE)
    assert sorted(browser.texts("figcaption bdi") + browser.texts("#dimension option")[1:])
    assert sorted(browser.texts("#dimension option")[1:]) == sorted(HOSTILE)
    for place in range(len(HOSTILE)):
        browser.execute_script("document.querySelectorAll('.records tr[data-place] a')[arguments[0]].click()", place)
        browser.wait(lambda: browser.one("#record").is_displayed())
        assert browser.text("#record-title bdi") == newest_first[place]
        assert list(json.loads(browser.text("#record-content pre")))[0] == newest_first[place]
        browser.click("#record-close")
        browser.wait(lambda: not browser.one("#record").is_displayed() and "record=" not in browser.current_url)
    assert browser.execute_script("return window.hit") is None
    foreign = browser.execute_script("return [...document.querySelectorAll('a')].map((a) => a.getAttribute('href')).filter((href) => !/^([?]|#main$|docs$)/.test(href))")
    assert foreign == []
    assert browser.all("main script, main img, main svg") == []
    shoot(browser, "hostile")


def test_marks_are_named_and_turn_nothing_around(visit, hostile):
    browser = visit(org=hostile, endDate="2024-08-12")
    assert browser.execute_script("return [...document.querySelectorAll('.records .mark')].map((mark) => mark.dataset.code)")[:2] == ["U+200B", "U+2066"]
    # What stands behind such a text stands to its right.
    assert browser.execute_script("""
        return [...document.querySelectorAll('.records tr[data-place]')].every((line) =>
            [...line.cells].every((cell, index) => index === 0 ||
                cell.getBoundingClientRect().left >= line.cells[index - 1].getBoundingClientRect().right - 1))""")


def test_a_hostile_address_is_text(visit):
    browser = visit(is_awaited=False, org="<script>window.hit=1</script>", record="<img src=x onerror=window.hit=1>")
    browser.wait_text("#showing", "<script>")
    assert browser.execute_script("return window.hit") is None


# -- the site

def test_headers_of_the_pages(service):
    for path in ("/", "/docs", "/explorer.js", "/page.css", "/chart.min.js", "/openapi.json", "/icon.svg"):
        answer = service.ask(path)
        policy = answer.header("Content-Security-Policy")
        assert answer.status == 200, path
        assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert answer.header("X-Content-Type-Options") == "nosniff" and answer.header("X-Frame-Options") == "DENY"
        assert answer.header("Referrer-Policy") == "no-referrer" and answer.header("Cache-Control") == "no-cache"
        assert service.ask(path, Accept_Encoding="gzip").header("Content-Encoding") == "gzip", path
        again = service.ask(path, If_None_Match=answer.header("ETag"))
        assert again.status == 304 and again.header("Content-Security-Policy") == policy
    for path in ("/nothing", "/docs/", "/..%2fetc", "/openapi-json", "/web/"):
        assert service.ask(path).status in (400, 404), path
    assert service.ask("/", method="POST").status == 405
    assert service.ask("/org/..%2F").header("Content-Security-Policy") is None  # the worker's to judge


def test_no_request_leaves_the_origin_and_the_first_view_is_small(visit, browser, relay, service):
    browser.get_log("performance")
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    visit(org=service.organization)
    browser.click(".records a")
    size, addresses = 0, []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            addresses += [address for address in [message["params"]["request"]["url"]] if not address.startswith("data:")]  # icons of inputs
        elif message["method"] == "Network.loadingFinished":
            size += message["params"]["encodedDataLength"]
    assert addresses and all(address.startswith(relay.origin + "/") for address in addresses), \
        [address for address in addresses if not address.startswith(relay.origin)]
    print(f"transfer of the first view: {size} bytes in {len(addresses)} requests")
    assert 60_000 < size <= FIRST_VIEW_BYTES_MAX


def test_there_is_no_foreign_file_and_no_foreign_address(service):
    for path in (ROOT / "web").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|parseFloat", text), path


# -- everybody

@pytest.mark.parametrize("width", [360, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_and_the_page_fits(visit, browser, service, width, scheme):
    browser.size(width, 1200)
    browser.scheme(scheme)
    visit(org=service.organization)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    shoot(browser, f"explorer-{scheme}-{width}")
    assert violations(browser) == []
    browser.click(".records a")
    browser.wait(lambda: browser.one("#record").is_displayed())
    shoot(browser, f"record-{scheme}-{width}")
    assert violations(browser) == []


def test_axe_finds_no_violation_in_other_states(visit, browser, relay):
    browser.get(f"{relay.origin}/")
    browser.click("#more summary")
    browser.one("#metaInfo").send_keys("{")
    browser.click("button.main")
    shoot(browser, "welcome")
    assert violations(browser) == []
    visit(is_awaited=False, org="nobody")
    browser.wait_text("#alert", "Nothing was found")
    shoot(browser, "nothing")
    assert violations(browser) == []


def test_it_is_used_by_keyboard_alone(visit, browser, relay, service):
    browser.get(f"{relay.origin}/")
    keys = ActionChains(browser)
    keys.send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.text == "To the records"
    for _ in range(2):
        keys.send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.get_attribute("id") == "org"
    browser.switch_to.active_element.send_keys(service.organization, Keys.ENTER)
    browser.wait(lambda: browser.text("#failures") and not browser.all(".waiting"))
    for _ in range(200):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element.get_attribute("class") == "record":
            break
    first = browser.switch_to.active_element.text
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    browser.wait(lambda: browser.one("#record").is_displayed())
    assert first in browser.text("#record-title")
    assert browser.execute_script("return document.querySelector('#record').contains(document.activeElement)")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.wait(lambda: "record=" not in browser.current_url)
    assert browser.switch_to.active_element.text == first  # back where one was
    # Through the lines by keyboard: the focus is never lost while lines come and go.
    ActionChains(browser).send_keys(Keys.TAB * 60).perform()
    assert browser.switch_to.active_element.get_attribute("class") == "record"


def test_colours_follow_the_scheme(visit, browser, service):
    browser.size(1280, 1000)
    visit(org=service.organization)
    shoot(browser, "explorer-light")
    colour = "return [getComputedStyle(document.body).backgroundColor, Chart.getChart(document.querySelector('#counts canvas')).data.datasets[0].backgroundColor]"
    light = browser.execute_script(colour)
    browser.scheme("dark")
    browser.wait(lambda: all(a != b for a, b in zip(light, browser.execute_script(colour))))
    shoot(browser, "explorer-dark")


def test_a_month_is_printed_on_a_page(visit, browser, service):
    browser.scheme("dark")
    visit(org=service.organization)
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / "month.pdf").write_bytes(pdf)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert browser.execute_script("return document.documentElement.className") == ""  # and is as before


# -- the reference

def test_the_api_reference_shows_the_document(browser, relay, service):
    browser.size(360)
    browser.get(f"{relay.origin}/docs")
    browser.wait_text("main", "/org/{orgId}/usageRecordGroup")
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    document = json.loads(service.ask("/openapi.json").body)
    for path, item in document["paths"].items():
        assert path in browser.texts("h2 code")
        for parameter in item["get"]["parameters"]:
            assert parameter.get("name", "") in browser.text("main")
        for status in item["get"]["responses"]:
            assert status in browser.texts("tbody code")
    for name, schema in document["components"]["schemas"].items():
        for member in schema.get("properties", {}):
            assert member in browser.texts("tbody code"), name
    assert all(address.startswith(relay.origin) for address in browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)"))
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.size(1280, 1000)
        shoot(browser, f"docs-{scheme}")
        assert violations(browser) == []
