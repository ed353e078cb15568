"""Batches of stream records that were put aside, as Lambda does when it gives up."""

from typing import Any

from infra.doubles.memory_store import MemoryStore
from infra.local.failed_batch import RETRY_ATTEMPTS_EXHAUSTED, FailedBatch
from tests.support.factories import START


def put_aside(store: MemoryStore, *records: dict[str, Any], name: str = "one") -> str:
    """Give a batch up; give the key of its object."""
    failed = FailedBatch(
        mapping_id="c0ffee",
        function_arn="arn:aws:lambda:eu-west-1:111122223333:function:CsvExporter",
        stream_arn="arn",
        shard="shardId-1",
        condition=RETRY_ATTEMPTS_EXHAUSTED,
        records=records,
        invocations=3,
        request_id="request",
        function_error="Unhandled",
        at=START.timestamp(),
        name=name,
    )
    store.put_new(failed.key, failed.body, "application/json")
    return failed.key
