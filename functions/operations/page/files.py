"""The page that shows the CSV on a map: which files it has, and how they get beside the CSV."""

from collections.abc import Iterator
from pathlib import Path

from ledger.errors import NotFound, Refused
from ledger.keys import PAGE_FILES, PAGE_INDEX_KEY
from ledger.manifest import sha256
from ledger.store import Store

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}
# What the page and its workers may load: `index.html` has it too, for where no server says it (a test compares them).
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' https: http://localhost:* http://127.0.0.1:*; "
    "base-uri 'none'; form-action 'none'"
)


def page_files() -> Iterator[tuple[str, Path]]:
    """Give key and file of everything that the page consists of; `index.html` stands at the top."""
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            name = path.relative_to(FOLDER).as_posix()
            yield (name if name == PAGE_INDEX_KEY else PAGE_FILES + name), path


def page_hash() -> str:
    """Name the page by its files: the template carries it, so that a deployment with another page uploads it."""
    files = [f"{key} {sha256(path.read_bytes())}\n" for key, path in page_files()]
    return sha256("".join(files).encode())[:16]


def upload_page(store: Store) -> int:
    """Put the page's files into the export bucket where they are missing or of another version; count those written.

    Raises:
        Unavailable, Unknown: the store did not answer; call it again.
    """
    return sum(store.map(lambda item: _upload(store, *item), page_files()))


def _upload(store: Store, key: str, path: Path) -> bool:
    body = path.read_bytes()
    digest = sha256(body)
    try:
        present = store.head(key)
    except NotFound:
        present = None
    if present is not None and present.metadata.get("sha256") == digest:
        return False
    try:
        store.put_if_match(key, body, present.etag if present else None, TYPES[path.suffix], {"sha256": digest})
    except Refused:  # another deployment is at it
        return False
    return True
