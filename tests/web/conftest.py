import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1] / "integration")]

import reference  # noqa: E402
import relay as relay_module  # noqa: E402
from browser import Browser  # noqa: E402
from service import ROOT, service_with_tables  # noqa: E402

SAMPLE_ROWS = 6000
SHOTS = ROOT / "build/web"


@pytest.fixture(scope="session")
def service():
    with service_with_tables(workers=2) as service:
        service.load_sample(SAMPLE_ROWS, "--organizations", "3", "--days", "28")
        service.serve()
        service.organization = service.sql("SELECT organization_id FROM usage_record_group GROUP BY organization_id "
                                           "ORDER BY COUNT(*) DESC LIMIT 1")[0][0]
        yield service


@pytest.fixture(scope="session")
def relay(service):
    relay = relay_module.Relay(service.port)
    yield relay
    relay.stop()


@pytest.fixture(scope="session")
def chromium():
    browser = Browser()
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium, relay):
    """A tab that knows nothing, wide and light; at the end the console must have had nothing to say."""
    chromium.get("about:blank")
    chromium.size(1440)
    chromium.scheme("light")
    chromium.get(f"{relay.origin}/icon.svg")
    chromium.execute_script("sessionStorage.clear()")
    chromium.faults()
    relay.asked.clear()
    yield chromium
    assert chromium.faults() == []


@pytest.fixture
def visit(browser, relay):
    """visit(org=..., ...): opens the explorer with these in its address, and waits for the view."""
    def go(is_awaited=True, **query):
        browser.get(f"{relay.origin}/?{reference.urllib.parse.urlencode(query)}")
        if is_awaited:
            browser.wait(lambda: not browser.text("#alert") and browser.text("#failures") and not browser.all(".waiting"))
        return browser
    return go


@pytest.fixture
def organization(request):
    """The id of an organization that no other test uses."""
    return "org-" + request.node.name[:60]
