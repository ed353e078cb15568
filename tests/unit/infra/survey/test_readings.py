"""A reader that makes something else of a photo has a higher version: rows that older ones made can then be found."""

from unittest.mock import patch

import orjson
import pytest

from image_processor.columns import precedence, reader
from infra.survey import readings as survey_readings
from infra.survey.medley import medley
from infra.survey.readings import READINGS_DOCUMENT, read_otherwise, readings, with_readings
from ledger import columns
from ledger.columns import NAMES
from tests.support.image_rows import cells
from tests.support.paths import ROOT
from tests.support.reader_tables import give_sources

MEDLEY = {f"medley {number}": body for number, body in enumerate(medley(120))}
KEPT = orjson.loads((ROOT / READINGS_DOCUMENT).read_bytes())


@pytest.fixture(scope="module")
def now() -> dict[str, str]:
    return readings()


def test_what_the_reader_makes_of_photos_is_what_its_version_did(now: dict[str, str]) -> None:
    """Raise READER in image_processor/columns/reader.py and ledger/columns.py, then renew: python -m infra.generated.

    Rows of such photos were made by a reader that said something else: `skyledger reread --older` has to find them.
    """
    assert reader.READER == columns.READER == KEPT["reader"]
    assert read_otherwise(KEPT["readings"], now) == [], "see the docstring above: what must be done stands there"
    assert now.keys() == KEPT["readings"].keys(), "photos came or went: run python -m infra.generated"


def test_the_photos_fill_every_column_that_an_image_fills() -> None:
    """Else a change of that column would go unnoticed."""
    filled = {name for body in MEDLEY.values() for name in cells(body)}
    assert filled >= set(NAMES[NAMES.index("width_px") :]) - {"user_metadata"}  # which no image has


@pytest.mark.parametrize(
    ("table", "column"),
    [("TEXTS", "title"), ("NUMBERS", "absolute_altitude_m"), ("INTEGERS", "rating"), ("JOINED", "author")],
)
def test_another_order_of_a_columns_sources_is_noticed(
    table: str, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its two last ones even, of which few photos have both and none that is better."""
    *best, last_but_one, last = getattr(precedence, table)[column]
    monkeypatch.setattr(survey_readings, "photos", MEDLEY.items)
    give_sources(monkeypatch, table, column, (*best, last, last_but_one))
    assert read_otherwise(KEPT["readings"], readings()) != []


def test_a_changed_reading_is_kept_under_a_higher_version_only(now: dict[str, str]) -> None:
    """Whoever renews the file without raising the version is told what to do, and the file stays."""
    stale = orjson.dumps({"reader": 4, "readings": {**now, "survey 0": "otherwise"}}).decode()
    with patch.object(survey_readings, "readings", lambda: now):
        with pytest.raises(ValueError, match=r"raise READER.*reader\.py.*infra\.generated"):
            with_readings(stale, 4)
        renewed = with_readings(stale, 5)
        assert orjson.loads(renewed) == {"reader": 5, "readings": now}
        assert with_readings(renewed, 5) == renewed
        new_photo = orjson.dumps({"reader": 5, "readings": {"survey 0": now["survey 0"]}}).decode()
        assert with_readings(new_photo, 5) == renewed
