"""Positions of images for survey programs: OpenDroneMap's geo.txt and Pix4D's geolocation file.

OpenDroneMap ("Image Geolocation Files"): a line with the projection, then `name x y [z] [yaw pitch roll] [horizontal
vertical accuracy]`, x being the longitude. It cuts lines with Python's `split()`, at every blank that Unicode has,
drops byte order marks, takes what it can, and of two lines with one name the last (ODM, opendm/geo.py): half a name
would move another photo. Pix4D ("Image geolocation and orientation import format"): `name,latitude,longitude,z` and, in
every line or in none, yaw, pitch, roll and the two accuracies; no header, but a first line that starts with # is a
comment.

Both name an image by the last part of its key. So a name is left out, and counted, if the format cannot hold it (what
cannot be seen is in no name; a spreadsheet that opens Pix4D's file would run `=...`, and with a `'` before it the name
would be no image's), or if another row of the same file has it, too (`operations.readers.located_files`). Both count
pitch from looking straight down, where the aircraft's gimbal counts from the horizon.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.guard import guard
from operations.seen import is_seen

NO_POSITION = "without a position"
NO_ALTITUDE = "without an altitude"
NOT_UNIQUE = "with a name that is not unique"
BAD_NAME = "with a name that the format cannot hold"

COLUMNS_READ = (
    "bucket",
    "key",
    "gps_latitude_deg",
    "gps_longitude_deg",
    "gps_altitude_m",
    "absolute_altitude_m",
    "camera_yaw_deg",
    "camera_pitch_deg",
    "camera_roll_deg",
    "gimbal_yaw_deg",
    "gimbal_pitch_deg",
    "gimbal_roll_deg",
    "gps_horizontal_error_m",
    "rtk_std_latitude_m",
    "rtk_std_longitude_m",
    "rtk_std_height_m",
)
_STRAIGHT_DOWN_DEG = 90.0  # from the horizon


@dataclass(frozen=True, slots=True)
class Geolocation:
    """Where an image was taken.

    Attributes:
        name: of the file, without folders.
        latitude, longitude: degrees.
        altitude: metres; None if unknown.
        angles: yaw, pitch (0 is straight down) and roll, degrees.
        accuracy: horizontal and vertical, metres.
    """

    name: str
    latitude: float
    longitude: float
    altitude: float | None
    angles: tuple[float, float, float] | None
    accuracy: tuple[float, float] | None


def position_of(row: Mapping[str, Any]) -> tuple[float, float, float | None] | None:
    """Give latitude, longitude and altitude of a row, or None if it has no position on Earth."""
    latitude, longitude = row.get("gps_latitude_deg"), row.get("gps_longitude_deg")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    altitude = row.get("gps_altitude_m")
    return latitude, longitude, row.get("absolute_altitude_m") if altitude is None else altitude


def odm_holds(one: Geolocation) -> str:
    """Say why OpenDroneMap's file cannot hold an image; empty if it can. Names with blanks would fall apart in it."""
    return "" if _is_name(one.name) and " " not in one.name else BAD_NAME


def pix4d_holds(one: Geolocation) -> str:
    """Say why Pix4D's file cannot hold an image; empty if it can.

    A name has to stay one cell of a CSV without quotes, and be none that a spreadsheet would run.
    """
    name = one.name
    if not _is_name(name) or "," in name or '"' in name or name != name.strip() or name != guard(name):
        return BAD_NAME
    return NO_ALTITUDE if one.altitude is None else ""


def _is_name(name: str) -> bool:
    return bool(name) and not name.startswith("#") and is_seen(name)


def write_odm(located: Iterable[Geolocation], path: Path) -> int:
    """Write geo.txt; give the lines."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("EPSG:4326\n")
        for one in located:
            parts = [one.name, _number(one.longitude), _number(one.latitude)]
            if one.altitude is not None:
                parts.append(_number(one.altitude))
                if one.angles or one.accuracy:
                    parts += map(_number, one.angles or (0.0, 0.0, 0.0))  # as its manual says where they are unknown
                if one.accuracy:
                    parts += map(_number, one.accuracy)
            file.write(" ".join(parts) + "\n")
            count += 1
    return count


_PIX4D = (
    *("#imagename", "latitude", "longitude", "altitude"),
    *("yaw", "pitch", "roll"),
    *("horizontal accuracy", "vertical accuracy"),
)


def write_pix4d(located: Iterable[Geolocation], path: Path) -> int:
    """Write Pix4D's file; give the lines.

    All have the same columns, and the last one may take some from all: hence a draft.
    """
    count, width = 0, len(_PIX4D)
    draft = path.with_name(path.name + ".draft")
    with draft.open("w", encoding="utf-8") as file:
        for one in located:
            numbers: tuple[float, ...] = (one.latitude, one.longitude, one.altitude or 0.0)
            if one.angles:
                numbers += one.angles + (one.accuracy or ())
            width = min(width, 1 + len(numbers))
            count += 1
            file.write(",".join([one.name, *map(_number, numbers)]) + "\n")
    with draft.open(encoding="utf-8", newline="\n") as lines, path.open("w", encoding="utf-8") as file:
        file.write(",".join(_PIX4D[:width] if count else _PIX4D[:4]) + "\n")
        file.writelines(",".join(line[:-1].split(",")[:width]) + "\n" for line in lines)
    draft.unlink()
    return count


def locate(row: Mapping[str, Any]) -> Geolocation | None:
    """Read where a row's image was taken; None without a position."""
    position = position_of(row)
    if position is None:
        return None
    return Geolocation(name_of(row), *position, _angles(row), _accuracy(row))


def name_of(row: Mapping[str, Any]) -> str:
    """Name a row's image as its file is named, without folders."""
    return (row["key"] or "").rpartition("/")[2]


def _angles(row: Mapping[str, Any]) -> tuple[float, float, float] | None:
    camera = _all(row, ("camera_yaw_deg", "camera_pitch_deg", "camera_roll_deg"))
    if camera is not None:
        return camera[0], camera[1], camera[2]
    gimbal = _all(row, ("gimbal_yaw_deg", "gimbal_pitch_deg", "gimbal_roll_deg"))
    return None if gimbal is None else (gimbal[0], gimbal[1] + _STRAIGHT_DOWN_DEG, gimbal[2])


def _accuracy(row: Mapping[str, Any]) -> tuple[float, float] | None:
    vertical = row.get("rtk_std_height_m")
    both = _all(row, ("rtk_std_latitude_m", "rtk_std_longitude_m"))
    horizontal = max(both) if both is not None else row.get("gps_horizontal_error_m")
    return None if vertical is None or horizontal is None else (horizontal, vertical)


def _all(row: Mapping[str, Any], names: Sequence[str]) -> list[float] | None:
    values = [row.get(name) for name in names]
    return None if any(value is None for value in values) else [float(value) for value in values if value is not None]


def _number(value: float) -> str:
    """Write a number with a decimal point and without an exponent; 10 decimals of a degree are 0.01 mm."""
    text = f"{value:.10f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
