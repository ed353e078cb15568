"""Short ways from hand-built metadata to the cells of a row, for the tests of `extract`."""

import json
import struct
from typing import Any

from image_processor.columns.extract import Record, extract
from image_processor.reading.ranged import BytesSource
from infra.doubles.image_files import (
    ASCII,
    EXIF_IFD,
    GPS_IFD,
    MAKE,
    RATIONAL,
    SHORT,
    ascii_value,
    bytes_value,
    exif_segment,
    jpeg,
    tiff,
    xmp_segment,
)

BYTE, SRATIONAL = 1, 10
DATE = 0x9003

NAMESPACES = {
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "Camera": "http://pix4d.com/camera/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "drone-dji": "http://www.dji.com/drone-dji/1.0/",
    "drone-parrot": "http://www.parrot.com/drone-parrot/1.0/",
    "drone-skydio": "https://www.skydio.com/drone-skydio/1.0/",
    "drone-yuneec": "http://www.yuneec.com/drone-yuneec/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "FLIR": "http://www.dji.com/FLIR/1.0/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "Platform": "http://pix4d.com/platform/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "sensefly": "http://ns.sensefly.com/Camera/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}


def cells(data: bytes) -> dict[str, Any]:
    """Extract and return the plain values by column; JSON columns are decoded."""
    return values_of(extract(BytesSource(data)))


def values_of(record: Record | None) -> dict[str, Any]:
    """Give the plain values of a record by column; JSON columns are decoded."""
    assert record is not None
    values: dict[str, Any] = {name: next(iter(value.values())) for name, value in record.attributes.items()}
    return values | {
        name: json.loads(values[name]) for name in ("keywords", "warnings", "exif", "xmp") if name in values
    }


def photo(exif: dict | None = None, gps: dict | None = None, ifd0: dict | None = None, xmp: bytes = b"") -> bytes:
    """Make a JPEG with these tags, the make "DJI", and an XMP packet if there is one."""
    tags: dict = {MAKE: ascii_value("DJI")} | (ifd0 or {})
    if exif is not None:
        tags[EXIF_IFD] = exif
    if gps is not None:
        tags[GPS_IFD] = gps
    return jpeg(exif_segment(tiff(tags)), *([xmp_segment(xmp)] if xmp else []))


def packet(attributes: str = "", body: str = "") -> bytes:
    """Make an XMP packet with all namespaces that the tests use."""
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {declared}>'
        f'<rdf:Description rdf:about="" {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def ratio(*pairs: tuple[int, int]) -> tuple[int, int, bytes]:
    """Make RATIONAL values."""
    return RATIONAL, len(pairs), b"".join(struct.pack("<2I", *pair) for pair in pairs)


def short(*numbers: int) -> tuple[int, int, bytes]:
    """Make SHORT values."""
    return SHORT, len(numbers), struct.pack(f"<{len(numbers)}H", *numbers)


def byte(*numbers: int) -> tuple[int, int, bytes]:
    """Make BYTE values."""
    return BYTE, len(numbers), bytes(numbers)


def ascii_bytes(data: bytes) -> tuple[int, int, bytes]:
    """Make ASCII of exactly these bytes."""
    return ASCII, len(data), data


LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE, ALTITUDE_REF, ALTITUDE = range(1, 7)

BASE_GPS = {
    0: byte(2, 3, 0, 0),
    LATITUDE_REF: ascii_value("S"),
    LATITUDE: ratio((33, 1), (51, 1), (2430, 100)),
    LONGITUDE_REF: ascii_value("E"),
    LONGITUDE: ratio((151, 1), (12, 1), (5400, 100)),
    ALTITUDE_REF: byte(0),
    ALTITUDE: ratio((1204, 10)),
}
"""The GPS directory of the field cases: a public landmark."""

comment_value = bytes_value
