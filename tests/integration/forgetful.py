"""A device between a worker and its database that forgets idle connections without a word, as
NAT and load balancers do after minutes; this one after a second.  And it may lie."""

import select
import socket
import threading
import time

IDLE_S = 1.5


class ForgetfulProxy:
    """Forwards loopback TCP; a connection on which nothing passed for IDLE_S is heard of no more."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.forgotten = []
        self.lie = (b"", b"")  # what the server says, and what is passed on instead
        self._is_over = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._is_over = True
        self._listener.close()
        for connection in self.forgotten:
            connection.close()

    def _accept(self):
        while not self._is_over:
            try:
                client = self._listener.accept()[0]
            except OSError:
                continue
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client):
        with socket.create_connection(("127.0.0.1", self.target_port)) as server:
            last = time.monotonic()
            while not self._is_over:
                for side in select.select([client, server], [], [], 0.1)[0]:
                    try:
                        data = side.recv(65536)
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        client.close()
                        return
                    (server if side is client else client).sendall(data.replace(*self.lie))
                    last = time.monotonic()
                if time.monotonic() - last > IDLE_S:
                    self.forgotten.append(client)  # neither answered nor closed
                    return
