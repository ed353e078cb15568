"""Table item to CSV line: one pure function, shared by the live path, replay and backfill."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any

from ledger.columns import TYPES
from ledger.errors import BadEvent
from ledger.guard import guard, guard_json, may_need_guard, starts_formula

# `ingested_at` has a fixed width, so a line starts with its key (`2026-11-25T03:09:00.123456Z,etag`) without parsing.
INGESTED_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
INGESTED_AT_WIDTH = 27
# All characters sort after the comma: lines then sort as keys do, and a line can be compared with a key as it is.
ETAG = re.compile(r"[0-9A-Za-z][-./0-9:;=A-Z_a-z]{0,255}")

_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
# What readers of the CSV hold as an integer; one larger value, and they read no row of it.
_LEAST, _LARGEST = -(2**63), 2**63 - 1
_DIGITS = 19
_NUMBER = re.compile(r"[-+]?[.\d]+(E[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_is_timestamp = re.compile(r"-?\d{4,}-\d\d-\d\dT[-+.:0-9Z]+", re.ASCII).fullmatch
_are_timestamps = re.compile(r"-?\d{4,}-\d\d-\d\dT[-+.:0-9Z]+(?:,-?\d{4,}-\d\d-\d\dT[-+.:0-9Z]+)*", re.ASCII).fullmatch
# Decimals that keep all their characters; others may too, but need a closer look: a zero has no sign in the CSV.
_A_DECIMAL = r"(?:-(?!0+\.0+(?:,|$)))?\d++\.\d++"
_are_decimals = re.compile(rf"(?:{_A_DECIMAL},)*+{_A_DECIMAL}", re.ASCII).fullmatch
_JSON_STARTS = frozenset('{["')  # of objects, arrays and texts
_LINE_BREAK = re.compile(r"\r\n|[\r\n]")

_PLANS_KEPT = 1000  # lists of attributes; each camera has a few

Item = Mapping[str, Mapping[str, Any]]
# The attributes by type, and what puts their cells, which come after those of nothing, key and revision, in order.
_Plan = tuple[list[tuple[str, list[str]]], Callable[[list[str]], tuple[str, ...]]]


def key_of(line: bytes) -> bytes:
    """Give the key of a line: its first two fields as they stand."""
    return line[: line.index(b",", INGESTED_AT_WIDTH + 1)]


def revision_of(line: bytes) -> int:
    """Give the revision of a line: its third field."""
    start = line.index(b",", INGESTED_AT_WIDTH + 1) + 1
    return int(line[start : line.index(b",", start)])


def item_key(item: Item) -> bytes:
    """Give the key of a table item.

    Raises:
        BadEvent: `ingested_at` or `etag` is absent or not of its form.
    """
    return ",".join(_key(item)).encode()


def _key(item: Item) -> tuple[str, str]:
    ingested_at, etag = _string(item, "ingested_at"), _string(item, "etag")
    if not INGESTED_AT.fullmatch(ingested_at) or not _is_in_calendar(ingested_at):
        raise BadEvent("ingested_at is not a UTC time with six decimals")
    if not ETAG.fullmatch(etag):
        raise BadEvent("etag has characters that no ETag has")
    return ingested_at, etag


def _is_in_calendar(time: str) -> bool:
    try:
        datetime.fromisoformat(time)
    except ValueError:  # the 31st of February: pandas reads no time of a column that has one
        return False
    return True


def item_revision(item: Item) -> int:
    """Give the revision of a table item.

    Raises:
        BadEvent: it is absent or not a whole number.
    """
    text = item.get("revision", {}).get("N")
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise BadEvent("revision is not a whole number")
    if (revision := int(text)) > _LARGEST:
        raise BadEvent("revision has more than 64 bits")
    return revision


def header(columns: Sequence[str]) -> bytes:
    """Give the CSV's first line: every name quoted, so that readers which sniff learn of quotes at once."""
    return (",".join(map(_quoted, columns)) + "\n").encode()


class RowEncoder:
    """Writes table items as lines of one fixed list of columns.

    This is where a commit spends most of its time. Items of one survey have the same attributes, so what is to be done
    for a list of attributes is worked out once, and the values of one type are checked together: as one text that holds
    them all. Values that are not all plain are written one by one, and alike.

    Args:
        columns: names in order; the first three are ingested_at, etag, revision. A name that this code does not know
            (a column of an older or newer schema) is written by the type that the item gives it.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        if self.columns[:3] != ("ingested_at", "etag", "revision"):
            raise ValueError("the columns must start with ingested_at, etag, revision")
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def line(self, item: Item) -> bytes:
        """Write one item as a line with its line feed.

        Raises:
            BadEvent: the item has no usable key or revision, or a column holds a value of another type.
        """
        names = tuple(item)
        by_kind, in_order = self._plans.get(names) or self._plan(names)
        cells = ["", ",".join(_key(item)), str(item_revision(item))]
        for kind, named in by_kind:
            cells += _plain(item, kind, named) or [_cell(item[name], kind, name) for name in named]
        try:
            return (",".join(in_order(cells)) + "\n").encode()
        except UnicodeEncodeError as error:
            raise BadEvent("a text is not valid Unicode") from error

    def _plan(self, names: tuple[str, ...]) -> "_Plan":
        """Work out how an item with these attributes is written."""
        by_kind: dict[str, list[str]] = {}
        for name in names:
            if name in self.columns[3:]:
                by_kind.setdefault(TYPES.get(name, ""), []).append(name)
        made = {name: number for number, name in enumerate((name for found in by_kind.values() for name in found), 3)}
        plan = [*by_kind.items()], itemgetter(1, 2, *(made.get(name, 0) for name in self.columns[3:]))
        if len(self._plans) < _PLANS_KEPT:
            self._plans[names] = plan
        return plan


def _plain(item: Item, kind: str, names: Sequence[str]) -> list[str] | None:
    """Write the values of one type, if all are plain: their texts are the cells, or nearly so."""
    try:
        if kind == "decimal":
            texts = [item[name]["N"] for name in names]
            texts = [text if "." in text else text + ".0" for text in texts]
            together = ",".join(texts)
            return texts if _are_decimals(together) and together.count(",") < len(texts) else None
        if kind == "integer":
            texts = [item[name]["N"] for name in names]
            together = "".join(texts)
            are_plain = together.isdigit() and together.isascii() and all(texts)
            return texts if are_plain and max(map(len, texts)) < _DIGITS else None
        if kind == "text":
            texts = [item[name]["S"] for name in names]
            together = "~" + "~".join(texts)
            if not together.isprintable() or may_need_guard(together):
                return None
            if "," in together or '"' in together:
                texts = [_quoted(text) if "," in text or '"' in text else text for text in texts]
            return texts
        if kind == "timestamp":
            texts = [item[name]["S"] for name in names]
            together = ",".join(texts)
            return texts if _are_timestamps(together) and together.count(",") < len(texts) else None
        return [_json_cell(item[name]["S"]) for name in names] if kind == "json" else None
    except (KeyError, TypeError):
        return None  # of another type than the column: written, or refused, one by one


def _string(item: Item, name: str) -> str:
    text = item.get(name, {}).get("S")
    if not isinstance(text, str):
        raise BadEvent(f"{name} is not in the item as text")
    return text


def _cell(value: Mapping[str, Any], kind: str, name: str) -> str:
    """Write any value; `line` writes the plain ones of most columns itself, and alike."""
    text = value.get("S")
    if text is not None and kind != "integer" and kind != "decimal":
        return _json_cell(text) if kind == "json" else _text_cell(text, kind, name)
    if (number := value.get("N")) is not None and kind in ("integer", "decimal", ""):
        return _number_cell(number, kind, name)
    if "NULL" not in value:
        raise BadEvent(f"{name} is of type {'/'.join(value)}, which is not {kind or 'text or number'}")
    return ""


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _json_cell(text: str) -> str:
    if "\0" in text:  # it is not ImageProcessor's, nor JSON
        text = text.replace("\0", "")
    if text[:1] not in _JSON_STARTS and starts_formula(text):  # it is not ImageProcessor's
        return _text_cell(text, "text", "")
    if "\n" in text or "\r" in text or "\t" in text:
        text = _LINE_BREAK.sub(" ", text).replace("\t", " ")  # between tokens: inside its strings JSON has none
    return _quoted(guard_json(text)) if text else ""


def _text_cell(text: str, kind: str, name: str) -> str:
    if kind == "timestamp":
        if text and not _is_timestamp(text):
            raise BadEvent(f"{name} is not an ISO 8601 time")
        return text
    if "\0" in text:
        text = text.replace("\0", "")  # Redshift's COPY stops at NUL
    if "\n" in text or "\r" in text:
        text = _LINE_BREAK.sub(" ", text)
    text = guard(text)  # last: what is taken away above may bare a formula
    return _quoted(text) if "," in text or '"' in text else text


def _number_cell(text: str, kind: str, name: str) -> str:
    if not _PLAIN_NUMBER.fullmatch(text):
        text = _expand(text, name)
    if text.startswith("-") and not text.strip("-0."):
        text = text[1:]
    if kind == "decimal" and "." not in text:
        return text + ".0"
    if kind == "integer" and "." in text:
        raise BadEvent(f"{name} is not a whole number")
    if kind == "integer" and (len(text) > _DIGITS + 1 or not _LEAST <= int(text) <= _LARGEST):
        raise BadEvent(f"{name} has more than 64 bits")
    return text


def _expand(text: str, name: str) -> str:
    if not _NUMBER.fullmatch(text):  # Decimal itself takes more: digits of all scripts, spaces, underscores, NaN
        raise BadEvent(f"{name} is not a number")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise BadEvent(f"{name} is not a number") from error
    # DynamoDB keeps numbers from 1E-130 to 9.9E+125; anything else did not come from it.
    if not -130 <= number.adjusted() <= 125:
        raise BadEvent(f"{name} is not a number that DynamoDB keeps")
    return format(number, "f")
