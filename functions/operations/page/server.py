"""Serve the page on this machine with the caller's own credentials: nothing needs to be public."""

import json
import mimetypes
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from ledger.errors import LedgerError, NotFound
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, PAGE_CONFIG_KEY, PAGE_INDEX_KEY, PAGES, ROOT_KEY, SHARDS
from ledger.store import Store
from operations.page.files import TYPES, page_files

# What the page reads of the export bucket; no other key is served.
_SINGLE = {ROOT_KEY, CSV_KEY, DESCRIPTION_KEY}
_FOLDERS = (PAGES, SHARDS)
_PHOTO = "photo/"
_OWN_NAMES = ("127.0.0.1", "localhost")

ReadPhoto = Callable[[str, str], tuple[bytes, str]]


def photo_reader(s3: Any, bucket: str) -> ReadPhoto:
    """Read photos of one bucket, and of no other."""

    def read(asked: str, key: str) -> tuple[bytes, str]:
        if asked != bucket:
            raise NotFound(f"{asked} is not the images bucket")
        try:
            answer = s3.get_object(Bucket=bucket, Key=key)
        except s3.exceptions.ClientError as error:
            raise NotFound(key) from error
        return answer["Body"].read(), mimetypes.guess_type(key)[0] or "application/octet-stream"

    return read


def page_server(store: Store, photos: ReadPhoto | None = None, port: int = 0) -> ThreadingHTTPServer:
    """Make the server, on loopback; the caller runs and closes it.

    Args:
        store: the export bucket.
        photos: reads a photo by bucket and key; None leaves links to photos out.
        port: 0 takes any free one.
    """
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, _Answers(store, photos)))


Answer = tuple[bytes, str, dict[str, str]]


class _Answers:
    """Finds what a path names: a file of the page, an object that the page reads, or a photo."""

    def __init__(self, store: Store, photos: ReadPhoto | None) -> None:
        self._store = store
        self._photos = photos
        self._files = dict(page_files())

    def find(self, path: str) -> Answer:
        """Give body, content type and further headers; raises NotFound, Unavailable."""
        if path in self._files:
            file = self._files[path]
            return file.read_bytes(), TYPES[file.suffix], {"Cache-Control": "no-cache"}
        if path == PAGE_CONFIG_KEY:
            link = "photo/{bucket}/{key}" if self._photos else ""
            return json.dumps({"photos": link}).encode(), TYPES[".json"], {"Cache-Control": "no-cache"}
        if path in _SINGLE:
            stored = self._store.get(path)
            return stored.body, _kind(path), {"ETag": f'"{stored.etag}"', "Cache-Control": "no-cache"}
        if path.startswith(_FOLDERS):  # named by content: never another
            return self._store.get(path).body, _kind(path), {"Cache-Control": "max-age=31536000, immutable"}
        if path.startswith(_PHOTO) and self._photos:
            bucket, _, key = path.removeprefix(_PHOTO).partition("/")
            body, kind = self._photos(bucket, key)
            # A photo is a stranger's file: whatever it really is, the browser must not run it.
            return body, kind, {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
        raise NotFound(path)


class _Handler(BaseHTTPRequestHandler):
    """Answers requests; one is made for every connection, and answers it while it is made."""

    protocol_version = "HTTP/1.1"

    def __init__(self, answers: _Answers, *connection: Any) -> None:
        self._answers = answers
        super().__init__(*connection)

    def do_GET(self) -> None:
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in _OWN_NAMES:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)  # a stranger's name for this machine (DNS rebinding)
            return
        path = unquote(urlsplit(self.path).path).lstrip("/") or PAGE_INDEX_KEY
        try:
            body, kind, headers = self._answers.find(path)
        except NotFound:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        except LedgerError:
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.send_response(HTTPStatus.OK)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        """Stay silent: the terminal belongs to the command."""


def _kind(path: str) -> str:
    return TYPES[".json"] if path.endswith(".json") else "text/csv; charset=utf-8"
