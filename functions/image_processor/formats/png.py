"""PNG: its chunks, before and behind the image data (PNG specification, third edition, sections 5 and 11).

Image data is stepped over. Where it is cut into so many small chunks that stepping would read all of it, the walk
goes on from the end of the file: chunks form a chain up to `IEND`, so the last ones can be found from behind.
"""

import struct
from collections.abc import Callable

from image_processor.budget import BLOCKS, Budget
from image_processor.formats import photoshop
from image_processor.formats.blocks import MAX_PACKET, XMP_PREFIX, Container, Text
from image_processor.reading.inflate import inflate
from image_processor.reading.ranged import FAR_READ, Source

SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_CHUNKS = 5000
"""Chunks of one file that are looked at, image data included."""

MAX_STEPS = 8
"""Steps over large image data chunks, each of which may cost a GET."""

LARGE = 2 * FAR_READ
"""Bytes from which stepping over a chunk is cheaper than reading it."""

TAILS = (FAR_READ, 1024 * 1024)
"""Bytes at the end of the file that are searched for the chunks behind the image data, one after the other."""

MAX_TEXT = 64 * 1024
"""Bytes of one text that is not XMP or Exif."""

_METADATA = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_RAW_PROFILE = b"Raw profile type "
_LONGEST_NUMBER = 20  # characters of a length: more digits are no number of bytes


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a PNG to `container`."""
    if head[12:16] == b"IHDR" and len(head) >= 24:
        container.width, container.height = (value or None for value in struct.unpack(">II", head[16:24]))
    _chunks(source, container)


def _chunks(source: Source, container: Container) -> None:
    offset, steps = len(SIGNATURE), 0
    for _ in range(MAX_CHUNKS):
        header = source.read(offset, 8)
        if len(header) < 8:
            container.warn("png: the file ends before IEND")
            return
        length, kind = int.from_bytes(header[:4], "big"), header[4:]
        if kind == b"IEND":
            return
        if length >= 1 << 31 or not kind.isalpha():
            container.warn(f"png: damaged chunk of length {length}")
            return
        if kind in _METADATA:
            _metadata(kind, source.read(offset + 8, min(length, MAX_PACKET)), length, offset + 8, container)
        elif kind in (b"IDAT", b"fdAT"):
            steps += length >= LARGE
            if (length < LARGE or steps > MAX_STEPS) and source.size - offset > 2 * LARGE:
                behind = _behind_image_data(source, offset)
                if behind is None:
                    container.warn("png: the chunks behind the image data were not found")
                    return
                offset = behind
                continue
        offset += 12 + length
    container.warn(f"png: more than {MAX_CHUNKS} chunks")


def _behind_image_data(source: Source, offset: int) -> int | None:
    """Return where the first chunk stands that follows the last image data found near the end, None if none is found.

    An `IDAT` is taken for one if the chunks from there on form a chain up to `IEND`.
    """
    for length in TAILS:
        start = max(offset + 12, source.size - length)
        tail = source.read(start, length)
        at, failed = tail.find(b"IDAT", 4), set[int]()
        while at >= 0:
            behind = _chain(tail, at - 4, failed)
            if behind is not None:
                return start + behind
            at = tail.find(b"IDAT", at + 1)
    return None


def _chain(tail: bytes, at: int, failed: set[int]) -> int | None:
    """Follow the chunks of `tail` from `at`; return where image data ends for good if they lead to `IEND`.

    Every place on the way is added to `failed` and not followed twice, so that a hostile tail costs one pass.
    """
    behind = None
    while at + 8 <= len(tail) and at not in failed:
        failed.add(at)
        length, kind = int.from_bytes(tail[at : at + 4], "big"), tail[at + 4 : at + 8]
        if kind == b"IEND":
            return behind
        if not kind.isalpha():
            return None
        at += 12 + length
        if kind in (b"IDAT", b"fdAT"):
            behind = at
    return None


def _metadata(kind: bytes, data: bytes, length: int, offset: int, container: Container) -> None:
    name = kind.decode()
    if len(data) < length:
        container.warn(f"png: only {len(data)} of {length} bytes of {name} read")
    if kind == b"eXIf":
        container.add_exif(data, offset, name)
        return
    keyword, separator, rest = data.partition(b"\0")
    is_block = keyword == _XMP_KEYWORD or keyword.startswith(_RAW_PROFILE)
    if separator and not is_block and b":" in keyword:
        return  # ImageMagick's copies of other properties: `exif:Make`, `date:create`
    limit = min(MAX_PACKET, container.budget.left(BLOCKS)) if is_block else MAX_TEXT
    content, is_all = _CONTENT[kind](rest, limit, container.budget) if separator else (b"", False)
    if not is_all and (is_block or not content):
        # Cut, broken, of an unknown compression, or one that inflates without end.
        container.warn(f"png: {name} {keyword[:79].decode('latin-1')!r} not readable")
    elif keyword == _XMP_KEYWORD:
        container.add_xmp(content, offset, name)
    elif is_block:
        _raw_profile(keyword[len(_RAW_PROFILE) :], content, offset, name, container)
    else:
        if not is_all:
            container.warn(f"png: {name} {keyword[:79].decode('latin-1')!r} is cut")
        # tEXt and zTXt are Latin-1, iTXt is UTF-8 (PNG specification, 11.3.3).
        text = content.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")
        container.add_text(Text(keyword[:79].decode("latin-1"), text, offset, name))


_Content = tuple[bytes, bool]


def _plain(rest: bytes, limit: int, _budget: Budget) -> _Content:
    return rest[:limit], len(rest) <= limit


def _compressed(rest: bytes, limit: int, budget: Budget) -> _Content:
    return inflate(rest[1:], limit, budget) if rest[:1] == b"\0" else (b"", False)


def _international(rest: bytes, limit: int, budget: Budget) -> _Content:
    """Return the text of an iTXt chunk: it follows compression flag and method, language and translated keyword."""
    fields = rest[2:].split(b"\0", 2)
    if len(fields) < 3:
        return b"", False
    if rest[:1] == b"\0":
        return _plain(fields[2], limit, budget)
    return inflate(fields[2], limit, budget) if rest[1:2] == b"\0" else (b"", False)


_CONTENT: dict[bytes, Callable[[bytes, int, Budget], _Content]] = {
    b"tEXt": _plain,
    b"zTXt": _compressed,
    b"iTXt": _international,
}


def _raw_profile(kind: bytes, content: bytes, offset: int, where: str, container: Container) -> None:
    """Add a profile as ImageMagick writes it: line break, name, length in decimal, and the bytes in hexadecimal.

    What follows the declared length is not the profile's (libavif reads to the length, too).
    """
    where = f"{where} raw profile {kind[:20].decode('latin-1')}"
    try:
        _name, length, rest = content.strip().split(b"\n", 2)  # the name may have blanks: `IPTC profile`
        digits = rest.translate(None, b" \t\r\n\f\v")
        declared = 2 * int(length) if length.strip().isdigit() and len(length) <= _LONGEST_NUMBER else len(digits)
        data = bytes.fromhex(digits[:declared].decode("ascii"))
    except ValueError:
        container.warn(f"png: {where} is not hexadecimal")
        return
    if declared != len(digits):
        container.warn(f"png: {where} has {len(digits) // 2} bytes and says {declared // 2}")
    if kind in (b"exif", b"APP1", b"xmp"):
        if data.startswith(XMP_PREFIX):
            container.add_xmp(data[len(XMP_PREFIX) :], offset, where)
        elif kind == b"xmp":
            container.add_xmp(data, offset, where)
        else:
            container.add_exif(data, offset, where)
    elif kind in (b"iptc", b"8bim"):
        photoshop.add_iptc(data, offset, where, container)
