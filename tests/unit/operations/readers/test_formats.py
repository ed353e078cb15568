"""The copy in other formats: typed, filtered, positions for survey programs."""

import csv
import gc
import json
import random
import resource
import threading
import unicodedata
import warnings
import zipfile
from collections.abc import Callable
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.guard import unguard
from ledger.ledger import Ledger
from operations import progress as progress_of_all
from operations.errors import BadExpression, DiskFull, TooManyRows
from operations.readers import formats, geolocation, spreadsheet, table
from operations.readers.formats import Format, write
from operations.rebuild.tree_reader import named_cells
from tests.support.command_line import Ran
from tests.support.factories import Item, event, item, model_csv

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

# A database takes most of its time for columns; that all of them are written, other tests know (test_other_readers).
COLUMNS = tuple(name for name in NAMES if name in {*NAMES[:9], *DJI, *PLAIN, "title", "xmp", "f_number", "warnings"})


def csv_of(items: list[Item]) -> bytes:
    """Write image-data.csv with a few columns."""
    return model_csv(items, COLUMNS)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A local image-data.csv with three images: one with everything, one with a bare position, one without."""
    path = tmp_path / "image-data.csv"
    path.write_bytes(csv_of([item(1, **DJI), item(2, **PLAIN), item(3, **NOWHERE)]))
    return path


def test_parquet_is_typed_by_the_columns(copy: Path) -> None:
    """Numbers are numbers, times are times, text has no guard, an empty cell is null."""
    written = write(Format.PARQUET, copy, COLUMNS)
    assert (written.path.name, written.rows) == ("image-data.parquet", 3)
    table = duckdb.sql(f"SELECT * FROM '{written.path}' ORDER BY ingested_at")
    types = dict(zip(table.columns, map(str, table.types), strict=True))
    assert (types["iso"], types["gps_latitude_deg"], types["etag"]) == ("BIGINT", "DOUBLE", "VARCHAR")
    assert (types["ingested_at"], types["captured_at"]) == ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP")
    rows = table.project("iso, description, etag, exposure_time_s")
    assert rows.fetchall() == [
        (400, None, f"{1:032x}", None),
        (100, "=1+1", f"{2:032x}", 0.0005),
        (None, NOWHERE["description"]["S"], f"{3:032x}", None),
    ]


CLOCKS = [
    ("2026-11-25T10:00:00.5+01:00", datetime(2026, 11, 25, 10, 0, 0, 500_000), "+01:00", "2026-11-25 09:00:00.5+00"),
    ("2026-11-25T10:00:00Z", datetime(2026, 11, 25, 10), "+00:00", "2026-11-25 10:00:00+00"),
    ("2026-11-25T10:00:00-09:30", datetime(2026, 11, 25, 10), "-09:30", "2026-11-25 19:30:00+00"),
    ("2026-11-25T10:00:00", datetime(2026, 11, 25, 10), None, None),
    ("", None, None, None),
]


def test_a_time_of_capture_is_clock_offset_and_instant(tmp_path: Path) -> None:
    """The clock is what people mean by noon; the instant is there only where the photo knows the offset."""
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of([item(n, captured_at={"S": text}) for n, (text, *_) in enumerate(CLOCKS) if text]))
    written = write(Format.PARQUET, copy, COLUMNS)
    rows = f"SELECT captured_at, captured_at_offset, captured_at_utc FROM '{written.path}'"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        table = database.sql(f"SELECT * REPLACE (captured_at_utc::TEXT AS captured_at_utc) FROM ({rows})")
        assert table.fetchall() == [tuple(one) for _, *one in CLOCKS[:4]]
        assert str(database.sql(rows).types[2]) == "TIMESTAMP WITH TIME ZONE"
    assert write(Format.CSV, copy, COLUMNS, "captured_at_utc > '2026-11-25 09:30Z'").rows == 2
    assert write(Format.CSV, copy, COLUMNS, "captured_at >= '2026-11-25 10:00:00.1'").rows == 1
    assert pandas.read_csv(tmp_path / "selection.csv")["captured_at"].to_list() == [CLOCKS[0][0]]
    with pytest.raises(BadExpression, match="yesterday"):
        write(Format.CSV, copy, COLUMNS, "captured_at > 'yesterday'")


def test_a_selection_has_the_rows_for_which_the_expression_is_true(copy: Path) -> None:
    """Typed columns in the condition, cells as they were in the result."""
    written = write(Format.CSV, copy, COLUMNS, "iso > 200 OR description LIKE 'Br%'")
    assert (written.path.name, written.rows) == ("selection.csv", 2)
    table = pandas.read_csv(written.path, dtype=str)
    assert list(table["key"]) == ["site/DJI_0001.JPG", "site/nowhere.jpg"]
    assert list(table.columns) == list(COLUMNS)
    whole = pandas.read_csv(copy, dtype=str)
    pandas.testing.assert_frame_equal(table, whole.iloc[[0, 2]].reset_index(drop=True))


@pytest.mark.parametrize("expression", ["iso >", "unknown_column = 1", "'text' > 5 / 0 AND iso", "1) OR (1 = 1; --"])
def test_a_bad_expression_is_told_in_one_line(expression: str, copy: Path) -> None:
    """And no file is left."""
    with pytest.raises(BadExpression, match=r"^--where: [^\n]+$"):
        write(Format.CSV, copy, COLUMNS, expression)
    assert [path.name for path in copy.parent.iterdir()] == ["image-data.csv"]


# On a database without bounds some did what they say, some found nothing, and some are for its next version.
ATTACKS = [
    "true); COPY images TO '{there}'; --",
    "true; COPY images TO '{there}'",
    "true) UNION ALL SELECT * FROM images; --",
    "iso > 1, COLUMNS(*)",
    "(SELECT count(*) FROM read_text('/etc/passwd')) > 0",
    "(SELECT count(*) FROM read_csv('/etc/passwd', sep = ':', header = false)) > 0",
    "(SELECT count(*) FROM '/etc/passwd') > 0",
    "(SELECT count(*) FROM glob('/etc/*')) > 0",
    "(SELECT count(*) FROM read_text('{folder}/../../../etc/passwd')) > 0",
    "(SELECT count(*) FROM read_text('{secret}')) > 0",
    "(SELECT count(*) FROM sniff_csv('{secret}')) > 0",
    "(SELECT count(*) FROM read_text('{link}')) > 0",
    "(SELECT count(*) FROM read_csv('https://localhost:9/x.csv')) > 0",
    "(SELECT count(*) FROM query('COPY images TO ''{there}''')) > 0",
    "(SELECT count(*) FROM query('INSTALL httpfs')) > 0",
    "(SELECT count(*) FROM frame) > 0",
    "getenv('HOME') IS NOT NULL",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_condition_reaches_nothing_but_the_rows(attack: str, copy: Path, tmp_path: Path) -> None:
    """It may be somebody else's: it neither reads nor writes a file, fetches no extension and sees no Python."""
    secret, there, link = tmp_path / "secret.csv", tmp_path / "there.csv", copy.with_name("link.csv")
    secret.write_text("a,b\n1,2\n")
    link.symlink_to(secret)
    frame = pandas.DataFrame({"a": [1]})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadExpression, match=r"^--where: [^\n]+$"):
        write(Format.CSV, copy, COLUMNS, attack.format(there=there, folder=copy.parent, secret=secret, link=link))
    assert sorted(tmp_path.rglob("*")) == before
    assert len(frame) == 1


def test_the_bounds_of_the_database_are_set_and_locked(copy: Path) -> None:
    """Each holds by itself, so that no attack needs to be known for it: pinned one by one, as the database has them."""
    folder = copy.parent / "unfinished"
    folder.mkdir()
    with table._database(copy, folder) as database:
        settings = dict(database.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    bounds = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
        "enable_external_access": "false",
        "lock_configuration": "true",
        "TimeZone": "UTC",
        "temp_directory": str(folder),  # what does not fit into memory goes when the file is written
        "allowed_paths": f"[{copy}]",
        "memory_limit": "286.1 MiB",
        "preserve_insertion_order": "true",
        "enable_progress_bar": "true",
        "enable_progress_bar_print": "false",
    }
    assert {name: settings[name] for name in bounds} == bounds
    assert int(settings["threads"]) <= 2  # each takes memory of its own
    assert {one.rstrip("/") for one in settings["allowed_directories"].strip("[]").split(", ")} == {str(folder)}


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("iso > 200 -- bright", 1),
        ("key IN (SELECT key FROM images WHERE iso IS NOT NULL)", 2),
        ("regexp_matches(key, '^site/') AND ingested_at > TIMESTAMPTZ '2026-11-25 08:00:00Z'", 3),
        ("exif->>'Make' = 'DJI'", 1),
    ],
)
def test_a_condition_may_be_any_expression_on_the_rows(expression: str, rows: int, copy: Path) -> None:
    """Comments, subqueries on the rows, times with an offset, and JSON."""
    assert write(Format.PARQUET, copy, COLUMNS, expression).rows == rows


@pytest.mark.parametrize("form", [Format.CSV, Format.PARQUET, Format.XLSX])
def test_a_sample_is_counted_as_it_is_written(form: Format, tmp_path: Path) -> None:
    """Chance chooses anew each time that rows are read; of 300 some ten stand on either side."""
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of([item(number) for number in range(300)]))
    for _ in range(2):
        written = write(form, copy, COLUMNS, "random() < 0.5")
        if form is Format.XLSX:
            rows = _sheet(written.path).count("<row ") - 1
        else:
            rows = len(duckdb.sql(f"FROM '{written.path}'").fetchall())
        assert written.rows == rows


@pytest.mark.parametrize("error", [RuntimeError("Query interrupted"), duckdb.InterruptException("INTERRUPT Error: !")])
def test_ctrl_c_interrupts_a_condition_without_an_end(
    error: Exception, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB makes an error of its own of it, which is no fault of the condition; nothing is left."""

    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setitem(formats._WRITERS, Format.CSV, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(Format.CSV, copy, COLUMNS, "true")
    assert [path.name for path in copy.parent.iterdir()] == ["image-data.csv"]


@pytest.mark.parametrize("form", Format)
def test_a_full_disk_is_told_with_what_is_needed_there(form: Format, tmp_path: Path) -> None:
    """Whoever writes the format, and whenever: the old file stays, and nothing half beside it."""
    changed = {"captured_at": PLAIN["captured_at"]}
    items = [item(number, **{**DJI, **changed, "key": {"S": f"site/{number}.jpg"}}) for number in range(30)]
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of(items))
    before = write(form, copy, COLUMNS, "true")
    old = {path: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))  # to whoever writes, a disk with 64 bytes
    try:
        with pytest.raises(DiskFull, match=rf"^{tmp_path}: the disk is full: about [\d.]+ MB are needed there"):
            write(form, copy, COLUMNS, "true")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    if form is Format.XLSX:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # XlsxWriter leaves its file to the collector then
            gc.collect()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old
    assert before.path in old


def test_progress_is_told_while_the_database_works(copy: Path) -> None:
    """In percent, from the first moment on (DuckDB says -1 while it has no query), and in rows."""

    class Busy:
        answers = iter([-1.0, 37.9, 99.0])

        def query_progress(self) -> float:
            return next(self.answers, 99.0)

    told: list[tuple[str, int, int]] = []
    ended = threading.Event()

    def progress(*step: Any) -> None:
        told.append(step)
        if len(told) == 4:
            ended.set()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(progress_of_all, "_LOOK_SECONDS", 0.001)
        with table._telling(Busy(), progress, "writing csv"):  # type: ignore[arg-type]
            assert ended.wait(60)
    assert told[:4] == [("writing csv", percent, 100) for percent in (0, 0, 37, 99)]
    steps: list[tuple[str, int, int]] = []
    rows = copy.read_bytes().count(b"\n") - 1
    write(Format.GEOJSON, copy, COLUMNS, rows=rows, progress=lambda *step: steps.append(step))
    assert steps[0] == ("writing geojson", 0, 100)
    assert ("writing geojson, rows", rows, rows) in steps, "what is written row by row takes longer than the query"
    steps.clear()
    write(Format.XLSX, copy, COLUMNS, rows=rows, progress=lambda *step: steps.append(step))
    *_, (step, written, total) = steps
    assert (step, total) == ("packing the workbook, bytes", written), "the last that is told, when the rows are done"
    assert written >= (copy.parent / "image-data.xlsx").stat().st_size > 0


def test_another_error_while_a_copy_is_written_is_told_as_it_is(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only DuckDB's own word for it is Ctrl-C."""

    def fail(*_: object) -> None:
        raise RuntimeError("another")

    monkeypatch.setitem(formats._WRITERS, Format.CSV, fail)
    with pytest.raises(RuntimeError, match="another"):
        write(Format.CSV, copy, COLUMNS, "true")


def test_a_copy_beside_a_quote_in_the_folders_name_is_written(copy: Path) -> None:
    """The folder is the reader's own choice."""
    folder = copy.parent / "it's [here]"
    folder.mkdir()
    moved = copy.rename(folder / copy.name)
    with chdir(folder.parent):
        written = write(Format.PARQUET, moved.relative_to(folder.parent), COLUMNS, "iso = 400")
    assert (written.rows, sorted(path.name for path in folder.iterdir())) == (
        1,
        ["image-data.csv", "selection.parquet"],
    )


def test_typed_copies_have_every_text_as_it_was(tmp_path: Path) -> None:
    """DuckDB takes the guard off as Python does: one rule, two readers."""
    chance = random.Random(7)
    letters = "a1;|\t'\"=+-@ \xa0\u3000\ufeff\uff1d\uff20,\\$["
    texts = ["".join(chance.choices(letters, k=chance.randrange(1, 9))) for _ in range(2000)]
    documents = [json.dumps({text: [text]}, ensure_ascii=False) for text in texts]
    copy = tmp_path / "image-data.csv"
    items = [
        item(number, title={"S": text}, exif={"S": document})
        for number, (text, document) in enumerate(zip(texts, documents, strict=True))
    ]
    copy.write_bytes(csv_of(items))
    written = write(Format.PARQUET, copy, COLUMNS)
    rows = duckdb.sql(f"SELECT title, exif FROM '{written.path}' ORDER BY ingested_at").fetchall()
    assert [title for title, _ in rows] == texts
    assert [json.loads(exif) for _, exif in rows] == [json.loads(document) for document in documents]
    with copy.open(newline="") as file:
        assert [unguard(row["title"]) for row in csv.DictReader(file)] == texts


def test_whoever_reads_keys_has_their_line_breaks(tmp_path: Path) -> None:
    """S3b: formats by DuckDB, and the page, `history` and `verify` by Python, name the object that there is."""
    keys = ["a b", "a\nb", "a\r\nb", "a\rb", "\0", "\u241bn", "\u241be\n", "=\n1", "x;=\u241b"]
    body = csv_of([item(number, key={"S": key}) for number, key in enumerate(keys)])
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(body)
    written = write(Format.PARQUET, copy, COLUMNS)
    assert duckdb.sql(f"SELECT key FROM '{written.path}' ORDER BY ingested_at").fetchall() == [(key,) for key in keys]
    assert [named_cells(COLUMNS, line)["key"] for line in body.splitlines(keepends=True)[1:]] == keys


def test_geojson_has_a_point_for_every_row_with_a_position(copy: Path) -> None:
    """RFC 7946: longitude first, no height above the sea; JSON columns are JSON; features have all columns."""
    written = write(Format.GEOJSON, copy, COLUMNS)
    assert (written.rows, written.left_out) == (2, {"without a position": 1})
    content = json.loads(written.path.read_bytes())
    assert content["type"] == "FeatureCollection"
    assert [one["id"] for one in content["features"]] == [f"{1:032x}", f"{2:032x}"]
    first, second = content["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [-91.9942096111111, 46.84252125]}
    assert list(first["properties"]) == list(second["properties"]) == list(COLUMNS)
    assert (first["properties"]["gps_altitude_m"], first["properties"]["warnings"]) == (198.609, None)
    assert second["geometry"]["coordinates"] == [10.0, 0.0]
    assert first["properties"]["exif"] == {"Make": "DJI", "Note": 'a "quoted" word'}
    assert first["properties"]["ingested_at"] == "2026-11-25T08:00:00.001000Z"
    assert first["properties"]["description"] is None
    assert second["properties"]["captured_at"] == "2026-11-25T10:00:00+01:00"


def test_geojson_holds_a_document_however_deep(tmp_path: Path) -> None:
    """An item that was in the table before may have any; reading allows more levels than writing."""
    copy = tmp_path / "image-data.csv"
    deep = '{"a":' + "[" * 499 + "]" * 499 + "}"
    copy.write_bytes(csv_of([item(1, **{**DJI, "xmp": {"S": deep}})]))
    written = write(Format.GEOJSON, copy, COLUMNS)
    assert json.loads(written.path.read_text())["features"][0]["properties"]["xmp"] == json.loads(deep)
    row = csv_of([item(1, **{**DJI, "xmp": {"S": '{"no":"JSON"}'}})])
    copy.write_bytes(row.replace(b'{""no"":""JSON""}', b"{no JSON"))  # as exporters wrote it that did not read JSON
    written = write(Format.GEOJSON, copy, COLUMNS)
    assert json.loads(written.path.read_text())["features"][0]["properties"]["xmp"] == "{no JSON"


@pytest.mark.parametrize(
    ("row", "position"),
    [
        ({"gps_latitude_deg": 90.0, "gps_longitude_deg": -180.0}, (90.0, -180.0, None)),
        ({"gps_latitude_deg": 90.1, "gps_longitude_deg": 0.0}, None),
        ({"gps_latitude_deg": 0.0, "gps_longitude_deg": 180.1}, None),
        ({"gps_latitude_deg": 0.0}, None),
        ({"gps_longitude_deg": 0.0}, None),
        ({"gps_latitude_deg": 1.0, "gps_longitude_deg": 2.0, "absolute_altitude_m": 3.0}, (1.0, 2.0, 3.0)),
        (
            {"gps_latitude_deg": 1.0, "gps_longitude_deg": 2.0, "gps_altitude_m": 0.0, "absolute_altitude_m": 3.0},
            (1.0, 2.0, 0.0),
        ),
    ],
)
def test_a_position_is_on_earth_and_zero_is_an_altitude(row: dict[str, float], position: object) -> None:
    """Poles and date line included; the maker's altitude serves where the receiver gave none."""
    assert geolocation.position_of(row) == position


AT = {"gps_latitude_deg": -1e-12, "gps_longitude_deg": 2.0}
HIGH = {**AT, "gps_altitude_m": 3.0}
GIMBAL = {"gimbal_yaw_deg": 10.0, "gimbal_pitch_deg": -90.0, "gimbal_roll_deg": 1.0}
CAMERA = {"camera_yaw_deg": 20.0, "camera_pitch_deg": 5.0, "camera_roll_deg": 2.0}
RTK = {"rtk_std_latitude_m": 0.2, "rtk_std_longitude_m": 0.1, "rtk_std_height_m": 0.3}


@pytest.mark.parametrize(
    ("row", "odm", "pix4d"),
    [
        (AT, "a 2 0", None),
        (HIGH, "a 2 0 3", "a,0,2,3"),
        (HIGH | GIMBAL, "a 2 0 3 10 0 1", "a,0,2,3,10,0,1"),
        (HIGH | GIMBAL | CAMERA, "a 2 0 3 20 5 2", "a,0,2,3,20,5,2"),
        (HIGH | RTK, "a 2 0 3 0 0 0 0.2 0.3", "a,0,2,3"),
        (HIGH | GIMBAL | RTK, "a 2 0 3 10 0 1 0.2 0.3", "a,0,2,3,10,0,1,0.2,0.3"),
        (
            HIGH | CAMERA | {"gps_horizontal_error_m": 7.0, "rtk_std_height_m": 8.0},
            "a 2 0 3 20 5 2 7 8",
            "a,0,2,3,20,5,2,7,8",
        ),
        (HIGH | CAMERA | {"gps_horizontal_error_m": 7.0}, "a 2 0 3 20 5 2", "a,0,2,3,20,5,2"),
        (HIGH | CAMERA | {"gimbal_yaw_deg": 1.0, "camera_roll_deg": None}, "a 2 0 3", "a,0,2,3"),
    ],
)
def test_what_is_known_of_a_photo_stands_at_its_place(
    row: dict[str, float], odm: str, pix4d: str | None, tmp_path: Path
) -> None:
    """Camera before gimbal; the worse of both errors; what comes behind an unknown value only where zeros may stand."""
    path = tmp_path / "file"
    located = geolocation.locate({"key": "x/a", **row})
    assert located is not None
    assert geolocation.write_odm([located], path) == 1
    assert path.read_text() == f"EPSG:4326\n{odm}\n"
    assert geolocation.pix4d_holds(located) == ("" if pix4d else geolocation.NO_ALTITUDE)
    geolocation.write_pix4d([located] if pix4d else [], path)
    assert path.read_text().splitlines()[1:] == ([pix4d] if pix4d else [])


@pytest.mark.parametrize(
    ("name", "odm", "pix4d"),
    [('a"b', True, False), ("a,b", True, False), (" ab", False, False), ("ab ", False, False), ("a b", False, True),
     ("#ab", False, False), ("", False, False), ("a#b", True, True), ("=ab", True, False)],
)  # fmt: skip
def test_which_names_each_format_holds(name: str, odm: bool, pix4d: bool) -> None:
    """The others are counted."""
    located = geolocation.locate({"key": f"x/{name}", **HIGH})
    assert located is not None
    assert geolocation.odm_holds(located) == ("" if odm else geolocation.BAD_NAME)
    assert geolocation.pix4d_holds(located) == ("" if pix4d else geolocation.BAD_NAME)


def test_geo_txt_is_what_opendronemap_reads(copy: Path) -> None:
    """Projection first, x is the longitude, pitch counts from straight down, angles and accuracy only if known."""
    written = write(Format.ODM, copy, COLUMNS)
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
    copy.write_bytes(csv_of([item(1, **DJI), item(2, **PLAIN), item(3, **(high | {"key": {"S": "high.jpg"}}))]))
    written = write(Format.PIX4D, copy, COLUMNS)
    assert written.path.read_text().splitlines() == [
        "#imagename,latitude,longitude,altitude",
        "DJI_0001.JPG,46.84252125,-91.9942096111,198.609",
        "high.jpg,0,10,-1.5",
    ]
    assert written.left_out == {"without an altitude": 1}
    written = write(Format.PIX4D, copy, COLUMNS, "iso = 400")
    assert written.path.read_text().splitlines() == [
        "#imagename,latitude,longitude,altitude,yaw,pitch,roll,horizontal accuracy,vertical accuracy",
        "DJI_0001.JPG,46.84252125,-91.9942096111,198.609,38.6,0.1,0,0.015,0.03",
    ]


def test_names_that_a_survey_program_would_mix_up_are_left_out_and_counted(tmp_path: Path) -> None:
    """A name that comes twice, whatever the case, and for OpenDroneMap a name with a blank."""
    position = {name: {"N": text} for name, text in zip(DJI, ("", "1", "2", "3"), strict=False) if text}
    keys = ["one.jpg", "ONE.jpg", "two words.jpg", "three.jpg", "#four.jpg", "five,six.jpg"]
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of([item(number, key={"S": key}, **position) for number, key in enumerate(keys)]))
    odm = write(Format.ODM, copy, COLUMNS)
    assert odm.path.read_text().splitlines()[1:] == ["five,six.jpg 2 1 3", "three.jpg 2 1 3"]
    assert odm.left_out == {"with a name that is not unique": 2, "with a name that the format cannot hold": 2}
    pix4d = write(Format.PIX4D, copy, COLUMNS)
    assert pix4d.path.read_text().splitlines()[1:] == ["three.jpg,1,2,3", "two words.jpg,1,2,3"]


def opendronemap(text: str) -> dict[str, list[float]]:
    """Read a geo.txt as OpenDroneMap does (opendm/geo.py): what stands beside each name."""
    lines = [line.strip() for line in text.strip().replace("\ufeff", "").split("\n")]
    read = {}
    for line in lines[1:]:
        parts = line.split()
        if line and line[0] != "#" and len(parts) >= 3:
            read[parts[0]] = [float(part) for part in parts[1:4]]
    return read


BLANKS = [chr(code) for code in range(0x110000) if chr(code).isspace()]
HIDDEN = ["\ufeff", "\u200b", "\u202e", "\x1b", "\x7f", "\xad", "\u2060", "\u3164", "\u034f", "\ufe0f", "\U000e0101"]


def test_no_name_moves_another_photo(tmp_path: Path) -> None:
    """OpenDroneMap cuts at every blank there is, and takes of two entries the last: `a.jpg<blank>9 9` is no a.jpg."""
    at = {name: {"N": number} for name, number in zip(list(DJI)[1:4], "123", strict=True)}
    away = {name: {"N": number} for name, number in zip(list(DJI)[1:4], "777", strict=True)}
    keys = ["a.jpg", *(f"x/a.jpg{one}9{one}9" for one in BLANKS), *(f"x/{one}a.jpg" for one in (*BLANKS, *HIDDEN))]
    keys += [f"x/b{one}.jpg" for one in HIDDEN]
    items = [item(number, key={"S": key}, **(away if number else at)) for number, key in enumerate(keys)]
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of(items))
    written = write(Format.ODM, copy, COLUMNS)
    assert opendronemap(written.path.read_text(encoding="utf-8", errors="strict")) == {"a.jpg": [2.0, 1.0, 3.0]}
    assert written.left_out == {"with a name that the format cannot hold": len(keys) - 1}
    plain = write(Format.PIX4D, copy, COLUMNS).path.read_text(encoding="utf-8")
    assert all(line.isprintable() for line in plain.split("\n"))
    assert not [line for line in plain.splitlines() if line.startswith(" ") or " ," in line]


def test_pix4ds_file_has_no_name_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    """With a quote before it the name would be no image's: so it is left out and counted."""
    at = {name: {"N": number} for name, number in zip(list(DJI)[1:4], "123", strict=True)}
    keys = ["a/=cmd.jpg", "+1.jpg", "-1.jpg", "@x.jpg", "\uff1dx.jpg", "x;=1.jpg", "'=x.jpg", "it's a-b=c.jpg"]
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of([item(number, key={"S": key}, **at) for number, key in enumerate(keys)]))
    written = write(Format.PIX4D, copy, COLUMNS)
    assert written.path.read_text().splitlines()[1:] == ["it's a-b=c.jpg,1,2,3"]
    assert written.left_out == {"with a name that the format cannot hold": len(keys) - 1}
    assert len(opendronemap(write(Format.ODM, copy, COLUMNS).path.read_text())) == len(keys) - 1  # one has blanks


FOLDED_ALIKE = ("\u0390", "\u03aa\u0301", "\u1fb4", "\u03b1\u0345\u0301")


def test_a_name_that_a_file_system_takes_for_another_is_not_unique(tmp_path: Path) -> None:
    """Case, and how accents are composed, do not tell names apart; positions do not matter."""
    at = {name: {"N": number} for name, number in zip(list(DJI)[1:4], "123", strict=True)}
    composed = unicodedata.normalize("NFC", "Brücke.jpg")
    items = [
        item(1, key={"S": composed}, **at),
        item(2, key={"S": unicodedata.normalize("NFD", composed)}, **at),
        item(3, key={"S": "STRASSE.jpg"}, **at),
        item(4, key={"S": "straße.jpg"}, **at),
        item(5, key={"S": "here.jpg"}, **at),
        item(6, key={"S": "Here.jpg"}),
        item(7, key={"S": "one.jpg"}, **at),
        # Folded, these are composed otherwise: in the second pair an accent goes before the iota below the letter.
        *(item(8 + place, key={"S": f"{name}.jpg"}, **at) for place, name in enumerate(FOLDED_ALIKE)),
    ]
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of(items))
    written = write(Format.ODM, copy, COLUMNS)
    assert list(opendronemap(written.path.read_text())) == ["one.jpg"]
    assert written.left_out == {"without a position": 1, "with a name that is not unique": 9}


@pytest.mark.parametrize(("latitude", "longitude"), [("91", "0"), ("0", "-180.5")])
def test_a_position_that_is_not_on_earth_is_none(latitude: str, longitude: str, tmp_path: Path) -> None:
    """A broken receiver's numbers do not end up on a map."""
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(csv_of([item(1, gps_latitude_deg={"N": latitude}, gps_longitude_deg={"N": longitude})]))
    assert write(Format.GEOJSON, copy, COLUMNS).left_out == {"without a position": 1}


def _sheet(path: Path) -> str:
    with zipfile.ZipFile(path) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


def test_a_workbook_has_numbers_times_and_texts_that_are_no_formulas(copy: Path) -> None:
    """Excel gets types instead of guesses: an etag stays text, "=1+1" is not run."""
    written = write(Format.XLSX, copy, COLUMNS)
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
    copy.write_bytes(csv_of([item(1, exif={"S": '{"a":"' + "x" * 40_000 + '"}'})]))
    assert write(Format.XLSX, copy, COLUMNS).left_out == {"texts cut to what a cell holds": 1}
    copy.write_bytes(csv_of([item(1, title={"S": "x" + "😀" * 20_000})]))  # two of Excel's characters each
    written = write(Format.XLSX, copy, COLUMNS)
    assert written.left_out == {"texts cut to what a cell holds": 1}
    assert f"<t>x{'😀' * 16_383}</t>" in _sheet(written.path)
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 3)
    assert write(Format.XLSX, copy, COLUMNS, "title <> ''", rows=7).rows == 1, "of the seven one is wanted"
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 1)
    with pytest.raises(TooManyRows, match="--where"):
        write(Format.XLSX, copy, COLUMNS)
    monkeypatch.setattr(table.Table, "rows", lambda *_, **__: pytest.fail("work was begun"))
    monkeypatch.setattr(table.Table, "select", lambda *_: pytest.fail("rows were counted that are known"))
    with pytest.raises(TooManyRows, match="these are 7"):
        write(Format.XLSX, copy, COLUMNS, rows=7)


def test_a_sheet_may_have_more_bytes_than_an_old_zip_holds(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some 400,000 rows reach 4 GB of XML; here the limit is lower."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    assert "<row " in _sheet(write(Format.XLSX, copy, COLUMNS).path)


def test_the_limits_of_a_workbook_are_excels() -> None:
    """Microsoft, "Excel specifications and limits": with one more, Excel mends the file or refuses it."""
    assert (spreadsheet.MOST_ROWS, spreadsheet.MOST_CHARACTERS, spreadsheet.EXACT_DIGITS) == (1_048_576, 32_767, 15)


def test_a_workbook_keeps_what_a_number_of_excels_would_lose(tmp_path: Path) -> None:
    """Whole numbers of more than 15 digits, and times before 1900, are texts; a sheet is full with its last row."""
    names, path = ("iso", "f_number", "captured_at", "key"), tmp_path / "book.xlsx"
    rows = [
        {"iso": 10**15 - 1, "f_number": 1.5, "captured_at": datetime(1900, 1, 2), "key": "https://a.example"},
        {"iso": 10**15, "f_number": None, "captured_at": datetime(1899, 12, 31), "key": "x" * 16_384},
    ]
    assert spreadsheet.write_xlsx(iter(rows), names, spreadsheet.MOST_ROWS - 1, path) == (2, {})
    sheet = _sheet(path)
    assert ("<v>999999999999999</v>" in sheet, "<t>1000000000000000</t>" in sheet) == (True, True)
    assert ("<v>2</v>" in sheet, "<t>1899-12-31 00:00:00</t>" in sheet) == (True, True)
    assert "hyperlink" not in sheet
    with pytest.raises(TooManyRows):
        spreadsheet.write_xlsx(iter(rows), names, spreadsheet.MOST_ROWS, path)


def test_columns_of_another_version_are_read_as_text(tmp_path: Path) -> None:
    """A CSV made by a newer or older schema can still be written in all formats."""
    columns = (*NAMES[:9], "future_column")
    copy = tmp_path / "image-data.csv"
    copy.write_bytes(model_csv([item(1, future_column={"S": "x"})], columns))
    for form in Format:
        if form is not Format.CSV:
            written = write(form, copy, columns, "future_column = 'x'")
            assert written.rows == {Format.PARQUET: 1, Format.XLSX: 1, Format.CSVT: None}.get(form, 0)
    columns = (*NAMES[:9], "gps_latitude_deg", "gps_longitude_deg", "geometry")
    copy.write_bytes(model_csv([item(1, geometry={"S": "a word"}, **PLAIN)], columns))
    written = write(Format.PARQUET, copy, columns)
    assert duckdb.sql(f"SELECT geometry FROM '{written.path}'").fetchall() == [("a word",)], "no point in its place"


def test_csvt_tells_qgis_the_types_and_the_position(copy: Path) -> None:
    """One type for each column, in order; longitude is x, latitude is y. It describes the whole CSV."""
    written = write(Format.CSVT, copy, COLUMNS, "iso = 400")
    assert written.path.name == "image-data.csvt"
    kinds = dict(zip(COLUMNS, written.path.read_text().strip().replace('"', "").split(","), strict=True))
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
