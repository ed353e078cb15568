"""The server of the page: what it gives, to whom, and what a connection may take of it."""

import inspect
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from email.message import Message
from email.parser import BytesParser
from http.server import ThreadingHTTPServer
from io import BytesIO
from typing import Any

import pytest

from infra.doubles.image_files import jpeg
from infra.doubles.memory_bucket import MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.waiting import PATIENCE_SECONDS, until
from ledger.errors import Unavailable
from ledger.ledger import Ledger
from operations.bootstrap import bootstrap
from operations.cli import view
from operations.page import server as server_module
from operations.page.access import WITHOUT_TOKEN
from operations.page.files import page_files
from operations.page.photos import PIECE_BYTES, PhotoReader
from operations.page.server import HEAD_BYTES, PageServer, page_server
from tests.support.command_line import Ran
from tests.support.page_world import add_photos, export_bucket, keep
from tests.support.reader import read_rows
from tests.support.store_calls import WatchedStore, refuse

Answered = tuple[int, Message, bytes]


class Asker:
    """Asks a server by sockets of its own, so that every byte of a request is the test's.

    Attributes:
        told: what the server told the terminal.
    """

    def __init__(self, server: PageServer, told: list[str]) -> None:
        self.server = server
        self.told = told
        self.host = f"127.0.0.1:{server.server_address[1]}"
        self.token = server.access.token

    def connect(self) -> socket.socket:
        return socket.create_connection(self.server.server_address[:2], timeout=PATIENCE_SECONDS)  # type: ignore[arg-type]

    def raw(self, request: bytes) -> bytes:
        """Send these bytes and give all that comes back until the server closes."""
        with self.connect() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def request(self, path: str, *lines: str, method: str = "GET") -> bytes:
        """Write a request for a path behind the token."""
        head = (f"{method} /{self.token}/{path} HTTP/1.1", f"Host: {self.host}", *lines, "Connection: close", "", "")
        return "\r\n".join(head).encode()

    def ask(self, path: str, *lines: str, method: str = "GET") -> Answered:
        return parsed(self.raw(self.request(path, *lines, method=method)))


def parsed(answer: bytes) -> Answered:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    return int(status.split()[1]), BytesParser().parse(BytesIO(headers), headersonly=True), body


@contextmanager
def serving(store: Any, photos: PhotoReader | None = None) -> Iterator[Asker]:
    told: list[str] = []
    server = page_server(store, photos, tell=told.append)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield Asker(server, told)
    server.shutdown()
    server.server_close()


@pytest.fixture
def exports() -> MemoryStore:
    return export_bucket(3)


@pytest.fixture
def watched(exports: MemoryStore) -> WatchedStore:
    return WatchedStore(exports)


@pytest.fixture
def asker(watched: WatchedStore, images: MemoryBucket) -> Iterator[Asker]:
    with serving(watched, PhotoReader(images, {"photos"})) as asker:
        yield asker


def test_the_page_and_what_it_reads_are_served(asker: Asker) -> None:
    """Files with their types; shards and pages for ever, since their names are their contents; by nobody in between."""
    status, headers, body = asker.ask("")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")
    for key, path in page_files():
        assert asker.ask(key)[2] == path.read_bytes()
    assert asker.ask("page/vendor/maplibre-gl-worker.mjs?v=6.17.0")[0] == 200
    status, headers, body = asker.ask("manifest.json")
    root = json.loads(body)
    assert (root["version"], headers["Cache-Control"]) == (1, "private, no-cache")
    status, headers, _ = asker.ask(f"manifest/{root['rows']['pages'][0]['sha256']}.json")
    assert (status, headers["Cache-Control"]) == (200, "private, max-age=31536000, immutable")
    links = {"photos": "photo/{id}", "previews": "preview/{id}"}
    assert json.loads(asker.ask("page/config.json")[2]) == links


def test_what_did_not_change_is_not_sent_again(asker: Asker, exports: MemoryStore) -> None:
    """The page asks for the manifest every few seconds."""
    for path in ("manifest.json", "image-data.csv-metadata.json"):
        tag = asker.ask(path)[1]["ETag"]
        status, headers, body = asker.ask(path, f"If-None-Match: {tag}")
        assert (status, headers["ETag"], body) == (304, tag, b"")
        assert asker.ask(path, f"If-None-Match: W/{tag}")[0] == 304, "as whoever packs answers on the way writes it"
        assert asker.ask(path, 'If-None-Match: "another"')[0] == 200
    tag = asker.ask("manifest.json")[1]["ETag"]
    add_photos(exports, 3, 3)
    assert asker.ask("manifest.json", f"If-None-Match: {tag}")[0] == 200


def test_the_csv_comes_shard_by_shard(asker: Asker, watched: WatchedStore, exports: MemoryStore) -> None:
    """It may be larger than any memory, and is replaced all the time: so it is made of what is never replaced."""
    status, headers, body = asker.ask("image-data.csv")
    assert (status, body, headers["Content-Length"]) == (200, read_rows(exports), str(len(body)))
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert watched.verbs("image-data.csv") == []


def test_a_ledger_is_asked_by_one_thread_at_a_time(asker: Asker, watched: WatchedStore) -> None:
    """It remembers the root that it read last; every connection has a thread of its own."""
    inside: list[int] = []
    others = threading.Event()

    def look(call: Callable[[], Any]) -> Any:
        inside.append(len(inside))
        if inside == [0]:
            others.wait(0.3)  # which is for whoever comes in beside it
        else:
            others.set()
        answer = call()
        inside.pop()
        return answer

    watched.on("get", "manifest.json", look, times=2)
    threads = [threading.Thread(target=asker.ask, args=("image-data.csv",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not others.is_set()


def test_head_tells_what_get_would_give(asker: Asker, images: MemoryBucket, exports: MemoryStore) -> None:
    """Without the body, and without reading it."""
    path = keep(images, exports, 9, "a.jpg", jpeg())
    for asked in ("", "manifest.json", "image-data.csv", path):
        status, headers, body = asker.ask(asked, method="HEAD")
        got = asker.ask(asked)
        assert (status, headers["Content-Length"], body) == (200, str(len(got[2])), b"")
    assert asker.ask("nothing", method="HEAD")[0::2] == (404, b"")


@pytest.mark.parametrize(
    "path",
    ["journal/", "quarantine/x", "roots/0-a.json", "collecting.json", "snapshots/a.json", "page/../cli.py",
     "page/..%2fcli.py", "%2e%2e/view.py", "..%2fmanifest.json", "/etc/passwd", "/manifest.json", "page//page.css",
     "./manifest.json", "manifest.json/", "manifest%2ejson", "Manifest.json", "journal/?manifest.json",
     "manifest.json%00", "page\\page.css", "page/page.css%20", "page/", "page/vendor", "page/vendor/SHA256SUMS",
     "page/answers.py", "index.html/", "manifest/", "manifest/none.json", f"shards/{'0' * 64}",
     f"shards/{'0' * 64}.csv/../../manifest.json", f"shards/{'A' * 64}.csv", f"shards/..%2f{'0' * 64}.csv",
     "photo/photos/a.jpg", "photo/", "preview/", "preview/photos/a.jpg", "preview"],
)  # fmt: skip
def test_nothing_else_is_served(asker: Asker, watched: WatchedStore, path: str) -> None:
    """Neither the journal nor a file of this machine; of what is asked for so, the store never hears."""
    status, headers, body = asker.ask(path)
    assert status == 404
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert body.count(b"\n") == 1
    assert watched.calls == []


def test_a_shard_that_is_not_there_is_not_found(asker: Asker) -> None:
    """The page asks for the compressed one, and then for the plain one."""
    for suffix in (".csv.gz", ".csv"):
        assert asker.ask(f"shards/{'0' * 64}{suffix}")[0] == 404


def test_whoever_does_not_know_the_token_gets_nothing(asker: Asker, watched: WatchedStore) -> None:
    """Another user of this machine: one line, the same wherever he tries, and the store does not hear of him."""
    answers = set()
    for path in ("/", "/manifest.json", "/image-data.csv", f"/{asker.token[:-1]}/", f"//{asker.token}/", "/x/y"):
        answers.add(asker.raw(f"GET {path} HTTP/1.1\r\nHost: {asker.host}\r\n\r\n".encode()).partition(b"\r\n\r\n")[2])
    assert answers == {f"403 Forbidden: {WITHOUT_TOKEN}\n".encode()}
    assert watched.calls == []
    assert asker.token not in repr(asker.server.__dict__)


def test_every_answer_closes_the_page_to_others(asker: Asker, images: MemoryBucket, exports: MemoryStore) -> None:
    """Not to be read, embedded, framed, taken for another type or named to others: a refusal neither."""
    photo = keep(images, exports, 9, "a.jpg", jpeg())
    preview, none = photo.replace("photo", "preview"), photo.replace("photo", "preview") + "0"
    answers = [
        asker.ask(path, *lines)
        for path, lines in (
            *((path, ()) for path in ("", "page/rows.js", "manifest.json", "image-data.csv", photo, preview, none)),
            ("", ("Origin: http://evil.example",)),
            ("", ("Host: twice",)),
        )
    ]
    answers.append(parsed(asker.raw(b"POST / HTTP/1.1\r\n\r\n")))
    answers.append(parsed(asker.raw(b"BREW / HTCPCP/1.0\r\n\r\n")))
    answers.append(parsed(asker.raw(b"GET /".ljust(HEAD_BYTES, b"a"))))
    assert [status for status, *_ in answers] == [200, 200, 200, 200, 200, 200, 404, 403, 400, 501, 400, 431]
    for _, headers, _ in answers:
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Frame-Options"] == "DENY"
        assert "private" in headers["Cache-Control"]
        assert directives(headers["Content-Security-Policy"])["frame-ancestors"] == "'none'"
        assert headers["Access-Control-Allow-Origin"] is None
        assert headers["Set-Cookie"] is None
        assert "Python" not in headers["Server"]
    for _, headers, _ in answers[:2]:
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    for _, headers, _ in answers[2:]:
        assert directives(headers["Content-Security-Policy"]) == DATA_POLICY
    assert asker.told == []


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Host: [::1\r\n", 400),
        (b"Host: evil@localhost\r\n", 400),
        (b"", 400),
        (b"Host: evil.example\r\n", 421),
        (b"Host: 127.0.0.1:1\r\n", 421),
    ],
)
def test_a_wrong_host_gets_an_answer_and_no_traceback(
    asker: Asker, lines: bytes, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = asker.raw(f"GET /{asker.token}/manifest.json HTTP/1.1\r\n".encode() + lines + b"\r\n")
    assert parsed(answer)[0] == status
    assert (asker.told, *capfd.readouterr()) == ([], "", "")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET  \r\n\r\n", 400),
        (b"GET / HTTP/1.1 extra\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/x\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\n\r\n", 501),
        (b"DELETE /TOKEN/manifest.json HTTP/1.1\r\nHost: HOST\r\n\r\n", 501),
        (b"OPTIONS /TOKEN/ HTTP/1.1\r\nHost: HOST\r\n\r\n", 501),
        (b"CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n", 501),
        (b"GET http://HOST/TOKEN/manifest.json HTTP/1.1\r\nHost: HOST\r\n\r\n", 400),
        (b"GET /TOKEN/ HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"GET /TOKEN/ HTTP/1.1\r\nHost: HOST\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /TOKEN/ HTTP/1.1\r\nHost: HOST\r\n" + b"Cookie: PAD", 431),
    ],
)  # fmt: skip
def test_a_request_that_is_none_gets_one_line(
    asker: Asker, request_: bytes, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """In our own words: nothing that a stranger wrote comes back to be run, or gets onto the terminal."""
    written = request_.replace(b"TOKEN", asker.token.encode()).replace(b"HOST", asker.host.encode())
    written = written.replace(b"PAD", b"c" * (HEAD_BYTES - len(written) + 3))
    got, headers, body = parsed(asker.raw(written))
    assert (got, headers["Content-Type"], headers["Connection"]) == (status, "text/plain; charset=utf-8", "close")
    assert re.fullmatch(rb"\d{3} [^\n<>]+\n", body)
    assert (asker.told, *capfd.readouterr()) == ([], "", "")


def test_an_answer_of_http_09_has_nothing_in_it(asker: Asker) -> None:
    """It would have no headers, and so none that protect."""
    answer = asker.raw(f"GET /{asker.token}/manifest.json\r\nHost: {asker.host}\r\n\r\n".encode())
    assert parsed(answer)[0] == 400


def test_what_follows_a_refusal_is_not_read(asker: Asker, watched: WatchedStore) -> None:
    """What a page lets a browser send as a body is no second request."""
    inner = asker.request("manifest.json")
    outer = f"POST /{asker.token}/ HTTP/1.1\r\nHost: {asker.host}\r\nContent-Length: {len(inner)}\r\n\r\n".encode()
    assert asker.raw(outer + inner).count(b"HTTP/1.1 ") == 1
    assert watched.calls == []


def test_requests_follow_one_another_on_a_connection(asker: Asker) -> None:
    """As the page sends them."""
    first = asker.request("manifest.json").replace(b"Connection: close\r\n", b"")
    assert asker.raw(first + asker.request("page/config.json")).count(b"HTTP/1.1 200 OK") == 2


def test_a_head_that_trickles_ends_with_its_time(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it goes on, byte by byte: each comes within the time, all of them together do not."""
    monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.3)
    with asker.connect() as connection:
        connection.settimeout(0.02)
        for _ in range(2000):
            try:
                connection.sendall(b"a")
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the server listens still")
    assert asker.told == []


def test_the_bounds_leave_room_for_a_browser_and_a_slow_line() -> None:
    """Two windows of six connections each, 8 KB a second; who says nothing is not waited for longer than a minute."""
    assert 12 <= server_module.MOST_CONNECTIONS <= 256
    assert PIECE_BYTES / server_module.PIECE_SECONDS <= 8_000
    assert 5 <= server_module.HEAD_SECONDS <= 60
    assert 8_192 <= HEAD_BYTES <= 1 << 17


def test_there_are_not_too_many_connections(asker: Asker) -> None:
    """Whoever comes when all are taken finds the door closed; when one ends there is room again."""
    held = []
    for _ in range(server_module.MOST_CONNECTIONS):
        held.append(asker.connect())
        held[-1].sendall(asker.request("page/config.json").replace(b"Connection: close\r\n", b""))
        assert held[-1].recv(1 << 16).startswith(b"HTTP/1.1 200")
    try:
        with asker.connect() as late:
            assert late.recv(1) == b""
    finally:
        for connection in held:
            connection.close()

    def is_answered() -> bool:
        with asker.connect() as again, suppress(ConnectionError):
            again.sendall(asker.request("page/config.json"))
            return again.recv(1 << 16).startswith(b"HTTP/1.1 200")
        return False

    until(is_answered, "room", every=0.02)


def test_who_has_not_shown_the_token_makes_room(asker: Asker) -> None:
    """Another user of the machine may hold as many connections as there are: the owner comes in all the same."""
    with asker.connect() as known, ExitStack() as strangers:
        again = asker.request("page/config.json").replace(b"Connection: close\r\n", b"")

        def is_answered() -> bool:
            known.sendall(again)
            answer = b""
            while not answer.endswith(b"}") and (piece := known.recv(1 << 16)):
                answer += piece
            return answer.startswith(b"HTTP/1.1 200")

        assert is_answered()
        for _ in range(server_module.MOST_CONNECTIONS):
            strangers.enter_context(asker.connect())
        assert asker.ask("page/config.json")[0] == 200
        assert is_answered(), "not who came first, but who came first of these"


def test_other_machines_do_not_reach_the_server(asker: Asker) -> None:
    """It reads with its user's credentials: it listens on this machine's own address, and on no other."""
    assert asker.server.socket.getsockname() == ("127.0.0.1", asker.server.access.port)


@pytest.mark.parametrize("stays", [False, True], ids=["goes", "stays and takes nothing"])
def test_a_reader_who_leaves_early_is_no_fault(
    stays: bool,
    exports: MemoryStore,
    images: MemoryBucket,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What he did not take is not read, what was open is closed, and the terminal hears nothing of it."""
    if stays:
        monkeypatch.setattr(server_module, "PIECE_SECONDS", 0.1)
    path = keep(images, exports, 9, "a.jpg", jpeg())
    closed = threading.Event()

    class Endless:
        def read(self, size: int) -> bytes:
            return b"\xff\xd8\xff".ljust(size, b"\0")

        def close(self) -> None:
            closed.set()

    images.get_object = lambda **_: {"Body": Endless(), "ContentLength": 1 << 40}  # type: ignore[method-assign, assignment]
    with serving(exports, PhotoReader(images, {"photos"})) as asker:
        with asker.connect() as connection:
            connection.sendall(asker.request(path))
            connection.recv(1 << 10)
            assert not stays or closed.wait(PATIENCE_SECONDS)
        assert closed.wait(PATIENCE_SECONDS)
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join(PATIENCE_SECONDS)
        assert asker.ask("page/config.json")[0] == 200
        assert (asker.told, *capfd.readouterr()) == ([], "", "")


def test_a_body_that_breaks_off_is_not_taken_for_whole(asker: Asker, exports: MemoryStore) -> None:
    """The connection ends before the promised bytes are there; the terminal is told once."""
    key = next(key for key in exports.objects if key.startswith("shards/"))
    del exports.objects[key]
    for _ in range(2):
        status, headers, body = asker.ask("image-data.csv")
        assert status == 200
        assert len(body) < int(headers["Content-Length"])
    kept = asker.request("image-data.csv").replace(b"Connection: close\r\n", b"")
    assert asker.raw(kept + asker.request("page/config.json")).count(b"HTTP/1.1 ") == 1
    assert asker.told == [f"Damaged: {key} is missing although the tree names it"]


def test_a_store_that_does_not_answer_is_told(asker: Asker, watched: WatchedStore) -> None:
    """In the browser and on the terminal, which gets nothing that it could take for a command."""
    watched.on("get", "manifest.json", refuse(Unavailable("manifest.json: \x1b]0;owned\x07\u202eAccessDenied\r\n")))
    status, _, body = asker.ask("manifest.json")
    assert (status, body.count(b"\n")) == (502, 1)
    assert b"AccessDenied" in body
    assert asker.told == ["Unavailable: manifest.json: \ufffd]0;owned\ufffd\ufffdAccessDenied\ufffd\ufffd"]
    assert asker.ask("manifest.json")[0] == 200


def test_a_fault_of_ours_is_told_without_the_token(
    asker: Asker, watched: WatchedStore, capfd: pytest.CaptureFixture[str]
) -> None:
    """With where it is, line by line."""
    watched.on("get", "manifest.json", refuse(ZeroDivisionError("\x1b[2J")))
    assert asker.raw(asker.request("manifest.json")) == b""
    assert asker.told[0].startswith("Traceback")
    assert asker.told[-1] == "ZeroDivisionError: \ufffd[2J"
    assert not [line for line in asker.told if asker.token in line]
    assert capfd.readouterr() == ("", "")


def test_without_a_photo_reader_there_are_no_links(store: MemoryStore) -> None:
    with serving(store) as asker:
        assert json.loads(asker.ask("page/config.json")[2]) == {"photos": "", "previews": ""}
        for kind in ("photo", "preview"):
            assert asker.ask(f"{kind}/2026-11-25T08:00:00.001000Z,98f5")[0] == 404
        assert asker.ask("image-data.csv")[0] == 404


def test_the_command_serves_until_it_is_interrupted(
    skyledger: Callable[..., Ran], store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells the address, token and all; a bucket that was given by name has no photos to link to."""
    bootstrap(Ledger(store, makes_first_root=True))
    seen: list[bytes] = []
    serve = ThreadingHTTPServer.serve_forever

    def look(server: PageServer) -> None:
        threading.Thread(target=serve, args=(server, 0.02), daemon=True).start()
        asker = Asker(server, [])
        seen.extend(asker.ask(path)[2] for path in ("manifest.json", "page/config.json"))
        seen.append(server.address.encode())
        server.shutdown()
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", look)
    ran = skyledger("view", "--port", "0")
    assert ran.code == 130
    assert json.loads(seen[0])["version"] == 0
    assert json.loads(seen[1]) == {"photos": "", "previews": ""}
    assert ran.out == f"{seen[2].decode()}\n"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[-\w]{43}/\n", ran.out)
    assert skyledger("view", "--json").json == {"address": seen[-1].decode()}


def test_the_port_is_another_each_time() -> None:
    """On one that can be foretold somebody else's service worker may wait, which sees the address, secret included."""
    port = inspect.signature(view.command).parameters["port"]
    assert port.default == 0


def test_a_port_that_is_taken_is_told(skyledger: Callable[..., Ran], store: MemoryStore) -> None:
    """In one line, with what to do."""
    bootstrap(Ledger(store, makes_first_root=True))
    with socket.create_server(("127.0.0.1", 0)) as other:
        ran = skyledger("view", "--port", str(other.getsockname()[1]))
    assert ran.code == 5
    assert "--port 0 takes any free one" in ran.err
    assert "Traceback" not in ran.err


# What the page may do, directive by directive. A photo's own texts stand in it, so no script but its files ever runs.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "worker-src": "'self' blob:",  # the map's worker
    "style-src": "'self' 'unsafe-inline'",  # map and table set styles
    "img-src": "'self' data: blob:",
    # A background map comes from where the user says.
    "connect-src": "'self' https: http://localhost:* http://127.0.0.1:*",
    "base-uri": "'none'",
    "form-action": "'none'",
}
DATA_POLICY = {
    "default-src": "'none'",
    "style-src": "'unsafe-inline'",
    "sandbox": "",
    "frame-ancestors": "'none'",
}


def directives(policy: str) -> dict[str, str]:
    """Read a policy; one that names a directive twice is none (browsers take the first)."""
    parts = [part.strip().partition(" ")[::2] for part in policy.split(";")]
    assert len(dict(parts)) == len(parts)
    return dict(parts)


def test_what_the_page_may_load_is_pinned_one_by_one(asker: Asker, images: MemoryBucket, exports: MemoryStore) -> None:
    """As `skyledger view` says it, and in the page itself, for where no server of ours does: behind CloudFront."""
    (meta,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', asker.ask("")[2].decode())
    assert directives(meta) == POLICY
    photo = keep(images, exports, 9, "a.jpg", jpeg())
    for key, _ in page_files():
        assert directives(asker.ask(key)[1]["Content-Security-Policy"]) == POLICY | {"frame-ancestors": "'none'"}, key
    for path in ("page/config.json", "manifest.json", "image-data.csv", photo, "nothing"):
        assert directives(asker.ask(path)[1]["Content-Security-Policy"]) == DATA_POLICY, path
