"""Names of what a rebuild, a sorted export or a look at the images keeps in scratch: no other module spells one.

plan.json                         the plan
chunks/<chunk>                    keys of the segments of a chunk, one a line
mapped/<chunk>.json               summary of a chunk; there once all its runs are
ranges/<range>/runs/<run>/        sorted runs of statements, each in parts
reduced/<range>/head, tail        rows whose shards other ranges share
reduced/<range>/shards, removals  its shards, and removals to remember
reduced/<range>/done              number of rows; there once all the others are
ranges.json                       the ranges, for the state machine to map over
objects/<key>                     shards and pages of a tree that is only looked at
export/runs/<run>/                sorted items of a table export
records/runs/<run>/               sorted records of objects, of a table export
holders/runs/<run>/               the same of images, sorted by ETag
rows/runs/<run>/                  rows of the CSV, sorted by ETag
listed/runs/<run>/                sorted objects of a bucket
differences/                      what differs between them, a run
ingest.json                       how far an ingest is
reread.json                       how far a rereading is
"""

PLAN = "plan.json"
CHUNKS = "chunks"
MAPPED = "mapped"
RANGE_LIST = "ranges.json"
EXPORT = "export"
RECORDS = "records"
HOLDERS = "holders"
ROWS = "rows"
LISTED = "listed"
DIFFERENCES = "differences"
INGEST = "ingest.json"
REREAD = "reread.json"


def chunk_name(chunk: int) -> str:
    """Name the list of a chunk's segments."""
    return f"{CHUNKS}/{chunk:06d}"


def mapped_name(chunk: int) -> str:
    """Name the summary of a chunk that was mapped."""
    return f"{MAPPED}/{chunk:06d}.json"


def range_folder(number: int) -> str:
    """Name the folder with the runs of a range."""
    return f"ranges/{number:04d}"


def reduced_name(number: int, part: str) -> str:
    """Name a part of what a reduced range left: head, tail, shards, removals or done."""
    return f"reduced/{number:04d}/{part}"


def object_name(key: str) -> str:
    """Name an object of a tree by its key in the bucket."""
    return f"objects/{key}"


def runs_folder(folder: str) -> str:
    """Name the folder with all runs that are to be merged."""
    return f"{folder}/runs"


def mapped_run(number: int, chunk: int, flush: int) -> str:
    """Name the run that a chunk left in a range when its memory was full for the n-th time."""
    return f"{runs_folder(range_folder(number))}/{chunk:06d}-{flush:04d}"


def run_of(folder: str, number: int) -> str:
    """Name a run of those that are to be merged."""
    return f"{runs_folder(folder)}/{number:06d}"


def merged_run(folder: str, level: int, number: int) -> str:
    """Name a run that other runs were merged into, because there were too many to be merged at once."""
    return f"{folder}/longer-{level}/{number:06d}"


def whole_run(run: str) -> str:
    """Name the mark that a run which others were merged into is whole."""
    return f"{run}.whole"


def run_part(run: str, number: int) -> str:
    """Name a part of a run."""
    return f"{run}/{number:06d}"
