"""Camera raws that are TIFF files: whose they are, and how large the photo is.

Makers put no signature into them. What tells a raw from a developed TIFF of the same camera is a picture that is still
a colour filter array, or one in a compression that only one maker has (ExifTool's tag names, "EXIF Tags": Compression;
LibRaw, `identify`); the maker's name does the rest.
"""

from image_processor.reading import tiff
from image_processor.reading.tiff import Ifd

CR2, IIQ, DNG = "image/x-canon-cr2", "image/x-phaseone-iiq", "image/x-adobe-dng"
_ARW, _DCR, _KDC = "image/x-sony-arw", "image/x-kodak-dcr", "image/x-kodak-kdc"
_NEF, _PEF, _SRW = "image/x-nikon-nef", "image/x-pentax-pef", "image/x-samsung-srw"

_COMPRESSIONS = {32767: _ARW, 32770: _SRW, 32867: _KDC, 34713: _NEF, 65000: _DCR, 65535: _PEF}
_MAKES = {
    b"nikon": _NEF,
    b"sony": _ARW,
    b"pentax": _PEF,
    b"ricoh": _PEF,
    b"samsung": _SRW,
    b"hasselblad": "image/x-hasselblad-3fr",
    b"imacon": "image/x-hasselblad-fff",
    b"leaf": "image/x-leaf-mos",
    b"mamiya": "image/x-mamiya-mef",
    b"seiko epson": "image/x-epson-erf",
    b"eastman kodak": _KDC,
    b"kodak": _DCR,
}
"""What the make begins with, in lower case. Phase One's are told by their header."""

_FILTER_ARRAYS = (32803, 34892)  # PhotometricInterpretation: colour filter array, linear raw
_REDUCED_OR_MASK = 1 | 4  # bits of NewSubfileType: not the image itself
_MAX_MAKE = 64


def content_type(head: bytes, ifds: list[Ifd], by_magic: str) -> str:
    """Return the media type of a file of the TIFF family.

    Args:
        head: its first bytes.
        ifds: its directories.
        by_magic: the type that its header alone says.
    """
    if ifds and tiff.DNG_VERSION in ifds[0].tags:
        return DNG
    if by_magic != "image/tiff":
        return by_magic
    if head[8:10] == b"CR":
        return CR2
    if head[8:12] in (b"IIII", b"MMMM"):
        return IIQ
    return _makers_type(ifds) or by_magic


def _makers_type(ifds: list[Ifd]) -> str | None:
    for ifd in ifds:
        if (found := _COMPRESSIONS.get(ifd.integer(tiff.COMPRESSION) or 0)) is not None:
            return found
    if not any(_is_filter_array(ifd) for ifd in ifds):
        return None
    make = make_of(ifds[0])
    return next((found for start, found in _MAKES.items() if make.startswith(start)), None)


def make_of(ifd: Ifd) -> bytes:
    """Return the name of the camera's maker in lower case, empty if the directory has none."""
    raw = ifd.tags.get(tiff.MAKE)
    return raw.data(_MAX_MAKE).strip().lower() if raw else b""


def size(media_type: str, ifds: list[Ifd]) -> tuple[int | None, int | None]:
    """Return width and height of the photo, whatever previews the file has; None if the file does not say.

    The raw picture of CR2 and IIQ has no size of its own, or a wrong one: what the camera says of it in ExifIFD counts
    (as in ExifTool's ImageSize).
    """
    if media_type in (CR2, IIQ):
        exif = next((ifd for ifd in ifds if ifd.name == "ExifIFD"), None)
        return (exif.integer(tiff.PIXEL_WIDTH), exif.integer(tiff.PIXEL_HEIGHT)) if exif else (None, None)
    main = [ifd for ifd in ifds if _is_main(ifd)]
    best = next((ifd for ifd in main if _is_filter_array(ifd)), next(iter(main or ifds), None))
    return (best.integer(tiff.IMAGE_WIDTH), best.integer(tiff.IMAGE_LENGTH)) if best else (None, None)


def _is_main(ifd: Ifd) -> bool:
    is_image = ifd.name.startswith(("IFD", "SubIFD")) and ifd.integer(tiff.IMAGE_WIDTH)
    return bool(is_image) and not (ifd.integer(tiff.NEW_SUBFILE_TYPE) or 0) & _REDUCED_OR_MASK


def _is_filter_array(ifd: Ifd) -> bool:
    return ifd.integer(tiff.PHOTOMETRIC) in _FILTER_ARRAYS
