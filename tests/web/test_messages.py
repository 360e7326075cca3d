"""What goes wrong, said in plain words; slow and failing networks."""

import threading
import time

import pytest

import relay as relay_module
from relay import answer, closed, held, send
from test_view import days


def cut(handler, relay):
    """Half of the answer, then nothing."""
    status, headers, body = relay.fetch(handler)
    handler.send_response_only(status)
    for name, value in headers:
        if name.lower() == "content-type":
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[:len(body) // 2])
    handler.wfile.flush()
    closed(handler, relay)


def test_loading_is_said_until_it_has_come(visit, relay, service):
    gate = threading.Event()
    with relay.rule("usageRecordGroup", held(gate)):
        browser = visit(is_awaited=False, org=service.organization)
        assert "Loading records from" in browser.text("#told")
        assert browser.one("main").get_attribute("aria-busy") == "true"
        gate.set()
        browser.wait_text("#told", "records found")
    gate.clear()
    with relay.rule("Summary", held(gate)):
        browser = visit(is_awaited=False, org=service.organization)
        browser.wait(lambda: browser.all(".records tr[data-place]"))
        assert "Loading" in browser.text("#counts")  # for which the records do not wait
        gate.set()
        browser.wait_text("#told", "records found")
    assert browser.one("main").get_attribute("aria-busy") == "false"


def test_nothing_found_says_for_which_days(visit):
    browser = visit(is_awaited=False, org="nobody", startDate="2026-01-05", endDate="2026-02-01")
    browser.wait_text("#alert", "Nothing was found from 5 Jan 2026 to 1 Feb 2026 (UTC)")
    assert "names are case-sensitive" in browser.text("#alert")
    assert not browser.one("#view").is_displayed()
    browser = visit(is_awaited=False, org="nobody", startDate="2026-01-05", endDate="2026-01-05", status="CREATED")
    browser.wait_text("#alert", "Nothing was found on 5 Jan 2026 (UTC)")
    assert "fewer filters" in browser.text("#alert")


@pytest.mark.parametrize("status, body, words", [
    (401, b'"a valid API key is needed"', ["The API key is missing or not valid"]),
    (403, b'"the API key does not belong"', ["not for this organization", "Enter a key of "]),
    (500, b'"internal server error, request id r-1"', ["The service failed", "Request id: r-1"]),
    (502, b'"no worker answered, request id r-1"', ["The service is away", "Request id: r-1"]),
    (503, b"<html>a proxy says</html>", ["The service is not available"]),
    (504, b'"no worker answered in time"', ["took too long", "fewer days"]),
    (429, b'"too many requests"', ["too many requests", "Wait a moment"]),
    (400, b'"metaInfo asks for too much: give fewer days"', ["does not accept this question", "give fewer days"]),
    (418, b'"no"', ["answered with status 418"])])
def test_faults_of_the_service(visit, relay, service, status, body, words):
    with relay.rule("usageRecordGroup", answer(status, body, X_Request_Id="r-1")):
        browser = visit(is_awaited=False, org=service.organization)
        for word in words:
            browser.wait_text("#alert", word)
        assert not browser.one("#view").is_displayed()
        if status in (401, 403):
            assert browser.switch_to.active_element.get_attribute("id") == "key"
    browser.click("#alert button")  # it has come back
    browser.wait_text("#told", "records found")
    assert browser.text("#alert") == ""


@pytest.mark.parametrize("action, words", [(closed, "The service cannot be reached"), (cut, "The answer broke off")])
def test_faults_of_the_network(visit, relay, service, action, words):
    with relay.rule("usageRecordGroup", action):
        browser = visit(is_awaited=False, org=service.organization)
        browser.wait_text("#alert", words)
        assert not browser.one("#view").is_displayed()
    browser.click("#alert button")
    browser.wait_text("#told", "records found")


def test_what_fails_alone_leaves_the_rest(visit, relay, service):
    with relay.rule("Summary", answer(500, b'"internal server error, request id s"', X_Request_Id="s")):
        browser = visit(is_awaited=False, org=service.organization)
        for place in ("#counts", "#amounts"):
            browser.wait_text(place, "The service failed")
        assert browser.all(".records tr[data-place]")
    browser.click("#counts .message button")
    browser.wait_text("#tiles", "records")
    with relay.rule("Summary", answer(404, b'"there is nothing at this path"')):
        browser = visit(is_awaited=False, org=service.organization)
        browser.wait_text("#amounts", "This service has no summaries")
        browser.wait_text("#failures", "Failing records, newest first")


def test_an_answer_that_comes_too_late_is_not_shown(visit, relay, service):
    """Who goes on to another filter never sees the one before."""
    other = service.sql("SELECT organization_id FROM usage_record_group WHERE organization_id <> %s LIMIT 1", [service.organization])[0][0]
    gate = threading.Event()
    with relay.rule(f"org/{service.organization}/usageRecordGroup", held(gate)):
        browser = visit(is_awaited=False, org=service.organization)
        browser.execute_script("document.querySelector('#org').value = arguments[0]", other)
        browser.click("button.main")
        browser.wait_text("#tiles", "record")
        told = browser.text("#tiles")
        browser.wait(lambda: len(relay.targets(f"org/{other}/.*Summary.*groupBy=day&?")) and browser.text("#amounts"))
        gate.set()
        time.sleep(0.5)  # the late answer is here by now
    assert browser.text("#tiles") == told and other in browser.text("#showing")
    assert {row for row in browser.texts(".records tr[data-place] a")} <= {
        row[0] for row in service.sql("SELECT id FROM usage_record_group WHERE organization_id = %s", [other])}


def test_a_site_with_keys(visit, service, relay):
    """The shipped site itself asks for the key; the page says what is wrong with it."""
    def guarded(handler, relay):
        if handler.headers.get("Authorization") == "Key good":
            return relay_module.PASS
        send(handler, 401, [("Content-Type", "application/json")], b'"a valid API key is needed"')
        return None
    with relay.rule("^/org/", guarded):
        browser = visit(is_awaited=False, org=service.organization)
        browser.wait_text("#alert", "The API key is missing")
        browser.switch_to.active_element.send_keys("good\n")
        browser.wait_text("#tiles", "records")
    assert "good" not in browser.current_url
    assert days()["endDate"] in browser.current_url
