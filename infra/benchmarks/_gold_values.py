"""How ExifTool's tags become the value of a column: the vocabulary of `_gold`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

Kind = Literal["text", "number", "moment", "words"]
Tags = dict[str, Any]
"""ExifTool's `-j -G1 -struct -n` output of one file; numbers are kept as the digits that it wrote."""


@dataclass(frozen=True, slots=True)
class Gold:
    """How ExifTool's value for a column is found.

    Attributes:
        kind: how it is compared.
        value: gives it from the tags, or None if there is none.
        tags: the tags it comes from, best first, for the reader.
        reason: why ExifTool's value counts as none in some cases, or why there is no tag at all.
    """

    kind: Kind = "text"
    value: Callable[[Tags], Any] | None = None
    tags: tuple[str, ...] = ()
    reason: str = ""


_WITHOUT_VALUE = ("undef", "inf", "-inf", "nan", "infinity", "-infinity")


def _present(value: Any) -> bool:
    """Tell a value from what ExifTool shows for a blank text or a quotient without value."""
    if isinstance(value, str):
        return bool(value.strip(" \t\r\n\0")) and value.lower() not in _WITHOUT_VALUE
    return value is not None and value != [] and not isinstance(value, dict)


STANDARD = frozenset(
    (
        *("aux", "crd", "crs", "dc", "exif", "exifEX", "expressionmedia", "GCamera", "GImage"),
        *("GPano", "GSpherical", "hdrgm", "iptcCore", "iptcExt", "lr", "mediapro", "MP", "mwg-rs"),
        *("pdf", "pdfx", "photomech", "photoshop", "plus", "rdf", "tiff", "x", "xmp"),
        *("xmpBJ", "xmpDM", "xmpMM", "xmpNote", "xmpRights", "xmpTPg"),
    )
)
"""ExifTool's XMP groups whose properties are no maker's."""

MADE_UP = frozenset({"acme"})
"""Groups of no maker that there is: what their properties mean nobody knows."""


def with_makers(tags: Tags) -> Tags:
    """Add what makers' own XMP says by its name alone, `XMP-*:Name`: the group is the prefix that the file uses."""
    found: Tags = {}
    for key, value in tags.items():
        group, _, name = key.removeprefix("XMP-").partition(":")
        if key.startswith("XMP-") and group not in STANDARD | MADE_UP:
            found.setdefault(f"XMP-*:{name}", value)
    return tags | found


def _look_up(tags: Tags, name: str) -> Any:
    """Return a tag, or with `/` a field of a structure."""
    structure, _, field = name.partition("/")
    value = tags.get(structure)
    return value.get(field) if field and isinstance(value, dict) else None if field else value


def _first(*names: str) -> Callable[[Tags], Any]:
    def value(tags: Tags) -> Any:
        found = next((tags[name] for name in names if _present(tags.get(name))), None)
        return found[0] if isinstance(found, list) else found

    return value


def text(*names: str) -> Gold:
    """Compare with the first text of these tags."""
    return Gold("text", _first(*names), names)


def number(*names: str, reason: str = "", unless: Callable[[str], bool] = lambda value: False) -> Gold:
    """Compare with the first number of these tags that is not one of which `unless` says that it means nothing."""

    def value(tags: Tags) -> Any:
        candidates = (_look_up(tags, name) for name in names)
        found = next((tag for tag in candidates if _present(tag) and not unless(str(tag))), None)
        first = found[0] if isinstance(found, list) else found
        # Several elements in one tag are one text with blanks between them.
        return first.split()[0] if isinstance(first, str) and re.match(r"[-+\d.]+ [-+\d. ]+$", first) else first

    return Gold("number", value, names, reason)


def joined(*names: str) -> Gold:
    """Return all texts of the first tag, joined as the column joins them."""

    def value(tags: Tags) -> Any:
        found = next((tags[name] for name in names if _present(tags.get(name))), None)
        return "; ".join(map(str, found)) if isinstance(found, list) else found

    return Gold("text", value, names)


def named(names: dict[int, str], *tags: str) -> Gold:
    """Compare with the name of the number that the first of these tags has."""

    def value(found: Tags) -> Any:
        number = _first(*tags)(found)
        if number is None or not re.fullmatch(r"\d+", str(number)):
            return None
        return names.get(int(number), f"unknown ({number})")

    return Gold("text", value, tags)


def dji(name: str) -> tuple[str, ...]:
    """Return a property of DJI's vocabulary: DJI's own, or under whatever prefix the maker chose."""
    return f"XMP-drone-dji:{name}", f"XMP-*:{name}"


def attitude(axis: str) -> dict[str, Gold]:
    """Return the columns of one axis: aircraft, gimbal and camera."""
    pose = "Heading" if axis == "Yaw" else axis
    return {
        f"flight_{axis.lower()}_deg": number(
            *dji(f"Flight{axis}Degree"),
            f"XMP-*:Drone{axis}Degree",
            f"XMP-*:Drone{axis}",
            f"XMP-*:VehicleOrientationNED/{axis}",
            f"XMP-*:MAV{axis}",
            f"XMP-exif:Platform{axis}",
            f"DJI:{axis}",
        ),
        f"gimbal_{axis.lower()}_deg": number(*dji(f"Gimbal{axis}Degree"), f"XMP-*:Gimbal{axis}"),
        f"camera_{axis.lower()}_deg": number(
            f"XMP-*:Camera{axis}Degree",
            f"XMP-*:CameraOrientationNED/{axis}",
            f"XMP-*:{axis}",
            f"XMP-xmp:Camera{axis}",
            f"XMP-exif:Camera{axis}",
            f"XMP-*:Camera{axis}",
            f"DJI:Camera{axis}",
            f"XMP-GPano:Pose{pose}Degrees",
        ),
    }


def size(part: int) -> Callable[[Tags], Any]:
    """Return width (0) or height (1) of the picture as stored."""

    def value(tags: Tags) -> Any:
        own = ("ImageWidth", "ImageHeight")[part]
        for group in ("File", "PNG", "RIFF"):
            if _present(tags.get(f"{group}:{own}")):
                return tags[f"{group}:{own}"]
        size = str(tags.get("Composite:ImageSize", "")).split()
        return size[part] if len(size) == 2 else None

    return value


def flash(tags: Tags) -> Any:
    """Return whether the flash fired, 1 or 0."""
    code = _first("ExifIFD:Flash", "IFD0:Flash")(tags)
    if code is not None:
        return str(int(code) & 1) if str(code).isdigit() else None
    flash = tags.get("XMP-exif:Flash")
    if not isinstance(flash, dict) or "Fired" not in flash:
        return None
    return str(int(str(flash["Fired"]).lower() == "true"))


def _moment(text: Any) -> str | None:
    """Return a date and time of ExifTool as ISO 8601; None for one that is blank or has no time."""
    match = re.fullmatch(
        r"(\d{4}):(\d\d):(\d\d)[ T](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|[+-]\d\d:\d\d)?", str(text).strip()
    )
    if match is None or match[1] == "0000":
        return None
    year, month, day, time, fraction, zone = match.groups()
    second = f"{year}-{month}-{day}T{time if len(time) == 8 else time + ':00'}"
    try:
        datetime.fromisoformat(second)
    except ValueError:  # 30 February, 24:00:00
        return None
    return f"{second}{fraction or ''}{zone or ''}"


CAPTURED = (
    "Composite:SubSecDateTimeOriginal",
    "ExifIFD:DateTimeOriginal",
    "IFD0:DateTimeOriginal",
    "XMP-exif:DateTimeOriginal",
    "Composite:SubSecCreateDate",
    "ExifIFD:CreateDate",
    "IFD0:CreateDate",
    "XMP-exif:DateTimeDigitized",
    "XMP-photoshop:DateCreated",
    "IPTC:DateCreated",
    "XMP-xmp:CreateDate",
)


def captured_at(tags: Tags) -> Any:
    """Return when the picture was taken."""
    for name in CAPTURED:
        text = tags.get(name)
        if name == "IPTC:DateCreated" and text:
            text = f"{text} {tags.get('IPTC:TimeCreated', '')}"
        if (moment := _moment(text)) is not None:
            return moment
    return None


def gps_datetime(tags: Tags) -> Any:
    """Return the time of the fix in UTC."""
    date, time = tags.get("GPS:GPSDateStamp"), tags.get("GPS:GPSTimeStamp")
    if _present(date) and _present(time):
        return _moment(f"{date} {time}Z")
    moment = _moment(tags.get("XMP-exif:GPSDateTime"))
    if moment is None or moment.endswith("Z"):
        return moment
    zone = moment[-6:] if moment[-6] in "+-" else ""
    second = datetime.fromisoformat(moment[:19] + (zone or "+00:00")).astimezone(UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}{moment[19 : len(moment) - len(zone)]}Z"


COORDINATES = (
    ("GPS:GPSLatitude", "GPS:GPSLongitude"),
    ("XMP-exif:GPSLatitude", "XMP-exif:GPSLongitude"),
    ("XMP-drone-dji:GPSLatitude", "XMP-drone-dji:GPSLongitude"),
    ("XMP-drone-dji:GPSLatitude", "XMP-drone-dji:GPSLongtitude"),
    ("XMP-*:GpsLatitude", "XMP-*:GpsLongitude"),
    ("XMP-*:GpsLatitude", "XMP-*:GpsLongtitude"),
    ("XMP-*:Latitude", "XMP-*:Longitude"),
    ("XMP-*:DroneLatitude", "XMP-*:DroneLongitude"),
)


def coordinate(part: int) -> Callable[[Tags], Any]:
    """Return latitude (0) or longitude (1) of the first pair that is a place."""

    def value(tags: Tags) -> Any:
        for pair in COORDINATES:
            both = [_signed(tags, name) for name in pair]
            if None not in both and any(both):  # 0, 0 is no place
                return f"{both[part]:f}" if both[part] is not None else None
        return None

    return value


def _signed(tags: Tags, name: str) -> Decimal | None:
    if not _present(tags.get(name)):
        return None
    degrees = Decimal(str(tags[name]))
    if name.startswith("GPS:"):
        reference = str(tags.get(f"{name}Ref", "")).strip().upper()[:1]
        if reference not in ("N", "S", "E", "W"):
            return None
        degrees = -degrees if reference in ("S", "W") else degrees
    return degrees if abs(degrees) <= (90 if "Lat" in name else 180) else None


def altitude(tags: Tags) -> Any:
    """Return the altitude with its sign."""
    for group in ("GPS", "XMP-exif"):
        metres = tags.get(f"{group}:GPSAltitude")
        if _present(metres):
            below = str(tags.get(f"{group}:GPSAltitudeRef", "0")) in ("1", "3", "49")
            return f"-{str(metres).lstrip('-')}" if below else metres
    return None


_TO_MPS = {"K": Decimal(1000) / 3600, "M": Decimal("1609.344") / 3600, "N": Decimal(1852) / 3600}


def speed(tags: Tags) -> Any:
    """Return the speed in m/s."""
    for group in ("GPS", "XMP-exif"):
        speed = tags.get(f"{group}:GPSSpeed")
        if _present(speed):
            unit = str(tags.get(f"{group}:GPSSpeedRef", "K")).strip().upper()[:1]
            return f"{Decimal(str(speed)) * _TO_MPS[unit]:.10f}" if unit in _TO_MPS else None
    return None


def keywords(tags: Tags) -> Any:
    """Return the keywords of all sources, each once."""
    words: list[str] = []
    for name in ("XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "IPTC:Keywords"):
        found = tags.get(name, [])
        words.extend(map(str, found if isinstance(found, list) else [found]))
    words.extend(str(tags.get("IFD0:XPKeywords", "")).split(";"))
    words = [word.strip() for word in words if word.strip()]
    return list(dict.fromkeys(words)) or None


def iso(tags: Tags) -> Any:
    """Return the sensitivity; 65535 says that it stands in a later tag."""
    names = ("ExifIFD:ISO", "IFD0:ISO", "XMP-exif:ISO", "XMP-exifEX:PhotographicSensitivity")
    fallback = ("ExifIFD:RecommendedExposureIndex", "ExifIFD:ISOSpeed", "ExifIFD:StandardOutputSensitivity")
    found = number(*names, *fallback, unless=lambda value: value == "65535").value
    assert found is not None
    return found(tags) or _first(*names)(tags)


def is_infinite(value: str) -> bool:
    """Tell a distance whose numerator is 0xFFFFFFFF."""
    digits = value.replace(".", "").rstrip("0")
    return digits == "4294967295"


MEDIA_TYPES = {"application/vnd.adobe.photoshop": "image/vnd.adobe.photoshop"}
EXPOSURE_PROGRAM = dict(
    enumerate(
        (
            "Not defined",
            "Manual",
            "Normal program",
            "Aperture priority",
            "Shutter priority",
            "Creative program",
            "Action program",
            "Portrait mode",
            "Landscape mode",
            "Bulb",
        )
    )
)
METERING = dict(
    enumerate(("Unknown", "Average", "CenterWeightedAverage", "Spot", "MultiSpot", "Pattern", "Partial"))
) | {255: "Other"}
COLOR_SPACE = {1: "sRGB", 2: "Adobe RGB", 65533: "Wide Gamut RGB", 65534: "ICC Profile", 65535: "Uncalibrated"}
