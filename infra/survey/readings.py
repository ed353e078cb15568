"""What the reader makes of photos that are always the same, kept for its version: no change of it goes unnoticed.

A row names the version of the reader that made it, and an upgrade reads older ones again. So whoever changes what the
reader makes of some photo has to raise `READER`; `readings.json` has, for one version, a hash of what it makes of each
photo here. A photo of this set is never changed: another one has another name.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from image_processor import BytesSource, extract
from infra.doubles.hostile_photos import RECIPES
from infra.survey.medley import medley
from infra.survey.photos import survey

READINGS_DOCUMENT = "infra/survey/readings.json"

_COSTLY = frozenset(
    {"text between 50,000 children", "HEIF items of the same bytes", "all limits at once", "everything at once"}
)
"""Recipes that take a quarter of a second however small they are."""


def photos() -> Iterator[tuple[str, bytes]]:
    """Give all photos of the set by name: sound ones of a survey, mixed ones of every kind, and hostile ones."""
    for number, photo in enumerate(survey(6, seed=1)):
        yield f"survey {number}", photo.body
    for number, body in enumerate(medley(240)):
        yield f"medley {number}", body
    for recipe in RECIPES:
        if recipe.name not in _COSTLY:
            yield f"hostile: {recipe.name}", recipe.make(min(3, recipe.most))


def readings() -> dict[str, str]:
    """Give a hash of what this reader makes of each photo, apart from its version."""
    return {name: _reading(body) for name, body in photos()}


def _reading(body: bytes) -> str:
    record = extract(BytesSource(body))
    said: Any = None
    if record is not None:
        said = [
            record.content_type,
            *((name, value) for name, value in record.attributes.items() if name != "reader_version"),
        ]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()[:16]


def read_otherwise(kept: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Name the photos of which the reader makes something else than it did."""
    return [name for name, reading in kept.items() if name in now and now[name] != reading]


def with_readings(document: str, version: int) -> str:
    """Give the document of what a version makes of all photos, renewed.

    Raises:
        ValueError: this version made something else of a photo.
    """
    kept, now = orjson.loads(document or b'{"reader": 0, "readings": {}}'), readings()
    changed = read_otherwise(kept["readings"], now)
    if changed and version <= kept["reader"]:
        raise ValueError(
            f"the reader makes something else of {len(changed)} photos than version {kept['reader']} did, first of "
            f"{changed[0]!r}: raise READER, in image_processor/columns/reader.py and in ledger/columns.py, then run "
            "`.venv/bin/python -m infra.generated` (a photo of the set that was changed itself needs another name)"
        )
    return orjson.dumps({"reader": version, "readings": now}, option=orjson.OPT_INDENT_2).decode() + "\n"
