"""A reader that gets image-data.csv again and again while it is published, and can tell what it should have got."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.benchmarks._beside import beside
from ledger.keys import CSV_KEY

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Read:
    """One GET of the whole CSV.

    Attributes:
        version: that the answer's metadata names.
        sha256: of the body that came with it.
        began, ended: when, on the monotonic clock.
    """

    version: int
    sha256: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was wrong with some reads.

    Attributes:
        reads: how many there were.
        across: of these, how many were under way when the CSV was replaced.
        torn: the body was not that of the version that the metadata name.
        older: a read before had seen a newer version.
        broken: GETs that came to no end, as their readers could tell; they are not among the reads.
    """

    reads: int = 0
    across: int = 0
    torn: int = 0
    older: int = 0
    broken: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        """Sum up."""
        return Verdict(
            self.reads + other.reads,
            self.across + other.across,
            self.torn + other.torn,
            self.older + other.older,
            self.broken + other.broken,
        )


@dataclass
class Reader:
    """Gets the CSV whole, one GET after the other.

    Attributes:
        client: of S3.
        bucket: where the CSV is.
        seen: the reads, in order.
        broken: see `Verdict`.
    """

    client: Any
    bucket: str
    seen: list[Read] = field(default_factory=list)
    broken: int = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read in the background, and once more at the end.

        Raises:
            RuntimeError: the reader died, so that what it saw proves nothing.
        """
        with beside("reader", self.read):
            yield
        self.read()

    def read(self) -> None:
        """Read the CSV and its metadata, which come in one answer; never more of it than a chunk in memory."""
        began = time.monotonic()
        digest = hashlib.sha256()
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=CSV_KEY)
            for chunk in answer["Body"].iter_chunks(CHUNK):
                digest.update(chunk)
        except (BotoCoreError, ClientError):
            self.broken += 1
            return
        self.seen.append(Read(int(answer["Metadata"]["version"]), digest.hexdigest(), began, time.monotonic()))

    def judge(self, expected: Mapping[int, str], replaced: Sequence[float] = ()) -> Verdict:
        """Compare what was seen with what was published.

        Args:
            expected: SHA-256 of the CSV of each version.
            replaced: when the CSV was replaced, on the monotonic clock.
        """
        newest = accumulate((read.version for read in self.seen), max)
        return Verdict(
            reads=len(self.seen),
            across=sum(any(read.began < at < read.ended for at in replaced) for read in self.seen),
            torn=sum(expected.get(read.version) != read.sha256 for read in self.seen),
            older=sum(read.version < most for read, most in zip(self.seen, newest, strict=True)),
            broken=self.broken,
        )
