"""The warm functions around the ledger: its store, and what they log and measure."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from csv_exporter import handler as exporter
from infra.doubles.memory_store import MemoryStore
from tests.support.factories import make_ledger
from tests.support.store_calls import WatchedStore


@pytest.fixture
def watched(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> WatchedStore:
    """The store of the warm function's ledger."""
    watched = WatchedStore(store)
    monkeypatch.setattr(exporter, "_ledger", make_ledger(watched))  # type: ignore[arg-type]
    return watched


@pytest.fixture(autouse=True)
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the function logs."""
    stream = io.StringIO()
    monkeypatch.setattr(exporter.logger.registered_handler, "stream", stream)
    monkeypatch.setattr(exporter.metrics.provider, "namespace", "Skyledger")
    monkeypatch.setattr(exporter.metrics.provider, "service", "CsvExporter")
    exporter.metrics.provider.clear_metrics()
    yield stream
    exporter.metrics.provider.clear_metrics()


def log_lines(logged: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]


def emf(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one line of embedded metrics that the invocation printed."""
    (line,) = capsys.readouterr().out.splitlines()
    metrics: dict[str, Any] = json.loads(line)
    return metrics


class _Raw(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


def answered(request: Any, status: int, body: bytes = b"{}") -> AWSResponse:
    """Make what a service answers to a request, as botocore gets it."""
    return AWSResponse(request.url, status, {}, _Raw(body))


def client_of(service: str, operation: str, take: Callable[..., AWSResponse]) -> Any:
    """Make a client of a service that sends each request of this kind to `take`, and once."""
    client = boto3.client(
        service,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register(f"before-send.{service}.{operation}", take)
    return client
