"""What ExifTool reads for each column: the table that `agreement` compares with.

It is written from ExifTool's tag tables and not from `image_processor.sources`, so that a wrong source shows.
"""

import re
from collections.abc import Callable, Iterable
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


def _text(*names: str) -> Gold:
    return Gold("text", _first(*names), names)


def _number(*names: str, reason: str = "", unless: Callable[[str], bool] = lambda value: False) -> Gold:
    def value(tags: Tags) -> Any:
        candidates = (_look_up(tags, name) for name in names)
        found = next((tag for tag in candidates if _present(tag) and not unless(str(tag))), None)
        first = found[0] if isinstance(found, list) else found
        # Several elements in one tag are one text with blanks between them.
        return first.split()[0] if isinstance(first, str) and re.match(r"[-+\d.]+ [-+\d. ]+$", first) else first

    return Gold("number", value, names, reason)


def _all(*names: str) -> Gold:
    """Return all texts of the first tag, joined as the column joins them."""

    def value(tags: Tags) -> Any:
        found = next((tags[name] for name in names if _present(tags.get(name))), None)
        return "; ".join(map(str, found)) if isinstance(found, list) else found

    return Gold("text", value, names)


def _named(names: dict[int, str], *tags: str) -> Gold:
    def value(found: Tags) -> Any:
        number = _first(*tags)(found)
        if number is None or not re.fullmatch(r"\d+", str(number)):
            return None
        return names.get(int(number), f"unknown ({number})")

    return Gold("text", value, tags)


def _dji(name: str) -> tuple[str, ...]:
    """Return a property of DJI's vocabulary, under DJI's namespace and under those that Autel has used."""
    return f"XMP-drone-dji:{name}", f"XMP-drone:{name}", f"XMP-drone-autel:{name}"


def _attitude(axis: str) -> dict[str, Gold]:
    pose = "Heading" if axis == "Yaw" else axis
    return {
        f"flight_{axis.lower()}_deg": _number(
            *_dji(f"Flight{axis}Degree"),
            f"XMP-drone-parrot:Drone{axis}Degree",
            f"XMP-drone-yuneec:Drone{axis}",
            f"XMP-drone-skydio:VehicleOrientationNED/{axis}",
            f"XMP-FLIR:MAV{axis}",
            f"DJI:{axis}",
        ),
        f"gimbal_{axis.lower()}_deg": _number(*_dji(f"Gimbal{axis}Degree"), f"XMP-drone-yuneec:Gimbal{axis}"),
        f"camera_{axis.lower()}_deg": _number(
            f"XMP-drone-parrot:Camera{axis}Degree",
            f"XMP-drone-skydio:CameraOrientationNED/{axis}",
            f"XMP-Camera:{axis}",
            f"XMP-sensefly:{axis}",
            f"XMP-xmp:Camera{axis}",
            f"DJI:Camera{axis}",
            f"XMP-GPano:Pose{pose}Degrees",
        ),
    }


def _size(part: int) -> Callable[[Tags], Any]:
    def value(tags: Tags) -> Any:
        own = ("ImageWidth", "ImageHeight")[part]
        for group in ("File", "PNG", "RIFF"):
            if _present(tags.get(f"{group}:{own}")):
                return tags[f"{group}:{own}"]
        size = str(tags.get("Composite:ImageSize", "")).split()
        return size[part] if len(size) == 2 else None

    return value


def _flash(tags: Tags) -> Any:
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


_CAPTURED = (
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


def _captured_at(tags: Tags) -> Any:
    for name in _CAPTURED:
        text = tags.get(name)
        if name == "IPTC:DateCreated" and text:
            text = f"{text} {tags.get('IPTC:TimeCreated', '')}"
        if (moment := _moment(text)) is not None:
            return moment
    return None


def _gps_datetime(tags: Tags) -> Any:
    date, time = tags.get("GPS:GPSDateStamp"), tags.get("GPS:GPSTimeStamp")
    if _present(date) and _present(time):
        return _moment(f"{date} {time}Z")
    moment = _moment(tags.get("XMP-exif:GPSDateTime"))
    if moment is None or moment.endswith("Z"):
        return moment
    zone = moment[-6:] if moment[-6] in "+-" else ""
    second = datetime.fromisoformat(moment[:19] + (zone or "+00:00")).astimezone(UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}{moment[19 : len(moment) - len(zone)]}Z"


_COORDINATES = (
    ("GPS:GPSLatitude", "GPS:GPSLongitude"),
    ("XMP-exif:GPSLatitude", "XMP-exif:GPSLongitude"),
    ("XMP-drone-dji:GPSLatitude", "XMP-drone-dji:GPSLongitude"),
    ("XMP-drone-dji:GPSLatitude", "XMP-drone-dji:GPSLongtitude"),
    ("XMP-drone:GpsLatitude", "XMP-drone:GpsLongitude"),
    ("XMP-drone:GpsLatitude", "XMP-drone:GpsLongtitude"),
    ("XMP-drone-dji:Latitude", "XMP-drone-dji:Longitude"),
    ("XMP-drone-skydio:Latitude", "XMP-drone-skydio:Longitude"),
    ("XMP-drone-parrot:DroneLatitude", "XMP-drone-parrot:DroneLongitude"),
)


def _coordinate(part: int) -> Callable[[Tags], Any]:
    def value(tags: Tags) -> Any:
        for pair in _COORDINATES:
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


def _altitude(tags: Tags) -> Any:
    for group in ("GPS", "XMP-exif"):
        metres = tags.get(f"{group}:GPSAltitude")
        if _present(metres):
            below = str(tags.get(f"{group}:GPSAltitudeRef", "0")) in ("1", "3", "49")
            return f"-{str(metres).lstrip('-')}" if below else metres
    return None


_TO_MPS = {"K": Decimal(1000) / 3600, "M": Decimal("1609.344") / 3600, "N": Decimal(1852) / 3600}


def _speed(tags: Tags) -> Any:
    for group in ("GPS", "XMP-exif"):
        speed = tags.get(f"{group}:GPSSpeed")
        if _present(speed):
            unit = str(tags.get(f"{group}:GPSSpeedRef", "K")).strip().upper()[:1]
            return f"{Decimal(str(speed)) * _TO_MPS[unit]:.10f}" if unit in _TO_MPS else None
    return None


def _keywords(tags: Tags) -> Any:
    words: list[str] = []
    for name in ("XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "IPTC:Keywords"):
        found = tags.get(name, [])
        words.extend(map(str, found if isinstance(found, list) else [found]))
    words.extend(str(tags.get("IFD0:XPKeywords", "")).split(";"))
    words = [word.strip() for word in words if word.strip()]
    return list(dict.fromkeys(words)) or None


def _iso(tags: Tags) -> Any:
    names = ("ExifIFD:ISO", "IFD0:ISO", "XMP-exif:ISO", "XMP-exifEX:PhotographicSensitivity")
    fallback = ("ExifIFD:RecommendedExposureIndex", "ExifIFD:ISOSpeed", "ExifIFD:StandardOutputSensitivity")
    found = _number(*names, *fallback, unless=lambda value: value == "65535").value
    assert found is not None
    return found(tags) or _first(*names)(tags)


def _is_infinite(value: str) -> bool:
    digits = value.replace(".", "").rstrip("0")
    return digits == "4294967295"


_MEDIA_TYPES = {"application/vnd.adobe.photoshop": "image/vnd.adobe.photoshop"}
_EXPOSURE_PROGRAM = dict(
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
_METERING = dict(
    enumerate(("Unknown", "Average", "CenterWeightedAverage", "Spot", "MultiSpot", "Pattern", "Partial"))
) | {255: "Other"}
_COLOR_SPACE = {1: "sRGB", 2: "Adobe RGB", 65533: "Wide Gamut RGB", 65534: "ICC Profile", 65535: "Uncalibrated"}

GOLD: dict[str, Gold] = {
    "ingested_at": Gold(reason="the ledger's own"),
    "etag": Gold(reason="the object's"),
    "revision": Gold(reason="the ledger's own"),
    "bucket": Gold(reason="the object's"),
    "key": Gold(reason="the object's"),
    "size_bytes": Gold(reason="the object's"),
    "copies": Gold(reason="the ledger's own"),
    "content_type": Gold(
        "text",
        lambda tags: _MEDIA_TYPES.get(tags.get("File:MIMEType", ""), tags.get("File:MIMEType")),
        ("File:MIMEType",),
        "Photoshop files under the name that IANA has registered",
    ),
    "last_modified": Gold(reason="the object's"),
    "width_px": Gold(
        "number", _size(0), ("File:ImageWidth", "PNG:ImageWidth", "RIFF:ImageWidth", "Composite:ImageSize")
    ),
    "height_px": Gold(
        "number", _size(1), ("File:ImageHeight", "PNG:ImageHeight", "RIFF:ImageHeight", "Composite:ImageSize")
    ),
    "orientation": _number(
        "IFD0:Orientation",
        "ExifIFD:Orientation",
        "XMP-tiff:Orientation",
        unless=lambda value: not re.fullmatch("[1-8]", value),
        reason="Exif knows the orientations 1 to 8",
    ),
    "color_space": _named(_COLOR_SPACE, "ExifIFD:ColorSpace", "IFD0:ColorSpace", "XMP-exif:ColorSpace"),
    "make": _text("IFD0:Make", "ExifIFD:Make", "XMP-tiff:Make"),
    "model": _text("IFD0:Model", "ExifIFD:Model", "XMP-tiff:Model", "IFD0:UniqueCameraModel"),
    "serial_number": _text(
        "ExifIFD:SerialNumber",
        "IFD0:SerialNumber",
        "IFD0:CameraSerialNumber",
        "ExifIFD:CameraSerialNumber",
        "XMP-exifEX:BodySerialNumber",
        "XMP-exifEX:SerialNumber",
        "XMP-aux:SerialNumber",
        *_dji("CameraSerialNumber"),
        "XMP-drone-parrot:CameraSerialNumber",
    ),
    "lens_make": _text("ExifIFD:LensMake", "IFD0:LensMake", "XMP-exifEX:LensMake"),
    "lens_model": _text("ExifIFD:LensModel", "IFD0:LensModel", "XMP-exifEX:LensModel", "XMP-aux:Lens"),
    "lens_serial_number": _text(
        "ExifIFD:LensSerialNumber",
        "IFD0:LensSerialNumber",
        "XMP-exifEX:LensSerialNumber",
        "XMP-aux:LensSerialNumber",
    ),
    "software": _text("IFD0:Software", "ExifIFD:Software", "XMP-tiff:Software", "XMP-xmp:CreatorTool", "PNG:Software"),
    "captured_at": Gold(
        "moment",
        _captured_at,
        _CAPTURED,
        "a blank date, one without a time and one that no calendar has are no point in time",
    ),
    "exposure_time_s": _number("ExifIFD:ExposureTime", "IFD0:ExposureTime", "XMP-exif:ExposureTime"),
    "f_number": _number("ExifIFD:FNumber", "IFD0:FNumber", "XMP-exif:FNumber"),
    "iso": Gold("number", _iso, ("ExifIFD:ISO", "XMP-exif:ISO", "XMP-exifEX:PhotographicSensitivity")),
    "exposure_bias_ev": _number(
        "ExifIFD:ExposureCompensation", "IFD0:ExposureCompensation", "XMP-exif:ExposureCompensation"
    ),
    "exposure_program": _named(
        _EXPOSURE_PROGRAM, "ExifIFD:ExposureProgram", "IFD0:ExposureProgram", "XMP-exif:ExposureProgram"
    ),
    "metering_mode": _named(_METERING, "ExifIFD:MeteringMode", "IFD0:MeteringMode", "XMP-exif:MeteringMode"),
    "flash_fired": Gold("number", _flash, ("ExifIFD:Flash", "XMP-exif:Flash")),
    "white_balance": _named(
        {0: "Auto", 1: "Manual"}, "IFD0:WhiteBalance", "ExifIFD:WhiteBalance", "XMP-exif:WhiteBalance"
    ),
    "focal_length_mm": _number("ExifIFD:FocalLength", "IFD0:FocalLength", "XMP-exif:FocalLength"),
    "focal_length_35mm_mm": _number(
        "ExifIFD:FocalLengthIn35mmFormat", "IFD0:FocalLengthIn35mmFormat", "XMP-exif:FocalLengthIn35mmFormat"
    ),
    "digital_zoom_ratio": _number("ExifIFD:DigitalZoomRatio", "IFD0:DigitalZoomRatio", "XMP-exif:DigitalZoomRatio"),
    "subject_distance_m": _number(
        "ExifIFD:SubjectDistance",
        "IFD0:SubjectDistance",
        "XMP-exif:SubjectDistance",
        unless=_is_infinite,
        reason="the numerator 0xFFFFFFFF means infinity",
    ),
    "gps_latitude_deg": Gold(
        "number",
        _coordinate(0),
        tuple(pair[0] for pair in _COORDINATES),
        "0, 0 is no fix; a place that is not on Earth or has no hemisphere is none",
    ),
    "gps_longitude_deg": Gold("number", _coordinate(1), tuple(pair[1] for pair in _COORDINATES), "as gps_latitude_deg"),
    "gps_altitude_m": Gold("number", _altitude, ("GPS:GPSAltitude", "XMP-exif:GPSAltitude")),
    "gps_altitude_ref": _number("GPS:GPSAltitudeRef", "XMP-exif:GPSAltitudeRef"),
    "gps_datetime": Gold(
        "moment",
        _gps_datetime,
        ("GPS:GPSDateStamp", "GPS:GPSTimeStamp", "XMP-exif:GPSDateTime"),
        "a time without its date is no point in time",
    ),
    "gps_speed_mps": Gold("number", _speed, ("GPS:GPSSpeed", "XMP-exif:GPSSpeed")),
    "gps_track_deg": _number("GPS:GPSTrack", "XMP-exif:GPSTrack"),
    "gps_image_direction_deg": _number("GPS:GPSImgDirection", "XMP-exif:GPSImgDirection"),
    "gps_dop": _number("GPS:GPSDOP", "XMP-exif:GPSDOP"),
    "gps_horizontal_error_m": _number(
        "GPS:GPSHPositioningError",
        "XMP-exif:GPSHPositioningError",
        "XMP-Camera:GPSXYAccuracy",
        "XMP-sensefly:GPSXYAccuracy",
    ),
    "gps_satellites": _text("GPS:GPSSatellites", "XMP-exif:GPSSatellites"),
    "gps_status": _text("GPS:GPSStatus", "XMP-exif:GPSStatus", *_dji("GpsStatus")),
    "gps_map_datum": _text("GPS:GPSMapDatum", "XMP-exif:GPSMapDatum"),
    "relative_altitude_m": _number(
        *_dji("RelativeAltitude"),
        "XMP-drone-skydio:RelativeAltitude",
        "XMP-drone-yuneec:AboveHomeAltitude",
        "XMP-FLIR:MAVRelativeAltitude",
        "XMP-Camera:AboveGroundAltitude",
    ),
    "absolute_altitude_m": _number(
        *_dji("AbsoluteAltitude"),
        "XMP-drone-skydio:AbsoluteAltitude",
        "XMP-drone-yuneec:GPSAltitude",
        "XMP-drone-parrot:DroneAltitudeEgm96Amsl",
        "XMP-drone-parrot:DroneAltitudeWgs84Ellipsoid",
    ),
    "altitude_type": _text(*_dji("AltitudeType")),
    **_attitude("Roll"),
    **_attitude("Pitch"),
    **_attitude("Yaw"),
    "flight_x_speed_mps": _number(*_dji("FlightXSpeed"), "DJI:SpeedX"),
    "flight_y_speed_mps": _number(*_dji("FlightYSpeed"), "DJI:SpeedY"),
    "flight_z_speed_mps": _number(*_dji("FlightZSpeed"), "DJI:SpeedZ"),
    "rtk_flag": _number(*_dji("RtkFlag")),
    "rtk_std_latitude_m": _number(*_dji("RtkStdLat")),
    "rtk_std_longitude_m": _number(*_dji("RtkStdLon")),
    "rtk_std_height_m": _number(*_dji("RtkStdHgt")),
    "drone_model": _text(*_dji("DroneModel"), *_dji("ProductName"), "XMP-Platform:Model"),
    "drone_serial_number": _text(
        *_dji("DroneSerialNumber"),
        "XMP-drone-parrot:SerialNumber",
        "XMP-drone-skydio:SerialNumber",
        "XMP-Platform:SerialNumber",
    ),
    "title": _text("XMP-dc:Title", "IPTC:ObjectName", "IFD0:XPTitle", "ExifIFD:ImageTitle", "PNG:Title"),
    "description": _text(
        "IFD0:ImageDescription",
        "ExifIFD:ImageDescription",
        "XMP-dc:Description",
        "IPTC:Caption-Abstract",
        "PNG:Description",
    ),
    "author": _all(
        "IFD0:Artist",
        "ExifIFD:Artist",
        "XMP-dc:Creator",
        "IPTC:By-line",
        "IFD0:XPAuthor",
        "ExifIFD:Photographer",
        "PNG:Author",
    ),
    "copyright": _text("IFD0:Copyright", "ExifIFD:Copyright", "XMP-dc:Rights", "IPTC:CopyrightNotice", "PNG:Copyright"),
    "comment": _text(
        "ExifIFD:UserComment",
        "IFD0:UserComment",
        "XMP-exif:UserComment",
        "IFD0:XPComment",
        "PNG:Comment",
        "File:Comment",
        "GIF:Comment",
    ),
    "keywords": Gold(
        "words",
        _keywords,
        ("XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "IPTC:Keywords", "IFD0:XPKeywords"),
    ),
    "rating": _number("IFD0:Rating", "ExifIFD:Rating", "XMP-xmp:Rating"),
    "projection_type": _text("XMP-GPano:ProjectionType", "XMP-GSpherical:ProjectionType"),
    "xmp_packets": Gold(reason="ExifTool does not count packets"),
    "warnings": Gold(reason="ExifTool warns of other things"),
    "exif": Gold(reason="compared by the number of tags"),
    "xmp": Gold(reason="compared by the number of tags"),
}

_DERIVED = re.compile(r"(Thumbnail|Preview|Other)(Image|TIFF)|JpgFromRaw")
_EXIF_GROUP = re.compile(r"(?:IFD\d+|ExifIFD|GPS|InteropIFD|SubIFD\d*):")


def exif_tags(tags: Tags) -> int:
    """Count ExifTool's Exif tags, without the pictures that it cuts out of the file."""
    return sum(1 for name in tags if _EXIF_GROUP.match(name) and not _DERIVED.match(name.partition(":")[2]))


def xmp_tags(tags: Tags) -> int:
    """Count ExifTool's XMP tags; the languages of one property count once."""
    names = (name for name in tags if name.startswith("XMP-"))
    return len({re.sub(r"-[a-z]{2,3}(-[A-Za-z]+)*$", "", name) for name in names})


def describe() -> Iterable[tuple[str, str]]:
    """Return column and tags, for the reader of the benchmark's `--tags`."""
    return ((column, ", ".join(gold.tags) or f"none: {gold.reason}") for column, gold in GOLD.items())
