"""Each difference is looked at once more, some rounds long: uploads and removals go on meanwhile.

The record is read first, consistently, and S3 then: its answer is at least as new as the event that the record is about
(S3 User Guide, "Amazon S3 data consistency model"). S3 is asked for a list of one key, which says the same of every
object as the listing did; HEAD says nothing of one under a key that only its owner has.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from ledger.errors import Unavailable
from operations.bucket.compare import Counts, Difference, Rules, is_young, judge
from operations.bucket.known import record_line
from operations.bucket.lines import Listed, Record, bucket_and_key, read_listed, read_record, unescape
from operations.bucket.pages import ask, lines_of

T = TypeVar("T")
R = TypeVar("R")

THREADS = 16


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at single objects.

    Attributes:
        dynamodb: client.
        s3: client of `operations.bucket.pages.listing_client`.
        objects: name of the table `Objects`.
        images: name of the table `Images`.
    """

    dynamodb: Any
    s3: Any
    objects: str
    images: str

    def item(self, table: str, **key: str) -> Any:
        """Read an item as it is now; None if there is none."""
        wire = {name: {"S": value} for name, value in key.items()}
        try:
            return self.dynamodb.get_item(TableName=table, Key=wire, ConsistentRead=True).get("Item")
        except ClientError as error:
            raise Unavailable(f"{table}: {error}") from error

    def record(self, name: bytes) -> Record | None:
        """Read the record of an object, by its escaped name."""
        item = self.item(self.objects, object=unescape(name))
        return read_record(record_line(item)) if item else None

    def listed(self, name: bytes) -> Listed | None:
        """Ask S3 what it has under a name; the first key that begins with this one is this one, if it is there."""
        bucket, key = bucket_and_key(name)
        found = ask(self.s3, Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return read_listed(lines_of(bucket, found)[0]) if found and found[0]["Key"] == key else None


def look_again(looker: Looker, differences: Iterable[Difference], rules: Rules, counts: Counts) -> list[Difference]:
    """Give the differences that are still there, as they are now; count what is young now.

    Raises:
        Unavailable: S3 or the table did not answer.
    """

    def now(before: Difference) -> Difference | None:
        record = looker.record(before.name)
        listed = looker.listed(before.name)
        kind = judge(listed, record, rules.reader)
        return None if kind is None else Difference(kind, before.name, listed, record)

    staying = []
    for one in in_parallel(now, differences):
        if one is not None and is_young(one.listed, one.record, rules.young):
            counts.young += 1
        elif one is not None:
            staying.append(one)
    return staying


def in_parallel(look: Callable[[T], R], what: Iterable[T]) -> Sequence[R]:
    """Look at many at a time."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="look") as pool:
        return [*pool.map(look, what)]
