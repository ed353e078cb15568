"""Canon's raw, CR3: boxes, of which one of Canon's own has Exif as four TIFF structures ("canon_cr3" by L. Clévy).

`CMT1` has what elsewhere is IFD0, with the size of the raw image, `CMT2` what is ExifIFD, `CMT3` the maker note and
`CMT4` the position.
"""

import uuid

from image_processor.formats import boxes, tiff_file
from image_processor.formats.blocks import MAKER_NOTE, Container
from image_processor.formats.boxes import Box
from image_processor.reading import tiff
from image_processor.reading.ranged import Source

MAX_MOVIE = 1024 * 1024
"""Bytes of the `moov` box: cameras write some 10 KB to 40 KB, a thumbnail included."""

_CANON = uuid.UUID("85c0b687-820f-11e0-8111-f4ce462b6a48").bytes
_ROOTS = {b"CMT1": "IFD", b"CMT2": "ExifIFD", b"CMT3": MAKER_NOTE, b"CMT4": "GPS"}


def is_cr3(head: bytes) -> bool:
    """Tell whether an object that starts with `head` is a CR3, and no film (CRM), which has the same brand."""
    return head[4:12] == b"ftypcrx " and b"CanonCRM" not in head


def walk(source: Source, _head: bytes, container: Container) -> None:
    """Add the metadata of a CR3 to `container`."""
    try:
        for box in boxes.boxes(source, container):
            if box.kind == b"moov":
                _movie(source, box, container)
            else:
                boxes.add_xmp(source, box, container)
    finally:
        tiff_file.look_into_exif(container)
        ifds = [ifd for block in container.exif for ifd in block.ifds if ifd.name == "IFD0"]
        if ifds:
            container.width, container.height = ifds[0].integer(tiff.IMAGE_WIDTH), ifds[0].integer(tiff.IMAGE_LENGTH)
        else:
            container.warn("cr3: no box with Exif")


def _movie(source: Source, movie: Box, container: Container) -> None:
    """Add the TIFF structures in Canon's box."""
    if not movie.whole or movie.length > MAX_MOVIE:
        container.warn("cr3: box moov is longer than the file or the limit")
    data = source.read(movie.start, min(movie.length, MAX_MOVIE))
    for outer in boxes.boxes_in(data, 0, len(data), container.budget):
        if outer.kind != b"uuid" or data[outer.start : outer.start + 16] != _CANON:
            continue
        for box in boxes.boxes_in(data, outer.start + 16, outer.end, container.budget):
            if (root := _ROOTS.get(box.kind)) is not None:
                container.add_exif(data[box.start : box.end], movie.start + box.start, box.kind.decode(), root)
