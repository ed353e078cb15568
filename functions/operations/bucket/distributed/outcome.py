"""Settle what differs, chunk by chunk, and tell the outcome."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson

from ledger.columns import READER
from ledger.errors import NotFound
from ledger.event import time_text
from ledger.keys import LAST_CHECK_KEY
from ledger.store import Store, read_ahead
from operations.bucket.check import messages_of, why_of
from operations.bucket.compare import Counts, Difference, Kind, Rules
from operations.bucket.distributed.chunks import read_differences, read_images
from operations.bucket.distributed.cut import part_of
from operations.bucket.distributed.job import Job, attempt
from operations.bucket.distributed.pieces import cuts_of, sorted_counts
from operations.bucket.distributed.rounds import counted, rules, young
from operations.bucket.distributed.step_names import CHUNKS, PLAN, RESULT, WRONG, differences_name, settled_name
from operations.bucket.known import holders
from operations.bucket.lane import seen_message, send
from operations.bucket.lines import bucket_and_key, escape
from operations.bucket.recheck import Looker, in_parallel, look_again
from operations.bucket.rows import Image, Row, rows_of, with_records
from operations.rebuild.tree_reader import look_up
from operations.verify.findings import LISTED

SETTLERS = 4
"""Machines that settle at a time (`MaxConcurrency` of the state machine), which share the rate that was asked for."""


@dataclass(frozen=True, slots=True)
class _Staying:
    """What of a chunk is still there: objects and records that differ, or images whose rows and records do."""

    differences: Sequence[Difference] = ()
    images: Sequence[Image] = ()

    def described(self) -> list[dict[str, str]]:
        """Name each."""
        told = [(one.kind, one.name, why_of(one)) for one in self.differences]
        told += [(one.kind or Kind.STALE, one.name, one.why) for one in self.images]
        return [_described(*one) for one in told]


def _described(kind: Kind, name: bytes, why: str) -> dict[str, str]:
    bucket, key = bucket_and_key(name)
    return {"kind": kind.value, "bucket": bucket, "key": key, "why": why}


def settle(job: Job, number: int) -> Mapping[str, Any]:
    """Look at the differences of a chunk once more, if it is a proof, and send them, if that was asked for.

    Raises:
        Unavailable: it can be tried again; what was sent is sent once more, which does no harm.
    """
    told: Mapping[str, Any] = job.once(settled_name(number), lambda: _settled(job, number))
    return {"kinds": told["kinds"], "repaired": told["repaired"]}


def _settled(job: Job, number: int) -> dict[str, Any]:
    wishes = job.wishes
    kind, chunk, size = job.read(CHUNKS)[number]
    counts = Counts()
    if kind == "etags":
        staying = _Staying(images=_look_again_at_images(job, [*read_images(job.scratch, chunk, size)]))
    else:
        found = read_differences(job.scratch, chunk, size)
        staying = _Staying(look_again(job.looker, found, rules(job), counts) if wishes.mode == "verify" else [*found])
    told, place = staying.described(), ""
    if wishes.mode == "verify" and told:
        place = differences_name(number, attempt())
        job.scratch.write(place, b"".join(orjson.dumps(one) + b"\n" for one in told))
    sent = send(job.aws.sqs, job.aws.queue, _messages(job, staying), rate=wishes.rate / SETTLERS) if wishes.sends else 0
    kinds = Counter(one["kind"] for one in told)
    return {"kinds": kinds, "first": told[:LISTED], "file": place, "repaired": sent, "young": counts.young}


def _messages(job: Job, staying: _Staying) -> Iterator[str]:
    if job.wishes.mode == "verify":
        images = staying.images or _to_be_joined(job, staying.differences)
        return messages_of(staying.differences, lambda: images, lambda: _held(job, images))
    now = job.now
    return (seen_message(*bucket_and_key(one.name), one.listed, "ingest", now) for one in staying.differences)


def _held(job: Job, images: Sequence[Image]) -> Iterator[bytes]:
    """Read which objects hold the ETags of those parts in which the images lie."""
    cuts = cuts_of(job.read(PLAN), "etag_cuts")
    parts = sorted({part_of(cuts, escape(image.etag)) for image in images})
    return chain.from_iterable(holders(job.part("etags", part)) for part in parts)


def _to_be_joined(job: Job, differences: Sequence[Difference]) -> list[Image]:
    """Give the images whose rows are wrong and that objects which differ hold: who is to join a row has to know it."""
    wrong = job.read(WRONG)
    held = {one.listed.etag: one.name for one in differences if one.listed is not None and one.listed.etag in wrong}
    images = [Image(etag, [Row(0, life, name) for life in wrong[etag]], [name]) for etag, name in held.items()]
    return _look_again_at_images(job, images)


def _look_again_at_images(job: Job, images: Sequence[Image]) -> list[Image]:
    """Give the images whose rows and records still differ, looking their rows up by all keys that they may have."""
    looker = job.looker
    every = in_parallel(lambda one: _lives(looker, one), images)
    keys = sorted({f"{life},{one.etag}".encode() for one, lives in zip(images, every, strict=True) for life in lives})
    rows: dict[str, list[Row]] = {}
    if (live := job.ledger.find_root()) is not None:
        root, _ = live
        for etag, row in rows_of(look_up(job.ledger.objects, root.rows, keys).values(), root.columns):
            rows.setdefault(etag, []).append(row)
    everywhere = Rules(job.every, READER, young(job))
    now = in_parallel(lambda one: with_records(looker, one, rows.get(one.etag, []), everywhere), images)
    return [one for one in now if one.kind is not None]


def _lives(looker: Looker, image: Image) -> set[str]:
    """Give each `ingested_at` that a row of an image may have."""
    item = looker.item(looker.images, etag=image.etag) or {}
    lives = {item.get("ingested_at", {}).get("S", ""), *image.lives, *(row.ingested_at for row in image.rows)}
    return lives - {""}


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
    return {name: value for name, value in result.items() if name not in ("differences", "files")}


def _result(job: Job) -> dict[str, Any]:
    """Add everything up; it has the form of what `skyledger verify bucket --json` says, and more."""
    wishes, counts, known = job.wishes, counted(job), sorted_counts(job)
    kinds: Counter[str] = Counter()
    first: list[Any] = []
    files: list[str] = []
    repaired = 0
    for _, told in read_ahead(
        job.ledger.store, job.read, [settled_name(number) for number in range(len(job.read(CHUNKS)))]
    ):
        kinds.update(told["kinds"])
        first += told["first"][: LISTED - len(first)]
        files += [told["file"]] if told["file"] else []
        repaired += told["repaired"]
        counts.young += told["young"]
    return {
        "mode": wishes.mode,
        "whole": wishes.whole,
        "started": wishes.started,
        "finished": time_text(job.now),
        "good": wishes.mode == "ingest" or not kinds,
        "checked": {
            "objects": counts.listed,
            "records": counts.records + known["outside"],
            "images": known["images"],
            "rows": known["rows"],
            "on_their_way": counts.young,
            "outside": known["outside"],
            "no_records": known["unusable"],
            "exported_at": job.read(PLAN)["time"],
        },
        "count": kinds.total(),
        **{kind.value: kinds[kind.value] for kind in Kind},
        "repaired": repaired,
        "prefix": job.scratch.prefix,
        "differences": first,
        "files": files,
    }


def _keep_as_last(store: Store, body: bytes) -> None:
    """Make a result that of the last check. If another one ends just now, one of them is: tried again."""
    etag = None
    with suppress(NotFound):
        etag = store.head(LAST_CHECK_KEY).etag
    store.put_if_match(LAST_CHECK_KEY, body, etag, "application/json", {})
