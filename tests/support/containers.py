"""An image file taken apart, for the tests of its format."""

from image_processor.formats.blocks import Container
from image_processor.formats.walk import walk
from image_processor.reading.ranged import BytesSource


def container_of(data: bytes) -> Container:
    container = walk(BytesSource(data))
    assert container is not None
    return container
