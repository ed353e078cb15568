"""Which kind of image an object is, by its bytes, and the walk that takes it apart.

The object's name and its declared Content-Type are never looked at.
"""

from collections.abc import Callable
from contextlib import suppress

from image_processor.errors import ReadLimitReached
from image_processor.formats import (
    bmp,
    cr3,
    gif,
    heif,
    jp2,
    jpeg,
    jxl,
    mrw,
    panasonic,
    png,
    psd,
    raf,
    tiff_file,
    unread,
    webp,
    x3f,
)
from image_processor.formats.blocks import Container
from image_processor.reading import tiff
from image_processor.reading.ranged import Source

_HEAD = 128  # bytes that decide the type

_Walker = Callable[[Source, bytes, Container], None]


def walk(source: Source) -> Container | None:
    """Find the metadata blocks of an image.

    Whatever is wrong with the file ends up in `Container.warnings`.

    Returns:
        The container, or None if the object is no image by its content (an empty object is none either).

    Raises:
        ObjectError: the object could not be read; never `ReadLimitReached`.
    """
    head = source.read(0, _HEAD)
    for matches, content_type, walker in _KINDS:
        if matches(head):
            container = Container(content_type, source.budget)
            with suppress(ReadLimitReached):  # the budget says which limit it was
                walker(source, head, container)
            return container
    return None


def _is_jpeg(head: bytes) -> bool:
    return head[:3] == b"\xff\xd8\xff" or head == b"\xff\xd8"


def _is_tiff(head: bytes) -> bool:
    return tiff.magic(head) is not None


def _is_heif(head: bytes) -> bool:
    return heif.content_type(head) is not None


def _starts_with(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(signatures)


def _and_exif(walker: _Walker) -> _Walker:
    """Let a walk be followed by a look into the Exif blocks that it found, also where it was ended by a limit."""

    def walk_and_look(source: Source, head: bytes, container: Container) -> None:
        try:
            walker(source, head, container)
        finally:
            tiff_file.look_into_exif(container)

    return walk_and_look


_KINDS: tuple[tuple[Callable[[bytes], bool], str, _Walker], ...] = (
    (_is_jpeg, "image/jpeg", jpeg.walk),
    (panasonic.is_panasonic, "image/x-panasonic-rw2", panasonic.walk),
    (_is_tiff, "image/tiff", tiff_file.walk),
    (_starts_with(png.SIGNATURE), "image/png", _and_exif(png.walk)),
    (webp.is_webp, "image/webp", _and_exif(webp.walk)),
    (cr3.is_cr3, "image/x-canon-cr3", cr3.walk),
    (_is_heif, "image/heif", _and_exif(heif.walk)),
    (_starts_with(jxl.SIGNATURE, jxl.CODESTREAM), "image/jxl", _and_exif(jxl.walk)),
    (gif.is_gif, "image/gif", gif.walk),
    (_starts_with(jp2.SIGNATURE, jp2.CODESTREAM), "image/jp2", _and_exif(jp2.walk)),
    (_starts_with(psd.SIGNATURE), "image/vnd.adobe.photoshop", _and_exif(psd.walk)),
    (bmp.is_bmp, "image/bmp", bmp.walk),
    (_starts_with(raf.SIGNATURE), "image/x-fujifilm-raf", raf.walk),
    (_starts_with(*mrw.SIGNATURES), "image/x-minolta-mrw", _and_exif(mrw.walk)),
    (_starts_with(x3f.SIGNATURE), "image/x-sigma-x3f", x3f.walk),
    *((unread.matches(at, mark), kind, unread.walker(name)) for name, at, mark, kind in unread.KINDS),
)
