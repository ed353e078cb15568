"""From the bytes of an image to the attributes of its table item."""

from dataclasses import dataclass
from typing import Any

import orjson

from image_processor.columns import item_size, reader
from image_processor.columns.attributes import ATTRIBUTES
from image_processor.columns.cells import Cell, cells_of
from image_processor.columns.metadata import MAX_WARNINGS, Metadata
from image_processor.formats.walk import walk
from image_processor.reading.ranged import Source
from image_processor.tags.numbers import plain
from image_processor.tags.text import clean

WireValue = dict[str, str]
"""A DynamoDB value in wire form: `{"S": ...}` or `{"N": ...}`."""


@dataclass(frozen=True, slots=True)
class Record:
    """What one image says of itself.

    Attributes:
        content_type: media type by content.
        attributes: wire values by name, in the order of `ATTRIBUTES`; what is unknown is absent.
    """

    content_type: str
    attributes: dict[str, WireValue]


def extract(source: Source) -> Record | None:
    """Read an image's metadata. Whatever its bytes are, it gives a record; what was unusable is in `warnings`.

    Returns:
        The record, or None if the object is no image by its content.

    Raises:
        ObjectError: the object could not be read (never because of what it holds).
    """
    container = walk(source)
    if container is None:
        return None
    metadata = Metadata.of(container)
    cells = cells_of(metadata)
    documents: dict[str, Any] = {"exif": metadata.exif.document, "xmp": metadata.xmp.properties}
    room = item_size.room(source.size)
    return Record(container.content_type, _attributes(metadata, cells, documents, room))


def _attributes(
    metadata: Metadata, cells: dict[str, Cell], documents: dict[str, Any], room: int
) -> dict[str, WireValue]:
    """Return the wire values in their order, cut to what an item can hold."""
    texts: dict[str, str] = {}
    numbers = {"xmp_packets": str(metadata.xmp.packets), "reader_version": str(reader.READER)}
    json: dict[str, str] = {}
    for name, value in cells.items():
        if isinstance(value, str):
            texts[name] = clean(value)
        elif isinstance(value, list):
            json[name] = _words(metadata, value, room)
        else:
            numbers[name] = plain(value)
    documents = {name: document for name, document in documents.items() if document}
    other_bytes = sum(map(len, (*numbers, *numbers.values(), *json))) + sum(
        len(value.encode()) for value in json.values()
    )
    # What the image wanted more of comes first: everything else in the row is to be read with that in mind.
    warnings = item_size.fit_warnings([*metadata.container.budget.warnings(), *metadata.warnings], room)
    other_bytes += item_size.beside(warnings, len(texts) + len(documents), room)
    written, cut = item_size.fit(texts, documents, other_bytes, room)
    if warnings := (warnings + cut)[:MAX_WARNINGS]:
        json["warnings"] = _json(warnings)
    values = {name: {"S": text} for name, text in (texts | json | written).items()}
    values |= {name: {"N": number} for name, number in numbers.items()}
    return {name: values[name] for name in ATTRIBUTES if name in values}


def _words(metadata: Metadata, words: list[str], room: int) -> str:
    kept = item_size.fit_words(words, room)
    if len(kept) < len(words):
        metadata.warn(f"keywords: cut to fit the item: {len(words)} words")
    return _json(kept)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
