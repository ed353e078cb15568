"""JPEG 2000: XMP, Exif and IPTC boxes (ISO/IEC 15444-1 annex I; XMP specification part 3, 1.2.8)."""

import struct
import uuid

from image_processor.formats import photoshop
from image_processor.formats.blocks import MAX_PACKET, Container
from image_processor.formats.boxes import XMP_UUID, boxes, boxes_in
from image_processor.reading.ranged import Source

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"

_EXIF_UUID = b"JpgTiffExif->JP2"
_IPTC_UUID = uuid.UUID("33c7a4d2-b81d-4723-a0ba-f1a3e097ad38").bytes


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a JPEG 2000 file to `container`."""
    if head.startswith(CODESTREAM):
        container.content_type = "image/x-j2c"
        if len(head) >= 24:  # SIZ: extent of the reference grid less the offset of the image in it
            right, bottom, left, top = struct.unpack(">4I", head[8:24])
            container.width, container.height = max(0, right - left) or None, max(0, bottom - top) or None
        return
    for box in boxes(source, container):
        if box.kind not in (b"jp2h", b"uuid"):
            continue
        data = source.read(box.start, min(box.length, MAX_PACKET))
        if not box.whole or len(data) < box.length:
            container.warn(f"jp2: box {box.kind.decode()} is cut")
        if box.kind == b"jp2h":
            header = next(
                (
                    inner
                    for inner in boxes_in(data, 0, len(data), container.budget)
                    if inner.kind == b"ihdr" and inner.length >= 8
                ),
                None,
            )
            if header:
                container.height, container.width = struct.unpack_from(">II", data, header.start)
            continue
        kind, content, start = data[:16], data[16:], box.start + 16
        if kind == XMP_UUID:
            container.add_xmp(content, start, "uuid")
        elif kind == _EXIF_UUID:
            container.add_exif(content, start, "uuid")
        elif kind == _IPTC_UUID:
            photoshop.add_iptc(content, start, "uuid", container)
