"""What ExifTool reads for each column: the table that `agreement` compares with.

It is written from ExifTool's tag tables and not from `image_processor.columns.precedence`, so that
a wrong source shows.
"""

import re
from collections.abc import Iterable
from typing import Any

from infra.benchmarks._gold_values import (
    CAPTURED,
    COLOR_SPACE,
    COORDINATES,
    EXPOSURE_PROGRAM,
    MEDIA_TYPES,
    METERING,
    Gold,
    Tags,
    altitude,
    attitude,
    captured_at,
    coordinate,
    dji,
    flash,
    gps_datetime,
    is_infinite,
    iso,
    joined,
    keywords,
    named,
    number,
    size,
    speed,
    text,
)

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
        lambda tags: MEDIA_TYPES.get(tags.get("File:MIMEType", ""), tags.get("File:MIMEType")),
        ("File:MIMEType",),
        "Photoshop files under the name that IANA has registered",
    ),
    "last_modified": Gold(reason="the object's"),
    "width_px": Gold(
        "number", size(0), ("File:ImageWidth", "PNG:ImageWidth", "RIFF:ImageWidth", "Composite:ImageSize")
    ),
    "height_px": Gold(
        "number", size(1), ("File:ImageHeight", "PNG:ImageHeight", "RIFF:ImageHeight", "Composite:ImageSize")
    ),
    "orientation": number(
        "IFD0:Orientation",
        "ExifIFD:Orientation",
        "XMP-tiff:Orientation",
        unless=lambda value: not re.fullmatch("[1-8]", value),
        reason="Exif knows the orientations 1 to 8",
    ),
    "color_space": named(COLOR_SPACE, "ExifIFD:ColorSpace", "IFD0:ColorSpace", "XMP-exif:ColorSpace"),
    "make": text("IFD0:Make", "ExifIFD:Make", "XMP-tiff:Make"),
    "model": text("IFD0:Model", "ExifIFD:Model", "XMP-tiff:Model", "IFD0:UniqueCameraModel"),
    "serial_number": text(
        "ExifIFD:SerialNumber",
        "IFD0:SerialNumber",
        "IFD0:CameraSerialNumber",
        "ExifIFD:CameraSerialNumber",
        "XMP-exifEX:BodySerialNumber",
        "XMP-exifEX:SerialNumber",
        "XMP-aux:SerialNumber",
        *dji("CameraSerialNumber"),
        "XMP-*:CameraSerialNumber",
    ),
    "lens_make": text("ExifIFD:LensMake", "IFD0:LensMake", "XMP-exifEX:LensMake"),
    "lens_model": text("ExifIFD:LensModel", "IFD0:LensModel", "XMP-exifEX:LensModel", "XMP-aux:Lens"),
    "lens_serial_number": text(
        "ExifIFD:LensSerialNumber",
        "IFD0:LensSerialNumber",
        "XMP-exifEX:LensSerialNumber",
        "XMP-aux:LensSerialNumber",
    ),
    "software": text("IFD0:Software", "ExifIFD:Software", "XMP-tiff:Software", "XMP-xmp:CreatorTool", "PNG:Software"),
    "captured_at": Gold(
        "moment",
        captured_at,
        CAPTURED,
        "a blank date, one without a time and one that no calendar has are no point in time",
    ),
    "exposure_time_s": number("ExifIFD:ExposureTime", "IFD0:ExposureTime", "XMP-exif:ExposureTime"),
    "f_number": number("ExifIFD:FNumber", "IFD0:FNumber", "XMP-exif:FNumber"),
    "iso": Gold("number", iso, ("ExifIFD:ISO", "XMP-exif:ISO", "XMP-exifEX:PhotographicSensitivity")),
    "exposure_bias_ev": number(
        "ExifIFD:ExposureCompensation", "IFD0:ExposureCompensation", "XMP-exif:ExposureCompensation"
    ),
    "exposure_program": named(
        EXPOSURE_PROGRAM, "ExifIFD:ExposureProgram", "IFD0:ExposureProgram", "XMP-exif:ExposureProgram"
    ),
    "metering_mode": named(METERING, "ExifIFD:MeteringMode", "IFD0:MeteringMode", "XMP-exif:MeteringMode"),
    "flash_fired": Gold("number", flash, ("ExifIFD:Flash", "XMP-exif:Flash")),
    "white_balance": named(
        {0: "Auto", 1: "Manual"}, "IFD0:WhiteBalance", "ExifIFD:WhiteBalance", "XMP-exif:WhiteBalance"
    ),
    "focal_length_mm": number("ExifIFD:FocalLength", "IFD0:FocalLength", "XMP-exif:FocalLength"),
    "focal_length_35mm_mm": number(
        "ExifIFD:FocalLengthIn35mmFormat", "IFD0:FocalLengthIn35mmFormat", "XMP-exif:FocalLengthIn35mmFormat"
    ),
    "digital_zoom_ratio": number("ExifIFD:DigitalZoomRatio", "IFD0:DigitalZoomRatio", "XMP-exif:DigitalZoomRatio"),
    "subject_distance_m": number(
        "ExifIFD:SubjectDistance",
        "IFD0:SubjectDistance",
        "XMP-exif:SubjectDistance",
        unless=is_infinite,
        reason="the numerator 0xFFFFFFFF means infinity",
    ),
    "gps_latitude_deg": Gold(
        "number",
        coordinate(0),
        tuple(pair[0] for pair in COORDINATES),
        "0, 0 is no fix; a place that is not on Earth or has no hemisphere is none",
    ),
    "gps_longitude_deg": Gold("number", coordinate(1), tuple(pair[1] for pair in COORDINATES), "as gps_latitude_deg"),
    "gps_altitude_m": Gold("number", altitude, ("GPS:GPSAltitude", "XMP-exif:GPSAltitude")),
    "gps_altitude_ref": number("GPS:GPSAltitudeRef", "XMP-exif:GPSAltitudeRef"),
    "gps_datetime": Gold(
        "moment",
        gps_datetime,
        ("GPS:GPSDateStamp", "GPS:GPSTimeStamp", "XMP-exif:GPSDateTime"),
        "a time without its date is no point in time",
    ),
    "gps_speed_mps": Gold("number", speed, ("GPS:GPSSpeed", "XMP-exif:GPSSpeed")),
    "gps_track_deg": number("GPS:GPSTrack", "XMP-exif:GPSTrack"),
    "gps_image_direction_deg": number("GPS:GPSImgDirection", "XMP-exif:GPSImgDirection"),
    "gps_dop": number("GPS:GPSDOP", "XMP-exif:GPSDOP"),
    "gps_horizontal_error_m": number(
        "GPS:GPSHPositioningError",
        "XMP-exif:GPSHPositioningError",
        "XMP-*:GPSXYAccuracy",
    ),
    "gps_satellites": text("GPS:GPSSatellites", "XMP-exif:GPSSatellites"),
    "gps_status": text("GPS:GPSStatus", "XMP-exif:GPSStatus", *dji("GpsStatus")),
    "gps_map_datum": text("GPS:GPSMapDatum", "XMP-exif:GPSMapDatum"),
    "relative_altitude_m": number(
        *dji("RelativeAltitude"),
        "XMP-*:AboveHomeAltitude",
        "XMP-*:MAVRelativeAltitude",
        "XMP-*:AboveGroundAltitude",
    ),
    "absolute_altitude_m": number(
        *dji("AbsoluteAltitude"),
        "XMP-*:GPSAltitude",
        "XMP-*:DroneAltitudeEgm96Amsl",
        "XMP-*:DroneAltitudeWgs84Ellipsoid",
    ),
    "altitude_type": text(*dji("AltitudeType")),
    **attitude("Roll"),
    **attitude("Pitch"),
    **attitude("Yaw"),
    "flight_x_speed_mps": number(*dji("FlightXSpeed"), "DJI:SpeedX"),
    "flight_y_speed_mps": number(*dji("FlightYSpeed"), "DJI:SpeedY"),
    "flight_z_speed_mps": number(*dji("FlightZSpeed"), "DJI:SpeedZ"),
    "rtk_flag": number(*dji("RtkFlag")),
    "rtk_std_latitude_m": number(*dji("RtkStdLat")),
    "rtk_std_longitude_m": number(*dji("RtkStdLon")),
    "rtk_std_height_m": number(*dji("RtkStdHgt")),
    "drone_model": text(*dji("DroneModel"), *dji("ProductName"), "XMP-*:Model"),
    "drone_serial_number": text(
        *dji("DroneSerialNumber"),
        "XMP-*:SerialNumber",
    ),
    "title": text("XMP-dc:Title", "IPTC:ObjectName", "IFD0:XPTitle", "ExifIFD:ImageTitle", "PNG:Title"),
    "description": text(
        "IFD0:ImageDescription",
        "ExifIFD:ImageDescription",
        "XMP-dc:Description",
        "IPTC:Caption-Abstract",
        "PNG:Description",
    ),
    "author": joined(
        "IFD0:Artist",
        "ExifIFD:Artist",
        "XMP-dc:Creator",
        "IPTC:By-line",
        "IFD0:XPAuthor",
        "ExifIFD:Photographer",
        "PNG:Author",
    ),
    "copyright": text("IFD0:Copyright", "ExifIFD:Copyright", "XMP-dc:Rights", "IPTC:CopyrightNotice", "PNG:Copyright"),
    "comment": text(
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
        keywords,
        ("XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "IPTC:Keywords", "IFD0:XPKeywords"),
    ),
    "rating": number("IFD0:Rating", "ExifIFD:Rating", "XMP-xmp:Rating"),
    "projection_type": text("XMP-GPano:ProjectionType", "XMP-GSpherical:ProjectionType"),
    "xmp_packets": Gold(reason="ExifTool does not count packets"),
    "user_metadata": Gold(reason="it is the object's, not the file's"),
    "reader_version": Gold(reason="it is that of our reader"),
    "warnings": Gold(reason="ExifTool warns of other things"),
    "exif": Gold(reason="compared by the number of tags"),
    "xmp": Gold(reason="compared by the number of tags"),
}

_DERIVED = re.compile(r"(Thumbnail|Preview|Other)(Image|TIFF)|JpgFromRaw")
_EXIF_GROUP = re.compile(r"(?:IFD\d+|ExifIFD|GPS|InteropIFD|SubIFD\d*):")


def exif_tags(tags: Tags) -> int:
    """Count ExifTool's Exif tags, without the pictures that it cuts out of the file."""
    return sum(1 for name in tags if _EXIF_GROUP.match(name) and not _DERIVED.match(name.partition(":")[2]))


def xmp_properties(document: dict[str, Any]) -> int:
    """Count the properties of our document as ExifTool does, to which a qualifier is a tag of its own."""
    count = len(document)
    for value in document.values():
        items = value if isinstance(value, list) else [value]
        qualified = [item for item in items if isinstance(item, dict) and "rdf:value" in item]
        count += len({name for item in qualified for name in item} - {"rdf:value", "xml:lang"})
    return count


def xmp_tags(tags: Tags) -> int:
    """Count ExifTool's XMP tags; the languages of one property count once."""
    names = (name for name in tags if name.startswith("XMP-"))
    return len({re.sub(r"-[a-z]{2,3}(-[A-Za-z]+)*$", "", name) for name in names})


def describe() -> Iterable[tuple[str, str]]:
    """Return column and tags, for the reader of the benchmark's `--tags`."""
    return ((column, ", ".join(gold.tags) or f"none: {gold.reason}") for column, gold in GOLD.items())
