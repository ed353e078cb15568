"""Rows as items of a SpatioTemporal Asset Catalog (STAC 1.1.0), one a line: the photo is the item's one asset.

pgstac, stac-geoparquet and rustac load such lines, a million of them too; a FeatureCollection has to fit into memory.
STAC wants an instant. A camera whose clock's offset nobody knows gives a time of day somewhere: then the item has the
span in which that instant lies, as STAC allows (STAC specification, "Item fields": `datetime` may be null if there are
`start_datetime` and `end_datetime`). The columns go by their own names, with a prefix, as STAC asks of what it does not
know itself ("Extensions", on prefixes).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from operations.readers.geojson import TIMES, json_value
from operations.readers.geolocation import NO_POSITION, position_of
from operations.readers.table import CAPTURED, INSTANT, OFFSET

NO_TIME = "without a time"
NO_OBJECT = "without bucket and key"
_PREFIX = "skyledger:"
# Said elsewhere in the item, or a document as long as all the rest.
_NOT_REPEATED = frozenset({"bucket", "key", "content_type", "title", "description", "exif", "xmp", OFFSET, INSTANT})
# Clocks of the world: from 14 hours before UTC to 12 behind it (IANA time zones: Pacific/Kiritimati, Etc/GMT+12).
_EASTERNMOST, _WESTERNMOST = timedelta(hours=14), timedelta(hours=12)


def write_stac(rows: Iterator[dict[str, Any]], path: Path) -> tuple[int, dict[str, int]]:
    """Write one item a line; give the items, and the rows left out by reason."""
    count = 0
    left_out: dict[str, int] = {}
    with path.open("wb") as file:
        for row in rows:
            position, times = position_of(row), _times(row)
            if position is None or times is None or not row["bucket"] or not row["key"]:
                reason = NO_POSITION if position is None else NO_TIME if times is None else NO_OBJECT
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            latitude, longitude, _ = position
            file.write(orjson.dumps(_item(row, [longitude, latitude], times), option=TIMES) + b"\n")
            count += 1
    return count, left_out


def _item(row: Mapping[str, Any], point: list[float], times: dict[str, datetime | None]) -> dict[str, Any]:
    known = {name: value for name, value in row.items() if value is not None}
    properties: dict[str, Any] = dict(times)
    properties |= {ours: known[name] for ours, name in _COMMON.items() if name in known}
    if camera := [known[name] for name in ("make", "model") if name in known]:
        properties["instruments"] = [" ".join(camera)]
    properties |= {
        _PREFIX + name: json_value(name, value) for name, value in known.items() if name not in _NOT_REPEATED
    }
    if CAPTURED in known:  # a clock, which is in no zone
        properties[_PREFIX + CAPTURED] = known[CAPTURED].isoformat() + known.get(OFFSET, "")
    asset = {"href": f"s3://{row['bucket']}/{quote(row['key'])}", "roles": ["data"]}
    if "content_type" in known:
        asset["type"] = known["content_type"]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": row["etag"],
        "geometry": {"type": "Point", "coordinates": point},
        "bbox": [*point, *point],
        "properties": properties,
        "links": [],
        "assets": {"image": asset},
    }


_COMMON = {
    "created": "ingested_at",
    "updated": "last_modified",
    "title": "title",
    "description": "description",
    "platform": "drone_model",
}
"""STAC's names for what columns say ("Common Metadata")."""


def _times(row: Mapping[str, Any]) -> dict[str, datetime | None] | None:
    """Say when a picture was taken: the instant, or the span in which it lies; None if nobody knows."""
    instant, clock = row[INSTANT] or row["gps_datetime"], row[CAPTURED]
    if instant is not None:
        return {"datetime": instant}
    if clock is None:
        return None
    return {"datetime": None, "start_datetime": clock - _EASTERNMOST, "end_datetime": clock + _WESTERNMOST}
