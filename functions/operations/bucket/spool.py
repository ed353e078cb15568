"""Differences in scratch: how many there are is known before anything is done about them, and they fit on a disk.

Each is a line with a JSON array, with its name as text: kind, name, what S3 lists, what the table knows.
"""

from collections.abc import Iterable, Iterator

import orjson

from operations.bucket.compare import Difference, Kind
from operations.bucket.lines import Listed, Record, escape, unescape
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import DIFFERENCES
from operations.rebuild.sorted_runs import read_run, write_run


def write_differences(scratch: Scratch, differences: Iterable[Difference]) -> None:
    """Write differences in their order."""
    write_run(scratch, DIFFERENCES, map(difference_line, differences))


def read_differences(scratch: Scratch) -> Iterator[Difference]:
    """Read the differences that were written."""
    return map(read_difference, read_run(scratch, scratch.names(DIFFERENCES)))


def difference_line(one: Difference) -> bytes:
    """Write an object and a record that differ."""
    listed, record = one.listed, one.record
    fields = [one.kind.value, unescape(one.name), listed and [*listed], record and [*record]]
    return orjson.dumps(fields) + b"\n"


def read_difference(line: bytes) -> Difference:
    """Read what `difference_line` wrote."""
    kind, text, listed, record = orjson.loads(line)
    return Difference(Kind(kind), escape(text), listed and Listed(*listed), record and Record(*record))
