"""The copy in other formats: typed, filtered, positions for survey programs."""

import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.errors import BadExpression, TooManyRows
from operations.readers import spreadsheet
from operations.readers.formats import Format, write
from tests.support.command_line import Ran
from tests.support.factories import event, item, model_csv

DJI = {
    "key": {"S": "site/DJI_0001.JPG"},
    "gps_latitude_deg": {"N": "46.84252125"},
    "gps_longitude_deg": {"N": "-91.9942096111111"},
    "gps_altitude_m": {"N": "198.609"},
    "gimbal_yaw_deg": {"N": "38.6"},
    "gimbal_pitch_deg": {"N": "-89.9"},
    "gimbal_roll_deg": {"N": "0"},
    "rtk_std_latitude_m": {"N": "0.012"},
    "rtk_std_longitude_m": {"N": "0.015"},
    "rtk_std_height_m": {"N": "0.03"},
    "iso": {"N": "400"},
    "exif": {"S": '{"Make": "DJI", "Note": "a \\"quoted\\" word"}'},
}
PLAIN = {
    "key": {"S": "site/plain.jpg"},
    "gps_latitude_deg": {"N": "0"},
    "gps_longitude_deg": {"N": "10"},
    "iso": {"N": "100"},
    "description": {"S": "=1+1"},
    "captured_at": {"S": "2026-11-25T10:00:00+01:00"},
    "exposure_time_s": {"N": "0.0005"},
}
NOWHERE = {"key": {"S": "site/nowhere.jpg"}, "description": {"S": 'Brücke, "測量" 😀'}}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A local image-data.csv with three images: one with everything, one with a bare position, one without."""
    path = tmp_path / "image-data.csv"
    path.write_bytes(model_csv([item(1, **DJI), item(2, **PLAIN), item(3, **NOWHERE)]))
    return path


def test_parquet_is_typed_by_the_columns(copy: Path) -> None:
    """Numbers are numbers, times are times, text has no guard, an empty cell is null."""
    written = write(Format.PARQUET, copy, NAMES)
    assert (written.path.name, written.rows) == ("image-data.parquet", 3)
    table = duckdb.sql(f"SELECT * FROM '{written.path}' ORDER BY ingested_at")
    types = dict(zip(table.columns, map(str, table.types), strict=True))
    assert (types["iso"], types["gps_latitude_deg"], types["etag"]) == ("BIGINT", "DOUBLE", "VARCHAR")
    assert (types["ingested_at"], types["captured_at"]) == ("TIMESTAMP WITH TIME ZONE", "VARCHAR")
    rows = table.project("iso, description, etag, exposure_time_s")
    assert rows.fetchall() == [
        (400, None, f"{1:032x}", None),
        (100, "=1+1", f"{2:032x}", 0.0005),
        (None, NOWHERE["description"]["S"], f"{3:032x}", None),
    ]


def test_a_selection_has_the_rows_for_which_the_expression_is_true(copy: Path) -> None:
    """Typed columns in the condition, cells as they were in the result."""
    written = write(Format.CSV, copy, NAMES, "iso > 200 OR description LIKE 'Br%'")
    assert (written.path.name, written.rows) == ("selection.csv", 2)
    table = pandas.read_csv(written.path, dtype=str)
    assert list(table["key"]) == ["site/DJI_0001.JPG", "site/nowhere.jpg"]
    assert list(table.columns) == list(NAMES)
    whole = pandas.read_csv(copy, dtype=str)
    pandas.testing.assert_frame_equal(table, whole.iloc[[0, 2]].reset_index(drop=True))


@pytest.mark.parametrize("expression", ["iso >", "unknown_column = 1", "'text' > 5 / 0 AND iso", "1) OR (1 = 1; --"])
def test_a_bad_expression_is_told_in_one_line(expression: str, copy: Path) -> None:
    """And no file is left."""
    with pytest.raises(BadExpression, match=r"^--where: [^\n]+$"):
        write(Format.CSV, copy, NAMES, expression)
    assert [path.name for path in copy.parent.iterdir()] == ["image-data.csv"]


def test_geojson_has_a_point_for_every_row_with_a_position(copy: Path) -> None:
    """RFC 7946: longitude first; JSON columns are JSON; the others are counted."""
    written = write(Format.GEOJSON, copy, NAMES)
    assert (written.rows, written.left_out) == (2, {"without a position": 1})
    content = json.loads(written.path.read_bytes())
    assert content["type"] == "FeatureCollection"
    first, second = content["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [-91.9942096111111, 46.84252125, 198.609]}
    assert second["geometry"]["coordinates"] == [10.0, 0.0]
    assert first["properties"]["exif"] == {"Make": "DJI", "Note": 'a "quoted" word'}
    assert first["properties"]["ingested_at"] == "2026-11-25T08:00:00.001000Z"
    assert "description" not in first["properties"]
    assert second["properties"]["captured_at"] == "2026-11-25T10:00:00+01:00"


def test_geo_txt_is_what_opendronemap_reads(copy: Path) -> None:
    """Projection first, x is the longitude, pitch counts from straight down, angles and accuracy only if known."""
    written = write(Format.ODM, copy, NAMES)
    assert written.path.name == "geo.txt"
    assert written.path.read_text().splitlines() == [
        "EPSG:4326",
        "DJI_0001.JPG -91.9942096111 46.84252125 198.609 38.6 0.1 0 0.015 0.03",
        "plain.jpg 10 0",
    ]
    assert written.left_out == {"without a position": 1}


def test_pix4d_has_the_same_columns_in_every_line(copy: Path) -> None:
    """Latitude first, a comment instead of a header; angles only if all images have them."""
    high = PLAIN | {"gps_altitude_m": {"N": "-1.5"}}
    copy.write_bytes(model_csv([item(1, **DJI), item(2, **PLAIN), item(3, **(high | {"key": {"S": "high.jpg"}}))]))
    written = write(Format.PIX4D, copy, NAMES)
    assert written.path.read_text().splitlines() == [
        "#imagename,latitude,longitude,altitude",
        "DJI_0001.JPG,46.84252125,-91.9942096111,198.609",
        "high.jpg,0,10,-1.5",
    ]
    assert written.left_out == {"without an altitude": 1}
    written = write(Format.PIX4D, copy, NAMES, "iso = 400")
    assert written.path.read_text().splitlines() == [
        "#imagename,latitude,longitude,altitude,yaw,pitch,roll,horizontal accuracy,vertical accuracy",
        "DJI_0001.JPG,46.84252125,-91.9942096111,198.609,38.6,0.1,0,0.015,0.03",
    ]


def test_names_that_a_survey_program_would_mix_up_are_left_out_and_counted(tmp_path: Path) -> None:
    """A name that comes twice, whatever the case, and for OpenDroneMap a name with a blank."""
    position = {name: {"N": text} for name, text in zip(DJI, ("", "1", "2", "3"), strict=False) if text}
    keys = ["a/one.jpg", "b/ONE.jpg", "two words.jpg", "three.jpg", "#four.jpg", "five,six.jpg"]
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(model_csv([item(number, key={"S": key}, **position) for number, key in enumerate(keys)]))
    odm = write(Format.ODM, copy, NAMES)
    assert odm.path.read_text().splitlines()[1:] == ["five,six.jpg 2 1 3", "three.jpg 2 1 3"]
    assert odm.left_out == {"with a name that is not unique": 2, "with a name that the format cannot hold": 2}
    pix4d = write(Format.PIX4D, copy, NAMES)
    assert pix4d.path.read_text().splitlines()[1:] == ["three.jpg,1,2,3", "two words.jpg,1,2,3"]


@pytest.mark.parametrize(("latitude", "longitude"), [("91", "0"), ("0", "-180.5")])
def test_a_position_that_is_not_on_earth_is_none(latitude: str, longitude: str, tmp_path: Path) -> None:
    """A broken receiver's numbers do not end up on a map."""
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(model_csv([item(1, gps_latitude_deg={"N": latitude}, gps_longitude_deg={"N": longitude})]))
    assert write(Format.GEOJSON, copy, NAMES).left_out == {"without a position": 1}


def _sheet(path: Path) -> str:
    with zipfile.ZipFile(path) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


def test_a_workbook_has_numbers_times_and_texts_that_are_no_formulas(copy: Path) -> None:
    """Excel gets types instead of guesses: an etag stays text, "=1+1" is not run."""
    written = write(Format.XLSX, copy, NAMES)
    assert written.rows == 3
    sheet = _sheet(written.path)
    assert "<f>" not in sheet
    assert "=1+1" in sheet
    assert f"<t>{1:032x}</t>" in sheet
    assert "<v>46.84252125</v>" in sheet
    days = (datetime(2026, 11, 25, 8, tzinfo=UTC) - datetime(1899, 12, 30, tzinfo=UTC)).total_seconds() / 86400
    assert f"<v>{days:.6f}"[:10] in sheet


def test_a_workbook_cuts_what_a_cell_cannot_hold_and_counts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """32,767 characters a cell; more rows than a sheet holds are an error that names the way out."""
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(model_csv([item(1, exif={"S": '{"a":"' + "x" * 40_000 + '"}'})]))
    assert write(Format.XLSX, copy, NAMES).left_out == {"texts cut to what a cell holds": 1}
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 1)
    with pytest.raises(TooManyRows, match="--where"):
        write(Format.XLSX, copy, NAMES)


def test_columns_of_another_version_are_read_as_text(tmp_path: Path) -> None:
    """A CSV made by a newer or older schema can still be written in all formats."""
    columns = (*NAMES[:9], "future_column")
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(model_csv([item(1, future_column={"S": "x"})], columns))
    for form in Format:
        if form is not Format.CSV:
            written = write(form, copy, columns, "future_column = 'x'")
            assert written.rows == (1 if form in (Format.PARQUET, Format.XLSX, Format.CSVT) else 0)


def test_csvt_tells_qgis_the_types_and_the_position(copy: Path) -> None:
    """One type for each column, in order; longitude is x, latitude is y. It describes the whole CSV."""
    written = write(Format.CSVT, copy, NAMES, "iso = 400")
    assert written.path.name == "image-data.csvt"
    kinds = dict(zip(NAMES, written.path.read_text().strip().replace('"', "").split(","), strict=True))
    assert (kinds["gps_longitude_deg"], kinds["gps_latitude_deg"]) == ("CoordX", "CoordY")
    assert (kinds["etag"], kinds["iso"], kinds["f_number"], kinds["captured_at"]) == (
        "String",
        "Integer64",
        "Real",
        "String",
    )


def test_the_command_writes_several_formats_at_once(
    skyledger: Callable[..., Ran], ledger: Ledger, store: MemoryStore, tmp_path: Path
) -> None:
    """And tells what each left out."""
    commit(ledger, [event("INSERT", item(1, **DJI)), event("INSERT", item(2))])
    ran = skyledger("pull", str(tmp_path), "--format", "geojson", "--format", "geo.txt", "--json")
    files: list[dict[str, Any]] = ran.json["files"]
    assert [Path(one["path"]).name for one in files] == ["image-data.geojson", "geo.txt"]
    assert [one["left_out"] for one in files] == [{"without a position": 1}] * 2
    text = skyledger("pull", str(tmp_path), "--where", "iso = 400").out
    assert "selection.csv: 1 rows" in text
    assert skyledger("pull", str(tmp_path), "--where", "iso ==== 1").code == 2
