"""The attributes and their sources, and what the schema says of them."""

import re

import pytest

from image_processor.columns import precedence
from image_processor.columns.attributes import ATTRIBUTES
from ledger.columns import COLUMNS, NAMES

_SOURCE = re.compile(r"[A-Za-z][\w-]*:[A-Za-z][\w-]*(?:/[\w:]+)?")
SCHEMA = {column.name: _SOURCE.findall(column.source) for column in COLUMNS}


def followed() -> dict[str, list[str]]:
    """The sources of each column as the code follows them."""
    tables = {**precedence.TEXTS, **precedence.JOINED, **precedence.NUMBERS, **precedence.INTEGERS}
    named = {column: names for column, (names, _) in precedence.ENUMERATIONS.items()}
    special = {
        "orientation": precedence.ORIENTATIONS,
        "iso": precedence.SENSITIVITIES,
        "captured_at": [name for moment in precedence.MOMENTS for name in moment if name],
        "gps_latitude_deg": [name for latitude, _ in precedence.POSITIONS for name in latitude],
        "gps_longitude_deg": [name for _, longitude in precedence.POSITIONS for name in longitude],
        "gps_altitude_m": [name for pair in precedence.ALTITUDES for name in pair],
        "gps_speed_mps": [name for pair in precedence.SPEEDS for name in pair],
        "comment": precedence.COMMENTS,
        "keywords": precedence.KEYWORDS,
    }
    return {column: list(names) for column, names in (tables | named | special).items()}


@pytest.mark.parametrize("column", followed())
def test_the_schema_tells_the_sources_in_the_order_in_which_they_are_tried(column):
    """DJI's vocabulary in others' namespaces, and Teal's own namespace, are told of once, at the head of the texts."""
    others = tuple(f"{prefix}:" for prefix in precedence.LIKE_DJI)
    assert SCHEMA[column] == [name for name in followed()[column] if not name.startswith(others)]


def test_the_attributes_of_an_item_are_the_columns_of_the_schema_in_its_order():
    """Before them stand the columns that the catalog fills; an attribute that is no column would never be seen.

    Among them stands what the object says, and no image: two copies may differ in it, and are alike.
    """
    of_the_image = NAMES[NAMES.index("width_px") :]
    assert tuple(name for name in of_the_image if name != "user_metadata") == ATTRIBUTES


def test_every_column_says_where_it_comes_from():
    """A reader of the schema is left without an answer for none."""
    assert [column.name for column in COLUMNS if not column.source] == []


def test_every_source_feeds_a_column_that_exists():
    """A misspelt column would lose its value without a word."""
    assert set(followed()) <= set(NAMES)
    assert set(followed()) <= set(ATTRIBUTES)


def test_every_source_that_the_schema_tells_of_has_its_column_read():
    """A column is read if `FEEDS` knows of a source that the photo has: a source that it lacks would feed nothing."""
    asleep = {
        (column, name)
        for column, names in SCHEMA.items()
        for name in names
        if column not in precedence.FEEDS.get(name, ()) + precedence.FEEDS.get(name.partition("/")[0], ())
    }
    assert asleep == set()
    grouped = {source for group in precedence.GROUPS.values() for source in group.values()}
    assert grouped == {name for name in precedence.FEEDS if name.startswith(("EXIF:", "DJI:", "IPTC:", "PNG:"))}
