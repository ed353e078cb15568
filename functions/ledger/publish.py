"""Make image-data.csv equal to the root's tree.

1. Read the root, and at the same time the present CSV's metadata: it names the tree that it shows and the root that it
   was made from. If it names a newer version than the root, read the root again.
2. It shows the root's tree: done.
3. A small CSV is put whole, under If-Match on the ETag that was read (If-None-Match where there is none).
4. A large one is made by a multipart upload of unchanged ranges of the present CSV, copied inside S3 and pinned to its
   ETag, and of the bytes that changed (`layout`); it is completed under the same If-Match. Readers see a whole old or
   a whole new file. If there is no usable present CSV, all bytes come from the shards.
5. Refused: somebody else published meanwhile, go to 1. Unknown: likewise; if it was ours, 2 ends it.
6. Look at the root once more: an ETag follows content, so If-Match alone cannot tell that A-B-A is not A.
"""

from contextlib import suppress
from dataclasses import dataclass

from ledger.errors import Damaged, NotFound, OutOfTime, Refused, Unavailable, Unknown
from ledger.layout import Copy, Literal, Part, Piece, Shard, can_copy_ranges, pages_to_compare, parts, pieces
from ledger.ledger import Ledger, TimeLeft, no_limit
from ledger.manifest import CSV_KEY, Root
from ledger.row import header
from ledger.store import Stored

CSV_TYPE = "text/csv; charset=utf-8"
# Up to this size one put is cheaper than a multipart upload, whose parts have 5 MiB at least.
PUT_BELOW = 8 << 20
MAX_TRIES = 12
RESERVE_SECONDS = 4.0


@dataclass(slots=True)
class Published:
    """What a publish did.

    Attributes:
        version: of the root that image-data.csv shows now.
        written: whether this call wrote it.
        copied: bytes copied inside S3.
        uploaded: bytes that passed through the function.
        tries: attempts that another publisher won.
        rebuilt: there was no usable present CSV, all bytes came from the shards.
    """

    version: int
    written: bool = False
    copied: int = 0
    uploaded: int = 0
    tries: int = 0
    rebuilt: bool = False


def publish(ledger: Ledger, time_left: TimeLeft = no_limit) -> Published:
    """Make image-data.csv equal to the root's tree, whoever committed it.

    Raises:
        OutOfTime: other publishers won until the time was up, or it does not suffice.
        Unavailable, Unknown, Damaged: as for `commit`.
    """
    done = Published(0)
    for tries in range(MAX_TRIES):
        left = time_left()
        if left is not None and left < RESERVE_SECONDS:
            break
        done.tries = tries
        (root, _), present = ledger.together(ledger.load_root, lambda: _present(ledger))
        if present is not None and _version(present) > root.version:
            root, _ = ledger.load_root()  # published while we read: only a root read after it says what it must show
        done.version = root.version
        if present is not None and present.metadata.get("tree") == root.tree_hash and _size(root) == present.size:
            return done
        try:
            _write(ledger, root, present, done)
            done.written = True
        except (Refused, Unknown, NotFound):
            ledger.sleep(0.05 * 2 ** min(tries, 4) * ledger.chance())
    raise OutOfTime(f"image-data.csv is behind version {done.version}")


def _present(ledger: Ledger) -> Stored | None:
    try:
        return ledger.store.head(CSV_KEY)
    except NotFound:
        return None


def _version(present: Stored) -> int:
    try:
        return int(present.metadata["version"])
    except (KeyError, ValueError):
        return 0  # not written by a publisher


def _size(root: Root) -> int:
    return len(header(root.columns)) + root.rows.bytes


def metadata_of(root: Root) -> dict[str, str]:
    """Say in the CSV's user metadata which root it shows."""
    return {
        "version": str(root.version),
        "root": root.name,
        "tree": root.tree_hash,
        "rows": str(root.rows.rows),
    }


def _write(ledger: Ledger, root: Root, present: Stored | None, done: Published) -> None:
    etag = present.etag if present else None
    total = _size(root)
    old = _origin(ledger, present) if total > PUT_BELOW else None
    done.rebuilt = total > PUT_BELOW and old is None
    found = _pieces(ledger, old, root)
    if total <= PUT_BELOW:
        body = b"".join(ledger.store.map(lambda piece: _bytes(ledger, piece, etag), found))
        ledger.store.put_if_match(CSV_KEY, body, etag, CSV_TYPE, metadata_of(root))
        done.uploaded = total
        return
    upload = ledger.store.start_upload(CSV_KEY, CSV_TYPE, metadata_of(root))
    try:
        numbered = list(enumerate(parts(found, total), 1))
        tags = ledger.store.map(lambda item: _part(ledger, upload, *item, etag, done), numbered)
        ledger.store.finish_upload(CSV_KEY, upload, tags, etag)
    except Unknown:
        raise  # it may be completing: leave it alone, the lifecycle rule ends what nobody completes
    except BaseException:
        _abort(ledger, upload)
        raise


def _origin(ledger: Ledger, present: Stored | None) -> Root | None:
    """Find the root that the present CSV was made from, if the CSV is what that root says."""
    if present is None or not can_copy_ranges(present.size):
        return None
    try:
        old = ledger.load_copy(present.metadata.get("root", ""))
    except (NotFound, Damaged):
        return None
    usable = present.metadata.get("tree") == old.tree_hash and _size(old) == present.size
    return old if usable else None


def _pieces(ledger: Ledger, old: Root | None, new: Root) -> list[Piece]:
    only_old, only_new = pages_to_compare(old or Root(), new)
    pages = ledger.objects.pages([*only_old, *only_new])
    return pieces(old, new, pages, header(old.columns) if old else b"", header(new.columns))


def _part(ledger: Ledger, upload: str, number: int, part: Part, etag: str | None, done: Published) -> str:
    if isinstance(part, Copy):
        assert etag is not None
        tag = ledger.store.copy_part(CSV_KEY, upload, number, CSV_KEY, etag, part.first, part.last)
        done.copied += part.size
        return tag
    body = b"".join(_bytes(ledger, piece, etag) for piece in part.pieces)
    done.uploaded += len(body)
    return ledger.store.upload_part(CSV_KEY, upload, number, body)


def _bytes(ledger: Ledger, piece: Piece, etag: str | None) -> bytes:
    if isinstance(piece, Literal):
        return piece.body
    if isinstance(piece, Shard):
        return ledger.objects.shard(piece.sha256)
    return ledger.store.get_range(CSV_KEY, piece.first, piece.last, etag=etag)


def _abort(ledger: Ledger, upload: str) -> None:
    with suppress(Unavailable):  # the bucket's lifecycle rule ends it
        ledger.store.abort_upload(CSV_KEY, upload)
