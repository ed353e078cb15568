r"""How the names and ETags of a check are cut into ranges that a machine compares within minutes. Pure.

Names are escaped as in `operations.bucket.lines`. A range holds the names from `lower` on and before `upper`. Cuts lie
right behind a name, so that a listing goes on after its key: `name 01 10` is the least name that comes after `name`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

# Requests of 1,000 keys, one after the other, of some 0.1 s each: a minute of listing, and 100 MB of lines.
RANGE_OBJECTS = 500_000
# Both sides of rows lie in scratch, so more go at once; each part costs a request for every piece that is sorted.
ETAG_RECORDS = 8 * RANGE_OBJECTS
# One that is larger, for there were more objects than records, goes on in pieces.
MOST_OBJECTS = 2 * RANGE_OBJECTS
MOST_BYTES = 256 << 20
_LEAST_BEHIND = b"\x01\x10"  # a NUL, escaped
_BEHIND_ALL = b"\xff"  # in no text
_ETAG_STARTS = 256


class Range(NamedTuple):
    """Names, or ETags, that are compared at once.

    Attributes:
        kind: of what is compared: names or etags.
        part: whose runs hold its records.
        lower: it begins with this,
        upper: and ends before this.
    """

    kind: str
    part: int
    lower: bytes
    upper: bytes


def behind(name: bytes) -> bytes:
    """Give the cut right behind a name."""
    return name + _LEAST_BEHIND


def name_before(cut: bytes) -> bytes | None:
    """Give the name that a cut lies right behind; None if it is no such cut."""
    return cut.removesuffix(_LEAST_BEHIND) if cut.endswith(_LEAST_BEHIND) else None


def quantiles(sample: Sequence[bytes], parts: int) -> list[bytes]:
    """Cut names into so many parts, by a sorted sample of them; fewer, if it is small."""
    cuts = (behind(sample[len(sample) * number // parts - 1]) for number in range(1, parts) if len(sample) >= parts)
    return list(dict.fromkeys(cuts))


def etag_cuts(parts: int) -> list[bytes]:
    """Cut ETags, whose first digits are those of a hash, into so many parts."""
    return [b"%02x" % (_ETAG_STARTS * number // parts) for number in range(1, min(parts, _ETAG_STARTS))]


def part_of(cuts: Sequence[bytes], name: bytes) -> int:
    """Say in which part a name, or an ETag, lies."""
    return bisect_right(cuts, name)


def name_ranges(places: Iterable[bytes], cuts: Sequence[bytes]) -> list[Range]:
    """Give the ranges of all names that begin as one of the places, of which none lies in another."""
    found = []
    for place in places:
        end = place + _BEHIND_ALL
        edges = [place, *(cut for cut in cuts if place < cut < end), end]
        found += [Range("names", part_of(cuts, lower), lower, upper) for lower, upper in pairwise(edges)]
    return found


def etag_ranges(cuts: Sequence[bytes]) -> list[Range]:
    """Give the ranges of all ETags."""
    edges = [b"", *cuts, _BEHIND_ALL]
    return [Range("etags", part, lower, upper) for part, (lower, upper) in enumerate(pairwise(edges))]


def split(rest: Range, names: Iterable[bytes]) -> list[Range]:
    """Cut a range behind each of these names, of those that lie in it."""
    cuts = sorted({behind(name) for name in names})
    edges = [rest.lower, *(cut for cut in cuts if rest.lower < cut < rest.upper), rest.upper]
    return [rest._replace(lower=lower, upper=upper) for lower, upper in pairwise(edges)]
