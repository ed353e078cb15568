"""TIFF files, and the packets that TIFF tags carry, in whatever container the TIFF structure stands."""

from image_processor.errors import ReadLimitReached
from image_processor.formats import photoshop
from image_processor.formats.blocks import MAX_PACKET, Block, Container
from image_processor.reading import tiff
from image_processor.reading.file import File, file_of
from image_processor.reading.ranged import Source

_REDUCED_OR_MASK = 1 | 4  # bits of NewSubfileType: not the image itself


def look_into_exif(container: Container) -> None:
    """Add what is embedded in the Exif blocks of a container that is no TIFF file, and bring the packets into order."""
    for block in container.exif:
        _embedded(_ifds(block.file, container), block.offset, container)
    container.xmp.sort(key=lambda block: block.offset)


def _ifds(file: File, container: Container) -> list[tiff.Ifd]:
    """Return the directories, as many as the limits allow."""
    ifds: list[tiff.Ifd] = []
    warnings: list[str] = []
    try:
        ifds.extend(tiff.walk_ifds(file, warnings))  # keeps those that came before an error
    except ReadLimitReached as error:
        warnings.append(f"tiff: read limit reached: {error}")
    for warning in warnings:
        container.warn(warning)
    return ifds


def _embedded(ifds: list[tiff.Ifd], base: int, container: Container) -> None:
    """Add the XMP packets and IPTC records that stand in tags of the main image's directories.

    Args:
        ifds: directories of a TIFF structure; only the first of the chain (not the thumbnail, not the next page) and
            those below it are looked into.
        base: offset of the structure in the object, in bytes.
        container: takes the blocks.
    """
    for ifd in ifds:
        if ifd.name in ("IFD0", "ExifIFD") or ifd.name.startswith("SubIFD"):
            _add_blocks(ifd, base, container)


def _add_blocks(ifd: tiff.Ifd, base: int, container: Container) -> None:
    if (raw := ifd.tags.get(tiff.XMP)) and raw.length:
        if raw.length > MAX_PACKET:
            container.warn(f"xmp: only {MAX_PACKET} of {raw.length} bytes of tag {tiff.XMP} read")
        container.add_xmp(raw.data(MAX_PACKET), base + raw.offset, f"{ifd.name} tag {tiff.XMP}")
    if ifd.name != "IFD0":
        return
    if (raw := ifd.tags.get(tiff.IPTC)) and raw.length:
        container.add_iptc(_iptc_bytes(raw), base + raw.offset, f"{ifd.name} tag {tiff.IPTC}")
    if (raw := ifd.tags.get(tiff.PHOTOSHOP)) and raw.length:
        photoshop.add_iptc(
            raw.data(photoshop.MAX_BYTES), base + raw.offset, f"{ifd.name} tag {tiff.PHOTOSHOP}", container
        )


def _iptc_bytes(raw: tiff.RawTag) -> bytes:
    """Return the IPTC record; programs that typed it LONG have often stored its words in the file's byte order."""
    data = raw.data()
    if raw.type == 4 and data[3:4] == b"\x1c" != data[:1]:
        data = b"".join(data[start : start + 4][::-1] for start in range(0, len(data), 4))
    return data


def walk(source: Source, head: bytes, container: Container) -> None:
    """Take a TIFF file apart: the file itself is the Exif block."""
    file = file_of(source)
    container.exif.append(Block(file, 0, "TIFF"))
    container.content_type = tiff.CONTENT_TYPES[tiff.magic(head) or 42]
    ifds = _ifds(file, container)
    _describe(ifds, head, container)
    _embedded(ifds, 0, container)


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
