"""How fast a large CSV is published: as fast as S3 copies it, or as often as the money for a day allows.

A publish costs its requests, and the function while it waits for S3. With a bound on what a day may cost, it begins so
long after the one before that a day of such publishes costs no more; the function may wait for that up to a minute,
which costs as well, and beyond leaves it to the schedule.
"""

import os
from dataclasses import dataclass

from ledger.layout import most_copies
from ledger.limits import MEMORY
from ledger.prices import LAMBDA_GB_SECOND, LAMBDA_REQUEST, S3_GET, S3_PUT
from ledger.store import Stored

# What a day of publishing may cost in USD; 0: whatever it takes.
DOLLARS_PER_DAY = float(os.environ.get("PUBLISH_DOLLARS_PER_DAY", "0"))
# A publisher waits for so long, until the next publish may begin, and no longer: the schedule comes each minute.
MOST_WAIT_SECONDS = 60.0

# Where exporters combine, publishes begin so many times as far apart as S3 needs to copy a CSV of this size. Their
# batches of one second interleave, so that each publish uploads once more what the half second before the last one had
# in part. In `./infra/bench contention`, at a million rows, that is 1.19 times the new rows, and 1.26 without a rest:
# then a file 0.6 s younger, for a third more copies. What a publish took is no measure: it grows with the rest.
REST = 1.15

# Bytes a second that S3 copies in one bucket (see `layout.COPIES`).
COPY_RATE = 2.2e9
# Looks, claim, beginning and end of an upload: round trips that wait for each other.
ROUND_TRIP_SECONDS = 0.5
# Beside the copies: beginning, end and claim, and uploads of what changed.
_OTHER_PUTS = 8
_GETS = 24
_DAY = 86_400.0
_GB = 1 << 30


@dataclass(frozen=True, slots=True)
class Cost:
    """What one publish takes.

    Attributes:
        requests: USD.
        seconds: of the function, if it waits for nobody but S3.
    """

    requests: float
    seconds: float


def cost_of(size: int) -> Cost:
    """Estimate what a publish of a CSV of so many bytes takes while changes come all the time."""
    puts = most_copies(size) + _OTHER_PUTS
    return Cost(puts * S3_PUT + _GETS * S3_GET + LAMBDA_REQUEST, ROUND_TRIP_SECONDS + size / COPY_RATE)


def interval(size: int, dollars_per_day: float, memory: int = MEMORY) -> float:
    """Say how many seconds after the last publish began the next may begin; less than a publish takes: at once."""
    if not dollars_per_day:
        return 0.0
    cost, rate, running = cost_of(size), dollars_per_day / _DAY, memory / _GB * LAMBDA_GB_SECOND
    if rate > running and (waited_for := cost.requests / (rate - running)) <= cost.seconds + MOST_WAIT_SECONDS:
        return waited_for
    return (cost.requests + running * (cost.seconds + MOST_WAIT_SECONDS)) / rate


def rest(size: int) -> float:
    """Say how many seconds after the last publish began the next one begins where exporters combine."""
    return REST * cost_of(size).seconds


def explained(size: int) -> float:
    """Say for how many seconds a CSV of so many bytes may lack a commit without a fault.

    The commit comes when a publish has just looked at the root: that one ends, the day's money allows the next, the
    schedule may have to begin it, and that one ends as well.
    """
    return 2 * cost_of(size).seconds + interval(size, DOLLARS_PER_DAY) + MOST_WAIT_SECONDS


def due_in(size: int, present: Stored | None, now: float) -> float:
    """Say in how many seconds a CSV of so many bytes may be published in place of the present one; 0: now.

    S3 stamps an upload of parts with the time at which it began (S3 User Guide, "Copying objects using multipart
    upload"; API reference, HeadObject: LastModified).
    """
    if present is None or present.modified is None:
        return 0.0
    apart = interval(size, DOLLARS_PER_DAY)
    since = max(0.0, now - present.modified.timestamp())  # clocks differ
    return max(0.0, apart - since)
