"""TIFF files, and the packets that TIFF tags carry, in whatever container the TIFF structure stands."""

from array import array
from contextlib import suppress

from image_processor.errors import ReadLimitReached
from image_processor.formats import photoshop
from image_processor.formats.blocks import MAX_PACKET, Block, Container
from image_processor.reading import tiff
from image_processor.reading.file import file_of
from image_processor.reading.ranged import Source

_REDUCED_OR_MASK = 1 | 4  # bits of NewSubfileType: not the image itself


def look_into_exif(container: Container) -> None:
    """Add what is embedded in the Exif blocks of a container that is no TIFF file, and bring the packets into order."""
    for block in container.exif:
        _look_into(block, container)
        _embedded(block, container)
    container.xmp.sort(key=lambda block: block.offset)


def _look_into(block: Block, container: Container) -> None:
    """Read the directories of a block, as many as the limits allow."""
    warnings: list[str] = []
    with suppress(ReadLimitReached):  # what came before it is kept
        block.ifds.extend(tiff.walk_ifds(block.file, warnings, container.budget))
    for warning in warnings:
        container.warn(warning)


def _embedded(block: Block, container: Container) -> None:
    """Add the XMP packets and IPTC records that stand in tags of the main image's directories.

    Only the first directory of the chain (not the thumbnail, not the next page) and those below it are looked into.
    """
    for ifd in block.ifds:
        if ifd.name in ("IFD0", "ExifIFD") or ifd.name.startswith("SubIFD"):
            _add_blocks(ifd, block.offset, container)


def _add_blocks(ifd: tiff.Ifd, base: int, container: Container) -> None:
    if (raw := ifd.tags.get(tiff.XMP)) and raw.length and container.has_room(min(raw.length, MAX_PACKET)):
        if raw.length > MAX_PACKET:
            container.warn(f"xmp: only {MAX_PACKET} of {raw.length} bytes of tag {tiff.XMP} read")
        container.add_xmp(raw.data(MAX_PACKET), base + raw.offset, f"{ifd.name} tag {tiff.XMP}")
    if ifd.name != "IFD0":
        return
    if (raw := ifd.tags.get(tiff.IPTC)) and raw.length and container.has_room(min(raw.length, tiff.MAX_VALUE)):
        if raw.length > tiff.MAX_VALUE:
            container.warn(f"iptc: only {tiff.MAX_VALUE} of {raw.length} bytes of tag {tiff.IPTC} read")
        container.add_iptc(_iptc_bytes(raw), base + raw.offset, f"{ifd.name} tag {tiff.IPTC}")
    if (raw := ifd.tags.get(tiff.PHOTOSHOP)) and raw.length:
        photoshop.add_iptc(
            raw.data(photoshop.MAX_BYTES), base + raw.offset, f"{ifd.name} tag {tiff.PHOTOSHOP}", container
        )


def _iptc_bytes(raw: tiff.RawTag) -> bytes:
    """Return the IPTC record; programs that typed it LONG have often stored its words in the file's byte order."""
    data = raw.data()
    if raw.type == 4 and data[3:4] == b"\x1c" != data[:1]:
        words = array("I", data[: len(data) & ~3])
        words.byteswap()
        data = words.tobytes()
    return data


def walk(source: Source, head: bytes, container: Container) -> None:
    """Take a TIFF file apart: the file itself is the Exif block."""
    block = Block(file_of(source), 0, "TIFF")
    container.exif.append(block)
    container.content_type = tiff.CONTENT_TYPES[tiff.magic(head) or 42]
    _look_into(block, container)
    _describe(block.ifds, head, container)
    _embedded(block, container)


def _is_main(ifd: tiff.Ifd) -> bool:
    is_image = ifd.name.startswith(("IFD", "SubIFD")) and ifd.integer(tiff.IMAGE_WIDTH)
    return bool(is_image) and not (ifd.integer(tiff.NEW_SUBFILE_TYPE) or 0) & _REDUCED_OR_MASK


def _describe(ifds: list[tiff.Ifd], head: bytes, container: Container) -> None:
    """Set size and type: the size is the full-resolution image's, which a DNG keeps below its preview."""
    container.content_type = _content_type(head, ifds, container.content_type)
    main = next(filter(_is_main, ifds), ifds[0] if ifds else None)
    if main:
        container.width, container.height = main.integer(tiff.IMAGE_WIDTH), main.integer(tiff.IMAGE_LENGTH)


def _content_type(head: bytes, ifds: list[tiff.Ifd], by_magic: str) -> str:
    if ifds and tiff.DNG_VERSION in ifds[0].tags:
        return "image/x-adobe-dng"
    if head[8:10] == b"CR" and by_magic == "image/tiff":
        return "image/x-canon-cr2"
    return by_magic
