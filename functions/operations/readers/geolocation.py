"""Positions of images for survey programs: OpenDroneMap's geo.txt and Pix4D's geolocation file.

OpenDroneMap ("Image Geolocation Files"): a line with the projection, then `name x y [z] [yaw pitch roll] [horizontal
vertical accuracy]`, x being the longitude. It cuts lines with Python's `split()`, at every blank that Unicode has,
drops byte order marks, takes what it can, and of two lines with one name the last (ODM, opendm/geo.py): half a name
would move another photo. Pix4D ("Image geolocation and orientation import format"): `name,latitude,longitude,z` and, in
every line or in none, yaw, pitch, roll and the two accuracies; no header, but a first line that starts with # is a
comment.

Both name an image by the last part of its key. So a name is left out, and counted, if the format cannot hold it (what
cannot be seen is in no name; a spreadsheet that opens Pix4D's file would run `=...`, and with a `'` before it the name
would be no image's), or if another row has it, too, with a position or without: whatever the case, composed or not, as
file systems compare names. Both count pitch from looking straight down, where the aircraft's gimbal counts from the
horizon.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from ledger.guard import guard
from operations.seen import is_seen

NO_POSITION = "without a position"
NO_ALTITUDE = "without an altitude"
NOT_UNIQUE = "with a name that is not unique"
BAD_NAME = "with a name that the format cannot hold"

COLUMNS_READ = (
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


def write_odm(rows: Iterator[dict[str, Any]], path: Path) -> tuple[int, dict[str, int]]:
    """Write geo.txt; give the lines, and the rows left out by reason. Names with blanks would fall apart in it."""
    located, left_out = _geolocations(rows, lambda name: " " not in name)
    lines = ["EPSG:4326"]
    for one in located:
        parts = [one.name, _number(one.longitude), _number(one.latitude)]
        if one.altitude is not None:
            parts.append(_number(one.altitude))
            if one.angles or one.accuracy:
                parts += map(_number, one.angles or (0.0, 0.0, 0.0))  # as its manual says where they are unknown
            if one.accuracy:
                parts += map(_number, one.accuracy)
        lines.append(" ".join(parts))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(located), left_out


def write_pix4d(rows: Iterator[dict[str, Any]], path: Path) -> tuple[int, dict[str, int]]:
    """Write Pix4D's file; give the lines, and the rows left out by reason. All lines have the same columns."""
    positioned, left_out = _geolocations(rows, _pix4d_holds)
    located = [one for one in positioned if one.altitude is not None]
    if len(located) < len(positioned):
        left_out[NO_ALTITUDE] = len(positioned) - len(located)
    angles = bool(located) and all(one.angles for one in located)
    accuracy = angles and all(one.accuracy for one in located)
    names = ["#imagename", "latitude", "longitude", "altitude"]
    names += ["yaw", "pitch", "roll"] if angles else []
    names += ["horizontal accuracy", "vertical accuracy"] if accuracy else []
    lines = [",".join(names)]
    for one in located:
        numbers: tuple[float, ...] = (one.latitude, one.longitude, one.altitude or 0.0)
        numbers += (one.angles or ()) if angles else ()
        numbers += (one.accuracy or ()) if accuracy else ()
        lines.append(",".join([one.name, *map(_number, numbers)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(located), left_out


def _pix4d_holds(name: str) -> bool:
    """Say whether a name stays one cell of a CSV without quotes, and is none that a spreadsheet would run."""
    return "," not in name and '"' not in name and name == name.strip() and name == guard(name)


def _geolocations(
    rows: Iterator[dict[str, Any]], holds: Callable[[str], bool]
) -> tuple[list[Geolocation], dict[str, int]]:
    """Read the rows that such a file can hold, by name, and count the others."""
    located: list[Geolocation] = []
    left_out: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for row in rows:
        position = position_of(row)
        name = (row["key"] or "").rpartition("/")[2]
        seen[_folded(name)] += 1
        if position is None:
            left_out[NO_POSITION] += 1
        elif not name or name.startswith("#") or not is_seen(name) or not holds(name):
            left_out[BAD_NAME] += 1
        else:
            located.append(Geolocation(name, *position, _angles(row), _accuracy(row)))
    unique = [one for one in located if seen[_folded(one.name)] == 1]
    left_out[NOT_UNIQUE] += len(located) - len(unique)
    return sorted(unique, key=lambda one: one.name), {reason: count for reason, count in left_out.items() if count}


def _folded(name: str) -> str:
    """Write names alike that a file system may take for one."""
    return normalize("NFC", normalize("NFC", name).casefold())


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
