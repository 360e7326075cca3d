"""A relay between the browser and the site: it writes down what is asked, and can be told to
delay, to cut, to refuse, or to answer by itself."""

import contextlib
import http.client
import http.server
import re
import socket
import threading
import time


class Relay:
    def __init__(self, site_port):
        self.site_port = site_port
        self.asked = []  # (target, headers)
        self.rules = []  # (pattern, action); the last one that fits counts
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                relay.handle(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @contextlib.contextmanager
    def rule(self, pattern, action):
        """For what is asked within: action(handler, relay), where a target fits."""
        entry = (re.compile(pattern), action)
        self.rules.append(entry)
        try:
            yield
        finally:
            self.rules.remove(entry)

    def targets(self, pattern=""):
        return [target for target, _ in self.asked if re.search(pattern, target)]

    def handle(self, handler):
        self.asked.append((handler.path, dict(handler.headers)))
        with contextlib.suppress(ConnectionError):
            for pattern, action in reversed(self.rules):
                if pattern.search(handler.path) and action(handler, self) is not PASS:
                    return
            self.forward(handler)

    def fetch(self, handler):
        """(status, headers, body) of the site."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site_port, timeout=60)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "connection"}
            connection.request("GET", handler.path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def forward(self, handler):
        send(handler, *self.fetch(handler))


PASS = object()  # an action's word for: as if there were no rule


def send(handler, status, headers, body):
    handler.send_response_only(status)
    for name, value in headers:
        if name.lower() not in ("connection", "content-length", "transfer-encoding"):
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def answer(status, body, content_type="application/json", **headers):
    """Answers by itself; body: bytes, or a function of the target."""
    def act(handler, _):
        given = body(handler.path) if callable(body) else body
        send(handler, status, [("Content-Type", content_type), *((name.replace("_", "-"), value) for name, value in headers.items())], given)
    return act


def held(gate):
    """Waits with the answer until the gate, an Event, is open."""
    def act(_, __):
        gate.wait(60)
        return PASS
    return act


def closed(handler, _):
    """No answer at all."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)


def streamed(pieces, content_type="text/csv; header=present", is_whole=True, pause_s=0.0):
    """A chunked answer, piece by piece; without its end when it is not whole."""
    def act(handler, _):
        handler.send_response_only(200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.flush()
            time.sleep(pause_s)
        if is_whole:
            handler.wfile.write(b"0\r\n\r\n")
        else:
            closed(handler, None)
    return act
