"""Where each column's value comes from, best source first: `cells` follows these tables, the CSV's schema states them.

A source is `EXIF:` and the name of a tag of the main image, `DJI:` and a name of DJI's maker note, `IPTC:` and the name
of a dataset, `PNG:` and a keyword, or an XMP property under its well-known prefix; `/` leads into a structure.
"""

from collections.abc import Iterable
from itertools import chain

LIKE_DJI = (
    "drone-autel",
    "drone-gopro",
    "drone-hasselblad",
    "drone-insta360",
    "drone-teal",
    "drone-wingtra",
    "MicaSense",
    "Sentera",
)
"""Autel, which took over DJI's vocabulary, and makers in whose own namespaces its names would mean the same."""


def _dji(name: str) -> tuple[str, ...]:
    """Return a property of DJI's vocabulary, in all namespaces that may have it."""
    return tuple(f"{prefix}:{name}" for prefix in ("drone-dji", *LIKE_DJI))


def _teal(name: str) -> tuple[str, str]:
    """Return a property of Teal's, which stands in Exif's namespace as if it were a standard one."""
    return f"exif:{name}", f"drone-teal:{name}"


def _attitude(axis: str) -> dict[str, tuple[str, ...]]:
    return {
        f"flight_{axis.lower()}_deg": (
            *_dji(f"Flight{axis}Degree"),
            f"drone-parrot:Drone{axis}Degree",
            f"drone-yuneec:Drone{axis}",
            f"drone-skydio:VehicleOrientationNED/{axis}",
            f"FLIR:MAV{axis}",
            *_teal(f"Platform{axis}"),
            f"DJI:{axis}",
        ),
        f"gimbal_{axis.lower()}_deg": (*_dji(f"Gimbal{axis}Degree"), f"drone-yuneec:Gimbal{axis}"),
        f"camera_{axis.lower()}_deg": (
            f"drone-parrot:Camera{axis}Degree",
            f"drone-skydio:CameraOrientationNED/{axis}",
            f"Camera:{axis}",
            f"sensefly:{axis}",
            f"xmp:Camera{axis}",
            *_teal(f"Camera{axis}"),
            f"DJI:Camera{axis}",
            f"GPano:Pose{'Heading' if axis == 'Yaw' else axis}Degrees",
        ),
    }


TEXTS: dict[str, tuple[str, ...]] = {
    "make": ("EXIF:Make", "tiff:Make"),
    "model": ("EXIF:Model", "tiff:Model", "EXIF:UniqueCameraModel"),
    "serial_number": (
        "EXIF:BodySerialNumber",
        "EXIF:CameraSerialNumber",
        "exifEX:BodySerialNumber",
        "aux:SerialNumber",
        *_dji("CameraSerialNumber"),
        "drone-parrot:CameraSerialNumber",
    ),
    "lens_make": ("EXIF:LensMake", "exifEX:LensMake"),
    "lens_model": ("EXIF:LensModel", "exifEX:LensModel", "aux:Lens"),
    "lens_serial_number": ("EXIF:LensSerialNumber", "exifEX:LensSerialNumber", "aux:LensSerialNumber"),
    "software": ("EXIF:Software", "tiff:Software", "xmp:CreatorTool", "PNG:Software"),
    "gps_satellites": ("EXIF:GPSSatellites", "exif:GPSSatellites"),
    "gps_status": ("EXIF:GPSStatus", "exif:GPSStatus", *_dji("GpsStatus")),
    "gps_map_datum": ("EXIF:GPSMapDatum", "exif:GPSMapDatum"),
    "altitude_type": _dji("AltitudeType"),
    "drone_model": (*_dji("DroneModel"), *_dji("ProductName"), "Platform:Model"),
    "drone_serial_number": (
        *_dji("DroneSerialNumber"),
        "drone-parrot:SerialNumber",
        "drone-skydio:SerialNumber",
        "Platform:SerialNumber",
    ),
    "title": ("dc:title", "IPTC:ObjectName", "EXIF:XPTitle", "EXIF:ImageTitle", "PNG:Title"),
    "description": ("EXIF:ImageDescription", "dc:description", "IPTC:Caption-Abstract", "PNG:Description"),
    "copyright": ("EXIF:Copyright", "dc:rights", "IPTC:CopyrightNotice", "PNG:Copyright"),
    "projection_type": ("GPano:ProjectionType", "GSpherical:ProjectionType"),
}
"""Columns that take the first text there is."""

JOINED: dict[str, tuple[str, ...]] = {
    "author": ("EXIF:Artist", "dc:creator", "IPTC:By-line", "EXIF:XPAuthor", "EXIF:Photographer", "PNG:Author"),
}
"""Columns that take all texts of the first source there is, joined by `; `."""

NUMBERS: dict[str, tuple[str, ...]] = {
    "exposure_time_s": ("EXIF:ExposureTime", "exif:ExposureTime"),
    "f_number": ("EXIF:FNumber", "exif:FNumber"),
    "exposure_bias_ev": ("EXIF:ExposureBiasValue", "exif:ExposureBiasValue"),
    "focal_length_mm": ("EXIF:FocalLength", "exif:FocalLength"),
    "focal_length_35mm_mm": ("EXIF:FocalLengthIn35mmFilm", "exif:FocalLengthIn35mmFilm"),
    "digital_zoom_ratio": ("EXIF:DigitalZoomRatio", "exif:DigitalZoomRatio"),
    "subject_distance_m": ("EXIF:SubjectDistance", "exif:SubjectDistance"),
    "gps_track_deg": ("EXIF:GPSTrack", "exif:GPSTrack"),
    "gps_image_direction_deg": ("EXIF:GPSImgDirection", "exif:GPSImgDirection"),
    "gps_dop": ("EXIF:GPSDOP", "exif:GPSDOP"),
    "gps_horizontal_error_m": (
        "EXIF:GPSHPositioningError",
        "exif:GPSHPositioningError",
        "Camera:GPSXYAccuracy",
        "sensefly:GPSXYAccuracy",
    ),
    "relative_altitude_m": (
        *_dji("RelativeAltitude"),
        "drone-skydio:RelativeAltitude",
        "drone-yuneec:AboveHomeAltitude",
        "FLIR:MAVRelativeAltitude",
        "Camera:AboveGroundAltitude",
    ),
    "absolute_altitude_m": (
        *_dji("AbsoluteAltitude"),
        "drone-skydio:AbsoluteAltitude",
        "drone-yuneec:GPSAltitude",
        "drone-parrot:DroneAltitudeEgm96Amsl",
        "drone-parrot:DroneAltitudeWgs84Ellipsoid",
    ),
    **_attitude("Roll"),
    **_attitude("Pitch"),
    **_attitude("Yaw"),
    "flight_x_speed_mps": (*_dji("FlightXSpeed"), "DJI:SpeedX"),
    "flight_y_speed_mps": (*_dji("FlightYSpeed"), "DJI:SpeedY"),
    "flight_z_speed_mps": (*_dji("FlightZSpeed"), "DJI:SpeedZ"),
    "rtk_std_latitude_m": _dji("RtkStdLat"),
    "rtk_std_longitude_m": _dji("RtkStdLon"),
    "rtk_std_height_m": _dji("RtkStdHgt"),
}
"""Decimal columns that take the first usable number."""

INTEGERS: dict[str, tuple[str, ...]] = {
    "gps_altitude_ref": ("EXIF:GPSAltitudeRef", "exif:GPSAltitudeRef"),
    "rtk_flag": _dji("RtkFlag"),
    "rating": ("EXIF:Rating", "xmp:Rating"),
}
"""Integer columns that take the first usable integer."""

ENUMERATIONS: dict[str, tuple[tuple[str, ...], dict[int, str]]] = {
    "color_space": (
        ("EXIF:ColorSpace", "exif:ColorSpace"),
        {1: "sRGB", 2: "Adobe RGB", 0xFFFD: "Wide Gamut RGB", 0xFFFE: "ICC Profile"}
        | dict.fromkeys((0xFFFF, 0xFFFFFFFF, -1), "Uncalibrated"),
    ),
    "exposure_program": (
        ("EXIF:ExposureProgram", "exif:ExposureProgram"),
        {
            0: "Not defined",
            1: "Manual",
            2: "Normal program",
            3: "Aperture priority",
            4: "Shutter priority",
            5: "Creative program",
            6: "Action program",
            7: "Portrait mode",
            8: "Landscape mode",
            9: "Bulb",
        },
    ),
    "metering_mode": (
        ("EXIF:MeteringMode", "exif:MeteringMode"),
        {
            0: "Unknown",
            1: "Average",
            2: "CenterWeightedAverage",
            3: "Spot",
            4: "MultiSpot",
            5: "Pattern",
            6: "Partial",
            255: "Other",
        },
    ),
    "white_balance": (("EXIF:WhiteBalance", "exif:WhiteBalance"), {0: "Auto", 1: "Manual"}),
}
"""Columns that name a number as Exif 2.32 (tables 8 and 9) does; the others are makers' additions."""

POSITIONS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("EXIF:GPSLatitude",), ("EXIF:GPSLongitude",)),
    (("exif:GPSLatitude",), ("exif:GPSLongitude",)),
    (_dji("GpsLatitude"), (*_dji("GpsLongitude"), *_dji("GpsLongtitude"))),
    (_dji("Latitude"), _dji("Longitude")),
    (("drone-skydio:Latitude",), ("drone-skydio:Longitude",)),
    (("drone-parrot:DroneLatitude",), ("drone-parrot:DroneLongitude",)),
)
"""Latitude and longitude: the first pair that is whole and a place, else a half. (`GpsLongtitude` is DJI's own.)"""

MOMENTS: tuple[tuple[str, str, str], ...] = (
    ("EXIF:DateTimeOriginal", "EXIF:SubSecTimeOriginal", "EXIF:OffsetTimeOriginal"),
    ("exif:DateTimeOriginal", "", ""),
    ("EXIF:DateTimeDigitized", "EXIF:SubSecTimeDigitized", "EXIF:OffsetTimeDigitized"),
    ("exif:DateTimeDigitized", "", ""),
    ("photoshop:DateCreated", "", ""),
    ("IPTC:DateCreated", "", "IPTC:TimeCreated"),
    ("xmp:CreateDate", "", ""),
)
"""When the picture was taken: date, sub-seconds, offset. (DateTime and OffsetTime are those of the last change.)"""

SENSITIVITIES = (
    "EXIF:ISOSpeedRatings",
    "exif:ISOSpeedRatings",
    "exifEX:PhotographicSensitivity",
    "EXIF:RecommendedExposureIndex",
    "EXIF:ISOSpeed",
    "EXIF:StandardOutputSensitivity",
)
"""ISO; 65535 there means that it is too large for the tag and stands in a later one (Exif 2.32, annex G)."""

ORIENTATIONS = ("EXIF:Orientation", "tiff:Orientation")
SPEEDS = (("EXIF:GPSSpeed", "EXIF:GPSSpeedRef"), ("exif:GPSSpeed", "exif:GPSSpeedRef"))
ALTITUDES = (("EXIF:GPSAltitude", "EXIF:GPSAltitudeRef"), ("exif:GPSAltitude", "exif:GPSAltitudeRef"))
KEYWORDS = ("dc:subject", "lr:hierarchicalSubject", "IPTC:Keywords", "EXIF:XPKeywords")
COMMENTS = ("EXIF:UserComment", "exif:UserComment", "EXIF:XPComment", "PNG:Comment")
FLASHES = ("EXIF:Flash", "exif:Flash")
GPS_TIMES = ("EXIF:GPSDateStamp", "EXIF:GPSTimeStamp", "exif:GPSDateStamp", "exif:GPSTimeStamp")


def _sources() -> dict[str, tuple[str, ...]]:
    """Return the sources by column, also those that only go with another one."""
    lists: dict[str, Iterable[str]] = {**TEXTS, **JOINED, **NUMBERS, **INTEGERS}
    lists |= {column: names for column, (names, _meanings) in ENUMERATIONS.items()}
    lists |= {
        "gps_latitude_deg": chain.from_iterable(latitude for latitude, _ in POSITIONS),
        "gps_longitude_deg": chain.from_iterable(longitude for _, longitude in POSITIONS),
        "captured_at": filter(None, chain.from_iterable(MOMENTS)),
        "iso": SENSITIVITIES,
        "orientation": ORIENTATIONS,
        "flash_fired": FLASHES,
        "gps_altitude_m": chain.from_iterable(ALTITUDES),
        "gps_datetime": GPS_TIMES,
        "gps_speed_mps": chain.from_iterable(SPEEDS),
        "keywords": KEYWORDS,
        "comment": COMMENTS,
    }
    return {column: tuple(names) for column, names in lists.items()}


SOURCES = _sources()
"""Sources by column, best first."""


def _feeds() -> dict[str, tuple[str, ...]]:
    feeds: dict[str, tuple[str, ...]] = {}
    for column, names in SOURCES.items():
        for name in names:
            feeds[name] = (*feeds.get(name, ()), column)
    return feeds


FEEDS = _feeds()
"""Columns by source: of a hundred sources a photo has a dozen, and no column is looked for that has none."""


def _groups() -> dict[str, dict[str, str]]:
    """Return the sources by group and name: EXIF, Make: EXIF:Make."""
    groups: dict[str, dict[str, str]] = {"EXIF": {}, "DJI": {}, "IPTC": {}, "PNG": {}}
    for source in FEEDS:
        group, _, name = source.partition(":")
        if group in groups:
            groups[group][name] = source
    return groups


GROUPS = _groups()
"""Sources by group and name, those of XMP left out: no text has to be made for a name that feeds no column."""


def _structures() -> dict[str, dict[str, str]]:
    """Return the sources that are fields of an XMP structure, by the structure and the field's name."""
    structures: dict[str, dict[str, str]] = {}
    for source in FEEDS:
        structure, is_field, name = source.partition("/")
        if is_field:
            structures.setdefault(structure, {})[name] = source
    return structures


STRUCTURES = _structures()
