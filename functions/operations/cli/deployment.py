"""Where a deployed Skyledger is: its bucket, tables and queues, given by name or looked up from the stack."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ledger.ledger import Ledger
from ledger.store import S3Store, Store
from operations.errors import NoPlace
from operations.progress import OpenStore


@dataclass(frozen=True)
class Place:
    """Where to work.

    Attributes:
        bucket: the export bucket, if it was given by name.
        stack: name of the CloudFormation stack, if it was given.
        client_arguments: `region_name` and `endpoint_url` of every client, as far as they were given.
    """

    bucket: str = ""
    stack: str = ""
    client_arguments: Mapping[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Make a client of an AWS service."""
        return boto3.client(service, **self.client_arguments)

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
        return home / "skyledger" / self.bucket_name() / name

    def ledger(self) -> Ledger:
        """Open the ledger; raises as `open_store` does."""
        return Ledger(self.open_store()())

    def output(self, name: str) -> str:
        """Give an output of the stack.

        Raises:
            NoPlace: no stack was given, or it has no such output.
        """
        value = self.outputs().get(name)
        if value is None:
            raise NoPlace(f"the stack {self.stack} has no output {name}")
        return value

    def outputs(self) -> dict[str, str]:
        """Give all outputs of the stack.

        Raises:
            NoPlace: no stack was given, or there is none of that name.
        """
        if not self.stack:
            raise NoPlace("say where: --stack NAME, or --bucket NAME (or SKYLEDGER_STACK, SKYLEDGER_BUCKET)")
        try:
            found = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            raise NoPlace(f"stack {self.stack}: {error.response['Error'].get('Message', 'not found')}") from error
        return {output["OutputKey"]: output["OutputValue"] for stack in found for output in stack.get("Outputs", ())}


def open_bucket(bucket: str, client_arguments: Mapping[str, str]) -> Store:
    """Open a bucket."""
    return S3Store(bucket, **client_arguments)


def make_place(bucket: str, stack: str, profile: str, region: str, endpoint_url: str) -> Place:
    """Take what the command line says; the profile becomes that of this process and of those that it starts."""
    if profile:
        os.environ["AWS_PROFILE"] = profile
    given = {"region_name": region, "endpoint_url": endpoint_url}
    return Place(bucket, stack, {name: value for name, value in given.items() if value})
