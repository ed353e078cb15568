"""The server of the page: what it gives, and what it must not."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer

import boto3
import pytest
from moto import mock_aws

from infra.doubles.memory_store import MemoryStore
from ledger.errors import NotFound, Unavailable
from ledger.ledger import Ledger
from operations.bootstrap import bootstrap
from operations.page.files import page_files
from operations.page.server import page_server, photo_reader
from tests.support.command_line import Ran
from tests.support.page_world import export_bucket
from tests.support.store_calls import WatchedStore, refuse


def read_photo(bucket: str, key: str) -> tuple[bytes, str]:
    if (bucket, key) != ("photos", "a/b c.html"):
        raise NotFound(key)
    return b"<script>", "text/html"


@pytest.fixture
def watched() -> WatchedStore:
    return WatchedStore(export_bucket(3))


@pytest.fixture
def address(watched: WatchedStore) -> Iterator[str]:
    server = page_server(watched, read_photo)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def get(address: str, path: str) -> tuple[int, bytes, Message]:
    try:
        with urllib.request.urlopen(address + path, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def test_the_page_and_what_it_reads_are_served(address: str, watched: WatchedStore) -> None:
    """Files with their types; shards and pages for ever, since their names are their contents."""
    status, body, headers = get(address, "")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")
    for key, path in page_files():
        assert get(address, key)[1] == path.read_bytes()
    status, body, headers = get(address, "manifest.json")
    root = json.loads(body)
    assert (root["version"], headers["Cache-Control"]) == (1, "no-cache")
    status, _, headers = get(address, f"manifest/{root['rows']['pages'][0]['sha256']}.json")
    assert (status, headers["Cache-Control"]) == (200, "max-age=31536000, immutable")
    assert get(address, "image-data.csv")[1].count(b"\n") == 4


@pytest.mark.parametrize(
    "path",
    [
        "journal/",
        "quarantine/x",
        "roots/0-a.json",
        "page/../cli.py",
        "page/..%2fcli.py",
        "%2e%2e/view.py",
        "/etc/passwd",
        "manifest/none.json",
        "photo/other/a.jpg",
    ],
)
def test_nothing_else_is_served(address: str, path: str) -> None:
    """Neither the journal nor a file of this machine."""
    assert get(address, path)[0] == 404


def test_a_photo_is_shown_but_never_run(address: str) -> None:
    """It is a stranger's file, and this address is the page's own."""
    assert json.loads(get(address, "page/config.json")[1]) == {"photos": "photo/{bucket}/{key}"}
    status, body, headers = get(address, "photo/photos/a/b%20c.html")
    assert (status, body) == (200, b"<script>")
    assert (headers["Content-Security-Policy"], headers["X-Content-Type-Options"]) == ("sandbox", "nosniff")


def test_another_site_cannot_read_through_the_readers_browser(address: str) -> None:
    """A host name that leads to this machine (DNS rebinding) is refused: only this machine's own names are answered."""
    connection = HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=10)
    connection.request("GET", "/manifest.json", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 421
    connection.close()


def test_a_store_that_does_not_answer_is_told(address: str, watched: WatchedStore) -> None:
    watched.on("get", "manifest.json", refuse(Unavailable("SlowDown")))
    assert get(address, "manifest.json")[0] == 502
    assert get(address, "manifest.json")[0] == 200


def test_without_a_photo_reader_there_are_no_links(store: MemoryStore) -> None:
    server = page_server(store)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    assert json.loads(get(address, "page/config.json")[1]) == {"photos": ""}
    assert get(address, "photo/photos/a.jpg")[0] == 404
    server.shutdown()
    server.server_close()


def test_photos_of_the_images_bucket_are_read_and_of_no_other() -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        for bucket in ("images", "secrets"):
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"photo")
        read = photo_reader(s3, "images")
        assert read("images", "a.jpg") == (b"photo", "image/jpeg")
        for bucket, key in (("secrets", "a.jpg"), ("images", "none.jpg")):
            with pytest.raises(NotFound):
                read(bucket, key)


def test_the_command_serves_until_it_is_interrupted(
    skyledger: Callable[..., Ran], store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells the address; a bucket that was given by name has no photos to link to."""
    bootstrap(Ledger(store))
    seen: list[bytes] = []
    serve = ThreadingHTTPServer.serve_forever

    def look(server: ThreadingHTTPServer) -> None:
        threading.Thread(target=serve, args=(server, 0.02), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        seen.extend(get(address, path)[1] for path in ("manifest.json", "page/config.json"))
        server.shutdown()
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", look)
    ran = skyledger("view", "--port", "0")
    assert ran.code == 130
    assert json.loads(seen[0])["version"] == 0
    assert json.loads(seen[1]) == {"photos": ""}
    assert ran.out.startswith("http://127.0.0.1:")
