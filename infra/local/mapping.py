"""The event source mapping between the emulator's table and the exporter, run by our own poller."""

import base64
import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.deploy import Deployment
from infra.local.emulator import Emulator
from infra.local.failed_batch import FailedBatch
from infra.local.invocation import Invocation, Record
from infra.local.mapping_settings import Settings
from infra.local.poller import Poller, Stream
from infra.local.servers import ServerError
from operations.atomic_write import atomic_write

POLL_SECONDS = 0.25  # Lambda reads each shard four times a second
DESCRIBE_SECONDS = 2.0  # how often to look for new shards
ITERATOR_LOST = ("ExpiredIteratorException", "TrimmedDataAccessException")
NOT_INVOKED = ("TooManyRequestsException", "ServiceException", "ResourceConflictException")


class DynamoStream:
    """A table's stream through the DynamoDB Streams API, from its oldest record on."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client, self._arn = client, arn
        self._shards: dict[str, str | None] = {}
        self._described = float("-inf")
        self._iterators: dict[str, str] = {}
        self._last_read: dict[str, str] = {}

    def shards(self) -> Mapping[str, str | None]:
        """Name the shards, each with its parent if it has one."""
        if time.monotonic() - self._described >= DESCRIBE_SECONDS:
            self._shards = dict(self._describe())
            self._described = time.monotonic()
        return self._shards

    def read(self, shard: str) -> tuple[Sequence[Record], bool]:
        """Take the next records of a shard, and whether it has ended with them."""
        iterator = self._iterators.get(shard) or self._open(shard)
        try:
            answer = self._client.get_records(ShardIterator=iterator)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ITERATOR_LOST:
                raise
            self._iterators.pop(shard, None)
            return [], False
        records = [to_event(record, self._arn) for record in answer["Records"]]
        if records:
            self._last_read[shard] = records[-1]["dynamodb"]["SequenceNumber"]
        following = answer.get("NextShardIterator")
        if following:
            self._iterators[shard] = following
        return records, not following

    def _open(self, shard: str) -> str:
        last = self._last_read.get(shard)
        place = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
            if last
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        answer = self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **place)
        return str(answer["ShardIterator"])

    def _describe(self) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        after: dict[str, str] = {}
        while True:
            description = self._client.describe_stream(StreamArn=self._arn, **after)["StreamDescription"]
            found += [(shard["ShardId"], shard.get("ParentShardId")) for shard in description["Shards"]]
            if not description.get("LastEvaluatedShardId"):
                return found
            after = {"ExclusiveStartShardId": description["LastEvaluatedShardId"]}


def to_event(record: Mapping[str, Any], stream_arn: str) -> Record:
    """Write a record of GetRecords as the function gets it in its event."""
    change = dict(record["dynamodb"])
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    for image in ("Keys", "NewImage", "OldImage"):
        if image in change:
            change[image] = {name: _to_json(value) for name, value in change[image].items()}
    event = {name: record[name] for name in ("eventID", "eventName", "eventVersion", "eventSource", "awsRegion")}
    identity = record.get("userIdentity")
    if identity:
        event["userIdentity"] = {"principalId": identity["PrincipalId"], "type": identity["Type"]}
    return {**event, "dynamodb": change, "eventSourceARN": stream_arn}


def _to_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Write bytes in an attribute value as Base64, as events carry them."""
    ((kind, content),) = value.items()
    if kind == "B":
        return {"B": base64.b64encode(content).decode()}
    if kind == "BS":
        return {"BS": [base64.b64encode(each).decode() for each in content]}
    if kind == "L":
        return {"L": [_to_json(each) for each in content]}
    if kind == "M":
        return {"M": {name: _to_json(each) for name, each in content.items()}}
    return {kind: content}


class KeptRecords:
    """Records of a stream that wait in a file, until they are delivered."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        """Give the records."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def write(self, records: Iterable[Record]) -> None:
        """Keep these records, and no others."""
        with atomic_write(self.path) as unfinished:
            unfinished.write_text("".join(f"{json.dumps(record)}\n" for record in records))

    def forget(self) -> None:
        """Keep none."""
        self.path.unlink(missing_ok=True)


class StreamAfter:
    """A stream that comes after kept records: these are a shard that has ended, and a parent of the others."""

    NAME = "kept"

    def __init__(self, kept: KeptRecords, stream: Stream) -> None:
        self._kept, self._stream = kept.read(), stream

    def shards(self) -> Mapping[str, str | None]:
        """Name the shards, each with its parent."""
        return {self.NAME: None} | {name: parent or self.NAME for name, parent in self._stream.shards().items()}

    def read(self, shard: str) -> tuple[Sequence[Record], bool]:
        """Take the next records of a shard, and whether it has ended with them."""
        if shard != self.NAME:
            return self._stream.read(shard)
        records, self._kept = self._kept, []
        return records, True


class LambdaFunction:
    """A deployed function, invoked and waited for."""

    def __init__(self, emulator: Emulator, arn: str) -> None:
        self._client = emulator.client("lambda", retries={"total_max_attempts": 1})
        self._arn = arn

    def __call__(self, event: Mapping[str, Any]) -> Invocation:
        """Invoke the function with an event."""
        try:
            answer = self._client.invoke(FunctionName=self._arn, Payload=json.dumps(event).encode())
        except ClientError as error:
            if error.response["Error"]["Code"] in NOT_INVOKED:
                return Invocation(throttled=True)
            raise
        return Invocation(
            response=json.loads(answer["Payload"].read() or b"null"),
            function_error=answer.get("FunctionError"),
            request_id=answer["ResponseMetadata"].get("RequestId", ""),
        )


class StreamMapping:
    """Delivers the table's stream to the exporter in a thread, in place of the emulator's own mapping.

    It does so while the mapping is enabled, as `skyledger stream` switches it. What waits in the stream when the stack
    stops with the mapping disabled is kept in a file, because the emulator forgets its stream.
    """

    def __init__(self, emulator: Emulator, deployment: Deployment) -> None:
        self._functions, self._id = emulator.client("lambda"), deployment.stream_mapping_id
        kept = KeptRecords(emulator.data / "stream.jsonl")
        if not (kept.path.exists() or emulator.taken_over):
            # Nobody has switched it off, but a version of this stack that took its place without saying so.
            self._functions.update_event_source_mapping(UUID=self._id, Enabled=True)
        self.settings = Settings.of_mapping(self._functions.get_event_source_mapping(UUID=self._id))
        self._s3 = emulator.client("s3")
        stream = DynamoStream(emulator.client("dynamodbstreams"), self.settings.stream_arn)
        self._kept = kept
        self._poller = Poller(
            self.settings,
            StreamAfter(kept, stream),
            LambdaFunction(emulator, self.settings.function_arn),
            self._put_aside,
            time.time,
        )
        self._stopping = threading.Event()
        self._passes = threading.Condition()
        self._passes_begun = 0
        self._idle_pass = 0  # the last pass that found nothing to read or to deliver
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="stream-mapping", daemon=True)
        self._thread.start()

    @property
    def discarded(self) -> list[FailedBatch]:
        """Batches that were given up and put aside in the export bucket."""
        return self._poller.discarded

    @property
    def enabled(self) -> bool:
        """Whether the stream is followed; what happens meanwhile waits in it."""
        return bool(self._functions.get_event_source_mapping(UUID=self._id)["State"] == "Enabled")

    def is_idle(self) -> bool:
        """Look once more; whether nothing is left to read or to deliver of what was written before this call.

        Of a stream that is not followed nothing is to be read.
        """
        with self._passes:
            wanted = self._passes_begun + 1
            self._passes.wait_for(lambda: self._passes_begun > wanted or self._error is not None)
            if self._error is not None:
                raise ServerError(f"the stream's poller ended: {self._error!r}") from self._error
            return self._idle_pass >= wanted

    def stop(self) -> None:
        """Stop after the batch that is under way, and keep what waits in a stream that is not followed."""
        self._stopping.set()
        self._thread.join()
        with suppress(BotoCoreError):  # of an emulator that has ended hard, whose stream is gone with it
            if not self.enabled:
                self._kept.write(self._poller.take_rest())

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._passes:
                self._passes_begun += 1
            try:
                due = self._poller.step() if (enabled := self.enabled) else None
            except (BotoCoreError, ClientError) as error:
                with self._passes:
                    self._error = error
                    self._passes.notify_all()
                return
            with self._passes:
                if due is None:
                    self._idle_pass = self._passes_begun
                    if enabled:
                        self._kept.forget()
                self._passes.notify_all()
            self._stopping.wait(POLL_SECONDS if due is None else min(due, POLL_SECONDS))

    def _put_aside(self, batch: FailedBatch) -> None:
        bucket = (self.settings.on_failure or "").rpartition(":")[2]
        self._s3.put_object(Bucket=bucket, Key=batch.key, Body=batch.body, ContentType="application/json")
