"""A batch of stream records that Lambda gave up on, as it writes it to an S3 on-failure destination.

Key and document are those of the AWS Lambda Developer Guide, "Retain discarded records for a DynamoDB event source":
S3 alone gets the whole event, as JSON text in `payload`.
"""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
RECORD_AGE_EXCEEDED = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class FailedBatch:
    """Records, and why they were given up.

    Attributes:
        condition: `RetryAttemptsExhausted` or `RecordAgeExceeded`.
        invocations: how often the function got this batch.
        request_id: of the last invocation; empty if there was none.
        function_error: what the last invocation ended with; None if the function reported failed items.
        at: when it was given up, in seconds since the epoch.
    """

    mapping_id: str
    function_arn: str
    stream_arn: str
    shard: str
    condition: str
    records: tuple[dict[str, Any], ...]
    invocations: int
    request_id: str
    function_error: str | None
    at: float
    name: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def key(self) -> str:
        """Key of the object: mapping, shard and day are folders."""
        at = datetime.fromtimestamp(self.at, UTC)
        return f"aws/lambda/{self.mapping_id}/{self.shard}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{self.name}"

    @property
    def body(self) -> bytes:
        """The JSON document."""
        first, last = self.records[0]["dynamodb"], self.records[-1]["dynamodb"]
        response = {"statusCode": 200, "executedVersion": "$LATEST"}
        if self.function_error is not None:
            response["functionError"] = self.function_error
        document = {
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": self.function_arn,
                "condition": self.condition,
                "approximateInvokeCount": self.invocations,
            },
            "responseContext": response,
            "version": "1.0",
            "timestamp": _iso(self.at, "milliseconds"),
            "DDBStreamBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": first["SequenceNumber"],
                "endSequenceNumber": last["SequenceNumber"],
                "approximateArrivalOfFirstRecord": _iso(first["ApproximateCreationDateTime"]),
                "approximateArrivalOfLastRecord": _iso(last["ApproximateCreationDateTime"]),
                "batchSize": len(self.records),
                "streamArn": self.stream_arn,
            },
            "payload": json.dumps({"Records": self.records}, separators=(",", ":")),
        }
        return json.dumps(document).encode()


def _iso(seconds: float, precision: str = "seconds") -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
