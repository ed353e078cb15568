"""What others' programs read of our formats: GDAL (pyogrio), GeoPandas, PySTAC."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import pyogrio
import pystac
import pytest

from ledger.columns import NAMES
from operations.readers.formats import Format, write
from tests.support.factories import item, model_csv

POINTS = [(5.579999433333333, 51.92), (-180.0, 90.0), (1e-12, -0.1)]
ITEMS = [
    item(
        number,
        key={"S": f"s/ü {number}?.jpg"},
        gps_longitude_deg={"N": f"{longitude:.15f}"},
        gps_latitude_deg={"N": str(latitude)},
        gps_altitude_m={"N": "12"},
    )
    for number, (longitude, latitude) in enumerate(POINTS)
]
NOWHERE = item(9, gps_longitude_deg={"N": "181"}, gps_latitude_deg={"N": "1"})
POLE = item(8, gps_longitude_deg={"N": "1"}, gps_latitude_deg={"N": "-91"})


def copy_of(folder: Path, *items: dict[str, Any]) -> Path:
    """Make a local image-data.csv."""
    copy = folder / "image-data.csv"
    copy.write_bytes(model_csv(items))
    return copy


def test_parquet_is_geoparquet(tmp_path: Path) -> None:
    """GeoPandas finds the points and their CRS, longitude first; a row without a position has none, but stays."""
    written = write(Format.PARQUET, copy_of(tmp_path, *ITEMS, NOWHERE), NAMES)
    frame = geopandas.read_parquet(written.path)
    assert (frame.crs.to_string(), len(frame), frame.geometry.name) == ("OGC:CRS84", 4, "geometry")
    assert [(point.x, point.y) for point in frame.geometry[:3]] == POINTS
    assert (frame.geometry[3], frame.geometry.has_z.any()) == (None, False)
    assert str(duckdb.sql(f"SELECT geometry FROM '{written.path}'").types[0]) == "GEOMETRY('OGC:CRS84')"


@pytest.mark.parametrize("items", [(), (NOWHERE, POLE)], ids=["no row", "no position"])
def test_parquet_without_a_point_is_geoparquet_too(items: tuple[dict[str, Any], ...], tmp_path: Path) -> None:
    """DuckDB would leave the metadata out, and GeoPandas read nothing."""
    frame = geopandas.read_parquet(write(Format.PARQUET, copy_of(tmp_path, *items), NAMES).path)
    assert (frame.crs.to_string(), len(frame)) == ("OGC:CRS84", len(items))
    assert frame.geometry.isna().all()


def test_the_csv_has_points_and_a_crs_beside_its_csvt(tmp_path: Path) -> None:
    """As QGIS and ogr2ogr read it."""
    copy = copy_of(tmp_path, *ITEMS)
    written = write(Format.CSVT, copy, NAMES)
    assert (written.rows, written.files) == (None, ("image-data.csvt", "image-data.prj"))
    layer = pyogrio.read_info(copy)
    assert (layer["geometry_type"], layer["crs"], layer["features"]) == ("Point", "EPSG:4326", 3)
    frame = pyogrio.read_dataframe(copy)
    assert [(point.x, point.y) for point in frame.geometry] == POINTS
    assert str(frame["gps_altitude_m"].dtype) == "float64"


def test_geojson_is_a_flat_layer_with_all_columns(tmp_path: Path) -> None:
    """Also a column that no feature fills; no height, which GDAL would take for one above the ellipsoid."""
    layer = pyogrio.read_info(write(Format.GEOJSON, copy_of(tmp_path, *ITEMS), NAMES).path)
    assert (layer["geometry_type"], layer["crs"], layer["features"]) == ("Point", "EPSG:4326", 3)
    assert {*NAMES} <= {*layer["fields"]}


def clock(text: str) -> dict[str, dict[str, str]]:
    return {"captured_at": {"S": text}}


FIX = {"gps_datetime": {"S": "2026-11-25T08:00:01Z"}}
TITLE = {"title": {"S": "a bridge"}, "description": {"S": "from below"}}
STAC = [
    ITEMS[0] | clock("2026-11-25T10:00:00+02:00") | {"drone_model": {"S": "M3E"}, "make": {"S": "DJI"}} | FIX | TITLE,
    ITEMS[1] | clock("2026-11-25T10:00:00") | {"keywords": {"S": '["a",""]'}, "exif": {"S": '{"IFD0":{}}'}},
    ITEMS[2] | clock("2026-11-25T10:00:00") | FIX,
    ITEMS[2] | FIX | {"key": {"S": ""}},
    item(9),
    item(5, gps_longitude_deg={"N": "1"}, gps_latitude_deg={"N": "1"}),
    NOWHERE | clock("2026-11-25T10:00:00Z"),
]


def test_stac_items_are_valid_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line by PySTAC's own copy of the schemas; a clock without an offset gives the span in which it may be."""

    def refused(*_: object) -> None:
        raise AssertionError("validation asked somebody")

    monkeypatch.setattr(socket.socket, "connect", refused)
    written = write(Format.STAC, copy_of(tmp_path, *STAC), NAMES)
    assert written.path.name == "image-data.stac.ndjson"
    assert (written.rows, written.left_out) == (
        3,
        {"without a time": 1, "without a position": 2, "without bucket and key": 1},
    )
    items = [pystac.Item.from_dict(json.loads(line)) for line in written.path.read_text().splitlines()]
    for one in items:
        assert one.validate()
    known, span, fix = items
    assert (known.datetime, fix.datetime) == (
        datetime(2026, 11, 25, 8, tzinfo=UTC),
        datetime(2026, 11, 25, 8, 0, 1, tzinfo=UTC),
    )
    assert (span.datetime, span.common_metadata.start_datetime, span.common_metadata.end_datetime) == (
        None,
        datetime(2026, 11, 24, 20, tzinfo=UTC),
        datetime(2026, 11, 25, 22, tzinfo=UTC),
    )
    assert (known.id, known.geometry, known.bbox) == (
        STAC[0]["etag"]["S"],
        {"type": "Point", "coordinates": [*POINTS[0]]},
        [*POINTS[0], *POINTS[0]],
    )
    image, common = known.assets["image"], known.common_metadata
    assert (image.href, image.media_type) == ("s3://photos/s/%C3%BC%200%3F.jpg", "image/jpeg")
    assert (common.title, common.description) == ("a bridge", "from below")
    assert (common.created, common.updated) == (
        datetime(2026, 11, 25, 8, tzinfo=UTC),
        datetime(2026, 11, 25, 7, 59, 59, tzinfo=UTC),
    )
    assert known.properties["skyledger:captured_at"] == "2026-11-25T10:00:00+02:00"
    assert span.properties["skyledger:captured_at"] == "2026-11-25T10:00:00"
    assert (known.properties["platform"], known.properties["instruments"]) == ("M3E", ["DJI"])
    assert span.properties["skyledger:keywords"] == ["a", ""]
    repeated = (":bucket", ":key", ":content_type", ":title", ":description", ":exif", ":xmp", "_utc", "_offset")
    assert not [name for one in items for name in one.properties if name.endswith(repeated)]
