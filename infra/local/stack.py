"""The whole pipeline on this machine: emulator, deployed template, and the stream's poller."""

import json
import os
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError

from infra.local.deploy import STACK, Deployment, deploy
from infra.local.emulator import REGION, Emulator, make_environment
from infra.local.mapping import StreamMapping
from infra.local.servers import ServerError, Stoppable
from infra.paths import HOME
from infra.waiting import until
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.s3_store import S3Store
from operations.atomic_write import atomic_write
from operations.batches import batched

AT_ONCE = 8  # objects that are written or deleted
LOOKED_UP_AT_ONCE = 100  # items (DynamoDB API reference, BatchGetItem)
LOOK_SECONDS = 0.2
PROCESSOR_SECONDS = 5.0  # more than a batch of images takes
DRAIN_SECONDS = 60.0
KNOWN_SECONDS = 30.0
PART_BYTES = 64 << 20  # larger files are uploaded in parts
IN_PARTS = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Work between the images buckets and the CSV.

    Attributes:
        waiting: messages in both queues: S3 events, and objects that a command has seen.
        under_way: messages that the processor has, or that failed and wait for their next try.
        exporting: whether the stream or the ledger holds changes that are not in the CSV.
    """

    waiting: int
    under_way: int
    exporting: bool

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.waiting or self.under_way or self.exporting)


class LocalStack(Stoppable):
    """The running pipeline. Its data outlives it."""

    def __init__(
        self,
        *,
        data: Path = HOME / "stack",
        parameters: Mapping[str, str] | None = None,
        existing: Sequence[str] = (),
        check_permissions: bool = False,
        fresh: bool = False,
        tell: Callable[[str], None] = lambda step: None,
    ) -> None:
        """Start and deploy.

        Args:
            data: folder that keeps tables, objects and logs.
            parameters: of the template, beside those that fit it to this machine.
            existing: buckets that are followed beside the stack's own.
            check_permissions: evaluate IAM policies, so that the functions can do what the template grants and no more.
            fresh: begin with nothing; earlier data is deleted.
            tell: is told what happens, step by step.

        Raises:
            AlreadyRunningError, ServerError, DeploymentError: what went wrong, in one line.
        """
        tell(
            "making the emulator's environment (once, some seconds)" if not (HOME / "emulator").exists() else "starting"
        )
        python = make_environment()
        tell("starting the emulator of AWS")
        self.emulator = Emulator(python, data, check_permissions=check_permissions, fresh=fresh, streams=False)
        try:
            tell("building and deploying the functions")
            self.s3 = self.emulator.client("s3")
            self._sqs, self._lambda = self.emulator.client("sqs"), self.emulator.client("lambda")
            self._tables = self.emulator.client("dynamodb")
            self._parameters = {"ProcessorConcurrency": str(max(2, os.cpu_count() or 2)), **(parameters or {})}
            self.deployment = self.follow(*existing)
            self.mapping = StreamMapping(self.emulator, self.deployment)
        except BaseException:
            self.emulator.stop()
            raise

    def follow(self, *existing: str) -> Deployment:
        """Deploy the stack, or bring it up to date, so that it follows its own bucket and these.

        Args:
            existing: names of buckets; those that are not there are made before the stack.

        Raises:
            DeploymentError: the stack refuses a bucket.
        """
        for bucket in existing:
            self.s3.create_bucket(Bucket=bucket)  # here, as in us-east-1, one that is ours already is no error
        sources = {"ExistingBuckets": ",".join(existing), "OwnBucket": "yes"}
        self.deployment = deploy(self.emulator, HOME / "bundle", {**self._parameters, **sources})
        self._let_processor_run(True)
        return self.deployment

    def upload(self, files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, str | None]]:
        """Put files into the own images bucket, several at a time.

        Args:
            files: key and path of each.

        Yields:
            The key of each file, and None if it is there now, or why it is not.
        """

        def put(file: tuple[str, Path]) -> tuple[str, str | None]:
            key, path = file
            try:
                self.s3.upload_file(str(path), self.deployment.images_bucket, key, Config=IN_PARTS)
            except OSError as error:
                return key, error.strerror or str(error)
            except S3UploadFailedError as error:  # S3 does not take this one
                return key, str(error)
            return key, None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(put, files)

    def delete(self, keys: Iterable[str]) -> Iterator[str]:
        """Delete objects of the own images bucket, several at a time; give the key of each that is gone."""

        def remove(key: str) -> str:
            self.s3.delete_object(Bucket=self.deployment.images_bucket, Key=key)
            return key

        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(remove, keys)

    def uploaded(self) -> dict[str, str]:
        """Name the objects of the own images bucket, each with its ETag without quotes."""
        return self.objects(self.deployment.images_bucket)

    def objects(self, bucket: str) -> dict[str, str]:
        """Name the objects of a bucket, each with its ETag without quotes."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {each["Key"]: each["ETag"].strip('"') for page in pages for each in page.get("Contents", ())}

    def backlog(self) -> Backlog:
        """Look at what is under way; slow enough to be asked a few times a second."""
        waiting, under_way = self._queues_depth()
        exporting = not (self.mapping.is_idle() and self._is_published())
        if not (waiting or under_way or exporting):
            # What was in the processor when the queue was looked at may have passed both since then.
            time.sleep(LOOK_SECONDS)
            waiting, under_way = self._queues_depth()
            exporting = not (self.mapping.is_idle() and self._is_published())
        return Backlog(waiting, under_way, exporting)

    def wait_until_current(self) -> None:
        """Wait until the CSV holds all that was uploaded before.

        Raises:
            TimeoutError: something is stuck.
        """
        until(lambda: not self.backlog(), lambda: f"end of {self.backlog()}", every=LOOK_SECONDS)

    def wait_until_known(self, etags: Mapping[str, str]) -> None:
        """Wait until the table `Objects` knows these objects of the own bucket, by key and ETag, or time is over."""
        places = {(self.deployment.images_bucket, key): etag for key, etag in etags.items()}

        def are_known() -> bool:
            records = self.records(places)
            return all(etag in str(records.get(place)) for place, etag in places.items())

        with suppress(TimeoutError):
            until(are_known, "record of each", seconds=KNOWN_SECONDS, every=LOOK_SECONDS)

    def dead_letters(self) -> int:
        """Count the messages that were given up."""
        return sum(self._depth(self.deployment.dead_letters_url, self.deployment.seen_dead_letters_url))

    def csv_version(self) -> str:
        """Read the ETag of the published CSV: another one after every change."""
        return str(self.s3.head_object(Bucket=self.deployment.export_bucket, Key=CSV_KEY)["ETag"])

    def csv(self) -> bytes:
        """Read the published CSV."""
        return self._read(CSV_KEY)

    def download_csv(self, path: Path) -> None:
        """Copy the published CSV to a file, piece by piece and whole at last."""
        with atomic_write(path) as unfinished:
            self.s3.download_file(self.deployment.export_bucket, CSV_KEY, str(unfinished))

    def records(self, objects: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        """Look up what the table `Objects` knows of objects, given by bucket and key; only those that it knows."""
        table, found = self.deployment.objects_table, {}
        names = {f"{bucket}/{key}": (bucket, key) for bucket, key in objects}
        for some in batched(names, LOOKED_UP_AT_ONCE):
            wanted = {table: {"Keys": [{"object": {"S": name}} for name in some]}}
            while wanted:  # an answer holds 16 MB at most
                answer = self._tables.batch_get_item(RequestItems=wanted)
                found.update({names[item["object"]["S"]]: item for item in answer["Responses"].get(table, ())})
                wanted = answer.get("UnprocessedKeys")
        return found

    def export_store(self) -> S3Store:
        """Open the export bucket as the ledger's code sees it."""
        return S3Store(self.deployment.export_bucket, **self.emulator.credentials)

    def root(self) -> dict[str, Any]:
        """Read the ledger's root, decoded."""
        root: dict[str, Any] = json.loads(self._read(ROOT_KEY))
        return root

    def shell_settings(self, programs: Path) -> str:
        """Write the commands after which `skyledger` and `aws` work on this stack, in a shell, as on a real one.

        Args:
            programs: folder of the `skyledger` command.
        """
        variables = {**self.emulator.environment, "AWS_REGION": REGION, "SKYLEDGER_STACK": STACK}
        lines = [
            "# The local stack, for `source`: in this terminal there is no other account then.",
            "unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_S3 SKYLEDGER_BUCKET",
            *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
            f'export PATH="$PATH":{shlex.quote(str(programs))}',
        ]
        return "".join(f"{line}\n" for line in lines)

    def stop(self) -> bool:
        """Finish what is under way and stop in order.

        The emulator forgets its stream when it stops, so the stream is emptied first.

        Returns:
            Whether everything was exported; if not, the data is not used again.
        """
        exported = False
        try:
            self._let_processor_run(False)
            exported = self._drain()
        except (BotoCoreError, ServerError):
            pass  # the emulator is gone: there is nothing left to finish
        finally:
            self.mapping.stop()
            self.emulator.stop(whole=exported)
        return exported

    def _is_published(self) -> bool:
        """Say whether the CSV shows the root: a large one is published after the stream has been read."""
        ledger = Ledger(self.export_store())
        root, present = ledger.find_root(), ledger.present_csv()
        return root is None or (present is not None and present.metadata.get("tree") == root[0].tree_hash)

    def _drain(self) -> bool:
        """Let the processor end what it has begun, then empty the stream; whether it is empty."""
        begun = time.monotonic()
        # Failed events count as under way until their next try, minutes later: these are not waited for.
        while self._queues_depth()[1] and time.monotonic() < begun + PROCESSOR_SECONDS:
            time.sleep(LOOK_SECONDS)
        quiet = 0
        while quiet < 2 and time.monotonic() < begun + DRAIN_SECONDS:
            quiet = quiet + 1 if self.mapping.is_idle() else 0
            time.sleep(LOOK_SECONDS)
        return quiet >= 2

    def _let_processor_run(self, enabled: bool) -> None:
        found = self._lambda.list_event_source_mappings(FunctionName=self.deployment.image_processor)
        for mapping in found["EventSourceMappings"]:
            # The emulator takes the template's number for a text and then cannot compare with it: say it again.
            scaling = {"MaximumConcurrency": int(mapping["ScalingConfig"]["MaximumConcurrency"])}
            self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled, ScalingConfig=scaling)

    def _queues_depth(self) -> tuple[int, int]:
        return self._depth(self.deployment.queue_url, self.deployment.seen_queue_url)

    def _depth(self, *urls: str) -> tuple[int, int]:
        """Count messages of queues that wait, and that somebody has."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        looks = [self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] for url in urls]
        return sum(int(look[names[0]]) for look in looks), sum(int(look[names[1]]) for look in looks)

    def _read(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.deployment.export_bucket, Key=key)["Body"].read()
        return body
