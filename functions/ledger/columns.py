"""The columns of image-data.csv: the one list that is its schema.

ImageProcessor fills table attributes of these names, CsvExporter writes them as cells in this order, and the table
in COLUMNS.md, the CSVW description and the agreement benchmark are generated from it. New columns come in where they
belong (readers go by names); an item may lack any column (an empty cell) and may carry attributes that are no columns
(ignored).
"""

from dataclasses import dataclass, replace
from typing import Literal

from ledger.column_sources import SOURCES

type_names = Literal["text", "integer", "decimal", "timestamp", "json"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the CSV.

    Attributes:
        name: attribute in the table and name in the header; the unit stands in it.
        type: how the cell is written: `text` (guarded against spreadsheets), `integer`, `decimal` (always has a
            point), `timestamp` (ISO 8601), `json` (one JSON document). Stored in the table as N for numbers, else S.
        meaning: one line for the reader.
        unit: unit of the number, or empty.
        source: where the value comes from, best source first.
    """

    name: str
    type: type_names
    meaning: str
    unit: str = ""
    source: str = ""


_COLUMNS: tuple[Column, ...] = (
    # Who and where: the first three name the row and are never quoted.
    Column("ingested_at", "timestamp", "When the image first entered the table; with etag the row's key", "UTC"),
    Column("etag", "text", "S3 ETag of the image's bytes, without quotes; opaque text"),
    Column("revision", "integer", "Counts the writes of this image's table item"),
    Column("bucket", "text", "Bucket of an object that holds the image"),
    Column("key", "text", "Key of that object, decoded; a line break in it is escaped by \u241b"),
    Column("size_bytes", "integer", "Size of the object", "bytes"),
    Column("copies", "integer", "Number of objects that hold these bytes now"),
    Column("content_type", "text", "Media type, decided by content and never by suffix"),
    Column("last_modified", "timestamp", "When that object was last written", "UTC"),
    # The picture
    Column("width_px", "integer", "Width as stored", "pixels"),
    Column("height_px", "integer", "Height as stored", "pixels"),
    Column("orientation", "integer", "1 to 8: how to turn the picture for display"),
    Column("color_space", "text", "Colour space"),
    # The camera
    Column("make", "text", "Maker of the camera"),
    Column("model", "text", "Model of the camera"),
    Column("serial_number", "text", "Serial number of the camera body"),
    Column("lens_make", "text", "Maker of the lens"),
    Column("lens_model", "text", "Model of the lens"),
    Column("lens_serial_number", "text", "Serial number of the lens"),
    Column("software", "text", "Firmware or program that wrote the file"),
    # The exposure
    Column("captured_at", "timestamp", "When the picture was taken; an offset only where the photo knows it"),
    Column("exposure_time_s", "decimal", "Exposure time", "s"),
    Column("f_number", "decimal", "Aperture"),
    Column("iso", "integer", "Sensitivity"),
    Column("exposure_bias_ev", "decimal", "Exposure compensation", "EV"),
    Column("exposure_program", "text", "Exposure program, EXIF name"),
    Column("metering_mode", "text", "Metering mode, EXIF name"),
    Column("flash_fired", "integer", "1 if the flash fired, 0 if not"),
    Column("white_balance", "text", "White balance, EXIF name"),
    Column("focal_length_mm", "decimal", "Focal length", "mm"),
    Column("focal_length_35mm_mm", "decimal", "Focal length on 35 mm film with the same field of view", "mm"),
    Column("digital_zoom_ratio", "decimal", "Digital zoom"),
    Column("subject_distance_m", "decimal", "Distance to the subject", "m"),
    # The position
    Column("gps_latitude_deg", "decimal", "Latitude, north positive", "degrees"),
    Column("gps_longitude_deg", "decimal", "Longitude, east positive", "degrees"),
    Column("gps_altitude_m", "decimal", "Altitude, signed by its reference", "m"),
    Column("gps_altitude_ref", "integer", "Raw altitude reference: 0/1 sea level up/down, 2/3 as in Exif 3.0"),
    Column("gps_datetime", "timestamp", "Time of the fix", "UTC"),
    Column("gps_speed_mps", "decimal", "Speed over ground", "m/s"),
    Column("gps_track_deg", "decimal", "Direction of movement", "degrees"),
    Column("gps_image_direction_deg", "decimal", "Direction the camera looks", "degrees"),
    Column("gps_dop", "decimal", "Dilution of precision"),
    Column("gps_horizontal_error_m", "decimal", "Horizontal positioning error", "m"),
    Column("gps_satellites", "text", "Satellites used"),
    Column("gps_status", "text", "Receiver status"),
    Column("gps_map_datum", "text", "Geodetic datum"),
    # The aircraft
    Column("relative_altitude_m", "decimal", "Height above take-off", "m"),
    Column("absolute_altitude_m", "decimal", "Altitude as the aircraft reports it", "m"),
    Column("altitude_type", "text", "What the absolute altitude refers to, as the maker says"),
    Column("flight_roll_deg", "decimal", "Roll of the aircraft", "degrees"),
    Column("flight_pitch_deg", "decimal", "Pitch of the aircraft", "degrees"),
    Column("flight_yaw_deg", "decimal", "Heading of the aircraft", "degrees"),
    Column("gimbal_roll_deg", "decimal", "Roll of the gimbal", "degrees"),
    Column("gimbal_pitch_deg", "decimal", "Pitch of the gimbal", "degrees"),
    Column("gimbal_yaw_deg", "decimal", "Heading of the gimbal", "degrees"),
    Column("camera_roll_deg", "decimal", "Roll of the camera", "degrees"),
    Column("camera_pitch_deg", "decimal", "Pitch of the camera", "degrees"),
    Column("camera_yaw_deg", "decimal", "Heading of the camera", "degrees"),
    Column("flight_x_speed_mps", "decimal", "Speed of the aircraft, x", "m/s"),
    Column("flight_y_speed_mps", "decimal", "Speed of the aircraft, y", "m/s"),
    Column("flight_z_speed_mps", "decimal", "Speed of the aircraft, z", "m/s"),
    Column("rtk_flag", "integer", "RTK state, as the maker says: 50 is fixed"),
    Column("rtk_std_latitude_m", "decimal", "Standard deviation, latitude", "m"),
    Column("rtk_std_longitude_m", "decimal", "Standard deviation, longitude", "m"),
    Column("rtk_std_height_m", "decimal", "Standard deviation, height", "m"),
    Column("drone_model", "text", "Model of the aircraft"),
    Column("drone_serial_number", "text", "Serial number of the aircraft"),
    # Words
    Column("title", "text", "Title"),
    Column("description", "text", "Description"),
    Column("author", "text", "Author"),
    Column("copyright", "text", "Copyright"),
    Column("comment", "text", "Comment"),
    Column("keywords", "json", "Keywords, a JSON array of text"),
    Column("rating", "integer", "Rating"),
    # The rest
    Column("projection_type", "text", "Projection of a panorama"),
    Column("xmp_packets", "integer", "Number of XMP packets read"),
    Column("user_metadata", "json", "User metadata of that object, a JSON object of text by name"),
    Column("reader_version", "integer", "Version of the reader that made the metadata; empty is older than 1"),
    Column("warnings", "json", "What was unusable and why, a JSON array of text"),
    Column("exif", "json", "All EXIF tags by name, a JSON object"),
    Column("xmp", "json", "The whole XMP document, a JSON object"),
)

COLUMNS: tuple[Column, ...] = tuple(replace(column, source=SOURCES[column.name]) for column in _COLUMNS)
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
TYPES: dict[str, type_names] = {column.name: column.type for column in COLUMNS}
UTC: frozenset[str] = frozenset(
    column.name for column in COLUMNS if column.type == "timestamp" and column.unit == "UTC"
)
"""Points in time; another timestamp may be a clock whose offset nobody knows."""
READER = 2
"""Version of the reader that ImageProcessor has now (`image_processor.columns.reader`, which this code never loads)."""
READER_COLUMN = "reader_version"
"""The column that says which version made a row."""
EXACT: frozenset[str] = frozenset({"key"})
"""Texts by which something is found again: their line breaks are escaped (`ledger.guard.escape`), not folded."""
