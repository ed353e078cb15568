"""`skyledger ingest`: everything that is in the buckets and not in the ledger is sent to the lane.

1. Both sides are gathered and compared, and what is to be sent is written to scratch: so it is counted before anything
   is done, and memory holds none of it.
2. It is sent, in the order of names; how many of the first ones were surely sent is noted.

A run that was interrupted goes on where it was: in 1 with the export that it had begun, in 2 with what is left. An
object that is sent twice does no harm.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson

from ledger.columns import READER
from ledger.event import time_text
from operations.bucket.compare import Counts, Difference, Rules, compare, is_newer
from operations.bucket.gather import Wanted, gather
from operations.bucket.lane import seen_message, send
from operations.bucket.lines import bucket_and_key
from operations.bucket.prices import lane_usd, look_usd
from operations.bucket.spool import read_differences, write_differences
from operations.progress import Progress
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import INGEST

_NOTED_SECONDS = 1.0
_GOOD_SECONDS = 6 * 3600.0  # for which what was found is sent without another look, if nothing of it was sent


@dataclass(frozen=True, slots=True)
class IngestWishes:
    """What is wanted of an ingest; one that was interrupted goes on if it is called with the same.

    Attributes:
        places: (bucket, prefix) each.
        newer_than: only objects that were written after this time, ISO 8601; empty: all.
        limit: of objects that are sent; 0: all.
        inventory: as in `Wanted`.
        all_new: nothing is known of any object: no export is made.
    """

    places: tuple[tuple[str, str], ...]
    newer_than: str = ""
    limit: int = 0
    inventory: str = ""
    all_new: bool = False


@dataclass(slots=True)
class Ingest:
    """How far an ingest is, as it is kept in scratch.

    Attributes:
        wishes: as they were given.
        export: ARN of the export that was begun; empty if none was.
        objects: that S3 lists.
        missing, stale, unread: objects that differ from what the table knows; unread: refused by an older reader.
        phantom: records of objects that are not there, which an ingest leaves alone.
        older: objects that would differ, and were written before the time that was named.
        found_at: when they were found, seconds since 1970.
        to_send: objects that are sent; None while they are not counted.
        usd: what it costs, about, to list and to send.
        sent: how many were surely sent.
    """

    wishes: dict[str, Any]
    export: str = ""
    objects: int = 0
    missing: int = 0
    stale: int = 0
    unread: int = 0
    phantom: int = 0
    older: int = 0
    found_at: float = 0.0
    to_send: int | None = None
    usd: float = 0.0
    sent: int = 0

    def keep(self, scratch: Scratch) -> None:
        """Note it."""
        scratch.write(INGEST, orjson.dumps(asdict(self)))


def begun(scratch: Scratch, wishes: IngestWishes) -> Ingest | None:
    """Read an ingest with these wishes that was interrupted; None if there is none."""
    body = scratch.read(INGEST)
    if body is None:
        return None
    ingest = Ingest(**orjson.loads(body))
    return ingest if ingest.wishes == _as_kept(wishes) else None


def plan_ingest(
    wanted: Wanted,
    wishes: IngestWishes,
    scratch: Scratch,
    *,
    progress: Progress,
    note: Callable[[str], None],
    anew: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Ingest:
    """Find what is to be sent, or take it from the run that was interrupted.

    Args:
        wanted: what to compare.
        wishes: which of what differs is wanted.
        scratch: where it is kept.
        progress: is told how far it is.
        note: is told, in a line, what goes on.
        anew: look again, also if it was found just now; but what was sent in part is gone on with.
        sleep: waits for seconds.

    Raises:
        LedgerError: as `gather` does.
    """
    ingest = begun(scratch, wishes)
    if ingest is not None and ingest.to_send is not None and not ingest.sent:
        # Nothing found is nothing saved: whoever asks once more has done something about it.
        good = ingest.to_send and not anew and time.time() - ingest.found_at < _GOOD_SECONDS
        ingest = ingest if good else None
    if ingest is not None and ingest.to_send is not None:
        found = time_text(datetime.fromtimestamp(ingest.found_at, UTC))
        note(f"going on with what was found at {found}: {ingest.sent:,} of {ingest.to_send:,} objects were sent")
        return ingest
    scratch.clear()
    ingest = Ingest(_as_kept(wishes), ingest.export if ingest else "")
    if wanted.export is not None and ingest.export and not wanted.export.arn:
        note(f"going on with the export {ingest.export}")
        wanted = replace(wanted, export=replace(wanted.export, arn=ingest.export))
    ingest.keep(scratch)

    def started(arn: str) -> None:
        ingest.export = arn
        ingest.keep(scratch)

    sides = gather(wanted, scratch, progress, note, started, sleep)
    counts = Counts()
    differences = compare(sides.listed(progress), sides.records(), Rules(sides.sources, READER), counts)
    chosen = _Chosen(wishes)
    write_differences(scratch, chosen.of(differences))
    ingest.objects, ingest.phantom, ingest.older = counts.listed, counts.phantom, chosen.older
    ingest.missing, ingest.stale, ingest.unread = counts.missing, counts.stale, counts.unread
    ingest.to_send, ingest.found_at = chosen.count, time.time()
    ingest.usd = round(lane_usd(chosen.count) + look_usd(sides.listing.requests), 6)
    ingest.keep(scratch)
    return ingest


class _Chosen:
    """Chooses of what differs what is sent.

    Attributes:
        count: of those that were chosen.
        older: of those that are left out by their time.
    """

    def __init__(self, wishes: IngestWishes) -> None:
        self._wishes = wishes
        self.count = self.older = 0

    def of(self, differences: Iterable[Difference]) -> Iterator[Difference]:
        for one in differences:
            if one.listed is None:  # a phantom
                continue
            if not is_newer(one.listed, self._wishes.newer_than):
                self.older += 1
            elif not self._wishes.limit or self.count < self._wishes.limit:
                self.count += 1
                yield one


def send_ingest(
    ingest: Ingest,
    scratch: Scratch,
    sqs: Any,
    queue: str,
    *,
    rate: float = 0.0,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send what was found and was not sent yet; then forget it.

    Args:
        ingest: how far it is; is brought up to date.
        scratch: where it is kept; cleared in the end.
        sqs: client of `operations.bucket.lane.CONFIG`.
        queue: URL of the lane's queue.
        rate: objects a second, at most; 0: as fast as it goes.
        progress: is told how many were sent.
        clock: gives seconds that only grow.

    Raises:
        Unavailable, BotoCoreError, ClientError: as `send`; run it again.
    """
    before, noted = ingest.sent, clock()

    def sent(count: int) -> None:
        nonlocal noted
        ingest.sent = before + count
        progress("sending", ingest.sent, ingest.to_send or 0)
        if clock() - noted >= _NOTED_SECONDS:
            ingest.keep(scratch)
            noted = clock()

    try:
        send(sqs, queue, _messages(islice(read_differences(scratch), before, None)), rate=rate, sent=sent)
    except BaseException:
        ingest.keep(scratch)
        raise
    scratch.clear()


def _messages(differences: Iterable[Difference]) -> Iterator[str]:
    now = datetime.now(UTC)
    return (seen_message(*bucket_and_key(one.name), one.listed, "ingest", now) for one in differences)


def _as_kept(wishes: IngestWishes) -> dict[str, Any]:
    kept: dict[str, Any] = orjson.loads(orjson.dumps(asdict(wishes)))
    return kept
