"""Rows with a position as GeoJSON (RFC 7946): longitude first, degrees.

Every feature has all columns: GDAL makes the layer's fields of the features that it meets. A point has no height: there
it would be one above the ellipsoid (RFC 7946, section 4; GDAL then says EPSG:4979, OSGeo/gdal#5557), and photos mostly
give theirs above the sea. The columns have it, with what it refers to.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from ledger.columns import TYPES
from operations.readers.geolocation import NO_POSITION, position_of

TIMES = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
"""How times of `Table.rows` are written: those that are instants have no zone there, and are in UTC."""


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
    latitude, longitude, _ = position
    feature = {
        "type": "Feature",
        "id": row.get("etag"),
        "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        "properties": {name: json_value(name, value) for name, value in row.items()},
    }
    return orjson.dumps(feature, option=TIMES)


def json_value(name: str, value: Any) -> Any:
    """Give a JSON column as what it says, not as text.

    It is put in as it stands: orjson reads 1,024 levels and writes 254 of its own, and digits beyond 64 bits are kept.
    """
    if value is None or TYPES.get(name) != "json":
        return value
    try:
        orjson.loads(value)
        return orjson.Fragment(value)
    except orjson.JSONDecodeError:
        return value
