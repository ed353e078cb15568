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
    file = _Window(source)
    position = 13 + _table(head[10])
    for _ in range(MAX_STEPS):
        if position >= MAX_READ:
            container.warn(f"gif: only the first {MAX_READ} bytes read")
            return
        block = file.read(position, 10)
        if not block or block[0] == _TRAILER:
            if not block:
                container.warn("gif: the file ends before its trailer")
            return
        if block[0] == _EXTENSION:
            position = _extension(file, position, container)
        elif block[0] == _IMAGE and len(block) == 10:
            # Descriptor, colour table, one byte of code size, then the data.
            position = file.skip(position + 10 + _table(block[9]) + 1)
        else:
            container.warn("gif: damaged block")
            return
    container.warn(f"gif: more than {MAX_STEPS} blocks")


def _table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _extension(file: "_Window", position: int, container: Container) -> int:
    """Read one extension and return where the next block stands."""
    label = file.read(position, 2)[1:]
    start = position + 2
    if label == bytes([_APPLICATION]) and file.read(start, len(_XMP)) == _XMP:
        # The packet stands there as it is, not in sub-blocks; the trailer leads those who step over it to its end.
        start += len(_XMP)
        end = file.skip(start)
        length = max(0, end - start - len(_MAGIC_TRAILER))
        container.add_xmp(file.source.read(start, min(length, MAX_PACKET)), start, "XMP DataXMP")
        return end
    end = file.skip(start)
    if label == bytes([_COMMENT]):
        container.add_comment(_joined(file.source.read(start, end - start)), start, "comment extension")
    return end


def _joined(blocks: bytes) -> bytes:
    """Return the content of a run of sub-blocks, each led by its length."""
    parts, position = [], 0
    while position < len(blocks) and blocks[position]:
        parts.append(blocks[position + 1 : position + 1 + blocks[position]])
        position += 1 + blocks[position]
    return b"".join(parts)


class _Window:
    """A moving window on the source, so that stepping over short sub-blocks costs little."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._start = 0
        self._data = b""

    def read(self, position: int, length: int) -> bytes:
        offset = position - self._start
        if offset < 0 or offset + length > len(self._data):
            self._start, self._data = position, self.source.read(position, max(length, _WINDOW))
            offset = 0
        return self._data[offset : offset + length]

    def skip(self, position: int) -> int:
        """Step over sub-blocks; return where the block behind their terminator stands, or the end of the file."""
        while position < MAX_READ:
            offset = position - self._start
            if not 0 <= offset < len(self._data):
                if not self.read(position, 1):
                    return position
                offset = 0
            length = self._data[offset]
            position += 1 + length
            if not length:
                return position
        return position
