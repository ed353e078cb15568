"""Whose matter it is that S3 does not give an object's bytes: the object's own, which its row says, or the operator's.

S3's refusal                               HEAD of the object                          then
archived; a key only the customer has      not asked                                   the object's
its KMS key is disabled or gone            names the key                               the object's
403                                        403, or no KMS key: s3:GetObject lacks      the operator's
403                                        a KMS key of the bucket owner's account     the operator's: grant kms:Decrypt
403                                        a KMS key of another account                the object's

Why a GET was denied stands in its text at best, in words that have changed over the years, and often there is only
"Access Denied" (boto3 issue 2952). HEAD tells: it needs s3:GetObject too, but no KMS key unless it asks for a checksum,
and its answer names the key (Amazon S3 API Reference, HeadObject). Should it be refused all the same, an operator is
called, as for any 403.

A key of the owner's account is the operator's: as a bucket's default it would turn every photo into a row without
metadata, and nobody would be told. Whoever may upload from another account can choose a key that no operator can grant.
"""

import re
from collections.abc import Mapping
from typing import Any

from image_processor.errors import KeyUnusable, ObjectDenied, ObjectError, ObjectUnreadable
from image_processor.reading.ranged import S3_ERRORS, object_error

_KEY = re.compile(r"arn:[\w-]+:kms:[\w-]+:(\d{12}):key/[\w-]+", re.ASCII)


def explained(client: Any, request: Mapping[str, Any], error: ObjectDenied | ObjectUnreadable) -> ObjectError:
    """Say what a refused GET means, asking S3 once or twice more if the refusal alone does not tell.

    Args:
        client: S3 client.
        request: names the object, and pins it as the GET did.
        error: what the GET's refusal seemed to mean.

    Returns:
        `ObjectUnreadable` with the row's warning, `ObjectDenied`, or that the object is gone or changed by now.
    """
    if not isinstance(error, ObjectDenied | KeyUnusable):
        return error
    try:
        arn = str(client.head_object(**request).get("SSEKMSKeyId", ""))
    except S3_ERRORS as refused:
        meaning = object_error(refused)
        return error if isinstance(meaning, ObjectDenied) else meaning
    if isinstance(error, KeyUnusable):
        return KeyUnusable(str(error), f"{error.warning}: {arn}")
    key = _KEY.fullmatch(arn)
    if key is None or _owns_bucket(client, request, key[1]):
        return ObjectDenied(f"{error}, encryption key: {arn or 'none of KMS'}")
    return ObjectUnreadable(str(error), f"object: encrypted with a KMS key of another account, not read: {arn}")


def _owns_bucket(client: Any, request: Mapping[str, Any], account: str) -> bool:
    """Ask whose bucket it is (S3 User Guide, "Verifying bucket ownership with bucket owner condition").

    Raises:
        ObjectError: S3 does not say.
    """
    try:
        client.head_object(**request, ExpectedBucketOwner=account)
    except S3_ERRORS as error:
        meaning = object_error(error)
        if isinstance(meaning, ObjectDenied):  # the same request was granted without the condition
            return False
        raise meaning from error
    return True
