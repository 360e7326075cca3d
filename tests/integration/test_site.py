"""The nginx site by itself: what it answers without the workers, TLS, time limits, its log.
No database: what needs one is tested elsewhere."""

import json
import re
import socket
import ssl
import subprocess
import time

import pytest

import service as service_module
from service import read_answer, stopped, wait_until
from test_openapi import validate

LIST = "/org/acme/usageRecordGroup"
HALF_SENT_S = 5  # as the site has it


def enable(text, *starts):
    """The site with some of its commented lines."""
    for start in starts:
        text, count = re.subn(rf"# ({start}.*)", r"\1", text)
        assert count > 0, start
    return text


@pytest.fixture(scope="module")
def site():
    """With keys and TLS, and a worker that must answer within a second."""
    service = service_module.Service(workers=1)
    service.tls_port = service_module.free_port()
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "2",
                        "-keyout", service.dir / "privkey.pem", "-out", service.dir / "fullchain.pem"],
                       check=True, stderr=subprocess.DEVNULL, timeout=60)
        service.serve(AUTH="1")
        config = service.dir / "site.conf"
        text = enable(config.read_text(), "listen 443", "ssl_certificate ", "ssl_certificate_key", 'on    "max-age')
        for old, new in ((" 443 ", f" 127.0.0.1:{service.tls_port} "), ("/etc/ssl/usage-record-api", str(service.dir)),
                         ("fastcgi_read_timeout          20s", "fastcgi_read_timeout 1s")):
            assert old in text
            text = text.replace(old, new)
        config.write_text(text)
        service.reload_nginx()
        yield service
    finally:
        service.remove()


def log_of(site, **wanted):
    """The last line of the site's log with these members; each line has to be JSON."""
    def lines():
        whole = (site.dir / "access.log").read_bytes().rpartition(b"\n")[0]  # the last may still be on its way
        found = [json.loads(line) for line in whole.decode("utf-8").splitlines()]
        return [line for line in found if wanted.items() <= line.items()]
    return wait_until(lines)[-1]


def test_no_worker_is_a_502_with_keys_too(site):
    site.stack("workers", "stop")
    try:
        answer = site.ask(LIST, Authorization="Key x")
    finally:
        site.stack("workers", "start")
    assert answer.status == 502 and "no worker answered" in answer.json()
    assert validate([answer]) == ""


def test_a_worker_that_hangs_is_a_504_with_keys_too(site):
    with stopped(site.worker_pids()[0]):
        answer = site.ask(LIST, X_Request_Id="hangs", Authorization="Key x")
    assert answer.status == 504 and answer.json() == "no worker answered in time, request id hangs"
    assert answer.header("X-Request-Id") == "hangs"
    assert log_of(site, request_id="hangs")["status"] == 504
    assert validate([answer]) == ""


def test_a_fault_of_the_authorizer_stays_a_500(site):
    answer = site.ask(LIST, X_Request_Id="fault", Authorization="Key x")
    assert answer.status == 500 and answer.json() == "internal server error, request id fault"


@pytest.mark.unsanitized
def test_a_half_sent_request_is_not_waited_for(site):
    with site.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: t")
        started = time.monotonic()
        while connection.recv(1000):
            pass
        assert time.monotonic() - started < HALF_SENT_S + 2


def test_the_log_is_json_whatever_is_asked(site):
    logged = {b"/org/\xe9t\xe9": "/org/", b"/org/\xc3\xa9": "/org/é", b"/org/a\xc0\x80": "/org/a", b"/a\xed\xa0\x80": "/a",
              b"/\xf0\x9f\x9a\x80\xf0\x9f": "/🚀", b"/\"\\": "/\"\\",
              b"/" + b"x" * 60000: "/" + "x" * 60000, b"/" + b"\xc3\xa9" * 30000: "/" + "é" * 30000}
    for number, target in enumerate(logged):
        site.send(b"GET " + target + f" HTTP/1.1\r\nHost: t\r\nX-Request-Id: log-{number}\r\nConnection: close\r\n\r\n".encode())
    for number, text in enumerate(logged.values()):
        assert log_of(site, request_id=f"log-{number}")["target"] == text


def test_the_log_is_json_of_a_client_that_leaves_and_of_an_old_one(site):
    with site.connect() as connection:
        connection.sendall(b"GET /left HTTP/1.1\r\n")
    with site.connect() as connection:
        connection.sendall(b"GET /old\r\n")
        connection.recv(1000)
    log_of(site, target="/old")


def tls(site, version, *protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", site.tls_port), timeout=10))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls(site, version):
    with tls(site, version, "h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"
    with tls(site, version) as connection:
        connection.sendall(b"GET /nowhere HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        answer = read_answer(connection, "GET")
    assert answer.status == 404 and answer.header("Strict-Transport-Security") == "max-age=31536000"
    assert site.ask("/nowhere").header("Strict-Transport-Security") is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(site):
    with pytest.raises(OSError):
        tls(site, ssl.TLSVersion.TLSv1_1)
