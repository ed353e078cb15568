"""The description beside the CSV: W3C CSV on the Web, by which readers type the columns."""

import orjson

from ledger.columns import COLUMNS, NAMES
from ledger.csvw import describe
from ledger.keys import DESCRIPTION_KEY

DESCRIPTION = orjson.loads(describe(NAMES))
DESCRIBED = {column["name"]: column for column in DESCRIPTION["tableSchema"]["columns"]}


def test_it_describes_the_csv_beside_it() -> None:
    """The CSVW way to find it: the CSV's name with `-metadata.json`, naming the CSV by `url`."""
    assert DESCRIPTION_KEY == "image-data.csv-metadata.json"
    assert DESCRIPTION["@context"] == "http://www.w3.org/ns/csvw"
    assert DESCRIPTION["url"] == "image-data.csv"
    assert DESCRIPTION["tableSchema"]["primaryKey"] == ["ingested_at", "etag"]
    assert DESCRIPTION["dialect"] == {
        "encoding": "utf-8",
        "delimiter": ",",
        "quoteChar": '"',
        "doubleQuote": True,
        "header": True,
    }


def test_every_column_is_described_in_order_with_type_unit_and_meaning() -> None:
    assert list(DESCRIBED) == list(NAMES)
    for column in COLUMNS:
        described = DESCRIBED[column.name]
        assert described["titles"] == column.name
        assert described["dc:description"] == column.meaning
        assert described.get("schema:unitText", "") == column.unit
        assert described["null"] == ""
    assert {one["datatype"] for one in DESCRIBED.values()} == {"string", "integer", "decimal", "json"}
    assert (DESCRIBED["etag"]["datatype"], DESCRIBED["exif"]["datatype"]) == ("string", "json")
    assert (DESCRIBED["iso"]["datatype"], DESCRIBED["gps_latitude_deg"]["datatype"]) == ("integer", "decimal")


def test_a_time_that_may_lack_its_zone_is_described_as_text() -> None:
    """`captured_at` has an offset only where the photo knows one, so CSVW's dateTime would promise too much."""
    assert DESCRIBED["captured_at"]["datatype"] == "string"


def test_other_columns_than_the_codes_are_described_as_text() -> None:
    """A root's columns may be those of another schema."""
    described = orjson.loads(describe([*NAMES[:3], "pilot"]))["tableSchema"]["columns"]
    assert described[3] == {"name": "pilot", "titles": "pilot", "datatype": "string"}
    assert len(described) == 4
