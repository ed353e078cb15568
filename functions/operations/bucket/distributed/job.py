"""What all steps of a check share: what was asked for, where it works, and what it may ask."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

import orjson

from ledger.event import time_text
from ledger.keys import BUCKET_CHECKS
from ledger.ledger import Ledger
from ledger.store import Store
from operations.bucket.check import IN_FLIGHT_MINUTES
from operations.bucket.distributed.step_names import WISHES, part_prefix
from operations.bucket.recheck import Looker
from operations.bucket.sources import Sources
from operations.errors import BadWish
from operations.rebuild.scratch import StoreScratch

MODES = ("verify", "ingest")
LEAST_RATE = 10.0
"""Objects a second. Slower, a machine has not sent its part of the differences when its time is over."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for.

    Attributes:
        mode: verify, or ingest.
        repair: send what differs to the lane; an ingest does without.
        place: only what is there, `s3://BUCKET/PREFIX`; empty: everything that counts.
        inventory: `s3://BUCKET/KEY` of an inventory's manifest.json, which is read instead of listing.
        export: ARN of an export that was started before.
        newer_than: ingest only what was written from then on (ISO 8601, UTC).
        limit: ingest only so many objects; 0: all.
        dry_run: only count what an ingest would send.
        all_new: nothing is known of any object: no export is made.
        in_flight: what was written so many minutes before the export is not judged by a proof.
        rate: objects to send in a second, at most; 0: as many as go.
        started: when, ISO 8601.
    """

    mode: str
    repair: bool = False
    place: str = ""
    inventory: str = ""
    export: str = ""
    newer_than: str = ""
    limit: int = 0
    dry_run: bool = False
    all_new: bool = False
    in_flight: float = IN_FLIGHT_MINUTES
    rate: float = 0.0
    started: str = ""

    @property
    def sends(self) -> bool:
        """Say whether what differs is sent to the lane."""
        return self.repair or (self.mode == "ingest" and not self.dry_run)

    @property
    def whole(self) -> bool:
        """Say whether it looks at all there is, so that finding nothing proves something."""
        return self.mode == "verify" and not self.place and not self.inventory


def read_wishes(given: Mapping[str, Any], now: datetime) -> Wishes:
    """Read the input of an execution.

    Raises:
        BadWish: it asks for something that is not known.
    """
    known = set(Wishes.__dataclass_fields__) - {"started"}
    if strange := sorted(set(given) - known):
        raise BadWish(f"nothing is known of {', '.join(strange)}")
    if given.get("mode") not in MODES:
        raise BadWish(f"mode is {given.get('mode')!r}, and not one of {', '.join(MODES)}")
    if 0 < given.get("rate", 0) < LEAST_RATE:
        raise BadWish(
            f"fewer than {LEAST_RATE:g} objects a second take longer than a function may: do it from one machine"
        )
    return Wishes(**{name: given[name] for name in known & set(given)}, started=time_text(now))


@dataclass(frozen=True, slots=True)
class Aws:
    """Whom the steps ask, beside the export bucket.

    Attributes:
        s3: client of `operations.bucket.pages`.
        dynamodb, sqs: clients.
        open_bucket: opens the bucket of an inventory, by its name.
        images, objects: names of the tables.
        exports: name of the export bucket.
        queue: URL of the lane's queue.
    """

    s3: Any
    dynamodb: Any
    sqs: Any
    open_bucket: Callable[[str], Store]
    images: str
    objects: str
    exports: str
    queue: str


@dataclass(frozen=True)
class Job:
    """One check under way.

    Attributes:
        ledger: on the export bucket.
        aws: whom it asks.
        scratch: where it keeps what passes between steps.
        every: all that counts, for this stack.
    """

    ledger: Ledger
    aws: Aws
    scratch: StoreScratch
    every: Sources

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Make what this name is to hold, unless it was made; of two who make it at once, the first one counts."""
        found = self.read(name)
        if found is None:
            self.scratch.write(name, orjson.dumps(make()))
            found = self.read(name)
        return found

    def read(self, name: str) -> Any:
        """Read what a step left; None if there is nothing."""
        body = self.scratch.read(name)
        return None if body is None else orjson.loads(body)

    def part(self, kind: str, part: int) -> StoreScratch:
        """Give the scratch of a part: of names, or of etags."""
        return StoreScratch(self.scratch.store, self.scratch.prefix + part_prefix(kind, part))

    @property
    def now(self) -> datetime:
        """Give the time."""
        return datetime.fromtimestamp(self.ledger.now(), UTC)

    @property
    def looker(self) -> Looker:
        """Give who looks at single objects."""
        return Looker(self.aws.dynamodb, self.aws.s3, self.aws.objects, self.aws.images)

    @cached_property
    def wishes(self) -> Wishes:
        """Read what was asked for; once, since it never changes."""
        return Wishes(**self.read(WISHES))

    @property
    def sources(self) -> Sources:
        """Give what this check looks at."""
        return self.every.within(self.wishes.place)


def open_job(ledger: Ledger, aws: Aws, every: Sources, prefix: str) -> Job:
    """Open a check by its prefix."""
    return Job(ledger, aws, StoreScratch(ledger.store, prefix), every)


def prefix_of(run: str) -> str:
    """Give the prefix of an execution."""
    return f"{BUCKET_CHECKS}{run}/"


def attempt() -> str:
    """Name one attempt at a step, so that what two of them write lies apart."""
    return uuid4().hex[:12]


def note_wishes(job: Job, given: Mapping[str, Any]) -> Wishes:
    """Keep what was asked for; a second call changes nothing."""
    job.once(WISHES, lambda: asdict(read_wishes(given, job.now)))
    job.every.within(job.wishes.place)  # refuse now what would be refused later
    return job.wishes
