"""Compare range by range, until none is left: what was too large for one machine goes on in pieces, in a next round."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from ledger.columns import READER
from ledger.event import time_text
from operations.batches import batched
from operations.bucket.compare import Counts, Difference, Kind, Rules, between, compare, is_newer
from operations.bucket.distributed.chunks import image_line
from operations.bucket.distributed.cut import (
    MOST_BYTES,
    MOST_OBJECTS,
    Range,
    behind,
    etag_ranges,
    name_before,
    name_ranges,
    split,
)
from operations.bucket.distributed.job import Job, Wishes, attempt
from operations.bucket.distributed.keyspace import spread
from operations.bucket.distributed.pieces import cuts_of
from operations.bucket.distributed.step_names import (
    CHUNKS,
    PLAN,
    WRONG,
    compared_name,
    found_name,
    numbers_name,
    round_name,
)
from operations.bucket.known import holders, records
from operations.bucket.lines import bucket_and_key, escape, name_of
from operations.bucket.pages import first_key, list_range
from operations.bucket.rows import compare_rows
from operations.bucket.spool import difference_line
from operations.rebuild.scratch_names import LISTED
from operations.rebuild.sorted_runs import merge_lines

CHUNK = 1000
"""Objects that are looked at again, or sent, at once."""
IMAGES = 25
"""Images whose rows are looked at again at once: a shard is read for each."""
SPLIT = 32
"""Pieces in which a range goes on that was too large."""
_HIGHEST = "\U0010ffff"


def first_round(job: Job) -> int:
    """Note the ranges to begin with; give their number."""
    plan = job.read(PLAN)
    places = [name for bucket in plan["buckets"] for name in job.sources.of_bucket(bucket).names]
    ranges = name_ranges(places, cuts_of(plan, "name_cuts"))
    if job.wishes.whole:
        ranges += etag_ranges(cuts_of(plan, "etag_cuts"))
    return _note_round(job, 0, [*map(_as_json, ranges)])


def _note_round(job: Job, number: int, ranges: list[Any]) -> int:
    noted = job.once(round_name(number), lambda: ranges)
    job.once(numbers_name(f"round-{number}"), lambda: [*range(len(noted))])
    return len(noted)


def _as_json(one: Range) -> list[Any]:
    return [one.kind, one.part, one.lower.decode("latin-1"), one.upper.decode("latin-1")]


def _range(found: list[Any]) -> Range:
    kind, part, lower, upper = found
    return Range(kind, part, lower.encode("latin-1"), upper.encode("latin-1"))


def compare_range(job: Job, number: int, place: int) -> Mapping[str, int]:
    """Compare a range of a round; give what is counted.

    Raises:
        Unavailable, Damaged: it can be tried again.
    """
    one = _range(job.read(round_name(number))[place])
    told = job.once(compared_name(number, place), lambda: _compared(job, one, (number, place)))
    counts: Mapping[str, int] = told["counts"]
    return counts


def _compared(job: Job, one: Range, where: tuple[int, int]) -> dict[str, Any]:
    if one.kind == "etags":
        part = job.part("etags", one.part)
        wrong: dict[str, list[str]] = {}

        def lines() -> Iterator[bytes]:
            for image in compare_rows(holders(part), part, job.every, young(job)):
                wrong.update({image.etag: [row.ingested_at for row in image.rows]} if image.wrong_row else {})
                yield image_line(image)

        chunks = _chunked(job, where, "etags", lines())
        return {"counts": asdict(Counts()), "chunks": chunks, "rest": [], "wrong": wrong}
    listed, end = _taken(_listed(job, one))
    known = between(records(job.part("names", one.part)), one.lower, end or one.upper)
    counts = Counts()
    differences = filter(partial(_is_wanted, job.wishes), compare(iter(listed), known, rules(job), counts))
    chunks = _chunked(job, where, "names", map(difference_line, differences))
    rest = _pieces(job, one._replace(lower=end)) if end else []
    return {"counts": asdict(counts), "chunks": chunks, "rest": [*map(_as_json, rest)]}


def _chunked(job: Job, where: tuple[int, int], kind: str, lines: Iterator[bytes]) -> list[Any]:
    """Write lines in chunks; give the kind, the name and the number of lines of each."""
    chunks: list[Any] = []
    name = attempt()
    for number, some in enumerate(batched(lines, CHUNK if kind == "names" else IMAGES)):
        chunks.append([kind, found_name(*where, name, number), len(some)])
        job.scratch.write(chunks[-1][1], b"".join(some))
    return chunks


def _is_wanted(wishes: Wishes, one: Difference) -> bool:
    """Say whether a difference is what was asked for."""
    return one.kind is not Kind.UNREAD if wishes.mode == "verify" else _is_to_ingest(one, wishes.newer_than)


def _is_to_ingest(one: Difference, newer_than: str) -> bool:
    """Say whether it is there, and was written after this time, if one was named."""
    return one.listed is not None and is_newer(one.listed, newer_than)


def _taken(listed: Iterator[bytes]) -> tuple[list[bytes], bytes | None]:
    """Take lines into memory, as many as it holds; say where the rest begins, if there is one."""
    taken: list[bytes] = []
    size = 0
    for line in listed:
        if len(taken) >= MOST_OBJECTS or size >= MOST_BYTES:
            return taken, behind(name_of(taken[-1]))
        taken.append(line)
        size += len(line)
    return taken, None


def _listed(job: Job, one: Range) -> Iterator[bytes]:
    if job.wishes.inventory:
        return between(merge_lines(job.part("names", one.part), LISTED), one.lower, one.upper)
    bucket, prefix, after, last = _keys(job, one)
    return list_range(job.aws.s3, bucket, prefix, after, last)


def _keys(job: Job, one: Range) -> tuple[str, str, str, str | None]:
    """Give the bucket and prefix of a range, the key that it begins behind (or nothing), and its last (None: all)."""
    bucket, prefix = next(place for place in job.sources.places if one.lower.startswith(escape("/".join(place))))
    before, last = name_before(one.lower), name_before(one.upper)
    return bucket, prefix, bucket_and_key(before)[1] if before else "", bucket_and_key(last)[1] if last else None


def _pieces(job: Job, rest: Range) -> list[Range]:
    """Cut what is left of a range that was too large into pieces for many machines."""
    if job.wishes.inventory:
        return [rest]
    bucket, prefix, after, last = _keys(job, rest)
    keys = spread(partial(first_key, job.aws.s3, bucket, prefix), after, last or prefix + _HIGHEST, SPLIT)
    return split(rest, (escape(f"{bucket}/{key}") for key in keys))


def rules(job: Job) -> Rules:
    """Give what a comparison goes by: a proof leaves what is young to the next one, an ingest takes it along."""
    return Rules(job.sources, READER) if job.wishes.mode == "ingest" else Rules(job.sources, READER, young(job))


def young(job: Job) -> str:
    """Give the time from which on what was written may have been on its way when the export was made."""
    return time_text(datetime.fromisoformat(job.read(PLAN)["time"]) - timedelta(minutes=job.wishes.in_flight))


def gather(job: Job, number: int) -> tuple[int, int]:
    """Add a round up: give the number of the next one's ranges, and, if there are none, of chunks of differences."""
    rest = [piece for told in told_of(job, number) for piece in told["rest"]]
    if rest:
        return _note_round(job, number + 1, rest), 0
    chunks = job.once(CHUNKS, lambda: _chunks(job, number))
    job.once(numbers_name("chunks"), lambda: [*range(len(chunks))])
    job.once(WRONG, lambda: {etag: rows for told in told_of(job, 0) for etag, rows in told.get("wrong", {}).items()})
    return 0, len(chunks)


def _chunks(job: Job, last_round: int) -> list[Any]:
    """List all chunks, up to the number of differences that was asked for: kind, name, and how many of it count."""
    left = job.wishes.limit or None
    found = []
    for number in range(last_round + 1):
        for kind, name, size in (chunk for told in told_of(job, number) for chunk in told["chunks"]):
            taken = size if left is None else min(size, left)
            left = None if left is None else left - taken
            if taken:
                found.append([kind, name, taken])
    return found


def told_of(job: Job, number: int) -> list[Mapping[str, Any]]:
    """Read what the comparisons of a round came to; none if there was no such round."""
    names = [compared_name(number, place) for place in range(len(job.read(round_name(number)) or ()))]
    return [*job.ledger.store.map(job.read, names)]


def counted(job: Job) -> Counts:
    """Add up what all rounds counted."""
    total = Counts()
    for number in count():
        told = told_of(job, number)
        if not told:
            return total
        total = sum((Counts(**one["counts"]) for one in told), total)
    raise AssertionError
