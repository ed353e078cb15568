"""The typed columns of one image: each from the best of its sources."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

from image_processor.columns import position, precedence, timestamps
from image_processor.columns.metadata import Metadata
from image_processor.columns.position import Axis
from image_processor.errors import Unusable
from image_processor.tags.numbers import LARGEST_WHOLE, Raw, number, whole
from image_processor.tags.text import clean, decode
from image_processor.tags.xmp import text_of

Cell = str | int | Decimal | list[str]

_INFINITE = 0xFFFFFFFF  # numerator of SubjectDistance that means infinity (Exif 2.32)
_TOO_LARGE_ISO = 65535
_OTHER = {"EXIF:GPSLatitude": "EXIF:GPSLongitude", "EXIF:GPSLongitude": "EXIF:GPSLatitude"}


def cells_of(metadata: Metadata) -> dict[str, Cell]:
    """Return the values of the typed columns; what is unknown is absent."""
    fed = metadata.sources
    values: dict[str, Cell | None] = {column: read(metadata) for column, read in _READERS.items() if column in fed}
    if "gps_latitude_deg" in fed or "gps_longitude_deg" in fed:
        values["gps_latitude_deg"], values["gps_longitude_deg"] = _position(metadata)
    values["width_px"] = _pixels(metadata, "width_px", metadata.container.width)
    values["height_px"] = _pixels(metadata, "height_px", metadata.container.height)
    return {column: value for column, value in values.items() if value is not None}


def _pixels(metadata: Metadata, column: str, pixels: int | None) -> int | None:
    """Return a frame's size if readers hold it: it has 64 bits without a sign in BigTIFF."""
    if pixels is None or pixels <= LARGEST_WHOLE:
        return pixels
    metadata.warn(f"{column}: too large")
    return None


def _text(column: str, metadata: Metadata) -> str | None:
    for source in metadata.sources[column]:
        if text := metadata.text(source, column):
            return text
    return None


def _joined(column: str, metadata: Metadata) -> str | None:
    texts = next((texts for source in metadata.sources[column] if (texts := metadata.texts(source, column))), ())
    return "; ".join(texts) or None


def _meaning(column: str, meanings: Mapping[int, str], metadata: Metadata) -> str | None:
    code = _numeric(column, whole, metadata)
    return None if code is None else meanings.get(code, f"unknown ({code})")


def _numeric(column: str, read: Callable[[Raw], Any], metadata: Metadata) -> Any:
    """Return the first usable number."""

    def read_first(source: str) -> Any:
        value = metadata.value(source)
        return None if value is None else read(value)

    return metadata.first(column, metadata.sources[column], read_first)


def _zoom(value: Raw) -> Decimal | None:
    return None if value == (0, 0) else number(value)  # numerator 0: digital zoom was not used


def _distance(value: Raw) -> Decimal:
    if isinstance(value, tuple) and value[0] == _INFINITE:
        raise Unusable("infinity")
    return number(value)


def _orientation(metadata: Metadata) -> int | None:
    def read(source: str) -> int | None:
        value = metadata.value(source)
        if value is None:
            return None
        code = whole(value)
        if not 1 <= code <= 8:
            raise Unusable(f"{code} is no orientation")
        return code

    return metadata.first("orientation", metadata.sources["orientation"], read)


def _iso(metadata: Metadata) -> int | None:
    largest: int | None = None

    def read(source: str) -> int | None:
        nonlocal largest
        speeds = [whole(value) for value in metadata.values(source)]
        speed = next((value for value in speeds if value), speeds[0] if speeds else None)
        if speed == _TOO_LARGE_ISO:
            largest = speed
            return None
        return speed

    speed = metadata.first("iso", metadata.sources["iso"], read)
    return largest if speed is None else speed


def _flash_fired(metadata: Metadata) -> int | None:
    def read(source: str) -> int | None:
        if source == "EXIF:Flash":
            value = metadata.value(source)
            return None if value is None else whole(value) & 1
        flash = metadata.xmp.properties.get(source)
        fired = text_of(flash.get("exif:Fired")) if isinstance(flash, dict) else None
        return None if fired is None else int(fired.strip().lower() == "true")

    return metadata.first("flash_fired", metadata.sources["flash_fired"], read)


def _captured_at(metadata: Metadata) -> str | None:
    def read(moment: tuple[str, tuple[str, ...]]) -> str | None:
        source, (date, fraction, offset) = moment
        if source.startswith("IPTC:"):
            return timestamps.iptc_stamp(date, offset)
        try:
            zone = timestamps.zone(offset)
        except Unusable as error:
            metadata.warn(f"captured_at: {offset[:20]!r}: {error}")
            zone = ""
        return timestamps.stamp(date, fraction, zone)

    def read_local(moment: tuple[str, tuple[str, ...]]) -> str | None:
        try:
            return read(moment)
        except timestamps.ImpossibleZone as error:
            metadata.warn(f"captured_at: {error}")
            return error.local

    moments = ((sources[0], texts) for sources in precedence.MOMENTS for texts in metadata.together(sources))
    return metadata.first("captured_at", moments, read_local)


def _gps_datetime(metadata: Metadata) -> str | None:
    def read(group: str) -> str | None:
        date = metadata.text(f"{group}:GPSDateStamp") or ""
        if group == "EXIF":
            return timestamps.utc_stamp(date, metadata.values("EXIF:GPSTimeStamp"))
        time = metadata.text("exif:GPSTimeStamp") or ""
        return timestamps.utc_stamp(date, time) if date else timestamps.in_utc(time)

    return metadata.first("gps_datetime", ("EXIF", "exif"), read)


def _position(metadata: Metadata) -> tuple[Decimal | None, Decimal | None]:
    """Return latitude and longitude of the first source that has both and is a place: half of one is none."""
    half = ""
    for latitudes, longitudes in precedence.POSITIONS:
        latitude = _first_coordinate(metadata, "latitude", latitudes)
        longitude = _first_coordinate(metadata, "longitude", longitudes)
        if position.is_nowhere(latitude, longitude):
            metadata.warn("gps_latitude_deg: the position 0, 0 means no fix")
        elif latitude is not None and longitude is not None:
            _flag_void(metadata)
            return latitude, longitude
        elif latitude is not None or longitude is not None:
            half = half or ("gps_latitude_deg" if longitude is None else "gps_longitude_deg")
    if half:
        metadata.warn(f"{half}: left out, the other half of the position is missing or unusable")
    return None, None


def _first_coordinate(metadata: Metadata, axis: Axis, wanted: tuple[str, ...]) -> Decimal | None:
    column = f"gps_{axis}_deg"
    there = [source for source in metadata.sources.get(column, ()) if source in wanted]
    return metadata.first(column, there, lambda source: _coordinate(metadata, axis, source)) if there else None


def _flag_void(metadata: Metadata) -> None:
    if (metadata.text("EXIF:GPSStatus") or "").upper().startswith("V"):
        metadata.warn("gps_status: void: the receiver calls its position invalid")


def _coordinate(metadata: Metadata, axis: Axis, source: str) -> Decimal | None:
    parts = metadata.values(source)
    if not parts:
        return None
    if not source.startswith("EXIF:"):
        return position.xmp_coordinate(axis, str(parts[0]))
    reference = metadata.text(f"{source}Ref")
    if not reference and _is_signed(metadata, source):
        metadata.warn(f"gps_{axis}_deg: no hemisphere reference, the sign is taken for it")
        return position.signed_coordinate(axis, parts)
    return position.coordinate(axis, parts, reference)


def _is_signed(metadata: Metadata, source: str) -> bool:
    """Tell a coordinate without a reference whose sign says its hemisphere: it is negative, or its other half is."""
    for half in (source, _OTHER[source]):
        with suppress(Unusable):
            if not metadata.text(f"{half}Ref") and position.degrees(metadata.values(half))[0] < 0:
                return True
    return False


def _gps_altitude(metadata: Metadata) -> Decimal | None:
    return _with_reference(metadata, "gps_altitude_m", precedence.ALTITUDES, position.altitude)


def _gps_speed(metadata: Metadata) -> Decimal | None:
    return _with_reference(metadata, "gps_speed_mps", precedence.SPEEDS, position.speed)


def _with_reference(
    metadata: Metadata,
    column: str,
    pairs: tuple[tuple[str, str], ...],
    read: Callable[[Raw, str | None], Decimal],
) -> Decimal | None:
    def read_pair(pair: tuple[str, str]) -> Decimal | None:
        value = metadata.value(pair[0])
        return None if value is None else read(value, metadata.text(pair[1]))

    return metadata.first(column, pairs, read_pair)


def _keywords(metadata: Metadata) -> list[str] | None:
    """Return all keywords of all sources in order, each once; XPKeywords separates them by semicolons."""
    words: dict[str, None] = {}
    for source in metadata.sources["keywords"]:
        texts = metadata.texts(source, "keywords")
        if source == "EXIF:XPKeywords":
            texts = [clean(word) for text in texts for word in text.split(";")]
        words.update(dict.fromkeys(word for word in texts if word))
    return list(words) or None


def _comment(metadata: Metadata) -> str | None:
    for source in metadata.sources["comment"]:
        if content := metadata.text(source, "comment"):
            return content
    for block in metadata.container.comments:
        content, guessed = decode(block.data)
        if content := clean(content):
            if guessed:
                metadata.warn("comment: not UTF-8, read as Windows-1252")
            return content
    return None


_NUMBERS: dict[str, Callable[[Raw], Decimal | None]] = {
    "digital_zoom_ratio": _zoom,
    "subject_distance_m": _distance,
    "gps_track_deg": position.direction,
    "gps_image_direction_deg": position.direction,
}
"""Numbers with a rule of their own."""


def _readers() -> dict[str, Callable[[Metadata], Cell | None]]:
    """Return how each column is read."""
    return {
        **{column: partial(_text, column) for column in precedence.TEXTS},
        **{column: partial(_joined, column) for column in precedence.JOINED},
        **{column: partial(_numeric, column, _NUMBERS.get(column, number)) for column in precedence.NUMBERS},
        **{column: partial(_numeric, column, whole) for column in precedence.INTEGERS},
        **{column: partial(_meaning, column, meanings) for column, (_, meanings) in precedence.ENUMERATIONS.items()},
        "orientation": _orientation,
        "captured_at": _captured_at,
        "iso": _iso,
        "flash_fired": _flash_fired,
        "gps_altitude_m": _gps_altitude,
        "gps_datetime": _gps_datetime,
        "gps_speed_mps": _gps_speed,
        "comment": _comment,
        "keywords": _keywords,
    }


_READERS = _readers()
