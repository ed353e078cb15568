"""Minimal camera raws, built by hand as `image_files` builds other images."""

import struct
from typing import Any

import brotli

from infra.doubles.image_files import box as make_box
from infra.doubles.image_files import bytes_value, directory, full_box, jpeg, tiff

CANON_UUID = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
PREVIEW_UUID = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
JXL_SIGNATURE = bytes.fromhex("0000000c4a584c200d0a870a")


def short_value(*numbers: int, order: str = "<") -> tuple[int, int, bytes]:
    """Make SHORT values."""
    return 3, len(numbers), struct.pack(f"{order}{len(numbers)}H", *numbers)


def cr3(
    *structures: tuple[bytes, bytes], xmp: bytes = b"", preview: bytes = b"", image: int = 0, film: bool = False
) -> bytes:
    """Make a CR3 of these boxes of Canon's (name, content), a packet, a preview, and image data of so many bytes."""
    version = b"CanonCRM0001/02.09.00/00.00.00" if film else b"CanonCR3_001/00.09.00/00.00.00"
    inner = make_box(b"CNCV", version) + b"".join(make_box(kind, content) for kind, content in structures)
    movie = make_box(b"moov", make_box(b"uuid", CANON_UUID + inner) + full_box(b"mvhd", bytes(96)))
    packet = make_box(b"uuid", XMP_UUID + xmp) if xmp else b""
    larger = full_box(b"PRVW", struct.pack(">HHHHI", 1, 1620, 1080, 1, len(preview)) + preview)
    shown = make_box(b"uuid", PREVIEW_UUID + bytes(7) + b"\1" + larger) if preview else b""
    return make_box(b"ftyp", b"crx \0\0\0\1crx isom") + movie + packet + shown + make_box(b"mdat", bytes(image))


def thumbnail(picture: bytes) -> tuple[bytes, bytes]:
    """Make the box of a CR3's thumbnail: name and content."""
    return b"THMB", struct.pack(">IHHIHH", 0, 160, 120, len(picture), 1, 0) + picture


def raf(preview: bytes, *entries: tuple[int, bytes], gap: int = 0) -> bytes:
    """Make a RAF of a JPEG and, `gap` bytes behind it, a directory of these entries."""
    start = 148
    directory = struct.pack(">I", len(entries)) + b"".join(
        struct.pack(">HH", tag, len(value)) + value for tag, value in entries
    )
    at = start + len(preview) + gap
    offsets = struct.pack(">6I", start, len(preview), at, len(directory), at + len(directory), 0)
    head = b"FUJIFILMCCD-RAW 0201FF389501" + b"X-T3".ljust(32, b"\0") + b"0100" + bytes(20) + offsets
    return head.ljust(start, b"\0") + preview + bytes(gap) + directory


def rw2(tags: dict[int, Any], preview: bytes = b"", make: tuple[int, int, bytes] | None = None) -> bytes:
    """Make an RW2 whose first directory has these tags, and a JPEG if one is given."""
    below = {0x2E: bytes_value(preview)} if preview else {}
    structure = tiff(tags | below | ({271: make} if make else {}))
    return structure[:2] + b"U\0" + structure[4:]


def orf(tags: dict[int, Any], magic: bytes = b"IIRO") -> bytes:
    """Make an ORF with these tags."""
    return magic + tiff(tags, order="<" if magic[:2] == b"II" else ">")[4:]


def mrw(structure: bytes, width: int = 3264, height: int = 2448) -> bytes:
    """Make an MRW with this Exif."""

    def block(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack(">I", len(content)) + content

    sizes = struct.pack(">HHHH", height + 10, width + 10, height, width)
    blocks = block(b"\0PRD", b"27730001" + sizes + bytes(8)) + block(b"\0TTW", structure) + block(b"\0CSA", bytes(4))
    return block(b"\0MRM", blocks) + bytes(100)


def x3f(*pictures: bytes, width: int = 2640, height: int = 1760, version: int = 0x20003) -> bytes:
    """Make an X3F with these JPEGs."""
    sizes = struct.pack("<II", width, height)
    head = b"FOVb" + struct.pack("<I", version) + bytes(32 if version >> 16 >= 4 else 20) + sizes
    out, entries = bytearray(head.ljust(200, b"\0")), b""
    for number, picture in enumerate(pictures):
        section = b"SECi" + struct.pack("<6I", 0x20000, 2, 18, 8, 6, 0) + picture
        entries += struct.pack("<II4s", len(out), len(section), b"IMAG" if number else b"IMA2")
        out += section
    directory = b"SECd" + struct.pack("<II", 0x20000, len(pictures)) + entries
    return bytes(out) + directory + struct.pack("<I", len(out))


def marked(mark: bytes, tags: dict[int, Any]) -> bytes:
    """Make a TIFF with a maker's mark between its header and its directory."""
    start = 8 + len(mark)
    return b"II*\0" + struct.pack("<I", start) + mark + directory(tags, start, "<", False, 0)


def filter_array(make: tuple[int, int, bytes], photometric: int = 32803, compression: int = 1) -> bytes:
    """Make a raw of the TIFF family: a small preview first, the picture of 4000 x 3000 below it."""
    numbers = {254: 0, 256: 4000, 257: 3000, 259: compression, 262: photometric}
    raw = {tag: (4, 1, struct.pack("<I", number)) for tag, number in numbers.items()}
    small = raw | {254: (4, 1, b"\1\0\0\0"), 256: short_value(160), 257: short_value(120), 262: short_value(2)}
    small |= {259: short_value(1)}
    return tiff(small | {271: make, 330: raw})


def brob(kind: bytes, content: bytes) -> bytes:
    """Make a box of JPEG XL that has another one's content in Brotli."""
    return make_box(b"brob", kind + brotli.compress(content, quality=5))


def jxl(*boxes: bytes) -> bytes:
    """Make a JPEG XL container of these boxes and an image of 8 x 8 pixels."""
    return JXL_SIGNATURE + make_box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join(boxes) + make_box(b"jxlc", JXL_IMAGE)


JXL_IMAGE = b"\xff\x0a\x41" + bytes(9)  # 8 x 8 pixels


def mini(
    exif: bytes = b"",
    xmp: bytes = b"",
    light: str = "",
    alpha: bool = False,
    codec: bytes = b"avif",
    deflated: int = 0,
    types: bytes = b"",
) -> bytes:
    """Make a file of brand mif3 with an image of 200 x 100 pixels.

    Args:
        exif: Exif data.
        xmp: a packet.
        light: bits of the high dynamic range's properties, if it has some; a gain map is empty.
        alpha: whether it has transparency.
        codec: minor version.
        deflated: whether the metadata are compressed.
        types: of the image and of its configuration, four bytes each, where the box does not leave them to `codec`.
    """
    image = b"image"
    bits = (
        "00"
        + f"{bool(types):b}"
        + "00"
        + f"{alpha:b}"
        + "0"
        + f"{bool(light):b}"
        + "0"
        + f"{bool(exif):b}{bool(xmp):b}"
    )
    bits += "01" + "000" + "1" + f"{199:015b}{99:015b}" + "11" + "0" + "1" * alpha
    bits += "".join(f"{byte:08b}" for byte in types) + light
    has_gain_map = light[:1] == "1"
    bits += (
        "1" * bool(exif or xmp or has_gain_map)
        + "0"
        + "0"
        + "0" * 35 * has_gain_map
        + f"{4:03b}{len(image) - 1:015b}"
        + ("0" * 15) * alpha
    )
    bits += f"{deflated:b}" * bool(exif or xmp)
    bits += f"{len(exif) - 1:020b}" * bool(exif) + f"{len(xmp) - 1:020b}" * bool(xmp)
    bits += "0" * (-len(bits) % 8)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big") + b"av1C" + image + exif + xmp
    return make_box(b"ftyp", b"mif3" + codec) + make_box(b"mini", content)


def preview(*segments: bytes) -> bytes:
    """Make the JPEG that stands in a raw: its size is not the photo's."""
    return jpeg(*segments, width=160, height=120)
