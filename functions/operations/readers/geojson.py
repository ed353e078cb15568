"""Rows with a position as GeoJSON (RFC 7946): longitude first, degrees, metres."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from ledger.columns import TYPES
from operations.readers.geolocation import NO_POSITION, position_of


def write_geojson(rows: Iterator[dict[str, Any]], path: Path) -> tuple[int, dict[str, int]]:
    """Write a FeatureCollection with one feature a line; give the features, and the rows left out by reason."""
    count = without = 0
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for row in rows:
            position = position_of(row)
            if position is None:
                without += 1
                continue
            file.write((b",\n" if count else b"\n") + _feature(row, position))
            count += 1
        file.write(b"\n]}\n")
    return count, {NO_POSITION: without} if without else {}


def _feature(row: Mapping[str, Any], position: tuple[float, float, float | None]) -> bytes:
    latitude, longitude, altitude = position
    coordinates = [longitude, latitude] if altitude is None else [longitude, latitude, altitude]
    feature = {
        "type": "Feature",
        "id": row.get("etag"),
        "geometry": {"type": "Point", "coordinates": coordinates},
        "properties": {name: _property(name, value) for name, value in row.items() if value is not None},
    }
    return orjson.dumps(feature, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)


def _property(name: str, value: Any) -> Any:
    """Give a JSON column as what it says, not as text.

    It is put in as it stands: orjson reads 1,024 levels and writes 254 of its own, and digits beyond 64 bits are kept.
    """
    if TYPES.get(name) != "json":
        return value
    try:
        orjson.loads(value)
        return orjson.Fragment(value)
    except orjson.JSONDecodeError:
        return value
