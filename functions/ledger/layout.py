"""How a new image-data.csv is made of the present one: a list of pieces, then a list of parts.

Old and new CSV are the header and all shards of two roots. Pages, and within changed pages shards, that both roots
name are unchanged ranges of the present CSV and need not pass through the function; the rest is new bytes. S3 takes
parts of 5 MiB and more (the last may be smaller) and up to 5 GiB, at most 10,000, so a short run of new bytes borrows
from the unchanged range behind it: at most 5 MiB per changed region, and where that range is too short, all of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from ledger.manifest import Entry, Root

SMALLEST_PART = 5 << 20
LARGEST_PART = 5 << 30
MOST_PARTS = 10_000
# S3 copies some 70 MB a second for one request, and sends nothing meanwhile (aws-sdk-rust issue 1141): a copy of this
# size is silent for 8 s. Only where there would be more than MOST_PARTS, beyond 5 TB, are copies larger.
LARGEST_COPY = 512 << 20
# Copies run side by side inside S3, which copies 2.2 GB a second in all (AWS storage blog, copying objects greater than
# 5 GB with S3 Batch Operations): more than so many at a time gain nothing, and each is billed as a PUT. A publish has
# about as many as it has changes that share their price, within these bounds, and of a CSV above 16 GB as many as it
# takes.
COPIES = 32
FEW_COPIES = 16
# Of a ledger that is idle, a publish has so many that requests and waiting cost least together: a PUT ($0.005 per
# 1,000) costs as much as a function of 512 MB costs in the time in which S3 copies so much ($0.0000133 a GB-second, and
# 70 to 100 MB a second). n copies of one n-th each then cost n of these and size/n of those.
IDLE_COPY = 64 << 20
# New bytes are uploaded in parts of this size: the smaller, the more are on their way at a time, in the same memory.
UPLOAD_PART = SMALLEST_PART
# Pages that are looked into at once: decoded, each takes about half a megabyte.
PAGES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Copy:
    """Bytes first..last (inclusive) of the present CSV."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Count the bytes."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Shard:
    """All bytes of a shard."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes that are at hand."""

    body: bytes

    @property
    def size(self) -> int:
        """Count the bytes."""
        return len(self.body)


Piece = Copy | Shard | Literal


@dataclass(frozen=True, slots=True)
class Upload:
    """One part made of pieces whose bytes pass through the function."""

    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Count the bytes."""
        return sum(piece.size for piece in self.pieces)


Part = Copy | Upload


def can_copy_ranges(size: int) -> bool:
    """Say whether S3 copies ranges of an object of this size (AWS, UploadPartCopy: greater than 5 MB)."""
    return size > SMALLEST_PART


def most_copies(total: int) -> int:
    """Count the copies of a CSV of so many bytes of which hardly any changed, if as many as are of use are made."""
    return max(min(COPIES, total // SMALLEST_PART), -(-total // LARGEST_COPY))


def pieces(
    old: Root | None,
    new: Root,
    load: Callable[[Sequence[Entry]], Mapping[str, Sequence[Entry]]],
    old_header: bytes,
    new_header: bytes,
) -> list[Piece]:
    """Describe the new CSV by ranges of the present one and new bytes, in order.

    Args:
        old: the root that the present CSV was made from; None if there is no usable one.
        new: the root to publish.
        load: gives pages by hash; it is asked only for those that one root alone has, a few at a time.
        old_header: the present CSV's first line.
        new_header: the new one's.
    """
    start = len(old_header)
    found: list[Piece] = [Copy(0, start - 1) if old and old_header == new_header else Literal(new_header)]
    for stretches, unknown in _few_at_a_time(_stretches(old.rows.pages if old else (), new.rows.pages)):
        pages = load(unknown)
        for stretch in stretches:
            offsets = _offsets(stretch.old, pages, start)
            for page in stretch.new:
                for entry in pages.get(page.sha256, (page,)):
                    _append(found, entry, offsets.get(entry.sha256))
            start += sum(page.bytes for page in stretch.old)
    return found


def _append(found: list[Piece], entry: Entry, offset: int | None) -> None:
    piece = Shard(entry.sha256, entry.bytes) if offset is None else Copy(offset, offset + entry.bytes - 1)
    last = found[-1]
    if isinstance(piece, Copy) and isinstance(last, Copy) and last.last + 1 == piece.first:
        found[-1] = Copy(last.first, piece.last)
    else:
        found.append(piece)


class _Stretch(NamedTuple):
    """The pages of both roots for one range of keys."""

    old: Sequence[Entry]
    new: Sequence[Entry]

    @property
    def unknown(self) -> list[Entry]:
        """Name the pages to look into: those that one root alone has, if the new one has any."""
        both = {page.sha256 for page in self.old} & {page.sha256 for page in self.new}
        if all(page.sha256 in both for page in self.new):
            return []
        return [page for page in (*self.old, *self.new) if page.sha256 not in both]


def _stretches(old: Sequence[Entry], new: Sequence[Entry]) -> Iterator[_Stretch]:
    """Cut both lists of pages wherever both have one that starts with the same key.

    A shard that both roots name starts with the same key in both, and so lies in the same stretch of both.
    """
    if not old:
        yield from (_Stretch((), (page,)) for page in new)
        return
    of_old = {page.first: number for number, page in enumerate(old)}
    cuts = [(of_old[page.first], number) for number, page in enumerate(new) if page.first in of_old]
    for (first, first_new), (last, last_new) in pairwise([(0, 0), *cuts, (len(old), len(new))]):
        if first < last or first_new < last_new:
            yield _Stretch(old[first:last], new[first_new:last_new])


def _few_at_a_time(stretches: Iterable[_Stretch]) -> Iterator[tuple[list[_Stretch], list[Entry]]]:
    """Group stretches, each group with the pages to look into."""
    group: list[_Stretch] = []
    unknown: list[Entry] = []
    for stretch in stretches:
        group.append(stretch)
        unknown += stretch.unknown
        if len(unknown) >= PAGES_AT_ONCE:
            yield group, unknown
            group, unknown = [], []
    if group:
        yield group, unknown


def _offsets(old: Sequence[Entry], pages: Mapping[str, Sequence[Entry]], start: int) -> dict[str, int]:
    """Say where in the present CSV each of these pages lies, and each shard of those that are given."""
    offsets: dict[str, int] = {}
    for page in old:
        offset = start
        for entry in pages.get(page.sha256, (page,)):
            offsets[entry.sha256] = offset
            offset += entry.bytes
        start += page.bytes
    return offsets


def parts(
    found: Iterable[Piece],
    total: int,
    changes: int = COPIES,
    *,
    is_idle: bool = False,
    largest_copy: int | None = None,
) -> list[Part]:
    """Turn pieces into parts that S3 takes.

    Args:
        found: the pieces, in order.
        total: bytes of them all.
        changes: how many are published.
        is_idle: whether there are so few publishes that requests matter more than seconds.
        largest_copy: bytes of a copy, at most, as long as there are no more than MOST_PARTS; None: LARGEST_COPY.
    """
    found = list(found)
    smallest, largest = SMALLEST_PART, largest_copy or LARGEST_COPY
    few = max(1, round(sqrt(total / IDLE_COPY))) if is_idle else FEW_COPIES
    copies = min(COPIES, max(few, changes))
    while len(made := _parts(found, -(-total // copies), smallest, largest)) > MOST_PARTS:
        smallest *= 2  # changed regions that lie close together then join, and uploads are larger
        largest = min(2 * largest, LARGEST_PART)
    return made


def _parts(found: Sequence[Piece], size: int, smallest: int, largest: int) -> list[Part]:
    size = min(largest, max(smallest, size))
    made: list[Part] = []
    waiting: list[Piece] = []
    waiting_size = 0
    for piece in found:
        if isinstance(piece, Copy):
            missing = max(0, smallest - waiting_size) if waiting else 0
            if piece.size - missing < smallest:
                waiting.append(piece)  # too short to be a part of its own
                waiting_size += piece.size
                continue
            if missing:
                waiting.append(Copy(piece.first, piece.first + missing - 1))
                piece = Copy(piece.first + missing, piece.last)
            made.extend(_uploads(waiting, smallest))
            waiting, waiting_size = [], 0
            made.extend(_copies(piece, size, smallest, largest))
        else:
            waiting.append(piece)
            waiting_size += piece.size
    made.extend(_uploads(waiting, smallest))
    return made


def _copies(piece: Copy, size: int, smallest: int, largest: int) -> Iterator[Copy]:
    """Cut a long range into equal copies of about `size`, none below the smallest part, and none above the largest."""
    count = max(1, round(piece.size / size), -(-piece.size // largest))
    while count > 1 and piece.size // count < smallest:
        count -= 1
    for number in range(count):
        first = piece.first + piece.size * number // count
        yield Copy(first, piece.first + piece.size * (number + 1) // count - 1)


def _uploads(waiting: Sequence[Piece], smallest: int) -> Iterator[Upload]:
    """Pack waiting pieces into uploads of about UPLOAD_PART; the rest, if it is too small, joins the one before."""
    packs: list[list[Piece]] = []
    room = 0
    for piece in waiting:
        if room <= 0:
            packs.append([])
            room = max(UPLOAD_PART, smallest)
        packs[-1].append(piece)
        room -= piece.size
    if len(packs) > 1 and sum(piece.size for piece in packs[-1]) < smallest:
        packs[-2:] = [packs[-2] + packs[-1]]
    return (Upload(tuple(pack)) for pack in packs)
