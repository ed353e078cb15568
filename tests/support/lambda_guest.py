"""The process of `lambda_host`: the real handler, whose S3 and DynamoDB are at the other end of the pipe."""

import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from image_processor import handler as handler_module
from image_processor import isolation
from image_processor.catalog.catalog import Catalog
from image_processor.intake import Intake
from image_processor.sources import Sources
from infra.doubles.memory_bucket import BUCKET
from infra.waiting import PATIENCE_SECONDS
from tests.support.lambda_context import LambdaContext


class Context(LambdaContext):
    """An invocation that believes to have much time; the host knows better."""

    def __init__(self, memory_mb: int) -> None:
        super().__init__(memory_limit_in_mb=memory_mb)
        self._ends = time.monotonic() + PATIENCE_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - time.monotonic()) * 1000)


class Client:
    """A client of AWS: its methods are those of the double."""

    def __init__(self, host: Connection, lock: threading.Lock, service: str) -> None:
        self._host, self._lock, self._service = host, lock, service

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            with self._lock:
                self._host.send(("call", (self._service, name, arguments)))
                outcome, content = self._host.recv()
            if outcome == "raised":
                raise content
            return content

        return call


def main(host: Connection, memory_mb: int) -> None:
    """Take batches until the host ends this process."""
    lock = threading.Lock()
    s3, dynamodb = (Client(host, lock, service) for service in ("s3", "dynamodb"))
    intake = Intake(s3, Catalog(dynamodb, "images-table", "objects-table"), Sources({BUCKET}))
    handler_module.intake = lambda: intake
    isolation.START_SECONDS = PATIENCE_SECONDS  # a busy machine is no reason for an image to come again
    handler_module.metrics.provider.namespace = "Skyledger"
    host.send("ready")
    while True:
        answer = handler_module.handler({"Records": host.recv()}, Context(memory_mb))
        with lock:
            host.send(("failed", [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]))


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), int(sys.argv[2]))
