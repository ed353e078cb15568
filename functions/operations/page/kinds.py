"""What a photo is by its first bytes: a name or a declared type would let a stranger's file be anything."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of image.

    Attributes:
        name: of its format, for people.
        content_type: as which a browser may show it; None if it is put on disk.
    """

    name: str
    content_type: str | None = None


HEAD_BYTES = 16
"""Bytes from the start that say it."""

# WHATWG, "MIME Sniffing", for the first ones. SVG has scripts in it, and is none of these.
_KINDS = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"\xff\xd8\xff", Kind("JPEG", "image/jpeg")),
        (rb"\x89PNG\r\n\x1a\n", Kind("PNG", "image/png")),
        (rb"GIF8[79]a", Kind("GIF", "image/gif")),
        (rb"RIFF....WEBPVP", Kind("WebP", "image/webp")),
        (rb"....ftypavi[fs]", Kind("AVIF", "image/avif")),
        (rb"....ftyp(?:hei[cfmsx]|hev[cmsx]|mif[12]|msf1)", Kind("HEIC", "image/heif")),
        (rb"II[*+]\0|MM\0[*+]", Kind("TIFF", "image/tiff")),
        (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", Kind("JPEG XL", "image/jxl")),
        (rb"\0\0\0\x0cjP  \r\n\x87\n", Kind("JPEG 2000", "image/jp2")),
        (rb"BM....\0\0\0\0", Kind("BMP", "image/bmp")),
        (rb"....ftypcrx ", Kind("CR3")),
        (rb"FUJIFILMCCD-RAW ", Kind("RAF")),
        (rb"IIU\0", Kind("RW2")),
        (rb"8BPS\0[\x01\x02]", Kind("PSD")),
    )
)


def kind_of(head: bytes) -> Kind | None:
    """Give the kind of a file that begins so; None if it is none of those that are known here."""
    return next((kind for pattern, kind in _KINDS if pattern.match(head)), None)
