"""JPEG: the marker segments up to the start of the scan (ISO/IEC 10918-1, annex B; Exif, XMP part 3, Photoshop).

The walk ends at the first scan: what follows the image (the pictures of an MPF file, a second JPEG) is not the main
image and never read.
"""

import re
import struct
from dataclasses import dataclass, field

from image_processor.budget import BLOCKS
from image_processor.formats import photoshop, tiff_file
from image_processor.formats.blocks import MAX_PACKET, XMP_PREFIX, Container
from image_processor.reading import tiff
from image_processor.reading.ranged import Source

MAX_SEGMENTS = 2000
"""Segments before the scan: a radiometric file has about 20, Extended XMP of 100 MB would have 1,600."""

MAX_EXTENSIONS = 8
"""Extended XMP documents of one file: one belongs to the image, others are left over from edits."""

MAX_GARBAGE = 4096
"""Bytes that are searched for the next marker where none stands."""

FILL_READ = 64 * 1024
"""Bytes of fill that are looked at in one piece: any number of them may stand before a marker (10918-1, B.1.1.2)."""

SIGNATURE = b"\xff\xd8"

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # without DHT, JPG, DAC
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTn, SOI: no length follows
_EOI, _SOS, _COM, _APP1, _APP13 = 0xD9, 0xDA, 0xFE, 0xE1, 0xED

_EXIF = b"exif\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_PEEK = 128  # bytes that tell what an APP1 segment is


@dataclass(slots=True)
class _Extension:
    """The parts of one Extended XMP document (XMP specification part 3, 1.1.3.1)."""

    offset: int
    full_length: int
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Walk:
    container: Container
    is_image: bool = True  # whether the JPEG is the image itself, and not a preview in another file
    extensions: dict[bytes, _Extension] = field(default_factory=dict)
    photoshop: list[tuple[int, bytes]] = field(default_factory=list)
    photoshop_bytes: int = 0
    extension_bytes: int = 0
    last_exif: int = 0  # where the segment ended that last gave an Exif block
    more_exif: dict[int, list[bytes]] = field(default_factory=dict)  # how blocks go on, by their number


def walk(source: Source, _head: bytes, container: Container) -> None:
    """Add the metadata of a JPEG to `container`.

    Raises:
        ObjectError: the source's, with `container` as far as it came.
    """
    _walk(source, 0, _Walk(container))


def embedded(source: Source, start: int, container: Container) -> None:
    """Add the metadata of a JPEG that stands in another file, but not its size.

    Args:
        source: the other file.
        start: where in it the JPEG starts, in bytes.
        container: of the other file.
    """
    if source.read(start, 2) != SIGNATURE:
        container.warn("jpeg: the file has none where it should have one embedded")
        return
    _walk(source, start, _Walk(container, is_image=False))


def _walk(source: Source, start: int, state: _Walk) -> None:
    try:
        _segments(source, start + len(SIGNATURE), state)
    finally:
        _finish(state)


def _segments(source: Source, offset: int, state: _Walk) -> None:
    for _ in range(MAX_SEGMENTS):
        header = source.read(offset, 4)
        if len(header) < 4 and header[:2] != b"\xff\xd9":
            state.container.warn("jpeg: the file ends before the image")
            return
        if header[0] != 0xFF or header[1] in (0x00, 0xFF):
            following = _next_marker(source, offset, state.container)
            if following is None:
                return
            offset = following
            continue
        marker = header[1]
        if marker in (_EOI, _SOS):
            return
        if marker in _ALONE:
            offset += 2
            continue
        length = int.from_bytes(header[2:], "big")
        if length < 2:
            state.container.warn(f"jpeg: segment of length {length}")
            return
        _segment(source, state, marker, offset, length - 2)
        offset += 2 + length
    state.container.warn(f"jpeg: more than {MAX_SEGMENTS} segments")


def _next_marker(source: Source, offset: int, container: Container) -> int | None:
    """Return where the next marker stands behind fill bytes or garbage, or None if there is none close by."""
    while (fill := source.read(offset, FILL_READ)) and not fill.strip(b"\xff"):
        offset += len(fill)
    offset += len(fill) - len(fill.lstrip(b"\xff")) - 1 if fill[:1] == b"\xff" else 0
    window = source.read(offset, MAX_GARBAGE)
    marker = _MARKER.search(window)
    if marker is None:
        container.warn("jpeg: no marker where a segment should start")
        return None
    if window[: marker.start()].strip(b"\xff"):
        container.warn("jpeg: bytes between the segments")
    return offset + marker.start()


def _segment(source: Source, state: _Walk, marker: int, offset: int, length: int) -> None:
    start = offset + 4
    container = state.container
    if marker == _APP1:
        _app1(source, state, start, length)
    elif marker in _SOF and container.width is None and state.is_image:
        frame = source.read(start, 5)
        if len(frame) == 5:
            height, width = struct.unpack(">HH", frame[1:])
            container.width, container.height = width or None, height or None
    elif marker == _COM:
        container.add_comment(source.read(start, length), start, "COM")
    elif marker == _APP13 and source.read(start, len(_PHOTOSHOP)) == _PHOTOSHOP:
        if state.photoshop_bytes + length > photoshop.MAX_BYTES:
            container.warn("jpeg: Photoshop resources beyond the limit not read")
            return
        state.photoshop_bytes += length
        state.photoshop.append((start, source.read(start, length)))


def _app1(source: Source, state: _Walk, start: int, length: int) -> None:
    peek = source.read(start, min(length, _PEEK))
    container = state.container
    if peek[:5].lower() == _EXIF:
        _exif(source, state, start, length)
    elif peek.startswith(_EXTENDED):
        _extension(source, state, start + len(_EXTENDED), length - len(_EXTENDED))
    elif (skip := _xmp_start(peek)) is not None:
        data = source.read(start + skip, length - skip)
        if len(data) < length - skip:
            container.warn("xmp: the file ends inside the packet")
        container.add_xmp(data, start + skip, "APP1")


def _xmp_start(peek: bytes) -> int | None:
    """Return where the packet starts in an XMP segment, None for another segment.

    Some programs spell the namespace that announces XMP wrongly; the packet's own start gives it away.
    """
    if peek.startswith(XMP_PREFIX):
        return len(XMP_PREFIX)
    starts = [start for mark in (b"<?xpacket", b"<x:xmpmeta") if (start := peek.find(mark)) >= 0]
    return min(starts, default=None)


def _exif(source: Source, state: _Walk, start: int, length: int) -> None:
    """Add an Exif block, or continue one: a block above 64 KB goes on in the next segment without a TIFF header."""
    container = state.container
    data = source.read(start + 6, length - 6)
    if len(data) < length - 6:
        container.warn("exif: the file ends inside the segment")
    if container.exif and state.last_exif == start - 4 and tiff.magic(data) is None:
        if container.budget.take(BLOCKS, len(data)):
            state.more_exif.setdefault(len(container.exif) - 1, []).append(data)
    else:
        container.add_exif(data, start + 6, "APP1")
    state.last_exif = start + length


def _extension(source: Source, state: _Walk, start: int, length: int) -> None:
    """Keep one part of an Extended XMP document: GUID (32 ASCII digits), full length, offset, content."""
    header = source.read(start, 40)
    container = state.container
    if len(header) < 40 or length < 40:
        container.warn("xmp: extended XMP without a header")
        return
    full_length, offset = struct.unpack(">II", header[32:])
    if header[:32] not in state.extensions and len(state.extensions) >= MAX_EXTENSIONS:
        container.warn(f"xmp: more than {MAX_EXTENSIONS} extended XMP documents")
        return
    extension = state.extensions.setdefault(header[:32], _Extension(start + 40, full_length))
    if state.extension_bytes + length - 40 > MAX_PACKET:
        container.warn(f"xmp: extended XMP beyond {MAX_PACKET} bytes not read")
        return
    state.extension_bytes += length - 40
    extension.parts.setdefault(offset, source.read(start + 40, length - 40))


def _finish(state: _Walk) -> None:
    """Join what stood in several segments, and look into the Exif and Photoshop blocks."""
    container = state.container
    for number, parts in state.more_exif.items():
        container.extend_exif(number, parts)
    tiff_file.look_into_exif(container)
    # UTF-16 packets name it too.
    packets = [block.data.replace(b"\0", b"") for block in container.xmp] if state.extensions else []
    for guid, extension in state.extensions.items():
        joined = _join(extension, container)
        if not any(guid in packet for packet in packets):
            # XMP part 3, 1.1.3.1: an extension that the main packet does not name is left over from an edit.
            container.warn("xmp: extended XMP that no packet names")
        elif joined:
            container.add_xmp(joined, extension.offset, f"APP1 extended {guid.decode('ascii', 'replace')}")
    if state.photoshop:
        joined = b"".join(data[len(_PHOTOSHOP) :] for _, data in state.photoshop)
        start = state.photoshop[0][0] + len(_PHOTOSHOP)
        photoshop.add_iptc(joined, start, "APP13", container)


def _join(extension: _Extension, container: Container) -> bytes:
    """Join the parts in the order of their offsets, up to the first gap."""
    joined = bytearray()
    for offset in sorted(extension.parts):
        if offset > len(joined):
            break
        joined[offset:] = extension.parts[offset]
    if len(joined) != extension.full_length:
        container.warn(f"xmp: extended XMP has {len(joined)} of {extension.full_length} bytes")
    return bytes(joined)
