"""What S3 lists, as sorted lines in scratch: many requests at a time, in bounded memory.

S3 gives up to 1,000 keys an answer, in the order of their UTF-8 bytes (S3 User Guide, "Listing object keys
programmatically"), from any text on (`StartAfter`). So ranges of keys can be listed side by side. Where to cut is not
known before, and keys crowd: whoever has nothing to do takes half of what another still has before it.

1. Ask for the first key behind all that begin as the other's newest one does, at the first character that may vary.
   Nothing is there: so much is the same in all that is left; try the next character.
2. Something is: bisect the characters from there on, and cut where something lies on both sides.

A list is written to scratch as it comes, so nobody waits for who lists the keys before; and is read when all are done.

Servers that speak like S3 list folder by folder (SeaweedFS; versitygw issue 1283, minio issue 1411), and so may S3's
own directory buckets (API Reference, ListObjectsV2). They are listed by their own tokens, one request after the other,
and sorted here.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition
from typing import Any
from urllib.parse import urlsplit

from operations.bucket.pages import THREADS, count_up_to, first_key, list_by_tokens, page
from operations.progress import Progress, silent
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import LISTED, run_of, run_part
from operations.rebuild.sorted_runs import Sorter, merge_lines, read_run

_PART_BYTES = 1 << 20
_PROBES = 40  # requests for one key each, before a range counts as too narrow to be cut
_HIGHEST = "\U0010ffff"
_DELETE = 0x7F
_LONGEST_KEY = 1024  # bytes
_SURROGATES = range(0xD800, 0xE000)
_AWS = ("amazonaws.com", "amazonaws.com.cn")
_DIRECTORY_BUCKET = "--x-s3"


@dataclass(frozen=True, slots=True)
class Listing:
    """What was listed.

    Attributes:
        lines: reads it, a line of `operations.bucket.lines` for each object, sorted.
        objects: number of them.
        requests: that it took.
    """

    lines: Callable[[], Iterator[bytes]]
    objects: int
    requests: int


def list_places(
    client: Any,
    places: Sequence[tuple[str, str]],
    scratch: Scratch,
    progress: Progress = silent,
    expected: int = 0,
    threads: int = THREADS,
) -> Listing:
    """List all objects of some places.

    Args:
        client: of `operations.bucket.pages.listing_client`.
        places: (bucket, prefix) each, none within another, in the order of their objects' names.
        scratch: takes the lines.
        progress: is told how many objects were listed.
        expected: how many there may be.
        threads: requests at a time.

    Raises:
        Unavailable: S3 did not answer, or refused.
        Damaged: a list is not in order.
    """
    lists_in_order = urlsplit(client.meta.endpoint_url).hostname.endswith(_AWS)
    if lists_in_order and not any(bucket.endswith(_DIRECTORY_BUCKET) for bucket, _ in places):
        return _Lister(client, places, scratch, progress, expected).run(threads)
    sorter, objects, requests = Sorter(scratch, LISTED), 0, 0
    for place in places:
        for lines in list_by_tokens(client, *place):
            for line in lines:
                sorter.add(line)
            objects, requests = objects + len(lines), requests + 1
            progress("listing", objects, max(objects, expected))
    sorter.close()
    return Listing(lambda: merge_lines(scratch, LISTED), objects, requests)


@dataclass(slots=True, eq=False)
class _Range:
    """Keys that one thread lists, behind `cursor` and up to `last`.

    Attributes:
        number: of its run in scratch.
        place: (bucket, prefix) that they are under.
        cursor: the newest key that was listed, or that all come behind; empty at the start of a place.
        last: None: the end of the place.
        pages: that were listed.
        tried: pages that were listed when no cut was found; then it is not tried again until there are twice as many.
        parts: name and size of the parts of its run.
        is_cut: somebody looks for a place to cut it.
    """

    number: int
    place: tuple[str, str]
    cursor: str = ""
    last: str | None = None
    pages: int = 0
    tried: int = 0
    parts: list[tuple[str, int]] = field(default_factory=list)
    is_cut: bool = False


class _Lister:
    """Lists places by ranges that are cut as threads become free."""

    def __init__(
        self, client: Any, places: Sequence[tuple[str, str]], scratch: Scratch, progress: Progress, expected: int
    ) -> None:
        self._client, self._scratch, self._progress, self._expected = client, scratch, progress, expected
        self._ranges = [_Range(number, place) for number, place in enumerate(places)]  # in the order of their names
        self._waiting = list(reversed(self._ranges))
        self._active: list[_Range] = []
        self._changed = Condition()
        self._stopped = False
        self._objects = self._requests = 0

    def run(self, threads: int) -> Listing:
        """List all."""
        with ThreadPoolExecutor(threads, thread_name_prefix="list") as pool:
            workers = [pool.submit(self._work) for _ in range(threads)]
            try:
                for worker in workers:
                    worker.result()
            finally:  # interrupted, too
                self._stop()
        parts = [part for one in self._ranges for part in one.parts]
        return Listing(lambda: read_run(self._scratch, parts), self._objects, self._requests)

    def _work(self) -> None:
        try:
            while (range_ := self._take()) is not None:
                self._list(range_)
        finally:  # with an error, all end: what is missing would be told as gone
            self._stop()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _take(self) -> _Range | None:
        """Take a range to list: one that waits, or half of another's; None when all is listed."""
        while True:
            with self._changed:
                if self._stopped or not (self._waiting or self._active):
                    return None
                if self._waiting:
                    range_ = self._waiting.pop()
                    self._active.append(range_)
                    return range_
                other = max(filter(_may_be_cut, self._active), key=lambda one: one.pages, default=None)
                if other is None:
                    self._changed.wait()
                    continue
                other.is_cut = True
            self._cut(other)

    def _list(self, range_: _Range) -> None:
        waiting: list[bytes] = []
        size, more = 0, True
        while more and not self._stopped:
            keys, lines, more = page(self._client, *range_.place, range_.cursor)
            with self._changed:
                count = count_up_to(keys, range_.last)
                more = more and count == len(keys)
                range_.pages += 1
                range_.cursor = keys[-1] if keys else range_.cursor
                self._objects += count
                self._requests += 1
                if not more:
                    self._active.remove(range_)
                self._changed.notify_all()
                self._progress("listing", self._objects, max(self._objects, self._expected))
            waiting += lines[:count]
            size += sum(map(len, lines[:count]))
            if size and (size >= _PART_BYTES or not more):
                name = run_part(run_of(LISTED, range_.number), len(range_.parts))
                self._scratch.write(name, b"".join(waiting))
                range_.parts.append((name, size))
                waiting, size = [], 0

    def _cut(self, range_: _Range) -> None:
        """Look for a place to cut a range, and cut it there if it was not listed so far meanwhile."""
        tried = range_.pages
        point, last = self._find_cut(range_.place, range_.cursor, range_.last)
        with self._changed:
            range_.is_cut = False  # not before: whoever cuts next has to see what this one did
            if range_ in self._active:
                range_.last = last  # behind it there is nothing
                if point is None or point <= range_.cursor:
                    range_.tried = tried
                else:
                    half = _Range(len(self._ranges), range_.place, point, last)
                    range_.last = point
                    self._ranges.insert(self._ranges.index(range_) + 1, half)
                    self._waiting.append(half)
            self._changed.notify_all()

    def _find_cut(self, place: tuple[str, str], cursor: str, last: str | None) -> tuple[str | None, str | None]:
        """Find a text between with keys on both sides of it, if there is one; and a nearer `last`, if there is."""
        depth = len(place[1]) if last is None else _alike(cursor, last)
        for _ in range(_PROBES):
            point = cursor[: depth + 1] + _HIGHEST
            if depth >= len(cursor) or len(point.encode()) > _LONGEST_KEY:
                return None, last
            if last is None or point < last:
                found = self._first_behind(place, point, last)
                if found is not None:
                    return self._bisect(place, point, found, last, depth)
                last = point
            depth += 1
        return None, last

    def _bisect(
        self, place: tuple[str, str], point: str, found: str, last: str | None, depth: int
    ) -> tuple[str, str | None]:
        """Find the middle of the characters that keys have at a depth."""
        low = ord(found[depth])
        high = ord(last[depth]) if last is not None and len(last) > depth else ord(_HIGHEST)
        if low < _DELETE <= high:
            high = _DELETE if self._first_behind(place, found[:depth] + chr(_DELETE), last) is None else high
        while high - low > 1:
            middle = (low + high) // 2
            if middle in _SURROGATES:
                middle = _SURROGATES.start - 1 if low < _SURROGATES.start - 1 else _SURROGATES.stop
                if middle >= high:
                    break
            there = found[:depth] + chr(middle) + _HIGHEST
            if self._first_behind(place, there, last) is not None:
                return there, last
            high, last = middle, there
        return point, last

    def _first_behind(self, place: tuple[str, str], point: str, last: str | None) -> str | None:
        """Give the first key behind a text, and not behind another."""
        key = first_key(self._client, *place, point)
        with self._changed:
            self._requests += 1
        return key if key is not None and (last is None or key <= last) else None


def _may_be_cut(range_: _Range) -> bool:
    return range_.pages > 2 * range_.tried and not range_.is_cut


def _alike(one: str, other: str) -> int:
    """Count the characters with which two texts begin alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))
