"""One attribute of a table item to one cell: what readers of the column's type can hold, or nothing.

ImageProcessor fills the table, and so may anybody who has the right to. One value that is none of its column's type, in
one row of a hundred million, and pandas, DuckDB, Polars or Redshift's COPY read no row of the whole CSV. So every value
is checked here, whoever wrote it, and one that cannot be a cell costs its cell.

What is checked must not depend on who runs it: a row has the same bytes under every version of Python.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import orjson

from ledger.columns import EXACT, UTC
from ledger.guard import ESCAPE, are_harmless, escape, guard, guard_json
from ledger.numbers import are_decimals, are_integers, decimal_text, integer_text, number_text

Item = Mapping[str, Mapping[str, Any]]

# pandas keeps times as nanoseconds in 64 bits (pandas User Guide, "Timestamp limitations": 1677-09-21 to 2262-04-11).
_YEAR = r"(?:167[89]|16[89]\d|1[7-9]\d\d|2[01]\d\d|22[0-5]\d|226[01])"
SECOND = rf"{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
"""Pattern of a time in whole seconds, whose day `is_in_calendar` may still not know."""
_TIME = rf"{SECOND}(?:\.\d{{1,6}})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)?"
_are_times = re.compile(rf"{_TIME}(?:,{_TIME})*+", re.ASCII).fullmatch

_LINE_BREAK = re.compile(r"\r\n|[\r\n]")
_ARRAYS = frozenset({"keywords", "warnings"})  # of text; the other JSON columns are objects
# Python's own reader of JSON ends at its recursion limit of 1,000; orjson at 1,024.
_DEPTH = 500

_LETTERS = {"text": "S", "timestamp": "S", "json": "S", "integer": "N", "decimal": "N"}
# DynamoDB API Reference, "AttributeValue".
_LETTERS_KNOWN = ("B", "BOOL", "BS", "L", "M", "N", "NS", "S", "SS")


class Unusable(ValueError):
    """The value cannot be a cell of its column; the message says why, and nothing of the value."""


def plain_cells(item: Item, kind: str, names: Sequence[str]) -> list[str] | None:
    """Write the values of one type, if all are plain: their texts are the cells, or nearly so. Else None."""
    try:
        letter = _LETTERS[kind]
        texts = [item[name][letter] for name in names]
        if kind == "decimal":
            texts = [text if "." in text else text + ".0" for text in texts]
            return texts if are_decimals(texts) else None
        if kind == "integer":
            return texts if are_integers(texts) else None
        if kind == "text":
            together = "~" + "~".join(texts)
            if not together.isprintable() or not are_harmless(texts, together) or ESCAPE in together:
                return None
            if "," in together or '"' in together:
                texts = [quoted(text) if "," in text or '"' in text else text for text in texts]
            return texts
        if kind == "timestamp":
            return texts if _are_plain_times(texts, names) else None
        return [_json_cell(text, name) for text, name in zip(texts, names, strict=True)]
    except (KeyError, TypeError, ValueError):
        return None  # of another type than the column: written, or left empty, one by one


def cell(value: Any, kind: str, name: str) -> str:
    """Write any value; `plain_cells` writes the plain ones, and alike.

    Args:
        value: as DynamoDB writes it, `{"S": "text"}`; of a foreign sender it may be anything.
        kind: type of the column; empty for one that this code does not know: text or number.
        name: of the column.

    Raises:
        Unusable: it cannot be a cell of this column.
    """
    if not isinstance(value, Mapping):
        raise Unusable("not an attribute of DynamoDB")
    if "NULL" in value:
        return ""
    letter = _LETTERS.get(kind) or ("N" if "N" in value else "S")
    text = value.get(letter)
    if not isinstance(text, str):
        found = "/".join(one for one in _LETTERS_KNOWN if one in value)
        raise Unusable(f"of type {found or 'unknown'}, not {kind or 'text or number'}")
    if letter == "N":
        return _number_cell(text, kind)
    if not text:
        return ""
    if kind == "timestamp":
        return _time_cell(text, name)
    return _json_cell(text, name) if kind == "json" else _text_cell(text, name)


def quoted(text: str) -> str:
    """Put a text in quotes, as RFC 4180 has it."""
    return '"' + text.replace('"', '""') + '"'


def _text_cell(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unusable("not valid Unicode") from error
    if name in EXACT:
        text = escape(text)
    text = _LINE_BREAK.sub(" ", text.replace("\0", ""))  # Redshift's COPY stops at NUL
    text = guard(text)  # last: what is taken away above may bare a formula
    return quoted(text) if "," in text or '"' in text else text


def _json_cell(text: str, name: str) -> str:
    if not text:
        return ""
    try:
        document = orjson.loads(text)  # strict: no NaN, no lone surrogate, no number beyond a double
    except orjson.JSONDecodeError as error:
        raise Unusable("not JSON") from error
    if name in _ARRAYS:
        if not isinstance(document, list) or not all(isinstance(word, str) for word in document):
            raise Unusable("not a JSON array of text")
    elif not isinstance(document, dict):
        raise Unusable("not a JSON object")
    if len(text) > 2 * _DEPTH and _is_deep(text, document):
        raise Unusable(f"JSON of more than {_DEPTH} levels")
    if "\n" in text or "\r" in text or "\t" in text:
        text = _LINE_BREAK.sub(" ", text).replace("\t", " ")  # between tokens: inside its strings JSON has none
    return quoted(guard_json(text))


def _is_deep(text: str, document: Any) -> bool:
    if text.count("[") + text.count("{") <= _DEPTH:
        return False
    level = [document]
    for _ in range(_DEPTH):
        lists = [node.values() if isinstance(node, dict) else node for node in level]
        level = [node for nodes in lists for node in nodes if isinstance(node, dict | list)]
    return bool(level)


def _are_plain_times(texts: Sequence[str], names: Sequence[str]) -> bool:
    """Say whether these are times that a calendar has, in UTC where the column promises it."""
    together = ",".join(texts)
    if not _are_times(together) or together.count(",") >= len(texts):
        return False
    for text, name in zip(texts, names, strict=True):
        if (text[8:10] > "28" and not is_in_calendar(text)) or (text[-1] != "Z" and name in UTC):
            return False
    return True


def is_in_calendar(time: str) -> bool:
    """Say whether there is such a day; pandas reads no time of a column that has a 31st of February."""
    try:
        date.fromisoformat(time[:10])
    except ValueError:
        return False
    return True


def _time_cell(text: str, name: str) -> str:
    if not _are_plain_times([text], [name]):
        raise Unusable("not a time in UTC" if name in UTC else "not a time")
    return text


def _number_cell(text: str, kind: str) -> str:
    try:
        if kind == "integer":
            return integer_text(text)
        return decimal_text(text) if kind == "decimal" else number_text(text)
    except ValueError as error:
        raise Unusable(str(error)) from error
