"""HEIF, HEIC and AVIF: the items of the `meta` box, wherever their bytes stand (ISO/IEC 23008-12, 14496-12 8.11)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from image_processor.budget import STEPS, Budget
from image_processor.formats import mini
from image_processor.formats.blocks import MAX_PACKET, Container
from image_processor.formats.boxes import Box, add_xmp, boxes, boxes_in, exif_start
from image_processor.reading.ranged import Source

MAX_META = 1024 * 1024
"""Bytes of the `meta` box: 48 tiles of a phone's photo take 4 KB, the largest mosaics some 100 KB."""

MAX_METADATA_ITEMS = 50
"""Exif and XMP items of one file, each of which may cost a GET; a phone's photo has two to five."""

_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic-sequence",
    b"hevx": "image/heic-sequence",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"mif1": "image/heif",
    b"hevm": "image/heic-sequence",
    b"hevs": "image/heic-sequence",
    b"avci": "image/avci",
    b"avcs": "image/avcs",
    b"vvic": "image/heif",
    b"evbi": "image/heif",
    b"j2ki": "image/hej2k",
    b"jpeg": "image/heif",
    b"unif": "image/heif",
    b"avio": "image/avif",
    b"mif2": "image/heif",
    b"mif3": "image/heif",
    b"msf1": "image/heif-sequence",
}
"""Media types by brand (mp4ra.org, "Brands"; 23008-12, annexes)."""

_XMP_TYPE = b"application/rdf+xml"
_IN_FILE, _IN_IDAT = 0, 1  # construction methods


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    content_type: bytes = b""
    method: int = _IN_FILE
    extents: list[tuple[int, int]] = field(default_factory=list)
    describes: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Meta:
    """What the `meta` box says about its items."""

    items: dict[int, _Item] = field(default_factory=dict)
    primary: int | None = None
    idat: tuple[int, int] = (0, 0)  # start in the file and length
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)  # of properties, by index from 1
    properties: dict[int, list[int]] = field(default_factory=dict)  # by item

    def item(self, number: int) -> _Item:
        return self.items.setdefault(number, _Item())


def content_type(head: bytes) -> str | None:
    """Return the media type of a file that starts with `head` and has the brand of an image, None for films."""
    if head[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(head[:4], "big"), len(head))
    # A file of brand mif3 may be so short that its codec stands in the minor version (libavif, `src/read.c`).
    brands = [head[12:16]] if head[8:12] == b"mif3" else []
    brands += [head[8:12], *(head[start : start + 4] for start in range(16, size - 3, 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a HEIF file to `container`."""
    container.content_type = content_type(head) or container.content_type
    if not any(_top_level(source, box, container) for box in boxes(source, container)):
        container.warn("heif: no metadata box")


def _top_level(source: Source, box: Box, container: Container) -> bool:
    """Read one box of the file; return True if it was `meta` or `mini`, behind which nothing more is looked for."""
    if add_xmp(source, box, container):
        return False
    if box.kind == b"mini":
        mini.add(source, box, container)
        return True
    if box.kind != b"meta":
        return False
    if not box.whole or box.length > MAX_META:
        container.warn("heif: the metadata box is longer than the file or the limit")
    data = source.read(box.start, min(box.length, MAX_META))
    meta = _Meta()
    for inner in boxes_in(data, 4, len(data), container.budget):
        reader = _READERS.get(inner.kind)
        if reader:
            try:
                reader(_Bytes(data, inner.start, inner.end, container.budget), meta, box.start)
            except IndexError:
                container.warn(f"heif: {inner.kind.decode()} ends early or has no end")
    _take(source, meta, container)
    return True


class _Bytes:
    """Big-endian numbers of any width, one after the other, and inner boxes; IndexError at the end."""

    def __init__(self, data: bytes, offset: int, end: int, budget: Budget) -> None:
        self.data, self.offset, self.end, self.budget = data, offset, end, budget

    def number(self, width: int) -> int:
        if self.offset + width > self.end:
            raise IndexError(self.offset)
        self.offset += width
        return int.from_bytes(self.data[self.offset - width : self.offset], "big")

    def count(self, width: int) -> range:
        """Read how many entries follow; more than the budget pays for are as bad as none."""
        number = self.number(width)
        if not self.budget.take(STEPS, number):
            raise IndexError(number)
        return range(number)

    def rest(self) -> bytes:
        return self.data[self.offset : self.end]

    def boxes(self) -> "Iterator[tuple[bytes, _Bytes]]":
        for box in boxes_in(self.data, self.offset, self.end, self.budget):
            yield box.kind, _Bytes(self.data, box.start, box.end, self.budget)


def _primary_item(box: _Bytes, meta: _Meta, _base: int) -> None:
    version = box.number(4) >> 24
    meta.primary = box.number(4 if version else 2)


def _item_infos(box: _Bytes, meta: _Meta, _base: int) -> None:
    version = box.number(4) >> 24
    box.number(4 if version else 2)
    for kind, info in box.boxes():
        version = info.number(4) >> 24
        if kind != b"infe" or version < 2:
            continue
        item = meta.item(info.number(4 if version > 2 else 2))
        info.number(2)  # protection
        rest = info.rest()
        item.kind = rest[:4]
        if item.kind == b"mime":
            _name, mime_type, *_ = [*rest[4:].split(b"\0", 2), b""]
            item.content_type = mime_type


def _item_locations(box: _Bytes, meta: _Meta, _base: int) -> None:
    version = box.number(4) >> 24
    sizes = box.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in box.count(4 if version == 2 else 2):
        item = meta.item(box.number(4 if version == 2 else 2))
        item.method = box.number(2) & 15 if version else _IN_FILE
        box.number(2)  # data reference
        base = box.number(base_size)
        for _ in box.count(2):
            if version:
                box.number(index_size)
            offset = base + box.number(offset_size)
            item.extents.append((offset, box.number(length_size)))


def _item_references(box: _Bytes, meta: _Meta, _base: int) -> None:
    width = 4 if box.number(4) >> 24 else 2
    for kind, reference in box.boxes():
        if kind == b"cdsc":  # "content describes"
            describes = meta.item(reference.number(width)).describes
            describes.update(reference.number(width) for _ in reference.count(2))


def _item_properties(box: _Bytes, meta: _Meta, _base: int) -> None:
    for kind, inner in box.boxes():
        if kind == b"ipco":
            for index, (name, entry) in enumerate(inner.boxes(), 1):
                if name == b"ispe":
                    entry.number(4)
                    meta.sizes[index] = (entry.number(4), entry.number(4))
        elif kind == b"ipma":
            _associations(inner, meta)


def _associations(box: _Bytes, meta: _Meta) -> None:
    version_and_flags = box.number(4)
    wide = version_and_flags & 1
    for _ in box.count(4):
        item = box.number(4 if version_and_flags >> 24 else 2)
        indexes = [box.number(2) & 0x7FFF if wide else box.number(1) & 0x7F for _ in box.count(1)]
        meta.properties.setdefault(item, []).extend(indexes)


def _item_data(box: _Bytes, meta: _Meta, base: int) -> None:
    meta.idat = (base + box.offset, box.end - box.offset)


_READERS = {
    b"pitm": _primary_item,
    b"iinf": _item_infos,
    b"iloc": _item_locations,
    b"iref": _item_references,
    b"iprp": _item_properties,
    b"idat": _item_data,
}


def _take(source: Source, meta: _Meta, container: Container) -> None:
    """Add size, Exif and XMP; what describes other images (thumbnails, gain and depth maps) follows the main one's."""
    sizes = [meta.sizes[index] for index in meta.properties.get(meta.primary or -1, ()) if index in meta.sizes]
    if sizes:
        container.width, container.height = (value or None for value in sizes[0])
    items = list(islice(_metadata_items(meta), MAX_METADATA_ITEMS + 1))
    if len(items) > MAX_METADATA_ITEMS:
        container.warn(f"heif: more than {MAX_METADATA_ITEMS} metadata items")
    for main in (True, False):
        for number, item in items[:MAX_METADATA_ITEMS]:
            if main != (not item.describes or meta.primary is None or meta.primary in item.describes):
                continue
            data, offset = _content(source, meta, item, number, container)
            if data and item.kind == b"Exif":
                skip = exif_start(data)
                container.add_exif(data[skip:], offset + skip, f"item {number}")
            elif data:
                container.add_xmp(data, offset, f"item {number}")


def _metadata_items(meta: _Meta) -> Iterator[tuple[int, _Item]]:
    for number, item in meta.items.items():
        if item.kind == b"Exif" or (item.kind == b"mime" and item.content_type == _XMP_TYPE):
            yield number, item


def _content(source: Source, meta: _Meta, item: _Item, number: int, container: Container) -> tuple[bytes, int]:
    """Return the bytes of an item and where they start in the file."""
    if item.method not in (_IN_FILE, _IN_IDAT) or not item.extents:
        container.warn(f"heif: item {number} stands where it cannot be read")
        return b"", 0
    base, room = meta.idat if item.method == _IN_IDAT else (0, source.size)
    if not container.has_room(min(MAX_PACKET, sum(length for _, length in item.extents))):
        return b"", 0
    parts, left = [], MAX_PACKET
    for offset, length in item.extents:
        length = length or room - offset  # 0: all there is
        part = source.read(base + offset, max(0, min(length, room - offset, left)))
        parts.append(part)
        left -= len(part)
        if len(part) < length:
            container.warn(f"heif: item {number} is cut")
            break
    return b"".join(parts), base + item.extents[0][0]
