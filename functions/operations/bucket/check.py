"""`skyledger verify bucket`: the images buckets, the table and the CSV hold the same, or what differs has a name."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from ledger.columns import READER
from ledger.ledger import Ledger
from operations.bucket.compare import Counts, Difference, Kind, Rules, compare
from operations.bucket.gather import Sides, Wanted, gather
from operations.bucket.known import holders
from operations.bucket.lane import seen_message, send
from operations.bucket.lines import Listed, Record, bucket_and_key
from operations.bucket.recheck import Looker, look_again
from operations.bucket.rows import Image, compare_rows, look_again_at_rows, others_of, sort_rows
from operations.bucket.spool import read_differences, write_differences
from operations.progress import Progress, counted
from operations.rebuild.scratch import Scratch
from operations.verify.findings import LISTED, ROUND_SECONDS, ROUNDS, WATCHED

IN_FLIGHT_MINUTES = 15.0
_WRONG = (Kind.MISSING, Kind.STALE, Kind.PHANTOM)


class Named(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: missing, stale or phantom.
        bucket, key: of the object.
        why: in some words.
    """

    kind: Kind
    bucket: str
    key: str
    why: str


@dataclass(slots=True)
class BucketFindings:
    """What a check of the buckets found.

    Attributes:
        checked: what was looked at, in numbers.
        counts: how many are missing, stale and phantom, objects and rows together.
        named: the first of them.
        repaired: objects that were sent to the lane.
    """

    checked: dict[str, int | str] = field(default_factory=dict)
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(_WRONG, 0))
    named: list[Named] = field(default_factory=list)
    repaired: int = 0

    @property
    def count(self) -> int:
        """Count all that is wrong."""
        return sum(self.counts.values())

    @property
    def good(self) -> bool:
        """Say whether nothing is."""
        return not self.count

    def add(self, kind: Kind, name: bytes, why: str) -> None:
        """Take one thing that is wrong."""
        self.counts[kind] += 1
        if len(self.named) < LISTED:
            self.named.append(Named(kind, *bucket_and_key(name), why))


@dataclass(frozen=True, slots=True)
class Lane:
    """Where repairs are sent to.

    Attributes:
        sqs: client.
        queue: URL of the lane's queue.
        rate: objects a second, at most; 0: as fast as it goes.
    """

    sqs: Any
    queue: str
    rate: float = 0.0


def check_buckets(
    ledger: Ledger,
    wanted: Wanted,
    looker: Looker,
    scratch: Scratch,
    *,
    repair: Lane | None = None,
    in_flight_minutes: float = IN_FLIGHT_MINUTES,
    progress: Progress,
    note: Callable[[str], None],
) -> BucketFindings:
    """Compare what S3 holds with the records of an export, and these with the rows of the live tree.

    Args:
        ledger: whose tree.
        wanted: what to compare.
        looker: looks at what differs once more.
        scratch: for sorting; cleared before and after.
        repair: takes the objects that differ; None: nothing is done.
        in_flight_minutes: what was written so long before the export may be on its way, and is not judged.
        progress: is told how far it is.
        note: is told, in a line, what goes on.

    Raises:
        LedgerError: as `gather` and `send` do.
    """
    scratch.clear()
    sides = gather(replace(wanted, by_etag=True), scratch, progress, note, sleep=ledger.sleep)
    rules = Rules(sides.sources, READER, sides.young(in_flight_minutes))
    counts, findings = Counts(), BucketFindings()
    differences = compare(sides.listed(progress), sides.records(), rules, counts)
    write_differences(scratch, (one for one in differences if one.kind in _WRONG))
    root, _ = ledger.load_root()
    rows = sort_rows(ledger, root, scratch, progress)
    held = partial(counted, step="comparing rows", total=sides.known.images if sides.known else 0, progress=progress)
    staying = _Staying(scratch, rules, lambda: held(holders(scratch)))
    while staying.takes_more:
        objects, images = staying.take()
        for number in range(ROUNDS):
            if not objects and not images:
                break
            if number:
                ledger.sleep(ROUND_SECONDS)
            note(f"{len(objects) + len(images):,} differences, looking again whether they are only on their way")
            objects = look_again(looker, objects, rules, counts)
            images = look_again_at_rows(looker, ledger, ledger.load_root()[0], images, rules) if images else []
        staying.add(objects, images)
    for one in staying.objects():
        findings.add(one.kind, one.name, why_of(one))
    for image in staying.images():
        findings.add(image.kind or Kind.STALE, image.name, image.why)
    findings.checked = _checked(sides, counts, rows)
    if repair is not None and not findings.good:
        told = messages_of(staying.objects(), staying.images, lambda: holders(scratch))
        findings.repaired = send(
            repair.sqs,
            repair.queue,
            told,
            rate=repair.rate,
            sent=lambda count: progress("sending", count, findings.count),
        )
    scratch.clear()
    return findings


class _Staying:
    """What still differs after it was looked at again, and all that need not be: so many are not on their way."""

    def __init__(self, scratch: Scratch, rules: Rules, held: Callable[[], Iterator[bytes]]) -> None:
        self._scratch, self._rules, self._held = scratch, rules, held
        self._objects: list[Difference] = []
        self._images: list[Image] = []
        self._looked_at = 0  # of each
        self._more = True  # to be looked at, as far as is known

    @property
    def takes_more(self) -> bool:
        """Say whether there are others to be looked at again."""
        return self._more and max(len(self._objects), len(self._images)) < WATCHED

    def take(self) -> tuple[list[Difference], list[Image]]:
        """Give the next ones that are to be looked at."""
        objects, images = [*islice(self._differing(), WATCHED)], [*islice(self._wrong(), WATCHED)]
        self._looked_at += WATCHED
        self._more = max(len(objects), len(images)) == WATCHED
        return objects, images

    def add(self, objects: Iterable[Difference], images: Iterable[Image]) -> None:
        """Keep what is left of those that were taken."""
        self._objects += objects
        self._images += images

    def objects(self) -> Iterator[Difference]:
        yield from self._objects
        if self._more:
            yield from self._differing()

    def images(self) -> Iterator[Image]:
        yield from self._images
        if self._more:
            yield from self._wrong()

    def _differing(self) -> Iterator[Difference]:
        return islice(read_differences(self._scratch), self._looked_at, None)

    def _wrong(self) -> Iterator[Image]:
        found = compare_rows(self._held(), self._scratch, self._rules.sources, self._rules.young)
        return islice(found, self._looked_at, None)


def _checked(sides: Sides, counts: Counts, rows: int) -> dict[str, int | str]:
    known = sides.known
    return {
        "objects": counts.listed,
        "records": counts.records,
        "images": known.images if known else 0,
        "rows": rows,
        "on_their_way": counts.young,
        "outside": counts.outside,
        "no_records": known.unusable if known else 0,
        "requests": sides.listing.requests,
        "exported_at": known.time if known else "",
    }


def why_of(difference: Difference) -> str:
    """Say in some words how an object and its record differ."""
    listed, record = difference.listed, difference.record
    if difference.kind is Kind.MISSING:
        return "no record"
    if difference.kind is Kind.PHANTOM:
        return "no object"
    assert listed is not None, "what is neither missing nor phantom has both"
    assert record is not None
    return f"the object has {_said(listed)}, the record {_said(record)}"


def _said(side: Listed | Record) -> str:
    size = "" if side.size is None else f" {side.size:,} bytes"
    return f"{side.etag}{size} {side.modified}".rstrip()


def messages_of(
    objects: Iterable[Difference], images: Callable[[], Iterable[Image]], held: Callable[[], Iterable[bytes]]
) -> Iterator[str]:
    """Write a message for each object that differs, and for all that hold an image whose row is wrong.

    Whoever is to join a wrong row has to know it, too: else he is on the list of a life that the next message ends.

    Args:
        objects: that differ.
        images: gives those whose rows are wrong.
        held: gives lines of `operations.bucket.known.holders` for the objects that an image has too many of to name.
    """
    now = datetime.now(UTC)
    wrong = {image.etag: image.wrong_row for image in images()}
    for one in objects:
        seen = one.listed or Listed(one.record.etag if one.record else "", None, "")
        yield seen_message(*bucket_and_key(one.name), seen, "verify", now, wrong.get(seen.etag, ""))
    crowded: list[Image] = []
    for image in images():
        crowded += [image] if image.is_crowded else []
        for name in image.to_send:
            yield _row_message(image, name, now)
    if crowded:
        yield from (_row_message(image, name, now) for image, name in others_of(crowded, held()))


def _row_message(image: Image, name: bytes, now: datetime) -> str:
    return seen_message(*bucket_and_key(name), Listed(image.etag, None, ""), "verify", now, image.wrong_row)
