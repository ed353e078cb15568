"""The bytes of image-data.csv: put whole, or assembled inside S3 from the present one and from what changed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

from ledger.age import oldest_unshown
from ledger.errors import Damaged, NotFound, Unavailable, Unknown
from ledger.keys import CSV_KEY
from ledger.layout import COPIES, Copy, Literal, Part, Piece, Shard, Upload, can_copy_ranges, parts, pieces
from ledger.ledger import Ledger
from ledger.limits import UPLOAD_BYTES
from ledger.manifest import Root
from ledger.row import header
from ledger.store import PATIENCE_SECONDS, ByteRange, Stored

CSV_TYPE = "text/csv; charset=utf-8"
# A CSV that has stood for so long is replaced twice a minute at most: then seconds matter less than requests.
IDLE = timedelta(seconds=30)


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
        oldest_event: time of the oldest of the first commit that the CSV had not shown; empty if that is not known.
    """

    copied: int = 0
    uploaded: int = 0
    rebuilt: bool = False
    oldest_event: str = ""


def put(ledger: Ledger, root: Root, present: Stored | None, moved: Moved) -> None:
    """Put the CSV whole, in place of the present one.

    Raises:
        Refused, NotFound: the present one is another by now.
        Unknown: the answer was lost.
        Damaged, Unavailable: a page or shard could not be read.
    """
    moved.oldest_event = oldest_unshown(ledger, root, present)
    body = b"".join(ledger.store.map(lambda piece: _bytes(ledger, piece, None), _pieces(ledger, None, root)))
    ledger.store.put_if_match(CSV_KEY, body, present.etag if present else None, CSV_TYPE, metadata_of(root))
    moved.uploaded += len(body)


def assemble(
    ledger: Ledger,
    root: Root,
    present: Stored | None,
    moved: Moved,
    patience: Callable[[], float] = lambda: PATIENCE_SECONDS,
) -> None:
    """Make the CSV of ranges of the present one and of the bytes that changed, in place of the present one.

    `patience` says how many seconds S3 may take from now on for copies and for the completion.

    What S3 checks on the way at no price: the SDK's CRC of every part that is uploaded, the ETag of the CSV that is
    copied from, and the size of the whole.

    Raises:
        as `put` does.
    """
    etag, total = present.etag if present else None, size_of(root)
    old, upload, moved.oldest_event = ledger.together(
        lambda: _origin(ledger, present),
        lambda: ledger.store.start_upload(CSV_KEY, CSV_TYPE, metadata_of(root)),
        lambda: oldest_unshown(ledger, root, present),
    )
    moved.rebuilt = old is None
    try:
        changes = root.checkpoint.changes - old.checkpoint.changes if old else 0
        found, is_idle = _pieces(ledger, old, root), _is_idle(ledger, present)
        made = parts(found, total, changes, is_idle=is_idle, largest_copy=ledger.largest_copy)
        tags = _write_parts(ledger, upload, made, etag, patience)
        ledger.store.finish_upload(CSV_KEY, upload, tags, etag, size=total, seconds=patience())
        moved.copied += sum(part.size for part in made if isinstance(part, Copy))
        moved.uploaded += sum(part.size for part in made if isinstance(part, Upload))
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


def _is_idle(ledger: Ledger, present: Stored | None) -> bool:
    """Say whether the present CSV has stood for so long that few publishes share the day."""
    if present is None or present.modified is None:
        return False
    return ledger.objects.now() - present.modified >= IDLE


def _pieces(ledger: Ledger, old: Root | None, new: Root) -> list[Piece]:
    return pieces(old, new, ledger.objects.pages, header(old.columns) if old else b"", header(new.columns))


def _write_parts(
    ledger: Ledger, upload: str, made: Sequence[Part], etag: str | None, patience: Callable[[], float]
) -> list[str]:
    """Make all parts at the same time, and give their tags in order; the first error ends all of them.

    The lanes of the uploads come first: so each has a thread, however many copies there are. Of copies S3 gets no more
    at a time than are of use.
    """
    tags: dict[int, str] = {}
    failed = Event()

    def write(lane: Sequence[tuple[int, Part]]) -> None:
        for number, part in lane:
            if failed.is_set():
                return
            try:
                tags[number] = _write_part(ledger, upload, number, part, etag, patience)
            except BaseException:
                failed.set()
                raise

    numbered = [*enumerate(made, 1)]
    copies = [one for one in numbered if isinstance(one[1], Copy)]
    uploads = [one for one in numbered if isinstance(one[1], Upload)]
    ledger.store.map(write, [*lanes(uploads), *(copies[first::COPIES] for first in range(min(COPIES, len(copies))))])
    return [tags[number] for number, _ in numbered]


def lanes(uploads: Sequence[tuple[int, Part]]) -> list[Sequence[tuple[int, Part]]]:
    """Share numbered uploads out to lanes, of which each has one in memory: so many that these fit in UPLOAD_BYTES."""
    largest = max((part.size for _, part in uploads), default=1)
    count = min(len(uploads), max(1, UPLOAD_BYTES // largest))
    return [uploads[first::count] for first in range(count)]


def _write_part(
    ledger: Ledger, upload: str, number: int, part: Part, etag: str | None, patience: Callable[[], float]
) -> str:
    if isinstance(part, Upload):
        body = b"".join([_bytes(ledger, piece, etag) for piece in part.pieces])
        return ledger.store.upload_part(CSV_KEY, upload, number, body)
    assert etag is not None
    source = ByteRange(CSV_KEY, etag, part.first, part.last)
    return ledger.store.copy_part(CSV_KEY, upload, number, source, seconds=patience())


def _bytes(ledger: Ledger, piece: Piece, etag: str | None) -> bytes:
    if isinstance(piece, Literal):
        return piece.body
    if isinstance(piece, Shard):
        return ledger.objects.shard(piece.sha256, piece.size)
    return ledger.store.get_range(CSV_KEY, piece.first, piece.last, etag=etag)


def _abort(ledger: Ledger, upload: str) -> None:
    with suppress(Unavailable):  # the bucket's lifecycle rule ends it
        ledger.store.abort_upload(CSV_KEY, upload)
