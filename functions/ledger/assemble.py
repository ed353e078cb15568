"""The bytes of image-data.csv: put whole, or assembled inside S3 from the present one and from what changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import cast

from ledger.errors import Damaged, NotFound, Unavailable, Unknown
from ledger.keys import CSV_KEY
from ledger.layout import Copy, Literal, Part, Piece, Shard, Upload, can_copy_ranges, parts, pieces
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
    old, upload = ledger.together(
        lambda: _origin(ledger, present), lambda: ledger.store.start_upload(CSV_KEY, CSV_TYPE, metadata_of(root))
    )
    moved.rebuilt = old is None
    try:
        changes = root.checkpoint.changes - old.checkpoint.changes if old else 0
        made = parts(_pieces(ledger, old, root), total, changes, is_idle=_is_idle(ledger, present))
        tags: dict[int, str] = {}
        for group in _groups(made):
            tags |= _write_parts(ledger, upload, group, etag, moved, patience())
        ordered = [tags[number] for number in sorted(tags)]
        ledger.store.finish_upload(CSV_KEY, upload, ordered, etag, size=total, seconds=patience())
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


def _groups(made: Sequence[Part]) -> Iterator[dict[int, Part]]:
    """Group the parts, by number, so that the uploads of a group fit in memory; all copies go with the first."""
    group: dict[int, Part] = {number: part for number, part in enumerate(made, 1) if isinstance(part, Copy)}
    size = 0
    for number, part in enumerate(made, 1):
        if isinstance(part, Copy):
            continue
        if size and size + part.size > UPLOAD_BYTES:
            yield group
            group, size = {}, 0
        group[number] = part
        size += part.size
    yield group


def _write_parts(
    ledger: Ledger, upload: str, group: dict[int, Part], etag: str | None, moved: Moved, seconds: float
) -> dict[int, str]:
    """Make the parts of a group: read what the uploads need while S3 copies, then upload, each all at a time."""
    uploads = {number: part for number, part in group.items() if isinstance(part, Upload)}
    needed = list(dict.fromkeys(piece for part in uploads.values() for piece in part.pieces))
    copies = {number: part for number, part in group.items() if isinstance(part, Copy)}

    def copy(number: int, part: Copy) -> str:
        assert etag is not None
        source = ByteRange(CSV_KEY, etag, part.first, part.last)
        return ledger.store.copy_part(CSV_KEY, upload, number, source, seconds=seconds)

    calls: list[Callable[[], bytes | str]] = [partial(_bytes, ledger, piece, etag) for piece in needed]
    calls += [partial(copy, *item) for item in copies.items()]
    done = ledger.store.map(lambda call: call(), calls)
    bodies = dict(zip(needed, cast(Sequence[bytes], done), strict=False))
    tags = dict(zip(copies, cast(Sequence[str], done[len(needed) :]), strict=True))

    def write(number: int, part: Upload) -> str:
        return ledger.store.upload_part(CSV_KEY, upload, number, b"".join([bodies[piece] for piece in part.pieces]))

    tags |= zip(uploads, ledger.store.map(lambda item: write(*item), uploads.items()), strict=True)
    moved.copied += sum(part.size for part in copies.values())
    moved.uploaded += sum(part.size for part in uploads.values())
    return tags


def _bytes(ledger: Ledger, piece: Piece, etag: str | None) -> bytes:
    if isinstance(piece, Literal):
        return piece.body
    if isinstance(piece, Shard):
        return ledger.objects.shard(piece.sha256, piece.size)
    return ledger.store.get_range(CSV_KEY, piece.first, piece.last, etag=etag)


def _abort(ledger: Ledger, upload: str) -> None:
    with suppress(Unavailable):  # the bucket's lifecycle rule ends it
        ledger.store.abort_upload(CSV_KEY, upload)
