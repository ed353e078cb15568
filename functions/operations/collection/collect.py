"""Collection: delete what nothing names any longer, long after anybody can have needed it.

    what                           deleted when
    shards/, manifest/             listed as older than 26 h, and named by none of: the root, a snapshot, the root that
                                   image-data.csv or a list of shards was made from, the root that stood 24 h ago, a
                                   root that was swapped in since
    plain shards (an older         listed as older than 26 h, as is the same shard compressed: whoever began to read
    version's)                     within the last day reads that one
    roots/                         older than 26 h, and of none of these roots
    pending/, leading/,            older than a day: whoever left it is dead, and its batch was delivered again
    publishing/
    lines of the removals tree     48 h of event time after the removal
    journal/, quarantine/, image-data.csv, snapshots/, anything else     never

Why a reader of a root that stood within the last 24 h finds all that it names: an object that is older than 26 h and
that such a root names was named by the root of 24 h ago as well, or else was named anew since: by a commit, and then it
was touched (see below); or by a root that was swapped in, which may name what is half a day old
(`operations.live.keep_alive`), and so is kept itself. The root of 24 h ago is one of version w-1 or w, where w is the
highest version with a copy that old: whoever wrote a copy of version w had read the root w-1.

The hard race: a commit names an object again just when it is to be deleted.

    exporter                            S3                                   collection
                                        D, 30 h old, named by nobody         reads the root, lists D with ETag e
    put D, create-only: "exists"
    head D: older than an hour
    touch D (same bytes, ETag e')   ->  D, young, ETag e'
                                        refused (412)                    <-  delete D, If-Match e
    swap the root, which names D

S3 has no deletion by age, but it has one by ETag, and a touch changes the ETag (`ledger.objects`). Every outcome:

1. The touch comes before the deletion: the deletion is refused; D stays. For a day no collection lists it as old.
2. The deletion comes before the touch, or before the head: there is nothing to touch, and D is made anew.
3. The deletion comes before the create-only put: D is made anew. The deletion was carried out once, because it is
   never sent twice, so it cannot hit the new D. An answer that was lost is not asked for: the next run lists again.
4. The exporter finds D young, so that it does not touch it: then no collection lists D as older than 26 h until the
   exporter has had 25 h from its put to its swap. An invocation has 15 minutes.
5. The exporter does not write D, because the root that it replaces names it: then the root names D all the time.
6. The exporter or the collection dies anywhere: 1 to 5 still hold, since nothing is left to do afterwards.

What remains: two collections at once. The first deletes D; an exporter makes D anew, with the ETag e; the second, which
had listed the old D, deletes it by e. So a collection claims `collecting.json` first, for an hour, and ends within
half an hour. That leaves a collection that stands still for half an hour between its look at the clock and its next
request, while another one runs and an exporter makes the very bytes again: not excluded, never seen, and less likely
than the loss of an object by S3. `skyledger verify` would name the missing shard, and a replay makes it again.

When in doubt nothing is deleted: a root, a snapshot, a copy of a root that may still be read, or a page of them, that
is there and cannot be read ends the collection.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Any, NamedTuple

import orjson
from aws_lambda_powertools import Logger

from ledger.errors import LedgerError, NotFound, Refused, Unknown
from ledger.keys import COLLECTING_KEY, LEADING, PAGES, PENDING, PUBLISHING, ROOT_COPIES, SHARDS, packed_key
from ledger.ledger import Ledger, TimeLeft, no_limit
from ledger.objects import PAGE_TYPE, YOUNG
from ledger.s3_store import S3Store
from ledger.store import Listed
from operations.batches import batched
from operations.collection.old_removals import forget_removals
from operations.collection.reachable import Reachable
from operations.progress import Progress, silent

# A root that stood within this time may still be read by somebody: a slow publish, a pull, a check.
READABLE = timedelta(hours=24)
# Older than that by the time in which a commit does not touch, and by an hour for commits and clocks.
ORPHAN_AGE = READABLE + YOUNG + timedelta(hours=1)
WAITING_AGE = timedelta(hours=24)
ORPHAN_PREFIXES = (ROOT_COPIES, PAGES, SHARDS)
WAITING_PREFIXES = (PENDING, LEADING, PUBLISHING)

CLAIM_HOLDS = timedelta(hours=1)
RUN_SECONDS = 1800.0
RESERVE_SECONDS = 20.0
_BATCH = 500

logger = Logger()


@dataclass(slots=True)
class CollectionReport:
    """What a collection did.

    Attributes:
        deleted: objects deleted, by folder.
        bytes: that these had.
        kept: objects that somebody wrote again just then.
        unknown: deletions whose answer was lost.
        removals: lines forgotten.
        claimed: False if another collection is at it: then nothing was done.
        finished: False if the time was up before all was done.
    """

    deleted: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    kept: int = 0
    unknown: int = 0
    removals: int = 0
    claimed: bool = True
    finished: bool = False


def collect(
    ledger: Ledger, time_left: TimeLeft = no_limit, *, dry_run: bool = False, progress: Progress = silent
) -> CollectionReport:
    """Delete what nothing names any longer.

    Args:
        ledger: whose bucket.
        time_left: of the invocation, in seconds.
        dry_run: only count what would be deleted.
        progress: is told how many objects are done with.

    Raises:
        Damaged, ManifestLost, NewerFormat: something that must be kept is not readable; nothing is deleted in doubt.
        Unavailable, Unknown: the store did not answer; the next run goes on.
    """
    report = CollectionReport()
    started = ledger.monotonic()

    def has_time() -> bool:
        seconds = time_left()
        return (seconds is None or seconds > RESERVE_SECONDS) and ledger.monotonic() - started < RUN_SECONDS

    if dry_run:
        report.finished = _delete_all(ledger, report, has_time, progress, dry_run=True)
        return report
    claim = _claim(ledger)
    if claim is None:
        report.claimed = False
        return report
    try:
        report.removals = forget_removals(ledger)
        report.finished = _delete_all(ledger, report, has_time, progress, dry_run=False)
    finally:
        with suppress(LedgerError):  # it is void after an hour
            ledger.store.delete_if_match(COLLECTING_KEY, claim)
    return report


def _claim(ledger: Ledger) -> str | None:
    """Claim the collection; give the claim's ETag, or None if somebody else has it."""
    body = orjson.dumps({"by": ledger.new_id(), "at": ledger.objects.now().isoformat()})
    with suppress(Refused):
        return ledger.store.put_if_match(COLLECTING_KEY, body, None, PAGE_TYPE, {})
    try:
        held = ledger.store.head(COLLECTING_KEY)
        if held.modified is None or ledger.objects.now() - held.modified < CLAIM_HOLDS:
            return None
        return ledger.store.put_if_match(COLLECTING_KEY, body, held.etag, PAGE_TYPE, {})
    except (NotFound, Refused):
        return None


def _delete_all(
    ledger: Ledger, report: CollectionReport, has_time: Callable[[], bool], progress: Progress, *, dry_run: bool
) -> bool:
    """Delete batch by batch; say whether all of them were done."""
    reachable, done = Reachable(ledger), 0
    reachable.add_kept(READABLE)
    for batch in batched((old for old in _old(ledger) if old.is_double or old.listed.key not in reachable), _BATCH):
        if not has_time():
            return False
        reachable.add_root(ledger.load_root()[0])
        unneeded = [old.listed for old in batch if old.is_double or old.listed.key not in reachable]
        outcomes = ledger.store.map(lambda listed: "deleted" if dry_run else _delete(ledger, listed), unneeded)
        for listed, outcome in zip(unneeded, outcomes, strict=True):
            _count(report, listed, outcome)
        done += len(batch)
        progress("what nothing names any longer", done, 0)
    return True


class _Old(NamedTuple):
    """What is old enough to be deleted, and whether it is a shard that lies there compressed as well, for as long."""

    listed: Listed
    is_double: bool


def _old(ledger: Ledger) -> Iterator[_Old]:
    """List what is old enough to be deleted, if nothing needs it."""
    now = ledger.objects.now()
    ages = dict.fromkeys(WAITING_PREFIXES, WAITING_AGE) | dict.fromkeys(ORPHAN_PREFIXES, ORPHAN_AGE)
    for prefix, age in ages.items():
        before: Listed | None = None  # a plain shard's key stands right before that of the compressed one
        for listed in chain(ledger.store.list(prefix), (None,)):
            is_old = listed is not None and now - listed.modified > age
            if before is not None:
                yield _Old(before, listed is not None and is_old and listed.key == packed_key(before.key))
            before = listed if is_old else None


def _delete(ledger: Ledger, listed: Listed) -> str:
    """Delete an object as it was listed, and say what came of it."""
    try:
        ledger.store.delete_if_match(listed.key, listed.etag)
    except Refused:
        return "kept"
    except Unknown:
        return "unknown"
    except NotFound:
        return "gone"
    return "deleted"


def _count(report: CollectionReport, listed: Listed, outcome: str) -> None:
    report.kept += outcome == "kept"
    report.unknown += outcome == "unknown"
    if outcome == "deleted":
        folder = listed.key.partition("/")[0]
        report.deleted[folder] = report.deleted.get(folder, 0) + 1
        report.bytes += listed.size


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Collect on schedule.

    Raises:
        LedgerError: the run was cut short; the next one goes on.
    """
    ledger = Ledger(S3Store(os.environ["EXPORT_BUCKET"]))
    report = collect(ledger, lambda: context.get_remaining_time_in_millis() / 1000)
    logger.info("collected", **asdict(report))
    return asdict(report)
