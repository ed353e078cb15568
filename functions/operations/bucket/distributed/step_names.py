"""Names of what a check on many machines keeps below `bucket-check/<execution>/`: no other module spells one.

wishes.json                   what was asked for, and when
export.json                   ARN of the export of `Objects`, and its summary's key once it is finished
plan.json                     where names and ETags are cut, and what there is to sort
numbers/<what>.json           numbers of pieces, ranges or chunks, for the state machine to map over
sorted/<piece>.json           counts of a piece that was sorted; there once all its runs are
root.json                     the root whose rows are compared
names/<part>/, etags/<part>/  scratch of a part, as the check on one machine has it of all: records; holders, rows
rounds/<round>.json           ranges to be compared; those that were too large go on in the next round
compared/<round>/<range>.json what the comparison of a range came to
found/<range>-<attempt>/      what differs, a run of chunks
chunks.json                   all chunks of differences, in order
wrong.json                    `ingested_at` of the rows of images that have a wrong one, by ETag
settled/<chunk>.json          what became of a chunk
differences/<chunk>           those of it that stay, a JSON object a line: kept for a week
result.json                   what Finish says: kept for a week
"""

from operations.rebuild.scratch_names import runs_folder

WISHES = "wishes.json"
EXPORT = "export.json"
SUMMARY = "summary.json"
PLAN = "plan.json"
ROOT = "root.json"
CHUNKS = "chunks.json"
WRONG = "wrong.json"
DIFFERENCES = "differences"
RESULT = "result.json"


def numbers_name(what: str) -> str:
    """Name a list of numbers to map over."""
    return f"numbers/{what}.json"


def sorted_name(piece: int) -> str:
    """Name the counts of a piece that was sorted."""
    return f"sorted/{piece:06d}.json"


def part_prefix(kind: str, part: int) -> str:
    """Name the folder that is the scratch of a part: of names, or of etags."""
    return f"{kind}/{part:05d}/"


def part_run(folder: str, piece: int, flush: int) -> str:
    """Name the run that a piece left in a part's scratch when its memory was full for the n-th time."""
    return f"{runs_folder(folder)}/{piece:06d}-{flush:04d}"


def round_name(number: int) -> str:
    """Name the ranges of a round."""
    return f"rounds/{number:04d}.json"


def compared_name(number: int, part: int) -> str:
    """Name what the comparison of a range came to."""
    return f"compared/{number:04d}/{part:06d}.json"


def found_name(number: int, part: int, attempt: str, chunk: int) -> str:
    """Name a chunk of differences of a range, of one attempt to compare it."""
    return f"found/{number:04d}-{part:06d}-{attempt}/{chunk:06d}"


def settled_name(chunk: int) -> str:
    """Name what became of a chunk."""
    return f"settled/{chunk:06d}.json"


def differences_name(chunk: int, attempt: str) -> str:
    """Name the differences of a chunk that stay, as one attempt to settle it saw them."""
    return f"{DIFFERENCES}/{chunk:06d}-{attempt}.jsonl"
