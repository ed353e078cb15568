"""Settle what differs, chunk by chunk, and tell the outcome."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson

from ledger.errors import NotFound
from ledger.event import time_text
from ledger.keys import LAST_CHECK_KEY
from ledger.store import Store, read_ahead
from operations.bucket.compare import Difference, Kind
from operations.bucket.distributed.chunks import difference_json, difference_line, read_chunk
from operations.bucket.distributed.job import Job, attempt
from operations.bucket.distributed.pieces import sorted_counts
from operations.bucket.distributed.rounds import counted
from operations.bucket.distributed.step_names import (
    CHUNKS,
    PLAN,
    RESULT,
    differences_name,
    settled_name,
)
from operations.bucket.lane import seen_message, send
from operations.bucket.lines import bucket_and_key
from operations.bucket.distributed.look import look_again

SETTLERS = 4
"""Machines that settle at a time (`MaxConcurrency` of the state machine), which share the rate that was asked for."""
NAMED = 100
"""Differences that the result names; all of them lie in `differences/`."""


def settle(job: Job, number: int) -> Mapping[str, Any]:
    """Look at the differences of a chunk once more, if it is a proof, and send them, if that was asked for.

    Raises:
        Unavailable: it can be tried again; what was sent is sent once more, which does no harm.
    """
    told: Mapping[str, Any] = job.once(settled_name(number), lambda: _settled(job, number))
    return {"kinds": told["kinds"], "sent": told["sent"]}


def _settled(job: Job, number: int) -> dict[str, Any]:
    wishes = job.wishes
    name, size = job.read(CHUNKS)[number]
    found: Iterator[Difference] = read_chunk(job.scratch, name, size)
    staying = [*(look_again(job, found) if wishes.mode == "verify" else found)]
    place = ""
    if wishes.mode == "verify" and staying:
        place = differences_name(number, attempt())
        job.scratch.write(place, b"".join(map(difference_line, staying)))
    if wishes.sends:
        send(job.aws.sqs, job.aws.queue, _messages(job, staying), rate=wishes.rate / SETTLERS)
    return {
        "kinds": Counter(one.kind.value for one in staying),
        "first": [difference_json(one) for one in staying[:NAMED]],
        "differences": place,
        "sent": len(staying) if wishes.sends else 0,
    }


def _messages(job: Job, staying: list[Difference]) -> Iterator[str]:
    now, reason = job.ledger.now(), "ingest" if job.wishes.mode == "ingest" else "verify"
    return (seen_message(*bucket_and_key(one.name), one.listed, reason, now) for one in staying)


def finish(job: Job) -> dict[str, Any]:
    """Write what came of all, delete the rest, and give it in numbers."""
    result = job.once(RESULT, lambda: _result(job))
    if result["whole"]:
        _keep_as_last(job.ledger.store, orjson.dumps(result))
    kept = {RESULT, *result["files"]}
    start = len(job.scratch.prefix)
    job.ledger.store.delete(
        [one.key for one in job.ledger.store.list(job.scratch.prefix) if one.key[start:] not in kept]
    )
    return {name: value for name, value in result.items() if name not in ("first", "files")}


def _result(job: Job) -> dict[str, Any]:
    wishes, counts, known = job.wishes, counted(job), sorted_counts(job)
    names = [settled_name(number) for number in range(len(job.read(CHUNKS)))]
    kinds: Counter[str] = Counter()
    first: list[Any] = []
    files: list[str] = []
    sent = 0
    for _, told in read_ahead(job.ledger.store, job.read, names):
        kinds.update(told["kinds"])
        first += told["first"][: NAMED - len(first)]
        files += [told["differences"]] if told["differences"] else []
        sent += told["sent"]
    return {
        "mode": wishes.mode,
        "whole": wishes.whole,
        "started": wishes.started,
        "finished": time_text(job.ledger.now()),
        "exported_at": job.read(PLAN)["time"],
        "checked": counts.listed,
        "records": counts.records,
        "outside": known["outside"],
        "unusable": known["unusable"],
        "young": counts.young,
        **{kind.value: kinds[kind.value] for kind in Kind},
        "differences": kinds.total(),
        "sent": sent,
        "prefix": job.scratch.prefix,
        "first": first,
        "files": files,
    }


def _keep_as_last(store: Store, body: bytes) -> None:
    """Make a result that of the last check. If another one ends just now, one of them is: tried again."""
    etag = None
    with suppress(NotFound):
        etag = store.head(LAST_CHECK_KEY).etag
    store.put_if_match(LAST_CHECK_KEY, body, etag, "application/json", {})
