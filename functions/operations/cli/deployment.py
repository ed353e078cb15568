"""Where a deployed Skyledger is: its bucket, tables and queues, given by name or looked up from the stack."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from ledger.errors import Damaged, Denied, LedgerError, ManifestLost, NewerFormat, NoLedger, Unavailable
from ledger.ledger import Ledger
from ledger.s3_store import S3Store
from ledger.store import Store
from operations.bucket.gather import Wanted
from operations.bucket.pages import listing_client
from operations.bucket.sources import Sources
from operations.errors import NoPlace
from operations.progress import OpenStore
from operations.readers.pull import Origin
from operations.table_export.take import ExportRequest

# By what is named S3's endpoint, beside an option (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
_S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass(frozen=True)
class Deployment:
    """A deployed Skyledger.

    Attributes:
        bucket: the export bucket, if it was given by name.
        stack: name of the CloudFormation stack, if it was given.
        client_arguments: `region_name` and `endpoint_url` of every client, as far as they were given.
    """

    bucket: str = ""
    stack: str = ""
    client_arguments: Mapping[str, str] = field(default_factory=dict)

    def client(self, service: str, config: Config | None = None) -> Any:
        """Make a client of an AWS service.

        Raises:
            NoPlace: the configuration is none that it can use.
        """
        with _usable_configuration():
            return boto3.client(service, **({"config": config} if config else {}), **self.client_arguments)

    def open_store(self) -> OpenStore:
        """Give a function that opens the export bucket, here or in another process.

        Raises:
            NoPlace: it is not known which bucket.
        """
        return partial(open_bucket, self.bucket_name(), dict(self.client_arguments))

    def bucket_name(self) -> str:
        """Name the export bucket; raises as `open_store` does."""
        return self.bucket or self.output("ExportBucketName")

    def cache(self, name: str) -> Path:
        """Give the folder where this machine keeps what belongs to the bucket."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return home / "skyledger" / self.folder_name / name

    @property
    def folder_name(self) -> str:
        """Name the bucket as a folder: what was begun for one must not go on in another, at an endpoint of its own."""
        return quote(str(self.origin), safe="")

    def ledger(self) -> Ledger:
        """Open the ledger. Every command does so before anything else: a bucket that has none is not to be touched.

        Raises:
            NoLedger: the bucket has none.
            NoPlace: as `open_store`.
            Denied, Unavailable: the bucket cannot be read.
        """
        ledger = Ledger(self.open_store()())
        with suppress(ManifestLost, Damaged, NewerFormat):  # there is one: the command says what is wrong, or mends it
            if ledger.find_root() is None:
                raise NoLedger(f"no Skyledger ledger in bucket {self.origin}")
        return ledger

    @property
    def origin(self) -> Origin:
        """Name the bucket, and the endpoint if it is another than AWS's; raises as `open_store` does."""
        configured = (os.environ.get(name, "") for name in _S3_ENDPOINTS)
        return Origin(
            self.bucket_name(), next(filter(None, (self.client_arguments.get("endpoint_url"), *configured)), "")
        )

    def export_request(self, table: str, arn: str, window: tuple[datetime, datetime] | None = None) -> ExportRequest:
        """Ask for an export of the table: of the stack's, unless it is named, or an export of it.

        Args:
            table: its name, if it was given.
            arn: of an export that was started before, if it was given.
            window: time of the changes to export; None for the whole table.

        Raises:
            NoPlace: it is not known which bucket, or which table.
        """
        return ExportRequest(
            dynamodb=self.client("dynamodb"),
            bucket=self.bucket_name(),
            open_bucket=self.open_bucket,
            table=table or ("" if arn else self.output("ImagesTableName")),
            arn=arn,
            window=window,
        )

    def open_bucket(self, bucket: str) -> Store:
        """Open any bucket."""
        return open_bucket(bucket, self.client_arguments)

    def sources(self, place: str = "") -> Sources:
        """Give the buckets and prefixes whose objects count.

        Args:
            place: `s3://BUCKET/PREFIX` to narrow them to; empty: all of them.

        Raises:
            NoSource: the stack does not take images from there.
            NoPlace: as `output`.
        """
        outputs = self.outputs
        return Sources.of_outputs(self.output("ImageBuckets"), outputs.get("KeyPrefixes", "")).within(place)

    def wanted(self, sources: Sources, export: ExportRequest | None, inventory: str) -> Wanted:
        """Say what is to be compared: what S3 holds, and what an export of `Objects` knows."""
        return Wanted(sources, listing_client(self.client_arguments), self.open_bucket, export, inventory)

    def output(self, name: str) -> str:
        """Give an output of the stack.

        Raises:
            NoPlace: no stack was given, or it has no such output.
        """
        value = self.outputs.get(name)
        if value is None:
            raise NoPlace(f"the stack {self.stack} has no output {name}; it may be of an older version")
        return value

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Give all outputs of the stack.

        Raises:
            NoPlace: no stack was given, or there is none of that name, or it exports to another bucket than was given.
            Denied, Unavailable: CloudFormation refused, or did not answer.
        """
        if not self.stack:
            raise NoPlace("say where: --stack NAME, or --bucket NAME (or SKYLEDGER_STACK, SKYLEDGER_BUCKET)")
        cloudformation = self.client("cloudformation")
        try:
            stacks = cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            raise _stack_error(self.stack, error) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise Unavailable(f"stack {self.stack}: CloudFormation: {type(error).__name__}") from error
        found = {output["OutputKey"]: output["OutputValue"] for stack in stacks for output in stack.get("Outputs", ())}
        if self.bucket and found.get("ExportBucketName", self.bucket) != self.bucket:
            raise NoPlace(
                f"the stack {self.stack} exports to {found['ExportBucketName']}, not to {self.bucket}: give --stack or "
                "--bucket (SKYLEDGER_STACK, SKYLEDGER_BUCKET), not both"
            )
        return found


def _stack_error(stack: str, error: ClientError) -> LedgerError:
    """Name what CloudFormation says; of a stack that is not there a ValidationError (API reference, DescribeStacks)."""
    told = error.response.get("Error", {})
    line = f"stack {stack}: {told.get('Message') or told.get('Code') or error}"
    if told.get("Code") == "ValidationError":
        return NoPlace(f"{line}: look at --stack, --profile and --region")
    return Denied(line)


def open_bucket(bucket: str, client_arguments: Mapping[str, str]) -> Store:
    """Open a bucket.

    Raises:
        NoPlace: as `Deployment.client`.
    """
    with _usable_configuration():
        return S3Store(bucket, **client_arguments)


@contextmanager
def _usable_configuration() -> Iterator[None]:
    """Tell what boto3 cannot use, of options, environment and profile, as wrong use: it says ValueError of some."""
    try:
        yield
    except BotoCoreError:
        raise
    except ValueError as error:
        raise NoPlace(f"{error}: look at --endpoint-url, and at the variables that begin with AWS_") from error


def make_deployment(bucket: str, stack: str, profile: str, region: str, endpoint_url: str) -> Deployment:
    """Take what the command line says; the profile becomes that of this process and of those that it starts.

    Raises:
        typer.BadParameter: the endpoint is no address, of which boto3 says `ValueError`.
    """
    if endpoint_url and not endpoint_url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"--endpoint-url {endpoint_url}: it begins with http:// or https://")
    if profile:
        os.environ["AWS_PROFILE"] = profile
    given = {"region_name": region, "endpoint_url": endpoint_url}
    return Deployment(bucket, stack, {name: value for name, value in given.items() if value})
