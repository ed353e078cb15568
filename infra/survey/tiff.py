"""Write the TIFF structure of an EXIF block (TIFF 6.0, section 2; little-endian)."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_HEADER_BYTES = 8
_ENTRY_BYTES = 12


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a tag: TIFF type, count and bytes."""

    type: int
    count: int
    content: bytes


Directory = Mapping[int, "Value | Pointer"]


@dataclass(frozen=True, slots=True)
class Pointer:
    """A tag that leads to another directory."""

    directory: Directory


def bytes_(*numbers: int) -> Value:
    """Make BYTE values."""
    return Value(1, len(numbers), bytes(numbers))


def ascii_text(text: str) -> Value:
    """Make ASCII text with its closing NUL."""
    content = text.encode("ascii") + b"\0"
    return Value(2, len(content), content)


def short(number: int) -> Value:
    """Make one SHORT."""
    return Value(3, 1, struct.pack("<H", number))


def long(number: int) -> Value:
    """Make one LONG."""
    return Value(4, 1, struct.pack("<L", number))


def rational(*fractions: tuple[int, int]) -> Value:
    """Make RATIONAL values: numerator and denominator each."""
    return Value(5, len(fractions), b"".join(struct.pack("<LL", *fraction) for fraction in fractions))


def undefined(content: bytes) -> Value:
    """Make UNDEFINED bytes."""
    return Value(7, len(content), content)


def signed_rational(*fractions: tuple[int, int]) -> Value:
    """Make SRATIONAL values: numerator and denominator each."""
    return Value(10, len(fractions), b"".join(struct.pack("<ll", *fraction) for fraction in fractions))


def pointer(directory: Directory) -> Pointer:
    """Make a tag that leads to another directory, which is written behind this one."""
    return Pointer(directory)


def tiff(directory: Directory) -> bytes:
    """Write a TIFF with one directory and those that it leads to."""
    return struct.pack("<2sHL", b"II", 42, _HEADER_BYTES) + _write(directory, _HEADER_BYTES)


def _write(directory: Directory, offset: int) -> bytes:
    """Write a directory that starts at an offset, then what does not fit into its entries."""
    entries: list[bytes] = [struct.pack("<H", len(directory))]
    behind: list[bytes] = []
    at = offset + 2 + len(directory) * _ENTRY_BYTES + 4
    for tag, value in sorted(directory.items()):
        if isinstance(value, Pointer):
            content = _write(value.directory, at)
            entries.append(struct.pack("<HHLL", tag, 4, 1, at))
        elif len(value.content) <= 4:
            entries.append(struct.pack("<HHL4s", tag, value.type, value.count, value.content))
            continue
        else:
            content = value.content + b"\0" * (len(value.content) % 2)
            entries.append(struct.pack("<HHLL", tag, value.type, value.count, at))
        behind.append(content)
        at += len(content)
    return b"".join((*entries, b"\0\0\0\0", *behind))
