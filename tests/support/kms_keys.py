"""What S3 does with objects under KMS keys, before moto, which asks no key.

GET needs the key: without kms:Decrypt it is denied, in words that need not name the key (boto3 issue 2952); under a key
that is off or gone it is a 400 (CloudWatch Logs User Guide lists the codes for S3). HEAD needs no key, and names it; a
refusal of HEAD has no body, hence no code but the status (S3 API Reference, HeadObject). A HEAD that expects another
owner of the bucket is denied (S3 User Guide, "Verifying bucket ownership with bucket owner condition").
"""

from typing import Any

from infra.doubles.refusal import refusal
from tests.support.bucket_world import WatchedClient

OWNER, STRANGER = "111122223333", "999988887777"


def key_of(account: str) -> str:
    return f"arn:aws:kms:us-east-1:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


class KmsKeys:
    """The keys of the objects in a bucket.

    Attributes:
        granted: keys that the function may use.
        off: keys that nobody can use, with the code of S3's answer.
        readable: the function has s3:GetObject.
    """

    def __init__(self, s3: WatchedClient) -> None:
        self.granted: set[str] = set()
        self.off: dict[str, str] = {}
        self.readable = True
        self._s3 = s3.client
        s3.before |= {"get_object": self._get, "head_object": self._head}

    def _get(self, Bucket: str, Key: str, **_: Any) -> None:  # noqa: N803
        key = self._s3.head_object(Bucket=Bucket, Key=Key).get("SSEKMSKeyId")
        if not self.readable or (key and key not in self.granted | self.off.keys()):
            raise refusal("AccessDenied", 403, request="GetObject")
        if key in self.off:
            raise refusal(self.off[key], 400, request="GetObject")

    def _head(self, ExpectedBucketOwner: str = OWNER, **_: Any) -> None:  # noqa: N803
        if not self.readable or ExpectedBucketOwner != OWNER:
            raise refusal("403", 403, request="HeadObject")
