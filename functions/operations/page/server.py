"""Serve the page on this machine with the caller's own credentials: nothing needs to be public.

`access` says who may ask, `answers` what is there; here is what a connection may take: a bounded number of them, a
bounded head of a request within a bounded time, and one piece of an answer in memory at a time.
"""

import io
import re
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock
from typing import Any

from ledger.errors import LedgerError, NotFound
from ledger.ledger import Ledger
from ledger.store import Store
from operations.page.access import ADDRESS, Access, NotAdmitted
from operations.page.answers import COMMON_HEADERS, Answer, Answers
from operations.page.photos import PIECE_BYTES, PhotoReader

MOST_CONNECTIONS = 64  # a browser opens six
# A head is here whole within this, however it trickles; a connection that is kept waits as long for the next one.
HEAD_SECONDS = 20.0
HEAD_BYTES = 1 << 16  # cookies of all other servers on this machine may be in it
PIECE_SECONDS = 60.0  # that the reader may take for one piece
_ROOM_SECONDS = 1.0  # that a thread may take to end whose connection was shut down

_ETAG = re.compile(r'(?:W/)?"([^"]+)"')

Tell = Callable[[str], None]


def page_server(
    store: Store, photos: PhotoReader | None = None, port: int = 0, tell: Tell = lambda line: None
) -> "PageServer":
    """Make the server, on loopback; the caller runs and closes it.

    Args:
        store: the export bucket.
        photos: reads photos; None leaves links to them out.
        port: 0 takes any free one.
        tell: is told in one printable line what went wrong at the store.

    Raises:
        OSError: the port is taken.
    """
    return PageServer(Answers(Ledger(store), photos), port, tell)


class PageServer(ThreadingHTTPServer):
    """The server: a thread for each connection, of which there are not too many.

    Every user of the machine may connect, and hold connections without a word. So when there are too many, the oldest
    of those that have not shown the token makes room: a browser shows it at once.
    """

    request_queue_size = MOST_CONNECTIONS

    def __init__(self, answers: Answers, port: int, tell: Tell) -> None:
        self._free = BoundedSemaphore(MOST_CONNECTIONS)
        self._strangers: dict[Any, None] = {}  # connections, oldest first
        self._lock = Lock()
        self._tell, self._told = tell, ""
        super().__init__((ADDRESS, port), partial(_Handler, answers))
        self.access = Access(self.server_address[1])

    @property
    def address(self) -> str:
        """Give the address of the page; whoever knows it can read everything that the page can."""
        return self.access.address

    def tell(self, line: str) -> None:
        """Tell one line, unless it was the last one: the page asks again every few seconds.

        It may hold what strangers wrote, which the terminal must not take for commands.
        """
        if line != self._told:
            self._told = line
            self._tell("".join(character if character.isprintable() else "\ufffd" for character in line))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, or close it."""
        if not self._free.acquire(blocking=False) and not self._make_room():
            self.shutdown_request(request)
            return
        with self._lock:
            self._strangers[request] = None
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def _make_room(self) -> bool:
        with self._lock:  # while it is a stranger its socket is open
            oldest = next(iter(self._strangers), None)
            if oldest is None:
                return False
            del self._strangers[oldest]
            with suppress(OSError):  # it has gone by itself
                oldest.shutdown(socket.SHUT_RDWR)
        return self._free.acquire(timeout=_ROOM_SECONDS)

    def know(self, request: Any) -> None:
        """Count a connection among those that have shown the token."""
        with self._lock:
            self._strangers.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.know(request)
        super().shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection until it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that went away; anything else is a fault of ours, and told as such."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            for line in traceback.format_exc().splitlines():
                self.tell(line)


class _HeadTooLarge(Exception):
    """The head of a request has more bytes than are read."""


class _Connection(io.RawIOBase):
    """Reads a connection until a deadline, up to a number of bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.expect_head()

    def expect_head(self) -> None:
        """Begin to wait for the next request."""
        self._deadline = time.monotonic() + HEAD_SECONDS
        self._bytes_left = HEAD_BYTES

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, waiting until the deadline."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._bytes_left <= 0:
            raise _HeadTooLarge
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(buffer)
        self._bytes_left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    """Answers requests; one is made for every connection, and answers it while it is made."""

    protocol_version = "HTTP/1.1"
    server: PageServer

    def __init__(self, answers: Answers, *connection: Any) -> None:
        self._answers = answers
        super().__init__(*connection)

    def setup(self) -> None:
        """Read through the bounds."""
        super().setup()
        self.rfile.close()
        self._input = _Connection(self.connection)
        self.rfile = io.BufferedReader(self._input)

    def handle_one_request(self) -> None:
        """Read a request and answer it."""
        self._input.expect_head()
        try:
            super().handle_one_request()
        except _HeadTooLarge:
            self.command = self.requestline = ""
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def do_GET(self) -> None:
        try:
            # `self.path` has lost leading slashes.
            path = self.server.access.admit(self.request_version, self.requestline.split()[1], self.headers)
        except NotAdmitted as refusal:
            self._refuse(refusal.status, str(refusal), refusal.headers)
            return
        self.server.know(self.connection)
        known = _ETAG.fullmatch(self.headers.get("If-None-Match", ""))
        try:
            answer = self._answers.find(path, known[1] if known else "")
        except NotFound as error:
            self._refuse(HTTPStatus.NOT_FOUND, str(error))
        except LedgerError as error:
            self.server.tell(f"{type(error).__name__}: {error}")
            self._refuse(HTTPStatus.BAD_GATEWAY, str(error))
        else:
            with closing(answer):
                self._send(answer)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send(self, answer: Answer) -> None:
        """Send an answer. One whose body breaks off ends with the connection, so that nobody takes it for whole."""
        headers = {"Content-Type": answer.content_type, "Content-Length": str(answer.size)}
        self._send_head(answer.status, {**(headers if answer.status is HTTPStatus.OK else {}), **answer.headers})
        if self.command == "HEAD":
            return
        try:
            for piece in _pieces(answer):
                self._write(piece)
        except LedgerError as error:
            self.server.tell(f"{type(error).__name__}: {error}")
            self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, in our own words: those of the base class repeat what a stranger wrote."""
        self._refuse(HTTPStatus(code), HTTPStatus(code).description or HTTPStatus(code).phrase)

    def _refuse(self, status: HTTPStatus, why: str, headers: Mapping[str, str] | None = None) -> None:
        self.close_connection = True
        body = f"{status.value} {status.phrase}: {' '.join(why.split())}\n".encode("utf-8", "replace")
        about = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), "Connection": "close"}
        self._send_head(status, {**about, **(headers or {})})
        if self.command != "HEAD":
            self._write(body)

    def _send_head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.connection.settimeout(PIECE_SECONDS)
        self.request_version = self.protocol_version  # to an older one the base class gives no headers
        self.send_response(status)
        for name, value in {**COMMON_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _write(self, piece: bytes | memoryview) -> None:
        self.connection.settimeout(PIECE_SECONDS)  # for all of it: a reader cannot stretch it byte by byte
        self.connection.sendall(piece)

    def version_string(self) -> str:
        """Name the server, and not what it runs on."""
        return "skyledger"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        """Stay silent: the terminal belongs to the command, and paths have the token in them."""


def _pieces(answer: Answer) -> Iterator[bytes | memoryview]:
    """Cut the pieces of a body, some of which are whole shards, so that a slow reader is not taken for a dead one."""
    for piece in answer.body:
        for start in range(0, len(piece), PIECE_BYTES):
            yield memoryview(piece)[start : start + PIECE_BYTES]
