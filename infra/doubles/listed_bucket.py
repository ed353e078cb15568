"""Buckets that are only listed, of any size: ListObjectsV2 as S3 answers it.

Keys come in the order of their UTF-8 bytes, and behind `StartAfter`, which need be no key and need not begin with the
prefix (S3 API Reference, ListObjectsV2). Times are as S3 writes them, as for a client that does not parse them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

Contents = Mapping[str, Mapping[str, Any]]
"""What the lists say of each key."""

AT = "2026-11-26T12:00:00.000Z"
PAGE = 1000


def contents(keys: Iterable[str], **more: Any) -> dict[str, dict[str, Any]]:
    """Make up what S3 says of some objects."""
    return {key: {"Key": key, "ETag": '"e"', "Size": 5, "LastModified": AT, **more} for key in keys}


class ListedBuckets:
    """The client of some buckets.

    Attributes:
        requests: that were answered.
        before: is called with the arguments of each request; may raise.
        page: keys of an answer, at most.
    """

    def __init__(self, buckets: Mapping[str, Contents], endpoint: str = "https://s3.eu-west-1.amazonaws.com") -> None:
        self.meta = SimpleNamespace(endpoint_url=endpoint)
        self.requests = 0
        self.before: Callable[[dict[str, Any]], None] = lambda arguments: None
        self.page = PAGE
        self._keys = {bucket: sorted(objects, key=str.encode) for bucket, objects in buckets.items()}
        self._buckets = buckets

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        """List some keys."""
        self.before(arguments)
        self.requests += 1
        keys = self._keys[arguments["Bucket"]]
        prefix = arguments["Prefix"]
        after = arguments.get("ContinuationToken") or arguments.get("StartAfter", "")
        first = max(bisect_left(keys, prefix), bisect_right(keys, after) if after else 0)
        most = min(self.page, arguments.get("MaxKeys", PAGE))
        found = [*takewhile(lambda key: key.startswith(prefix), keys[first : first + most + 1])]
        is_truncated = len(found) > most
        del found[most:]
        objects = self._buckets[arguments["Bucket"]]
        answer: dict[str, Any] = {"IsTruncated": is_truncated, "KeyCount": len(found)}
        if found:
            answer["Contents"] = [objects[key] for key in found]
        return answer | ({"NextContinuationToken": found[-1]} if is_truncated else {})


class FolderByFolder(ListedBuckets):
    """A server that keeps objects in folders, and lists one after the other: `a/b` before `a-b` (SeaweedFS)."""

    def __init__(self, buckets: Mapping[str, Contents]) -> None:
        super().__init__(buckets, "http://127.0.0.1:8333")
        self._keys = {
            bucket: sorted(objects, key=lambda key: [*map(str.encode, key.split("/"))])
            for bucket, objects in buckets.items()
        }

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        """List some keys, from the place that the token names."""
        self.before(arguments)
        self.requests += 1
        keys = [key for key in self._keys[arguments["Bucket"]] if key.startswith(arguments["Prefix"])]
        first = int(arguments.get("ContinuationToken", 0))
        objects = self._buckets[arguments["Bucket"]]
        answer: dict[str, Any] = {
            "IsTruncated": first + self.page < len(keys),
            "Contents": [objects[key] for key in keys[first : first + self.page]],
        }
        return answer | ({"NextContinuationToken": str(first + self.page)} if answer["IsTruncated"] else {})
