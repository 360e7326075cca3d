"""The web server's side of FastCGI 1.0, good and bad, to talk to a worker directly."""

import socket
import struct

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
RESPONDER, AUTHORIZER = 1, 2


def record(kind, content=b"", request_id=1, padding=0, version=1):
    header = struct.pack(">BBHHBx", version, kind, request_id, len(content), padding)
    return header + content + bytes(padding)


def length(number):
    return bytes([number]) if number < 128 else struct.pack(">I", number | 0x80000000)


def pair(name, value):
    name, value = name.encode(), value.encode()
    return length(len(name)) + length(len(value)) + name + value


def request(target, method="GET", role=RESPONDER, **more):
    """A whole request, as nginx sends it."""
    params = {"REQUEST_METHOD": method, "REQUEST_URI": target, **more}
    content = b"".join(pair(name, value) for name, value in params.items())
    records = [record(BEGIN_REQUEST, struct.pack(">HB5x", role, 0))]
    records += [record(PARAMS, content[at:at + 65528]) for at in range(0, len(content), 65528)]
    return b"".join(records + [record(PARAMS), record(STDIN)])


class Response:
    def __init__(self, text, is_ended):
        head, _, self.body = text.partition(b"\r\n\r\n")
        self.headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if line)
        self.status = int(self.headers.get("Status", "0").split()[0])
        self.is_ended = is_ended  # an END_REQUEST record came


def read_all(connection):
    """Everything until the other side closes, gently or not."""
    data = b""
    try:
        while chunk := connection.recv(1 << 20):
            data += chunk
    except ConnectionResetError:
        pass
    return data


def parse(data):
    """What a web server understands of the bytes that a worker sent."""
    text, is_ended = b"", False
    while len(data) >= 8:
        _, kind, _, size, padding = struct.unpack(">BBHHBx", data[:8])
        content = data[8:8 + size]
        assert len(content) == size, "a record was cut"
        text += content if kind == STDOUT else b""
        is_ended |= kind == END_REQUEST
        data = data[8 + size + padding:]
    assert not data, "a record's header was cut"
    return Response(text, is_ended)


def connect(path, timeout_s=20):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout_s)
    connection.connect(str(path))
    return connection


def ask(path, target, **more):
    with connect(path) as connection:
        connection.sendall(request(target, **more))
        return parse(read_all(connection))
