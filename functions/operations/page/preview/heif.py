"""HEIF, HEIC and AVIF: thumbnails that are JPEGs (ISO/IEC 23008-12; 14496-12, 8.11).

Most thumbnails are coded as the image is, which browsers do not show alone: an iPhone's, Canon's ("canon_cr3",
"heif.md") and Sony's larger ones. Sony's smallest is a JPEG (strukturag/libheif#1406), and an Exif block may have one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from operations.page.preview import tiff
from operations.page.preview.boxes import Box, boxes
from operations.page.preview.claims import Claim, Read

_END = 1 << 63
_MOST_META = 1 << 20  # bytes of the `meta` box; a phone's photo of 48 tiles has 4 KB
_MOST_INNER_BOXES = 10_000
_MOST_ITEMS = 8  # of those that may hold a JPEG
_EXIF_BEFORE = 64  # bytes of an Exif item in which its TIFF structure begins
_IN_FILE, _IN_IDAT = 0, 1  # construction methods


@dataclass(slots=True)
class _Meta:
    """What the `meta` box says: type of each item, which are thumbnails, where each stands, and where `idat` does."""

    kinds: dict[int, bytes] = field(default_factory=dict)
    thumbnails: set[int] = field(default_factory=set)
    places: dict[int, tuple[int, Claim]] = field(default_factory=dict)  # construction method and place
    idat: int = 0


class _Ended(Exception):
    """A box ends before what it has to hold."""


class _Numbers:
    """Big-endian numbers of any width, one after the other; raises _Ended."""

    def __init__(self, read: Read, box: Box) -> None:
        self._data = read(box.start, box.end - box.start)
        self._offset = 0

    def next(self, width: int) -> int:
        number = self._data[self._offset : self._offset + width]
        self.skip(width)
        return int.from_bytes(number, "big")

    def skip(self, count: int) -> None:
        self._offset += count
        if self._offset > len(self._data):
            raise _Ended

    def rest(self) -> bytes:
        return self._data[self._offset :]


def claims(read: Read) -> Iterator[Claim]:
    """List thumbnails of type JPEG, and what Exif items say is one."""
    box = next((box for box in boxes(read, 0, _END) if box.kind == b"meta"), None)
    if box is None:
        return
    meta = _meta(read(box.start, min(box.end - box.start, _MOST_META)), box.start)
    for number, kind in [*_may_hold_a_jpeg(meta)][:_MOST_ITEMS]:
        method, (offset, length) = meta.places.get(number, (-1, Claim(0, 0)))
        if method not in (_IN_FILE, _IN_IDAT):
            continue
        place = Claim(offset + (meta.idat if method == _IN_IDAT else 0), length)
        yield from [place] if kind == b"jpeg" else _in_exif(read, place.offset)


def _may_hold_a_jpeg(meta: _Meta) -> Iterator[tuple[int, bytes]]:
    """List number and type of these items."""
    for number, kind in meta.kinds.items():
        if kind == b"Exif" or (kind == b"jpeg" and number in meta.thumbnails):
            yield number, kind


def _in_exif(read: Read, start: int) -> Iterator[Claim]:
    """List what an Exif item claims: four bytes say how far behind them its structure begins, not always truly."""
    head = read(start, _EXIF_BEFORE)
    begins = [place for mark in tiff.MARKS if (place := head.find(mark)) >= 0]
    if begins:
        yield from tiff.claims(read, start + min(begins))


def _meta(data: bytes, base: int) -> _Meta:
    """Read the boxes in the content of the `meta` box, which stands at `base` in the file."""

    def read(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    meta = _Meta()
    for box in boxes(read, 4, len(data)):
        try:
            if box.kind == b"iinf":
                _item_infos(read, box, meta)
            elif box.kind == b"iloc":
                _item_places(_Numbers(read, box), meta)
            elif box.kind == b"iref":
                wide = read(box.start, 1) != b"\0"
                references = boxes(read, box.start + 4, box.end, _MOST_INNER_BOXES)
                thumbnails = (inner for inner in references if inner.kind == b"thmb")
                meta.thumbnails = {_Numbers(read, inner).next(4 if wide else 2) for inner in thumbnails}
            elif box.kind == b"idat":
                meta.idat = base + box.start
        except _Ended:
            continue
    return meta


def _item_infos(read: Read, box: Box, meta: _Meta) -> None:
    counted = 4 + (4 if read(box.start, 1) != b"\0" else 2)
    for inner in boxes(read, box.start + counted, box.end, _MOST_INNER_BOXES):
        info = _Numbers(read, inner)
        version = info.next(4) >> 24
        if inner.kind == b"infe" and version >= 2:
            number = info.next(4 if version > 2 else 2)
            info.skip(2)  # protection
            meta.kinds[number] = info.rest()[:4]


def _item_places(box: _Numbers, meta: _Meta) -> None:
    """Note where the items stand that are in one piece."""
    version = box.next(4) >> 24
    sizes = box.next(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    index_size = index_size if version else 0
    for _ in range(box.next(4 if version == 2 else 2)):
        number = box.next(4 if version == 2 else 2)
        method = box.next(2) & 15 if version else _IN_FILE
        box.skip(2)  # data reference
        base, pieces = box.next(base_size), box.next(2)
        if pieces == 1:
            box.skip(index_size)
            offset = base + box.next(offset_size)
            meta.places[number] = method, Claim(offset, box.next(length_size))
        else:
            box.skip(pieces * (index_size + offset_size + length_size))
