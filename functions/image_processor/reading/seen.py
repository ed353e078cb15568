"""What S3 says of an object now: HEAD, and the bucket's list for objects of which HEAD says nothing.

S3's answer to HEAD                        then
200                                        the object is there
404                                        it is not, or a delete marker hides it (405 is for a marker's own version)
400                                        it is under a key that only its owner has; the list says what it is
403, and any other                         no answer: 403 also is what a role gets that may not list the bucket, for an
                                           object that is gone

Sources: Amazon S3 API Reference, HeadObject ("a generic code", since there is no body) and ListObjectsV2; boto3 issue
1482. A list has the ETags of all objects (API Reference, Object), in the order of the keys' bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from image_processor.errors import ObjectGone, ObjectUnreadable
from image_processor.reading.ranged import S3_ERRORS, object_error, user_metadata


@dataclass(frozen=True, slots=True)
class Seen:
    """An object, as an event or S3 describes it.

    Attributes:
        etag: without quotes.
        version_id: the version; None in a bucket without versions, or if it is not known.
        size: bytes; None if it is not known.
        last_modified: when it was written, ISO 8601, UTC.
        user_metadata: values by name, as S3 writes them; None if they are not known.
    """

    etag: str
    version_id: str | None
    size: int | None
    last_modified: str
    user_metadata: Mapping[str, str] | None = None


def look_at(client: Any, bucket: str, key: str) -> Seen | None:
    """Ask what a key holds; None if nothing.

    Args:
        client: S3 client.
        bucket: name of the bucket.
        key: of the object.

    Raises:
        ObjectError: S3 does not say.
    """
    try:
        head = client.head_object(Bucket=bucket, Key=key)
    except S3_ERRORS as error:
        meaning = object_error(error)
        if isinstance(meaning, ObjectGone):
            return None
        if isinstance(meaning, ObjectUnreadable):
            return _listed(client, bucket, key)
        raise meaning from error
    modified = iso(head["LastModified"])
    return Seen(_unquoted(head["ETag"]), head.get("VersionId"), head["ContentLength"], modified, user_metadata(head))


def _listed(client: Any, bucket: str, key: str) -> Seen | None:
    """Ask the list; the first key that begins with this one is this one, if it is there."""
    try:
        found = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    except S3_ERRORS as error:
        raise object_error(error) from error
    if not found or found[0]["Key"] != key:
        return None
    return Seen(_unquoted(found[0]["ETag"]), None, found[0]["Size"], iso(found[0]["LastModified"]))


def iso(moment: datetime) -> str:
    """Write a time as rows have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unquoted(etag: str) -> str:
    return etag.strip('"')
