"""Networks that fail, or are slow, between the functions and S3."""

import random
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_ANSWER = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_SLOW_DOWN), _SLOW_DOWN)
)
_LONGEST_BEFORE_CUT = 40_000  # bytes of answers after which a doomed connection is cut
_PIECE = 1 << 16


class _Proxy:
    """Accepts connections on loopback, and serves each in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Give the address that clients use."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class FaultProxy(_Proxy):
    """Forwards to a port, and spoils a share of the connections: refused, answered 503, or cut midway.

    Args:
        port: of the server behind.
        share: of the connections that are spoilt, 0 to 1.
        seed: of the chances.
    """

    def __init__(self, port: int, share: float, seed: int = 1) -> None:
        self.faults = 0
        self._share, self._port = share, port
        self._chance = random.Random(seed)
        super().__init__(self._serve)

    def _serve(self, client: socket.socket) -> None:
        fault = self._chance.choice(["reset", "503", "cut"]) if self._chance.random() < self._share else ""
        self.faults += bool(fault)
        if fault == "503":
            client.recv(_PIECE)
            client.sendall(_ANSWER)
            return
        if fault == "reset":
            _reset(client)
            return
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=_forward, args=(client, server), daemon=True).start()
            left = self._chance.randint(1, _LONGEST_BEFORE_CUT) if fault else None
            while data := server.recv(_PIECE):
                if left is not None and len(data) >= left:
                    _reset(client)
                    return
                left = None if left is None else left - len(data)
                client.sendall(data)


class SlowCopies(_Proxy):
    """Forwards to a port, and holds back the answer to every copy: S3 is silent while it copies.

    Args:
        port: of the server behind.
        seconds: from the request until its answer goes on.

    Attributes:
        held: how many answers were held back.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self.held = 0
        self._port, self._seconds = port, seconds
        super().__init__(self._serve)

    def _serve(self, client: socket.socket) -> None:
        silent_until = 0.0

        def watch(data: bytes) -> None:
            nonlocal silent_until
            if b"x-amz-copy-source:" in data.lower():  # the head of a request comes in one piece
                silent_until = time.monotonic() + self._seconds
                self.held += 1

        with socket.create_connection(("127.0.0.1", self._port)) as server:
            threading.Thread(target=_forward, args=(client, server, watch), daemon=True).start()
            while data := server.recv(_PIECE):
                time.sleep(max(0.0, silent_until - time.monotonic()))
                client.sendall(data)


def _forward(source: socket.socket, target: socket.socket, watch: Callable[[bytes], None] = lambda data: None) -> None:
    with suppress(OSError):
        while data := source.recv(_PIECE):
            watch(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _reset(client: socket.socket) -> None:
    """Close so that the other side sees a reset and not an end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
