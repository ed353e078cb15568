"""The bytes of image-data.csv: put whole, or assembled inside S3 from the present one and from what changed."""

from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore

from ledger.errors import Damaged, NotFound, Unavailable, Unknown
from ledger.layout import Copy, Literal, Part, Piece, Shard, can_copy_ranges, pages_to_compare, parts, pieces
from ledger.ledger import Ledger
from ledger.manifest import CSV_KEY, Root
from ledger.row import header
from ledger.store import Stored

CSV_TYPE = "text/csv; charset=utf-8"
# Parts whose bytes pass through the function and are in memory at once, of 8 MiB or a little more each.
UPLOADS_AT_ONCE = 4


def size_of(root: Root) -> int:
    """Give the bytes of the CSV that shows this root."""
    return len(header(root.columns)) + root.rows.bytes


def metadata_of(root: Root) -> dict[str, str]:
    """Say in the CSV's user metadata which root it shows."""
    return {
        "version": str(root.version),
        "root": root.name,
        "tree": root.tree_hash,
        "rows": str(root.rows.rows),
    }


@dataclass(slots=True, kw_only=True)
class Moved:
    """Bytes that a publish moved.

    Attributes:
        copied: inside S3.
        uploaded: through the function.
        rebuilt: there was no usable present CSV, all bytes came from the shards.
    """

    copied: int = 0
    uploaded: int = 0
    rebuilt: bool = False


def put(ledger: Ledger, root: Root, present: Stored | None, moved: Moved) -> None:
    """Put the CSV whole, in place of the present one.

    Raises:
        Refused, NotFound: the present one is another by now.
        Unknown: the answer was lost.
        Damaged, Unavailable: a page or shard could not be read.
    """
    body = b"".join(ledger.store.map(lambda piece: _bytes(ledger, piece, None), _pieces(ledger, None, root)))
    ledger.store.put_if_match(CSV_KEY, body, present.etag if present else None, CSV_TYPE, metadata_of(root))
    moved.uploaded += len(body)


def assemble(ledger: Ledger, root: Root, present: Stored | None, moved: Moved) -> None:
    """Make the CSV of ranges of the present one and of the bytes that changed, in place of the present one.

    What S3 checks on the way at no price: the SDK's CRC of every part that is uploaded, the ETag of the CSV that is
    copied from, and the size of the whole.

    Raises:
        as `put` does.
    """
    etag, total = present.etag if present else None, size_of(root)
    old, upload = ledger.together(
        lambda: _origin(ledger, present), lambda: ledger.store.start_upload(CSV_KEY, CSV_TYPE, metadata_of(root))
    )
    moved.rebuilt = old is None
    try:
        made = list(enumerate(parts(_pieces(ledger, old, root), total), 1))
        turns = BoundedSemaphore(UPLOADS_AT_ONCE)
        tags = ledger.store.map(lambda item: _part(ledger, upload, *item, etag, moved, turns), made)
        ledger.store.finish_upload(CSV_KEY, upload, tags, etag, size=total)
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
    usable = present.metadata.get("tree") == old.tree_hash and size_of(old) == present.size
    return old if usable else None


def _pieces(ledger: Ledger, old: Root | None, new: Root) -> list[Piece]:
    only_old, only_new = pages_to_compare(old or Root(), new)
    pages = ledger.objects.pages([*only_old, *only_new])
    return pieces(old, new, pages, header(old.columns) if old else b"", header(new.columns))


def _part(
    ledger: Ledger, upload: str, number: int, part: Part, etag: str | None, moved: Moved, turns: BoundedSemaphore
) -> str:
    if isinstance(part, Copy):
        assert etag is not None
        tag = ledger.store.copy_part(CSV_KEY, upload, number, CSV_KEY, etag, part.first, part.last)
        moved.copied += part.size
        return tag
    with turns:
        body = b"".join(_bytes(ledger, piece, etag) for piece in part.pieces)
        moved.uploaded += len(body)
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
