"""The requests for a list of objects, one after the other: up to 1,000 keys an answer, as lines.

S3 gives keys in the order of their UTF-8 bytes, from any text on (S3 User Guide, "Listing object keys
programmatically"; `StartAfter`). Python's texts are in this order, too: that of code points.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import lt
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from ledger.errors import Damaged, Unavailable
from operations.bucket.lines import escape, object_line

THREADS = 16
"""Requests at a time, at most."""


def listing_client(client_arguments: Mapping[str, str], threads: int = THREADS) -> Any:
    """Make a client whose lists have times as S3 wrote them: to parse them takes longer than all the rest."""
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    config = Config(retries={"mode": "standard", "max_attempts": 10}, max_pool_connections=threads)
    return session.create_client("s3", config=config, **client_arguments)


def list_range(client: Any, bucket: str, prefix: str, after: str = "", last: str | None = None) -> Iterator[bytes]:
    """List one range of keys, one request after the other, at a server that lists in order.

    Args:
        client: of `listing_client`.
        bucket: name of the bucket.
        prefix: of the keys.
        after: keys come behind it, if not empty.
        last: and not behind it; None: to the end.

    Raises:
        Unavailable: the server did not answer, or refused.
        Damaged: a list is not in order.
    """
    more = True
    while more:
        keys, lines, more = page(client, bucket, prefix, after)
        count = count_up_to(keys, last)
        yield from lines[:count]
        more, after = more and count == len(keys), keys[-1] if keys else ""


def page(client: Any, bucket: str, prefix: str, after: str) -> tuple[list[str], list[bytes], bool]:
    """Ask for up to 1,000 keys behind one: give them, their lines, and whether there are more.

    A text that does not begin with the prefix is not sent: some servers then find nothing (seaweedfs issue 11321).
    """
    start = {"StartAfter": after} if after else {}
    answer = ask(client, Bucket=bucket, Prefix=prefix, **start)
    contents = answer.get("Contents", [])
    keys = [one["Key"] for one in contents]
    if not all(map(lt, [after, *keys[:-1]] if after else keys, keys if after else islice(keys, 1, None))):
        raise Damaged(f"{bucket} does not list its keys in their order")
    return keys, lines_of(bucket, contents), bool(keys) and answer["IsTruncated"]


def lines_of(bucket: str, contents: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Write what an answer says of objects as lines."""
    return [
        object_line(escape(f"{bucket}/{one['Key']}"), one["ETag"].strip('"'), one["Size"], one["LastModified"])
        for one in contents
    ]


def list_by_tokens(client: Any, bucket: str, prefix: str) -> Iterator[list[bytes]]:
    """List objects in the order in which a server has them: the lines of each answer.

    Raises:
        Unavailable: the server did not answer, or refused.
    """
    token: dict[str, str] = {}
    while True:
        answer = ask(client, Bucket=bucket, Prefix=prefix, **token)
        yield lines_of(bucket, answer.get("Contents", []))
        if not answer["IsTruncated"]:
            return
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def ask(client: Any, **arguments: Any) -> Any:
    """Send one request.

    Raises:
        Unavailable: the server did not answer, or refused.
    """
    try:
        return client.list_objects_v2(**arguments)
    except ClientError as error:
        raise Unavailable(f"{arguments['Bucket']}: {error}") from error


def first_key(client: Any, bucket: str, prefix: str, after: str) -> str | None:
    """Give the first key of a prefix behind a text; None if there is none.

    Raises:
        Unavailable: the server did not answer, or refused.
    """
    found = ask(client, Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=1).get("Contents")
    return str(found[0]["Key"]) if found else None


def count_up_to(keys: Sequence[str], last: str | None) -> int:
    """Count those of sorted keys that are not behind another; None: all."""
    return len(keys) if last is None else bisect_right(keys, last)
