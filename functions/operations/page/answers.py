"""What the paths of the page's server stand for: these, and nothing else.

    (empty), page/...                           the page's files
    page/config.json                            where links to photos lead
    manifest.json, image-data.csv-metadata.json as they are in the export bucket
    manifest/<sha256>.json                      likewise, for ever the same
    shards/<sha256>.csv.gz, and plain .csv      likewise; the second only where an older version wrote it
    image-data.csv                              made of the shards of the present root, one after the other: S3's object
                                                is replaced while a reader of ranges is at it, and may be 300 GB
    photo/<ingested_at>%2C<etag>                the photo of that row
    preview/<ingested_at>%2C<etag>              the JPEG that is embedded in it; a text that says why there is none

A path is one of these as it came, byte for byte; only a row's key is decoded, once, and then compared with keys. What
stands behind a question mark is for caches: the map asks for its worker by version.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import PurePosixPath
from threading import Lock
from urllib.parse import unquote

from ledger.errors import NotFound
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, PAGE_CONFIG_KEY, PAGE_INDEX_KEY, ROOT_KEY, is_named_by_content
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.objects import Objects
from ledger.packing import PACKED_TYPE
from ledger.row import ETAG, INGESTED_AT, header
from operations.page.files import PAGE_POLICY, TYPES, page_files
from operations.page.photos import PhotoReader
from operations.rebuild.tree_reader import whole_csv

_PHOTO = "photo/"
_PREVIEW = "preview/"
_ROW_KEY = re.compile(f"{INGESTED_AT.pattern},{ETAG.pattern}", re.ASCII)
_CSV_TYPE = "text/csv; charset=utf-8"
_CONTENT_TYPES = {".json": TYPES[".json"], ".csv": _CSV_TYPE, ".gz": PACKED_TYPE}

# In a browser none of the data is ever a document that does anything; an image's own view has a style.
_DATA_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
# A sandboxed document has no opener policy: with one it is a network error (HTML Standard, "create navigation params by
# fetching": finalSandboxFlags), even if Chromium looks at a frame's sandbox alone.
_PAGE_HEADERS = {
    "Content-Security-Policy": f"{PAGE_POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Every answer has these, a refusal too.
COMMON_HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": _DATA_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # a tile server would learn the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _nothing() -> None:
    """End nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent.

    Attributes:
        content_type: of the body.
        size: bytes of the body.
        body: in pieces; raises LedgerError.
        headers: beside `COMMON_HEADERS`, or instead of them.
        status: 200, or 304 without a body.
        close: ends the reading of the body.
    """

    content_type: str
    size: int
    body: Iterable[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK
    close: Callable[[], None] = _nothing


class Answers:
    """Finds what a path stands for.

    Args:
        ledger: the export bucket.
        photos: reads photos; None leaves links to them out.
    """

    def __init__(self, ledger: Ledger, photos: PhotoReader | None) -> None:
        self._ledger = ledger
        self._photos = photos
        self._files = dict(page_files())
        self._lock = Lock()

    def find(self, path: str, known: str = "") -> Answer:
        """Give the answer.

        Args:
            path: behind the token; empty for the start page.
            known: ETag of what the browser has already.

        Raises:
            NotFound: it stands for nothing.
            LedgerError: the store did not answer, or what it has is damaged.
        """
        name = path.partition("?")[0] or PAGE_INDEX_KEY
        if name in self._files:
            file = self._files[name]
            return _whole(TYPES[file.suffix], file.read_bytes(), "private, no-cache", _PAGE_HEADERS)
        if name == PAGE_CONFIG_KEY:
            links = {"photos": f"{_PHOTO}{{id}}", "previews": f"{_PREVIEW}{{id}}"}
            config = links if self._photos else dict.fromkeys(links, "")
            return _whole(TYPES[".json"], json.dumps(config).encode(), "private, no-cache")
        if name in (ROOT_KEY, DESCRIPTION_KEY):
            return self._replaced(name, known)
        if is_named_by_content(name):
            content_type = _CONTENT_TYPES[PurePosixPath(name).suffix]
            return _whole(content_type, self._ledger.store.get(name).body, "private, max-age=31536000, immutable")
        if name == CSV_KEY:
            return self._csv()
        if name.startswith(_PHOTO) and self._photos:
            return self._photo(self._photos, _row_key(name.removeprefix(_PHOTO)))
        if name.startswith(_PREVIEW) and self._photos:
            return self._preview(self._photos, _row_key(name.removeprefix(_PREVIEW)))
        raise NotFound(name)

    def _replaced(self, key: str, known: str) -> Answer:
        """Read an object that may be another by now, unless it is the one that is known."""
        store = self._ledger.store
        stored = store.get_if_changed(key, known) if known else store.get(key)
        if stored is None:
            return Answer("", 0, (), _tagged(known), HTTPStatus.NOT_MODIFIED)
        return _whole(TYPES[".json"], stored.body, "private, no-cache", _tagged(stored.etag))

    def _csv(self) -> Answer:
        root = self._root()
        pieces = whole_csv(Objects(self._ledger.store, cache_bytes=0), root)
        return Answer(_CSV_TYPE, len(header(root.columns)) + root.rows.bytes, pieces)

    def _photo(self, photos: PhotoReader, key: bytes) -> Answer:
        photo = photos.open(self._ledger.objects, self._root(), key)
        return Answer(
            photo.content_type or "application/octet-stream",
            photo.size,
            photo.pieces,
            {"Content-Disposition": photo.disposition},
            close=photo.close,
        )

    def _preview(self, photos: PhotoReader, key: bytes) -> Answer:
        found = photos.preview(self._ledger.objects, self._root(), key)
        content_type, body = (TYPES[".txt"], found.encode()) if isinstance(found, str) else ("image/jpeg", found)
        return Answer(content_type, len(body), (body,))

    def _root(self) -> Root:
        with self._lock:  # a ledger is made for one thread; its objects are for many
            found = self._ledger.find_root()
        if found is None:
            raise NotFound(ROOT_KEY)
        return found[0]


def _row_key(written: str) -> bytes:
    key = unquote(written)
    if not _ROW_KEY.fullmatch(key):
        raise NotFound(f"{key} is no key of a row")
    return key.encode()


def _whole(content_type: str, body: bytes, cache: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(content_type, len(body), (body,), {"Cache-Control": cache, **(headers or {})})


def _tagged(etag: str) -> dict[str, str]:
    return {"Cache-Control": "private, no-cache", "ETag": f'"{etag}"'}
