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

MAX_INFLATED = 4 * 1024 * 1024
"""Bytes of a packet or profile that was compressed. Other readers refuse the file or the chunk at 1 MiB (Pillow,
`MAX_TEXT_CHUNK`), 2 MiB (Rust's png, `DECOMPRESSION_LIMIT`) or 8 MB (libpng, `PNG_USER_CHUNK_MALLOC_MAX`)."""

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
    end = data.find(b"\0")  # not cut apart: the text may have megabytes
    keyword, separator = (data, False) if end < 0 else (data[:end], True)
    is_block = keyword == _XMP_KEYWORD or keyword.startswith(_RAW_PROFILE)
    if separator and not is_block and b":" in keyword:
        return  # ImageMagick's copies of other properties: `exif:Make`, `date:create`
    limit = min(MAX_PACKET, container.budget.left(BLOCKS)) if is_block else MAX_TEXT
    content, is_all = _CONTENT[kind](data, end + 1, limit, container.budget) if separator else (b"", False)
    if not is_all and keyword == _XMP_KEYWORD and (document := _before_padding(content)):
        content, is_all = document, True
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


def _before_padding(packet: bytes) -> bytes:
    """Return the document in a packet that is cut in its padding, which editors write by megabytes; else nothing."""
    tag = packet.rfind(b"<")
    end = packet.find(b">", tag) + 1
    return packet[:end] if packet.startswith(b"</", tag) and packet[end:].isspace() else b""


_Content = tuple[bytes, bool]


def _plain(data: bytes, start: int, limit: int, _budget: Budget) -> _Content:
    return data[start : start + limit], len(data) - start <= limit


def _compressed(data: bytes, start: int, limit: int, budget: Budget) -> _Content:
    return _inflated(data, start + 1, limit, budget) if data[start : start + 1] == b"\0" else (b"", False)


def _inflated(data: bytes, start: int, limit: int, budget: Budget) -> _Content:
    return inflate(data[start:], min(limit, MAX_INFLATED), budget)


def _international(data: bytes, start: int, limit: int, budget: Budget) -> _Content:
    """Return the text of an iTXt chunk: it follows compression flag and method, language and translated keyword."""
    language_end = data.find(b"\0", start + 2)
    keyword_end = data.find(b"\0", language_end + 1) if language_end >= 0 else -1
    if keyword_end < 0:
        return b"", False
    if data[start : start + 1] == b"\0":
        return _plain(data, keyword_end + 1, limit, budget)
    if data[start + 1 : start + 2] != b"\0":
        return b"", False
    return _inflated(data, keyword_end + 1, limit, budget)


_CONTENT: dict[bytes, Callable[[bytes, int, int, Budget], _Content]] = {
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
