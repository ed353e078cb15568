"""The CSV as people read it: DuckDB and pandas with their defaults, and with the description beside it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.guard import unguard
from ledger.keys import DESCRIPTION_KEY
from ledger.ledger import Ledger
from ledger.publish import publish
from operations.bootstrap import bootstrap
from tests.support.factories import Item, event, item, make_ledger, model_csv
from tests.support.reader import read_csv

# DuckDB looks at 20,480 rows before it decides on types and quotes.
BEYOND_THE_SAMPLE = 22_000


def publish_items(store: MemoryStore, ledger: Ledger, *items: Item) -> bytes:
    """Send items through the ledger; give what readers get."""
    bootstrap(ledger)
    commit(ledger, [event("INSERT", one) for one in items])
    publish(ledger)
    return read_csv(store)


def by_duckdb(path: Path, options: str = "") -> pandas.DataFrame:
    with duckdb.connect() as connection:
        return connection.sql(f"SELECT * FROM read_csv('{path}'{options})").df()


def described_types(store: MemoryStore) -> dict[str, str]:
    """Read the description beside the CSV: column name -> datatype."""
    columns = json.loads(store.objects[DESCRIPTION_KEY][0].body)["tableSchema"]["columns"]
    return {column["name"]: column["datatype"] for column in columns}


@pytest.fixture(scope="module")
def long_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """22,000 plain rows, then one that needs quotes, has halves where all had wholes, and an etag like a number."""
    plain = [
        item(number, make={"S": "DJI"}, f_number={"N": "1"}, gps_latitude_deg={"N": "2"})
        for number in range(BEYOND_THE_SAMPLE)
    ]
    odd = item(
        BEYOND_THE_SAMPLE,
        etag={"S": "99900000000000000000000000000e12"},
        make={"S": 'y,"z"'},
        f_number={"N": "1.5"},
        gps_latitude_deg={"N": "-120.7"},
    )
    path = tmp_path_factory.mktemp("csv") / "image-data.csv"
    path.write_bytes(model_csv([*plain, odd]))
    return path


@pytest.fixture(scope="module", params=[by_duckdb, pandas.read_csv])
def long_table(request: pytest.FixtureRequest, long_csv: Path) -> pandas.DataFrame:
    """The long CSV as a reader with its defaults has it."""
    table: pandas.DataFrame = request.param(long_csv)
    return table


def test_readers_with_defaults_see_a_late_quote_and_a_late_fraction(long_table: pandas.DataFrame) -> None:
    """C2: quoting is learnt from the header, and a decimal column has a point from its first row: 1.5 stays 1.5."""
    assert list(long_table.columns) == list(NAMES)
    assert len(long_table) == BEYOND_THE_SAMPLE + 1
    first, last = long_table.iloc[0], long_table.iloc[-1]
    assert (first["make"], first["f_number"], first["gps_latitude_deg"]) == ("DJI", 1.0, 2.0)
    assert (last["make"], last["f_number"], last["gps_latitude_deg"]) == ('y,"z"', 1.5, -120.7)


def test_an_etag_like_a_number_stays_text_among_others(long_table: pandas.DataFrame) -> None:
    """C3: one in a million etags is digits and one e; beside ordinary ones it is not taken for a number."""
    assert long_table["etag"].iloc[-1] == "99900000000000000000000000000e12"


@pytest.mark.parametrize("etag", ["00000000000000000000000000000e12", "12345678901234567890123456789012", "infinity"])
def test_the_description_keeps_an_etag_text_where_all_look_like_numbers(
    etag: str, store: MemoryStore, ledger: Ledger, tmp_path: Path
) -> None:
    """C3, M12: with the types that the description names, a table of one row keeps etag and serial number."""
    one = item(1, etag={"S": etag}, serial_number={"S": "00271029"}, description={"S": "1.10"}, make={"S": "NA"})
    path = tmp_path / "image-data.csv"
    path.write_bytes(publish_items(store, ledger, one))
    types = described_types(store)
    texts = [name for name, kind in types.items() if kind in ("string", "json")]

    row = pandas.read_csv(path, dtype=dict.fromkeys(texts, "str"), keep_default_na=False).iloc[0]
    wanted = (etag, "00271029", "1.10", "NA")
    assert (row["etag"], row["serial_number"], row["description"], row["make"]) == wanted

    sql_types = {"string": "VARCHAR", "json": "VARCHAR", "integer": "HUGEINT", "decimal": "DOUBLE"}
    columns = ", ".join(f"'{name}': '{sql_types[kind]}'" for name, kind in types.items())
    row = by_duckdb(path, f", header = true, columns = {{{columns}}}").iloc[0]
    assert (row["etag"], row["serial_number"], row["description"], row["make"]) == wanted
    assert row["size_bytes"] == 1234


def test_the_file_is_utf_8_without_a_byte_order_mark(store: MemoryStore, ledger: Ledger) -> None:
    """C6: the first column's name is its name; text beyond ASCII comes through whole."""
    body = publish_items(store, ledger, item(1, description={"S": "Brücke 測量 😀"}))
    assert not body.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(body.decode("utf-8"), newline=""))
    assert row["ingested_at"].startswith("2026-11-25T08:00:00")
    assert row["description"] == "Brücke 測量 😀"


def test_one_row_is_one_line_for_every_tool(store: MemoryStore, ledger: Ledger) -> None:
    """Athena's OpenCSVSerDe takes no line breaks in a field; `wc -l`, `split` and byte ranges rely on it too."""
    texts = ["a\nb", "c\r\nd", "e\rf", 'say "g, h"', "\u2028\x85"]
    items = [item(number, comment={"S": text}, xmp={"S": json.dumps(text)}) for number, text in enumerate(texts)]
    body = publish_items(store, ledger, *items)
    lines = body.split(b"\n")
    assert (len(lines), lines[-1]) == (len(texts) + 2, b"")
    for line in lines[:-1]:
        assert len(next(csv.reader([line.decode()]))) == len(NAMES)


def test_hostile_texts_are_inert_and_come_back(store: MemoryStore, ledger: Ledger, tmp_path: Path) -> None:
    """C5: no cell starts as a formula; a reader who takes the guard off has the photo's own words, and numbers stay."""
    texts = ["=1+1", "+31 20", "-", "@x", "\t=1", '=HYPERLINK("http://x","y")', "'=1", "'plain"]
    items = [
        item(number, description={"S": text}, gps_longitude_deg={"N": "-74.04"}, gimbal_pitch_deg={"N": "-44.50"})
        for number, text in enumerate(texts)
    ]
    path = tmp_path / "image-data.csv"
    path.write_bytes(publish_items(store, ledger, *items))
    for table in (by_duckdb(path), pandas.read_csv(path)):
        assert not table["description"].str.match(r"[ ]*[=+\-@]|\t|\r").any()
        assert [unguard(text) for text in table["description"]] == texts
        assert set(table["gps_longitude_deg"]) == {-74.04}
        assert set(table["gimbal_pitch_deg"]) == {-44.5}


@pytest.mark.parametrize("read", [by_duckdb, pandas.read_csv])
def test_a_csv_without_rows_reads_as_an_empty_table(
    read: Any, store: MemoryStore, ledger: Ledger, tmp_path: Path
) -> None:
    """X7: a file of 0 bytes is an error to readers, a header alone is not."""
    path = tmp_path / "image-data.csv"
    bootstrap(ledger)
    path.write_bytes(read_csv(store))
    table = read(path)
    assert (len(table), list(table.columns)) == (0, list(NAMES))


def test_attributes_that_appear_later_have_had_their_column_all_along(store: MemoryStore, ledger: Ledger) -> None:
    """X5: one header for the whole file, every row as wide as it, and the same bytes however the batches were cut."""
    first = [item(number, make={"S": "DJI"}) for number in range(3)]
    second = [item(number, make={"S": "DJI"}, gimbal_yaw_deg={"N": "12.5"}) for number in range(3, 6)]
    third = [item(number, 2) for number in range(6)]
    fresh = MemoryStore()
    for items in (first, second):
        publish_items(store, ledger, *items)
    assert read_csv(store) == model_csv([*first, *second])
    for body in (publish_items(store, ledger, *third), _at_once(fresh, [*first, *second, *third])):
        assert body == model_csv(third)
        assert {len(row) for row in csv.reader(io.StringIO(body.decode(), newline=""))} == {len(NAMES)}


def _at_once(store: MemoryStore, items: list[Item]) -> bytes:
    return publish_items(store, make_ledger(store), *items)
