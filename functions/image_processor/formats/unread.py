"""Images whose metadata nobody reads here: each gets its row and its type, and the row says so.

A photographer's archive may have them; a row without a word would read as a photo without metadata.
"""

from collections.abc import Callable

from image_processor.formats.blocks import Container
from image_processor.reading.ranged import Source

_Walker = Callable[[Source, bytes, Container], None]

KINDS: tuple[tuple[str, int, bytes, str], ...] = (
    ("crw", 6, b"HEAPCCDR", "image/x-canon-crw"),
    ("contax raw", 25, b"ARECOYK", "image/x-raw"),
    ("fff", 0, b"FFF\0", "image/x-flir-fff"),
    ("jxr", 0, b"II\xbc", "image/jxr"),
    ("exr", 0, b"\x76\x2f\x31\x01", "image/x-exr"),
    ("hdr", 0, b"#?RADIANCE\n", "image/vnd.radiance"),
    ("flif", 0, b"FLIF", "image/flif"),
    ("bpg", 0, b"BPG\xfb", "image/bpg"),
)
"""Name, where its signature stands, the signature, and the media type in ExifTool's spelling."""


def matches(offset: int, signature: bytes) -> Callable[[bytes], bool]:
    """Return a test for a signature at an offset."""
    return lambda head: head.startswith(signature, offset)


def walker(name: str) -> _Walker:
    """Return the walk of a format that is not read."""

    def walk(_source: Source, _head: bytes, container: Container) -> None:
        container.warn(f"{name}: metadata of this format is not read")

    return walk
