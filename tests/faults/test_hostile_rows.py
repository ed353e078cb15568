"""One photo or one foreign writer makes no row unreadable: the README's recipes on hostile values."""

import csv
import io
import json
import math
import re
import struct
from collections.abc import Iterator
from contextlib import chdir
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import duckdb
import pytest
from exifread.tags.exif import EXIF_TAGS, GPS_TAGS

from image_processor.columns import precedence
from image_processor.columns.extract import extract
from image_processor.reading.ranged import BytesSource
from image_processor.tags.namespaces import _BY_PREFIX
from infra.doubles.image_files import ascii_value, exif_segment, jpeg, packet, tiff, xmp_segment
from ledger.columns import COLUMNS, EXACT, NAMES, TYPES, UTC
from ledger.csvw import describe
from ledger.guard import unescape, unguard
from ledger.row import RowEncoder
from operations.readers.ddl import Engine, statements
from operations.readers.formats import Format, write
from tests.support.factories import Item, item, model_csv
from tests.support.paths import ROOT
from tests.support.readmes import blocks, rows_of

EXIF, GPS = 0x8769, 0x8825
POINTERS = {EXIF, GPS, 0x014A, 0xA005}
IN_FIRST = (0x010E, 0x010F, 0x0110, 0x0112, 0x0131, 0x0132, 0x013B, 0x4746, 0x8298, *range(0x9C9B, 0x9CA0))

HEAD = 3000  # rows; DuckDB guesses by the first 2,047 (duckdb/duckdb#16251, #16476)
REDSHIFT_ROW = 4 << 20  # bytes (Redshift Database Developer Guide, COPY)

WORDS = ["=1+1", "a\nb", "a b", "x\r\ny\0z", "\u241bn", 'say "a", b', "'", "NA", "null", "NaN", "1e5", "007", "true"]
WORDS += [
    "\ufeffa",
    "a\x85b\u2028c\x0b\x1a",
    "\\",
    '\\"',
    "#x",
    ";|\t=1",
    " a ",
    "é" * 40_000,
    "測量 😀",
    '""',
    ",",
    '"',
]
# Each with what a reader is to have of it.
NUMBERS = {"0": 0, "-0": 0, "1E+3": 1000, str(2**63 - 1): 2**63 - 1, str(-(2**63)): -(2**63), "-7": -7}
NO_NUMBERS = ["NaN", "Infinity", "1E+126", "1E-131", "9" * 200, "4.9E-324", "", "1_0", "0x1F", "\u0661", "1.2.3", "--1"]
NO_INTEGERS = [*NO_NUMBERS, str(2**63), str(-(2**63) - 1), "9" * 38, "1E+125", "1.5", "1E-130", "1.0"]
DECIMALS = ["1", "0.1", "-0.00", "1E-130", "-9.9999999999999999999999999999999999999E+125", "1" * 38, "123E-2", "5E-7"]
TIMES = ["2026-11-25T07:59:59Z", "1678-01-01T00:00:00Z", "2261-12-31T23:59:59.999999Z", "2024-02-29T00:00:00.5Z"]
CLOCKS = [*TIMES, "2026-11-25T07:59:59", "2026-11-25T07:59:59.1-12:00", "2026-11-25T07:59:59+14:00"]
NO_TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2023-02-29T00:00:00Z", "2026-11-25T24:00:00Z", "now", "-1"]
NO_TIMES += [
    "2026-11-25T07:59:60Z",
    "2026-11-25 07:59:59Z",
    "2026-11-25",
    "20261125T075959Z",
    "2026-11-25T07:59:59+25:00",
]
DOCUMENTS = [
    '{"a":1,"a":2}',
    '{"n":' + "9" * 300 + "}",
    '{"a":"' + "x" * 140_000 + '"}',
    '{"a":' + "[" * 499 + "]" * 499 + "}",
]
DOCUMENTS += [r'{"a":"\u0000\n;=1","b":"\\\""}', '{\r\n\t"=": "\u2028;=1"}', "{}", r'{"a":"\ud83d\ude00"}']
ARRAYS = ["[]", r'["=1","\u0000,\"",";=1"]', '[\n"a"]']
NO_JSON = [
    "{",
    "NaN",
    '{"a":NaN}',
    r'{"a":"\ud800"}',
    '{"a":1e999}',
    "5",
    '"=1"',
    "null",
    "[1]",
    '{"a":"\n"}',
    '{"a":1}{}',
]
NO_JSON += ['{"a":' + "[" * 600 + "]" * 600 + "}", "=1+1"]
OTHER_TYPES: list[Any] = [{"BOOL": True}, {"L": [{"S": "a"}]}, {"M": {}}, {"SS": ["a"]}, {"NS": ["1"]}, {"B": "AA=="}]
OTHER_TYPES += [{"BS": ["AA=="]}, {"NULL": True}, {"S": "\ud800"}, {}]


def values_of(name: str) -> Iterator[tuple[Any, Any]]:
    """Give attributes that somebody may write for a column, each with what readers are to have of it."""
    kind = TYPES[name]
    yield from ((one, None) for one in OTHER_TYPES)
    if kind == "text":
        yield {"N": "1"}, None
        words = [*WORDS, "é" * 40_000] if name == "description" else WORDS
        yield from (({"S": word}, word if name in EXACT else _folded(word)) for word in words)
    elif kind == "json":
        good, bad = (ARRAYS, DOCUMENTS) if name in ("keywords", "warnings") else (DOCUMENTS, ARRAYS)
        yield from (({"S": text}, json.loads(text)) for text in good)
        yield from (({"S": text}, None) for text in (*bad, *NO_JSON))
    elif kind == "timestamp":
        yield from (({"S": text}, text) for text in (TIMES if name in UTC else CLOCKS))
        yield from (({"S": text}, None) for text in (*NO_TIMES, *(CLOCKS[4:] if name in UTC else ())))
    else:
        yield {"S": "1"}, None
        yield from (({"N": text}, number if kind == "integer" else float(number)) for text, number in NUMBERS.items())
        if kind == "decimal":
            yield from (({"N": text}, float(Decimal(text))) for text in DECIMALS)
        yield from (({"N": text}, None) for text in (NO_INTEGERS if kind == "integer" else NO_NUMBERS))


def _folded(text: str) -> str:
    return re.sub("\r\n|\r|\n", " ", text.replace("\0", ""))


def photos() -> Iterator[Item]:
    """Give the attributes of photos that say hostile things in every XMP property and Exif tag that feeds a column."""
    sources = re.findall(
        r"'([\w-]+:\w+)'", str([vars(precedence)[name] for name in vars(precedence) if name.isupper()])
    )
    names = sorted({one for one in sources if one.partition(":")[0] in _BY_PREFIX and one != "exif:Flash"})
    spaces = {one.partition(":")[0] for one in names} - {"dc", "drone-dji"}
    declared = " ".join(f'xmlns:{prefix}="{_BY_PREFIX[prefix]}"' for prefix in sorted(spaces))
    strange = [
        "9" * 20,
        "-" + "9" * 20,
        "1e28",
        "1e400",
        "1/0",
        "-0",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59-14:00",
    ]
    texts = (*strange, *NO_TIMES, "=1+1", "NA", ";|\t=1", "'", "é" * 99, "1" * 28, "1678-01-01T00:00:00+14:00")
    for value in texts:
        said = " ".join(f"{name}={quoteattr(value)}" for name in names)
        yield _attributes(jpeg(xmp_segment(packet(f"{declared} {said}"))))
    for value in (*(ascii_value(text) for text in texts), *exif_numbers()):
        below = {EXIF: dict.fromkeys(EXIF_TAGS.keys() - POINTERS, value), GPS: dict.fromkeys(GPS_TAGS, value)}
        yield _attributes(jpeg(exif_segment(tiff(dict.fromkeys(IN_FIRST, value) | below))))
    size = {256: (16, 1, b"\xff" * 8), 257: (16, 1, b"\xff" * 7 + b"\x7f")}
    yield _attributes(tiff(size, big=True))


def exif_numbers() -> Iterator[tuple[int, int, bytes]]:
    """Give values of every type of Exif, at the ends of what it holds, one and three at a time."""
    for count in (1, 3):
        for kind, size in {1: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}.items():
            for byte in (b"\xff", b"\x7f", b"\0"):
                yield kind, count, byte * size * count
        for ratio in ((1, 0), (2**32 - 1, 1), (1, 2**32 - 1), (2**31, 2**32 - 1)):
            yield 5, count, struct.pack("<2I", *ratio) * count
        for ratio in ((-(2**31), 1), (-(2**31), -1), (1, -(2**31)), (-1, 0)):
            yield 10, count, struct.pack("<2i", *ratio) * count
        for double in (math.inf, 1.7e308, 5e-324, -0.0, 1e19, -1e30):
            yield 12, count, struct.pack("<d", double) * count


def _attributes(body: bytes) -> Item:
    record = extract(BytesSource(body))
    assert record is not None
    return dict(record.attributes)


def from_photo(name: str, attribute: Any) -> Any:
    """Give what readers are to have of what the extractor wrote."""
    if "N" in attribute:
        return int(attribute["N"]) if TYPES[name] == "integer" else float(attribute["N"])
    return json.loads(attribute["S"]) if TYPES[name] == "json" else _folded(attribute["S"])


@cache
def hostile_items() -> list[tuple[Item, dict[str, Any]]]:
    """Give items, each with what readers are to have of their columns."""
    made = []
    for name in NAMES[3:]:
        for attribute, expected in values_of(name):
            made.append((item(HEAD + len(made)) | {name: attribute}, {name: expected}))
    for attributes in photos():
        expected = {name: from_photo(name, value) for name, value in attributes.items()}
        made.append((item(HEAD + len(made)) | attributes, dict.fromkeys(NAMES[9:]) | expected))
    return made


# What stands before them, and says nothing of what will come.
HEADS: dict[str, dict[str, Any]] = {
    "bare": {},
    "numbers in every column": {
        column.name: {"N": "1"} if column.type in ("integer", "decimal") else {"S": "1"}
        for column in COLUMNS[3:]
        if column.type not in ("timestamp", "json")
    },
    "another quote": {"title": {"S": "'a'"}, "comment": {"S": "'b|c'"}, "description": {"S": "#'d;e'"}},
}


@pytest.fixture(scope="module", params=HEADS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder as `pull` leaves it."""
    folder = tmp_path_factory.mktemp("reader")
    copy = folder / "photos" / "image-data.csv"
    copy.parent.mkdir()
    plain = [item(number, **HEADS[request.param]) for number in range(HEAD)]
    copy.write_bytes(model_csv([*plain, *(one for one, _ in hostile_items())]))
    copy.with_name("image-data.csv-metadata.json").write_bytes(describe(NAMES))
    write(Format.PARQUET, copy, NAMES)
    return folder


COLUMNS_MD = ROOT / "functions" / "COLUMNS.md"


def read_by_recipes(folder: Path) -> list[Any]:
    """Run the Python of the README's section, and give the `rows` of each block."""
    read = []
    with chdir(folder):
        for language, code in (
            *blocks(ROOT / "README.md", "Read it"),
            *blocks(COLUMNS_MD, "The CSV itself, with its types"),
        ):
            if language == "python":
                read.append(rows_of(code))
    return read


def compare(by: str, column: str, cells: list[Any], are_typed: bool = False) -> None:
    """Compare what a reader has of a column with what went in."""
    assert len(cells) == HEAD + len(hostile_items()), by
    for cell, (_, expected) in zip(cells[HEAD:], hostile_items(), strict=True):
        if column not in expected:
            continue
        if isinstance(cell, str) and TYPES[column] == "text" and not are_typed:
            cell = unescape(unguard(cell)) if column in EXACT else unguard(cell)
        if isinstance(cell, str) and TYPES[column] == "json" and column != "warnings":
            cell = json.loads(cell)
        wanted = expected[column]
        if column == "warnings":  # says more than went in where that was not usable
            assert set(wanted or ()) <= set(json.loads(cell or "[]")), by
        elif isinstance(cell, datetime):
            time = datetime.fromisoformat(wanted)
            assert cell == (time if cell.tzinfo else time.replace(tzinfo=None)), by  # the camera's clock
        elif isinstance(cell, float):  # pandas reads them quickly, and not to the last bit
            assert math.isclose(cell, wanted, rel_tol=1e-15), (by, column)
        else:
            assert cell == wanted, (by, column)


def test_every_recipe_reads_every_value_whatever_the_first_rows_are(folder: Path) -> None:
    """pandas, DuckDB on Parquet and on the CSV, Polars: as many rows as there are, and what went in."""
    frame, groups, polar, tuples = read_by_recipes(folder)
    assert sum(count for _, count, _ in groups) == HEAD + len(hostile_items())
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        names = ", ".join(f'"{name}"' for name in NAMES)
        parquet = f"SELECT {names} FROM '{folder}/photos/image-data.parquet' ORDER BY ingested_at"
        typed = database.sql(parquet).fetchall()
    by_duckdb, by_parquet = [*zip(*tuples, strict=True)], [*zip(*typed, strict=True)]
    for number, name in enumerate(NAMES[3:], 3):
        values = frame[name]
        compare("pandas", name, [None if gone else one for one, gone in zip(values, values.isna(), strict=True)])
        compare("DuckDB", name, [*by_duckdb[number]])
        compare("Parquet", name, [*by_parquet[number]], are_typed=True)
        compare("Polars", name, polar[name].to_list())


def test_the_types_of_redshift_and_athena_hold_every_cell(folder: Path) -> None:
    """COPY stops at the first cell that is none: so every cast is strict here, and every cell no longer than its type.

    TRUNCATECOLUMNS cuts texts only (Redshift Database Developer Guide, "Data conversion parameters").
    """
    body = (folder / "photos" / "image-data.csv").read_bytes()
    assert all(len(line) <= REDSHIFT_ROW for line in body.split(b"\n"))
    csv.field_size_limit(1 << 24)
    rows = [*csv.reader(io.StringIO(body.decode(), newline=""), strict=True)][1:]
    columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    types = dict(re.findall(r'^  "(\w+)" ([A-Z0-9() ]+),?$', statements(Engine.REDSHIFT, NAMES, "b"), re.MULTILINE))
    assert [*types] == [*NAMES]
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        for name, kind in types.items():
            cells = sorted({cell for cell in columns[name] if cell})
            if kind == "VARCHAR(40)":
                assert all(len(cell.encode()) <= 40 for cell in cells)
            elif not kind.startswith("VARCHAR"):
                read = database.execute(f"SELECT CAST(unnest(?) AS {kind})", [cells]).fetchall()
                assert all(
                    value == value and abs(value) < float("inf") for (value,) in read if isinstance(value, float)
                )
    assert "\0" not in body.decode()


def test_what_the_extractor_writes_is_never_left_out() -> None:
    """P2: what readers cannot hold ends in the photo's own warnings, not in the exporter's."""
    encoder = RowEncoder(NAMES)
    for attributes in photos():
        encoder.line(item(1) | attributes)
    assert not encoder.unusable
    width = [*photos()][-1]
    assert "width_px" not in width
    assert width["height_px"] == {"N": str(2**63 - 1)}
    assert json.loads(width["warnings"]["S"]) == ["width_px: too large"]
