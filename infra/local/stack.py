"""The whole pipeline on this machine: emulator, deployed template, and the stream's poller."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError

from infra.local.deploy import Deployment, deploy
from infra.local.emulator import Emulator, make_environment
from infra.local.mapping import StreamMapping
from infra.local.servers import ServerError, Stoppable
from infra.paths import HOME
from infra.waiting import until
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.s3_store import S3Store

UPLOADS = 8  # files on their way at once
LOOK_SECONDS = 0.2
PROCESSOR_SECONDS = 5.0  # more than a batch of images takes
DRAIN_SECONDS = 60.0
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
        self.emulator = Emulator(python, data, check_permissions=check_permissions, fresh=fresh)
        try:
            tell("building and deploying the functions")
            self.s3 = self.emulator.client("s3")
            self._sqs, self._lambda = self.emulator.client("sqs"), self.emulator.client("lambda")
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

    def upload(self, files: Iterable[tuple[str, Path]]) -> Iterator[str]:
        """Put files into the own images bucket, several at a time.

        Args:
            files: key and path of each.

        Yields:
            The key of each file that is there now.
        """

        def put(file: tuple[str, Path]) -> str:
            key, path = file
            self.s3.upload_file(str(path), self.deployment.images_bucket, key, Config=IN_PARTS)
            return key

        with ThreadPoolExecutor(UPLOADS) as pool:
            yield from pool.map(put, files)

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

    def dead_letters(self) -> int:
        """Count the messages that were given up."""
        return sum(self._depth(self.deployment.dead_letters_url, self.deployment.seen_dead_letters_url))

    def csv_version(self) -> str:
        """Read the ETag of the published CSV: another one after every change."""
        return str(self.s3.head_object(Bucket=self.deployment.export_bucket, Key=CSV_KEY)["ETag"])

    def csv(self) -> bytes:
        """Read the published CSV."""
        return self._read(CSV_KEY)

    def export_store(self) -> S3Store:
        """Open the export bucket as the ledger's code sees it."""
        return S3Store(self.deployment.export_bucket, **self.emulator.credentials)

    def root(self) -> dict[str, Any]:
        """Read the ledger's root, decoded."""
        root: dict[str, Any] = json.loads(self._read(ROOT_KEY))
        return root

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


def files_of(folder: Path) -> dict[str, Path]:
    """Name the files of a folder by the keys that they get: the folder's name and the path below it."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    seen = ((path.relative_to(folder), path) for path in paths)
    return {
        f"{folder.resolve().name}/{below.as_posix()}": path
        for below, path in seen
        if not any(part.startswith(".") for part in below.parts)
    }


def etag_of(path: Path) -> str:
    """Give the ETag that S3 gives an uploaded file: the MD5 of its bytes, or of its parts' MD5s with their number."""
    with path.open("rb") as file:
        parts = [_md5(part) for part in iter(lambda: file.read(PART_BYTES), b"")] or [_md5(b"")]
    if path.stat().st_size < PART_BYTES:
        return parts[0].hex()
    return f"{_md5(b''.join(parts)).hex()}-{len(parts)}"


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()
