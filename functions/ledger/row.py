"""Table item to CSV line: one pure function, shared by the live path, replay and backfill.

An item without a key or a revision is no row. Anything else that is wrong with it costs the field, never the row: the
cell is empty, and the row's `warnings` say why.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

import orjson

from ledger.cells import SECOND, Item, Unusable, cell, is_in_calendar, plain_cells, quoted
from ledger.columns import TYPES
from ledger.errors import BadEvent
from ledger.numbers import DIGITS, LARGEST

# `ingested_at` has a fixed width, so a line starts with its key (`2026-11-25T03:09:00.123456Z,etag`) without parsing.
INGESTED_AT = re.compile(rf"{SECOND}\.\d{{6}}Z", re.ASCII)
INGESTED_AT_WIDTH = 27
# All characters sort after the comma: lines then sort as keys do, and a line can be compared with a key as it is.
ETAG = re.compile(r"[0-9A-Za-z][-./0-9:;=A-Z_a-z]{0,255}")

_PLANS_KEPT = 1000  # lists of attributes; each camera has a few

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
    if not INGESTED_AT.fullmatch(ingested_at) or (ingested_at[8:10] > "28" and not is_in_calendar(ingested_at)):
        raise BadEvent("ingested_at is not a UTC time with six decimals")
    if not ETAG.fullmatch(etag):
        raise BadEvent("etag has characters that no ETag has")
    return ingested_at, etag


def item_revision(item: Item) -> int:
    """Give the revision of a table item.

    Raises:
        BadEvent: it is absent or not a whole number.
    """
    text = item.get("revision", {}).get("N")
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > DIGITS:
        raise BadEvent("revision is not a whole number")
    if (revision := int(text)) > LARGEST:
        raise BadEvent("revision has more than 64 bits")
    return revision


def header(columns: Sequence[str]) -> bytes:
    """Give the CSV's first line: every name quoted, so that readers which sniff learn of quotes at once."""
    return (",".join(map(quoted, columns)) + "\n").encode()


class RowEncoder:
    """Writes table items as lines of one fixed list of columns.

    This is where a commit spends most of its time. Items of one survey have the same attributes, so what is to be done
    for a list of attributes is worked out once, and the values of one type are checked together: as one text that holds
    them all. Values that are not all plain are written one by one, and alike.

    Args:
        columns: names in order; the first three are ingested_at, etag, revision. A name that this code does not know
            (a column of an older or newer schema) is written by the type that the item gives it.

    Attributes:
        columns: these names.
        unusable: how many fields were left empty so far for what stood in them, by column.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        if self.columns[:3] != ("ingested_at", "etag", "revision"):
            raise ValueError("the columns must start with ingested_at, etag, revision")
        self.unusable: Counter[str] = Counter()
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def line(self, item: Item) -> bytes:
        """Write one item as a line with its line feed.

        Raises:
            BadEvent: the item has no usable key or revision.
        """
        names = tuple(item)
        by_kind, in_order = self._plans.get(names) or self._plan(names)
        cells = ["", ",".join(_key(item)), str(item_revision(item))]
        unusable: dict[str, str] = {}
        for kind, named in by_kind:
            cells += plain_cells(item, kind, named) or _one_by_one(item, kind, named, unusable)
        if unusable:
            return self._line_without(item, unusable)
        return (",".join(in_order(cells)) + "\n").encode()

    def _line_without(self, item: Item, unusable: Mapping[str, str]) -> bytes:
        """Write an item without some of its attributes; its warnings say why they are left out."""
        self.unusable.update(unusable.keys())
        kept = {name: value for name, value in item.items() if name not in unusable}
        if "warnings" in self.columns:
            said = kept.get("warnings", {}).get("S")
            reasons = [f"{name}: {unusable[name]}" for name in self.columns if name in unusable]
            warnings = [*(orjson.loads(said) if said else ()), *reasons]
            kept["warnings"] = {"S": orjson.dumps(warnings).decode()}
        return self.line(kept)

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


def _string(item: Item, name: str) -> str:
    text = item.get(name, {}).get("S")
    if not isinstance(text, str):
        raise BadEvent(f"{name} is not in the item as text")
    return text


def _one_by_one(item: Item, kind: str, names: Sequence[str], unusable: dict[str, str]) -> list[str]:
    """Write values of one type; note those that cannot be cells: then the line is written without them."""
    cells = []
    for name in names:
        try:
            cells.append(cell(item[name], kind, name))
        except Unusable as reason:
            unusable[name] = str(reason)
    return cells
