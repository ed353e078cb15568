"""Photos that carry, each by chance, some of everything from which a column may come: their values tell it apart.

What a reader prefers then shows in what it makes of them: of any two sources of one column some photo has both, and
none that is better. They are fixed: another seed or another value is another set.
"""

import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from infra.doubles.image_files import (
    ASCII,
    EXIF_IFD,
    GPS_IFD,
    IPTC,
    RATIONAL,
    SHORT,
    UNDEFINED,
    XMP,
    Item,
    chunk,
    exif_item,
    exif_segment,
    heif,
    itxt,
    jpeg,
    png,
    raw_profile,
    resource,
    riff_chunk,
    segment,
    tiff,
    vp8x,
    webp,
    xmp_segment,
)

T = TypeVar("T")

_SHARE = 1 / 3

_DJI = (
    "CameraSerialNumber GpsStatus AltitudeType DroneModel ProductName DroneSerialNumber #RelativeAltitude"
    " #AbsoluteAltitude #FlightRollDegree #FlightPitchDegree #FlightYawDegree #GimbalRollDegree #GimbalPitchDegree"
    " #GimbalYawDegree #FlightXSpeed #FlightYSpeed #FlightZSpeed #RtkStdLat #RtkStdLon #RtkStdHgt RtkFlag=50"
    " RtkFlag=16 #GpsLatitude #GpsLongitude #GpsLongtitude #Latitude #Longitude"
)
_ATTRIBUTES = {
    "aux=http://ns.adobe.com/exif/1.0/aux/": "SerialNumber Lens LensSerialNumber",
    "Camera=http://pix4d.com/camera/1.0/": "#GPSXYAccuracy #AboveGroundAltitude #Roll #Pitch #Yaw",
    "dji=http://www.dji.com/drone-dji/1.0/": _DJI,
    "autel=http://www.autelrobotics.com/drone/1.0/": _DJI,
    "parrot=http://www.parrot.com/drone-parrot/1.0/": (
        "CameraSerialNumber SerialNumber #DroneAltitudeEgm96Amsl #DroneAltitudeWgs84Ellipsoid #DroneRollDegree"
        " #DronePitchDegree #DroneYawDegree #CameraRollDegree #CameraPitchDegree #CameraYawDegree #DroneLatitude"
        " #DroneLongitude"
    ),
    "skydio=https://www.skydio.com/drone-skydio/1.0/": (
        "SerialNumber #RelativeAltitude #AbsoluteAltitude #Latitude #Longitude"
        " VehicleOrientationNED/Roll,Pitch,Yaw CameraOrientationNED/Roll,Pitch,Yaw"
    ),
    "yuneec=http://www.yuneec.com/drone-yuneec/1.0/": (
        "#AboveHomeAltitude #GPSAltitude #DroneRoll #DronePitch #DroneYaw #GimbalRoll #GimbalPitch #GimbalYaw"
    ),
    "exif=http://ns.adobe.com/exif/1.0/": (
        "GPSSatellites GPSStatus GPSMapDatum UserComment #ExposureTime #FNumber #ExposureBiasValue #FocalLength"
        " #FocalLengthIn35mmFilm #DigitalZoomRatio #SubjectDistance #GPSTrack #GPSImgDirection #GPSDOP"
        " #GPSHPositioningError #GPSSpeed GPSSpeedRef=K GPSSpeedRef=N #GPSAltitude GPSAltitudeRef=0 GPSAltitudeRef=1"
        " ColorSpace=1 ColorSpace=2 ExposureProgram=3 MeteringMode=5 WhiteBalance=1 ISOSpeedRatings=200 Flash/Fired"
        " GPSLatitude=10,20.5N GPSLongitude=11,21.5W DateTimeOriginal=2021-02-03T04:05:06.7+01:00"
        " DateTimeDigitized=2021-03-04T05:06:07 GPSTimeStamp=2021-04-05T06:07:08Z"
    ),
    "exifEX=http://cipa.jp/exif/1.0/": (
        "BodySerialNumber LensMake LensModel LensSerialNumber PhotographicSensitivity=320"
    ),
    "FLIR=http://www.dji.com/FLIR/1.0/": "#MAVRoll #MAVPitch #MAVYaw #MAVRelativeAltitude",
    "GPano=http://ns.google.com/photos/1.0/panorama/": (
        "ProjectionType #PoseRollDegrees #PosePitchDegrees #PoseHeadingDegrees"
    ),
    "GSpherical=http://ns.google.com/videos/1.0/spherical/": "ProjectionType",
    "Platform=http://pix4d.com/platform/1.0/": "Model SerialNumber",
    "photoshop=http://ns.adobe.com/photoshop/1.0/": "DateCreated=2021-05-06T07:08:09",
    "sensefly=http://ns.sensefly.com/Camera/1.0/": "#GPSXYAccuracy #Roll #Pitch #Yaw",
    "tiff=http://ns.adobe.com/tiff/1.0/": "Make Model Software Orientation=3 Orientation=6",
    "xmp=http://ns.adobe.com/xap/1.0/": (
        "CreatorTool #CameraRoll #CameraPitch #CameraYaw Rating=2 Rating=4 CreateDate=2021-06-07T08:09:10"
    ),
    "dc=http://purl.org/dc/elements/1.1/": "title:Alt description:Alt rights:Alt creator:Seq subject:Bag",
    "lr=http://ns.adobe.com/lightroom/1.0/": "hierarchicalSubject:Bag",
}
"""XMP by namespace: a name of text, `#` of a number, `=` with this value, `/` with fields, `:` an array."""

_TEXT_TAGS = (0x010E, 0x0110, 0x0131, 0x013B, 0x8298, 0xA433, 0xA434, 0xA435, 0xA431, 0xA436, 0xA437, 0xC62F, 0xC614)
_WINDOWS_TAGS = (0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E)
_RATIONAL_TAGS = (0x829A, 0x829D, 0x9206, 0x920A, 0xA404)
_SHORT_TAGS = {0x8827: (100, 65535), 0xA405: (24, 0), 0x4746: (1, 5)}
_LONG_TAGS = (0x8831, 0x8832, 0x8833)
_CODES = {0x0112: (1, 8), 0x8822: (2, 4), 0x9207: (1, 255), 0x9209: (0, 1, 16), 0xA001: (1, 65535), 0xA403: (0, 1)}
_DATES = {0x9003: "2022:01:02 03:04:05", 0x9004: "2022:02:03 04:05:06", 0x9291: "123", 0x9292: "45", 0x9011: "+02:00"}
_IPTC = {5: b"object", 25: b"word", 55: b"20230102", 60: b"030405+0100", 80: b"writer", 116: b"rights", 120: b"caption"}
_KINDS = ("jpeg", "png", "jpeg", "png", "heif", "jpeg", "png", "webp", "jpeg", "png", "tiff")
_PNG = (b"Title", b"Author", b"Description", b"Copyright", b"Software", b"Comment")


def medley(count: int, seed: int = 20261126) -> Iterator[bytes]:
    """Give so many photos, of all kinds of file that hold every block of metadata, in turn."""
    chance = random.Random(seed)
    for number in range(count):
        exif, xmp = _exif(chance, number), _xmp(chance, number)
        iptc = b"".join(
            b"\x1c\x02" + bytes([dataset]) + struct.pack(">H", len(value)) + value
            for dataset, value in _few_of(_IPTC, chance).items()
        )
        texts = [chunk(b"tEXt", name + b"\0a " + name) for name in _few(_PNG, chance)]
        yield _in_file(number, exif, xmp, iptc, texts)


def _in_file(number: int, exif: dict[int, Any], xmp: bytes, iptc: bytes, texts: list[bytes]) -> bytes:
    match _KINDS[number % len(_KINDS)]:
        case "jpeg":
            photoshop = segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, iptc))
            segments = exif_segment(tiff(exif)), xmp_segment(xmp), photoshop, segment(0xFE, b"a comment")
            return jpeg(*segments, width=90 + number)
        case "png":
            return png(
                chunk(b"eXIf", tiff(exif)),
                itxt(b"XML:com.adobe.xmp", xmp),
                raw_profile("iptc", iptc),
                *texts,
                width=90 + number,
            )
        case "heif":
            return heif(exif_item(tiff(exif)), Item(b"mime", xmp))
        case "webp":
            return webp(vp8x(), riff_chunk(b"EXIF", tiff(exif)), riff_chunk(b"XMP ", xmp))
        case _:
            size = {0x0100: _short(640), 0x0101: _short(480)}
            return tiff(size | exif | {XMP: (UNDEFINED, len(xmp), xmp), IPTC: (UNDEFINED, len(iptc), iptc)})


def _exif(chance: random.Random, number: int) -> dict[int, Any]:
    tags: dict[int, Any] = {tag: _ascii(f"text {tag:#x} of {number}") for tag in _TEXT_TAGS}
    tags |= {tag: (1, 16, f"win {tag:#x}"[:8].encode("utf-16-le")) for tag in _WINDOWS_TAGS}
    tags |= {tag: _ratio((tag % 97 + number, 7)) for tag in _RATIONAL_TAGS}
    tags |= {tag: _short(chance.choice(values)) for tag, values in (_SHORT_TAGS | _CODES).items()}
    tags |= {tag: (4, 1, struct.pack("<I", tag % 1000 + number)) for tag in _LONG_TAGS}
    tags |= {tag: _ascii(text) for tag, text in _DATES.items()}
    tags[0x9204] = (10, 1, struct.pack("<2i", number - 9, 3))
    tags[0x9286] = (UNDEFINED, 20, b"ASCII\0\0\0user comment")
    tags[0x927C] = (UNDEFINED, *_dji_note(number))
    gps = {
        1: _ascii(chance.choice("NS")),
        2: _ratio((number % 90, 1), (30, 1), (number, 7)),
        3: _ascii(chance.choice("EW")),
        4: _ratio((number % 180, 1), (15, 1), (number, 11)),
        5: (1, 1, bytes([chance.choice((0, 1, 2, 3))])),
        6: _ratio((1000 + number, 7)),
        7: _ratio((1, 1), (2, 1), (number * 7, 7)),
        8: _ascii("11"),
        9: _ascii("A"),
        11: _ratio((number, 10)),
        12: _ascii(chance.choice("KMN")),
        13: _ratio((number, 3)),
        15: _ratio((number, 5)),
        17: _ratio((number, 9)),
        18: _ascii("WGS-84"),
        29: _ascii("2022:03:04"),
        31: _ratio((number, 13)),
    }
    first = {tag: value for tag, value in tags.items() if tag < 0x8000 or tag in (*_WINDOWS_TAGS, 0x8298, 0xC614)}
    below = {tag: value for tag, value in tags.items() if tag not in first}
    make = {0x010F: _ascii("DJI")} if chance.random() < 0.7 else {}
    return make | _few_of(first, chance) | {EXIF_IFD: _few_of(below, chance), GPS_IFD: _few_of(gps, chance)}


def _dji_note(number: int) -> tuple[int, bytes]:
    """Speeds and angles as DJI's older aircraft note them: floats in a directory without a header."""
    tags = {1: (ASCII, 4, b"DJI\0")} | {tag: (11, 1, struct.pack("<f", tag + number / 4)) for tag in range(3, 12)}
    entries = b"".join(struct.pack("<HHI", tag, kind, count) + data for tag, (kind, count, data) in tags.items())
    note = struct.pack("<H", len(tags)) + entries + bytes(4)
    return len(note), note


def _xmp(chance: random.Random, number: int) -> bytes:
    spaces, attributes, elements = [], {}, []
    for place, (space, names) in enumerate(_ATTRIBUTES.items()):
        prefix, _, uri = space.partition("=")
        spaces.append(f'xmlns:{prefix}="{uri}"')
        for at, name in enumerate(_few(names.split(), chance)):
            value = f"{number * 0.25 + place + at / 64:.5f}"
            if ":" in name and "=" not in name:
                array, kind = name.split(":")
                elements.append(_array(prefix, array, kind, f"{prefix} {number}"))
            elif "/" in name:
                structure, _, fields = name.partition("/")
                inner = "".join(
                    f"<{prefix}:{one}>{value}{two}</{prefix}:{one}>" for two, one in enumerate(fields.split(","))
                )
                elements.append(f'<{prefix}:{structure} rdf:parseType="Resource">{inner}</{prefix}:{structure}>')
            else:
                plain, _, given = name.lstrip("#").partition("=")
                attributes[f"{prefix}:{plain}"] = given or (value if name[0] == "#" else f"{prefix} {plain} {number}")
    said = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f'{" ".join(spaces)}><rdf:Description rdf:about="" {said}>{"".join(elements)}</rdf:Description></rdf:RDF>'
        "</x:xmpmeta>"
    ).encode()


def _array(prefix: str, name: str, kind: str, text: str) -> str:
    language = ' xml:lang="x-default"' if kind == "Alt" else ""
    items = "".join(f"<rdf:li{language}>{text} {one}</rdf:li>" for one in ("one", "two")[: 1 if language else 2])
    return f"<{prefix}:{name}><rdf:{kind}>{items}</rdf:{kind}></{prefix}:{name}>"


def _few(names: Sequence[T], chance: random.Random) -> list[T]:
    """Choose few, for else the better source of a column would nearly always be there."""
    return [name for name in names if chance.random() < _SHARE]


def _few_of(values: Mapping[int, T], chance: random.Random) -> dict[int, T]:
    return {number: values[number] for number in _few(list(values), chance)}


def _ascii(text: str) -> tuple[int, int, bytes]:
    return ASCII, len(text) + 1, text.encode() + b"\0"


def _short(number: int) -> tuple[int, int, bytes]:
    return SHORT, 1, struct.pack("<H", number)


def _ratio(*pairs: tuple[int, int]) -> tuple[int, int, bytes]:
    return RATIONAL, len(pairs), b"".join(struct.pack("<2I", *pair) for pair in pairs)
