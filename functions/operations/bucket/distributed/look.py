"""Look at differences once more: what the table and S3 say now, and not when export and list were made."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from ledger.errors import Unavailable
from ledger.event import time_text
from ledger.store import read_ahead
from operations.bucket.compare import Difference, judge
from operations.bucket.distributed.job import Job
from operations.bucket.known import record_line
from operations.bucket.lines import Listed, Record, bucket_and_key, read_record, unescape

_GONE = {"404", "NoSuchKey", "NotFound"}


def look_again(job: Job, found: Iterator[Difference]) -> Iterator[Difference]:
    """Give those that still differ, as they do now.

    Raises:
        Unavailable: the table or S3 did not answer.
    """
    for before, (record, listed) in read_ahead(job.ledger.store, lambda one: _now(job, one.name), found):
        kind = judge(listed, record)
        if kind is not None:
            yield before._replace(kind=kind, listed=listed, record=record)


def _now(job: Job, name: bytes) -> tuple[Record | None, Listed | None]:
    """Ask the table first: S3's answer is then at least as new as the record's event."""
    try:
        return _record(job, name), _listed(job, name)
    except ClientError as error:
        raise Unavailable(f"{unescape(name)}: {error}") from error


def _record(job: Job, name: bytes) -> Record | None:
    key = {"object": {"S": unescape(name)}}
    item = job.aws.dynamodb.get_item(TableName=job.aws.objects, Key=key, ConsistentRead=True).get("Item")
    return read_record(record_line(item)) if item else None


def _listed(job: Job, name: bytes) -> Listed | None:
    bucket, key = bucket_and_key(name)
    try:
        head: Any = job.aws.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise
    return Listed(head["ETag"].strip('"'), head["ContentLength"], time_text(head["LastModified"]))
