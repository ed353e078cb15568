"""An image file taken apart, for the tests of its format."""

from image_processor.formats.blocks import Container
from image_processor.formats.tiff_file import look_into_exif
from image_processor.formats.walk import walk
from image_processor.reading.ranged import BytesSource
from image_processor.tags import exif
from image_processor.tags.exif import Exif


def container_of(data: bytes) -> Container:
    container = walk(BytesSource(data))
    assert container is not None
    return container


def read_exif(*structures: bytes) -> Exif:
    """Read these TIFF structures as the Exif blocks of one image."""
    container = Container("image/jpeg")
    for structure in structures:
        container.add_exif(structure, 0, "APP1")
    look_into_exif(container)
    return exif.read(container.exif, container.budget)
