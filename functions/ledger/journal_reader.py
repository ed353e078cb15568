"""Reading the journal: which segments there are, and what stands in them."""

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from isal import igzip

from ledger.errors import Damaged, NotFound
from ledger.journal import PREFIX
from ledger.store import Listed, Store

# Dates that are listed at a time: within one date, keys come in pages of 1,000, one after the other.
_DATES_AT_ONCE = 16
_AFTER_ALL = "~"  # sorts after every `hour=`


def dates(store: Store) -> Iterator[str]:
    """List the dates (`date=YYYY-MM-DD`) that the journal has, with one request for each.

    Raises:
        Unavailable: the store did not answer.
    """
    after = PREFIX
    while (first := next(store.list(PREFIX, after=after), None)) is not None:
        date = first.key[len(PREFIX) :].partition("/")[0]
        yield date
        after = f"{PREFIX}{date}/{_AFTER_ALL}"


def segments(store: Store, *, first: str = "", last: str = "") -> Iterator[Listed]:
    """List the segments in key order.

    Args:
        store: the export bucket.
        first: date (YYYY-MM-DD) to start with; empty for all.
        last: date to end with; empty for all.

    Raises:
        Unavailable: the store did not answer.
    """
    wanted: list[str] = []
    for date in dates(store):
        day = date.removeprefix("date=")
        if day >= first and (not last or day <= last):
            wanted.append(date)
        if len(wanted) == _DATES_AT_ONCE:
            yield from _of_dates(store, wanted)
            wanted = []
    yield from _of_dates(store, wanted)


def _of_dates(store: Store, wanted: Sequence[str]) -> Iterator[Listed]:
    for listed in store.map(lambda date: list(store.list(f"{PREFIX}{date}/")), wanted):
        yield from listed


def segment_body(store: Store, key: str) -> bytes:
    """Read a segment's object, still compressed.

    Raises:
        Damaged: it is gone.
        Unavailable: the store did not answer.
    """
    try:
        stored = store.get(key)
    except NotFound as error:
        raise Damaged(f"{key} is gone: segments are never deleted") from error
    assert stored is not None
    return stored.body


def lines_of(key: str, body: bytes) -> list[bytes]:
    """Unpack a segment's object to its records, one a line.

    Raises:
        Damaged: it cannot be unpacked.
    """
    try:
        content: bytes = igzip.decompress(body)  # type: ignore[no-untyped-call]
        return content.splitlines()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Damaged(f"{key} is not readable") from error


def load_record(line: bytes) -> Any:
    """Read one record as the exporter received it."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line)  # lone surrogates and huge integers: see `ledger.journal`
