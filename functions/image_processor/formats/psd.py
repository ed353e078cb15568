"""Photoshop documents, PSD and PSB: the image resources that stand before the layers (Photoshop file format)."""

import struct

from image_processor.formats import photoshop
from image_processor.formats.blocks import Container
from image_processor.reading.ranged import Source

SIGNATURE = b"8BPS"

_HEADER = 26  # bytes, followed by colour mode data and image resources, each led by its length


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a Photoshop document to `container`."""
    if len(head) < _HEADER + 4:
        container.warn("psd: the file ends in its header")
        return
    container.height, container.width = (value or None for value in struct.unpack_from(">II", head, 14))
    # The section of image resources, led by its length.
    section = _HEADER + 4 + struct.unpack_from(">I", head, _HEADER)[0]
    length = int.from_bytes(source.read(section, 4), "big")
    data = source.read(section + 4, min(length, photoshop.MAX_BYTES))
    if len(data) < length:
        container.warn(f"psd: only {len(data)} of {length} bytes of the image resources read")
    for number, start, content in photoshop.resources(data, container):
        offset, where = section + 4 + start, f"resource {number}"
        if number == photoshop.XMP:
            container.add_xmp(content, offset, where)
        elif number == photoshop.EXIF:
            container.add_exif(content, offset, where)
    photoshop.add_iptc(data, section + 4, "image resources", container)
