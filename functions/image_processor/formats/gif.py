"""GIF: comments and the XMP application extension (GIF89a; XMP specification part 3, 1.1.2)."""

import struct

from image_processor.formats.blocks import MAX_PACKET, Container
from image_processor.reading.ranged import Source

MAX_READ = 1024 * 1024
"""Bytes of one GIF that are walked: image data can only be stepped over by reading it, and XMP mostly comes first."""

MAX_STEPS = 5000
"""Extensions and pictures of one GIF that are walked: an animation has two for each of its frames."""

_WINDOW = 64 * 1024
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_COMMENT, _APPLICATION = 0xFE, 0xFF
_XMP = b"\x0bXMP DataXMP"
_MAGIC_TRAILER = bytes([1, *range(255, -1, -1), 0])


def is_gif(head: bytes) -> bool:
    """Tell whether an object that starts with `head` is a GIF."""
    return head[:6] in (b"GIF87a", b"GIF89a")


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a GIF to `container`."""
    if len(head) < 13:
        container.warn("gif: the file ends in its header")
        return
    container.width, container.height = (value or None for value in struct.unpack("<HH", head[6:10]))
    window = _Window(source)
    offset = 13 + _table(head[10])
    for _ in range(MAX_STEPS):
        if offset >= MAX_READ:
            container.warn(f"gif: only the first {MAX_READ} bytes read")
            return
        block = window.read(offset, 10)
        if not block or block[0] == _TRAILER:
            if not block:
                container.warn("gif: the file ends before its trailer")
            return
        if block[0] == _EXTENSION:
            offset = _extension(window, offset, container)
        elif block[0] == _IMAGE and len(block) == 10:
            # Descriptor, colour table, one byte of code size, then the data.
            offset = window.skip(offset + 10 + _table(block[9]) + 1)
        else:
            container.warn("gif: damaged block")
            return
    container.warn(f"gif: more than {MAX_STEPS} blocks")


def _table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _extension(window: "_Window", offset: int, container: Container) -> int:
    """Read one extension and return where the next block stands."""
    label = window.read(offset, 2)[1:]
    start = offset + 2
    if label == bytes([_APPLICATION]) and window.read(start, len(_XMP)) == _XMP:
        # The packet stands there as it is, not in sub-blocks; the trailer leads those who step over it to its end.
        start += len(_XMP)
        end = window.skip(start)
        length = max(0, end - start - len(_MAGIC_TRAILER))
        container.add_xmp(window.source.read(start, min(length, MAX_PACKET)), start, "XMP DataXMP")
        return end
    end = window.skip(start)
    if label == bytes([_COMMENT]):
        container.add_comment(_joined(window.source.read(start, end - start)), start, "comment extension")
    return end


def _joined(blocks: bytes) -> bytes:
    """Return the content of a run of sub-blocks, each led by its length."""
    joined, offset = bytearray(), 0
    while offset < len(blocks) and blocks[offset]:
        joined += blocks[offset + 1 : offset + 1 + blocks[offset]]
        offset += 1 + blocks[offset]
    return bytes(joined)


class _Window:
    """A moving window on the source, so that stepping over short sub-blocks costs little."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._start = 0
        self._data = b""

    def read(self, offset: int, length: int) -> bytes:
        at = offset - self._start
        if at < 0 or at + length > len(self._data):
            self._start, self._data = offset, self.source.read(offset, max(length, _WINDOW))
            at = 0
        return self._data[at : at + length]

    def skip(self, offset: int) -> int:
        """Step over sub-blocks; return where the block behind their terminator stands, or the end of the file."""
        while offset < MAX_READ:
            at = offset - self._start
            if not 0 <= at < len(self._data):
                if not self.read(offset, 1):
                    return offset
                at = 0
            length = self._data[at]
            offset += 1 + length
            if not length:
                return offset
        return offset
