"""TIFF files, and the packets that TIFF tags carry, in whatever container the TIFF structure stands."""

from array import array
from contextlib import suppress

from image_processor.errors import ReadLimitReached
from image_processor.formats import photoshop, raw_tiff
from image_processor.formats.blocks import MAKER_NOTE, MAX_PACKET, Block, Container
from image_processor.reading import tiff
from image_processor.reading.file import file_of
from image_processor.reading.ranged import Source


def look_into_exif(container: Container) -> None:
    """Look into the Exif blocks of a container, add what is embedded in them, and bring the packets into order.

    Blocks that were looked into before are not again: a raw is its own Exif block and has a JPEG with another.
    """
    for block in container.exif:
        if not block.ifds:
            _look_into(block, container)
            _embedded(block, container)
    container.xmp.sort(key=lambda block: block.offset)


def _look_into(block: Block, container: Container) -> None:
    """Read the directories of a block, as many as the limits allow; a maker note's tags are its maker's."""
    if block.root == MAKER_NOTE:
        return
    warnings: list[str] = []
    with suppress(ReadLimitReached):  # what came before it is kept
        block.ifds.extend(tiff.walk_ifds(block.file, warnings, container.budget, block.root))
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
    _look_into(block, container)
    by_magic = tiff.CONTENT_TYPES[tiff.magic(head) or 42]
    container.content_type = raw_tiff.content_type(head, block.ifds, by_magic)
    container.width, container.height = raw_tiff.size(container.content_type, block.ifds)
    _embedded(block, container)
