"""Differences in scratch: how many there are is known before anything is done about them, and they fit on a disk."""

from collections.abc import Iterable, Iterator

from operations.bucket.compare import Difference, Kind
from operations.bucket.lines import Listed, name_of, object_line, read_listed
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import DIFFERENCES
from operations.rebuild.sorted_runs import read_run, write_run

_KINDS = {kind: kind.value[:1].encode() for kind in Kind}
_BY_LETTER = {letter: kind for kind, letter in _KINDS.items()}


def write_differences(scratch: Scratch, differences: Iterable[Difference]) -> None:
    """Write differences in their order, with what is to be said of them in a message: what S3 lists, or else held."""
    write_run(scratch, DIFFERENCES, map(_line, differences))


def read_differences(scratch: Scratch) -> Iterator[Difference]:
    """Read the differences that were written."""
    for line in read_run(scratch, scratch.names(DIFFERENCES)):
        kind, rest = _BY_LETTER[line[:1]], line[1:]
        yield Difference(kind, name_of(rest), read_listed(rest), None)


def _line(difference: Difference) -> bytes:
    record = difference.record
    listed = difference.listed or Listed(record.etag if record else "", None, "")
    size = "" if listed.size is None else listed.size
    return _KINDS[difference.kind] + object_line(difference.name, listed.etag, size, listed.modified)
